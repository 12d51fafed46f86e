//! The sealed auction of a fund's rebalances.

use async_graphql::{ComplexObject, Context, Enum, InputObject, Result, SimpleObject};
use domain::{
    fund::{
        Bid as BidValue, BidSide as SideValue, ClearedMarket as MarketValue, FundState, SealedBids,
    },
    name::Name,
};

use crate::{
    pagination::{Page, PageArguments},
    scalars::{Credits, NameText, Price, Sha256, UnitQuantity},
    scope::request,
};

/// What a bidder does.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "domain::fund::BidSide")]
pub(crate) enum BidSide {
    /// Buys units from the fund and those who leave it.
    Buys,
    /// Sells units to the fund.
    Sells,
}

/// One bid on one model.
#[derive(InputObject)]
pub(crate) struct BidInput {
    /// The model.
    model: NameText,
    /// In which direction.
    side: BidSide,
    /// How many units at most.
    units: UnitQuantity,
    /// The most that a buyer pays for a unit, the least that a seller takes.
    limit: Price,
}

impl From<BidInput> for BidValue {
    fn from(input: BidInput) -> Self {
        let (model, side) = (input.model.0, input.side.into());
        Self { limit: input.limit.0, model, side, units: input.units.0 }
    }
}

/// One bid on one model.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct Bid {
    /// The model.
    model: NameText,
    /// In which direction.
    side: BidSide,
    /// How many units at most.
    units: UnitQuantity,
    /// The most that a buyer pays for a unit, the least that a seller takes.
    limit: Price,
}

impl From<&BidValue> for Bid {
    fn from(value: &BidValue) -> Self {
        Self {
            model: NameText(value.model.clone()),
            side: value.side.into(),
            units: UnitQuantity(value.units),
            limit: Price(value.limit),
        }
    }
}

/// The sealed auction with which a fund's rebalances trade. Bids are sealed before a strike, called after it, and opened within some days;
/// then everybody who trades a model in one direction does so at one price, that of the last bid that is needed, inside the band.
#[derive(SimpleObject, Clone, Debug)]
#[graphql(complex)]
pub(crate) struct Auction {
    /// Sets that are sealed or open, those for a later auction included.
    sealed: u64,
    /// Sets that are open.
    opened: u64,
    /// The strike whose call is open: sets sealed before it are to be opened. Null without a call.
    called_after_strike: Option<u64>,
    /// The first day of the fund's clock (days since 1970-01-01) on which a batch may come without what is shut, which then loses its
    /// deposit. Null while nothing is called.
    opening_until: Option<i64>,
    /// How far from the mark a trade may be, in parts per billion. Null where the rules in force have no auction.
    band_ppb: Option<i64>,
    /// The part of a set's budget that is held and may be lost, in parts per billion. Null where the rules in force have no auction.
    deposit_ppb: Option<i64>,
    /// The least budget, and the least bid at the mark; a smaller bid is none. Null where the rules in force have no auction.
    minimum: Option<Credits>,
    /// What the last batch came to. Null before the first.
    last: Option<AuctionResult>,
    #[graphql(skip)]
    own: std::collections::BTreeMap<Name, SealedBids>,
}

#[ComplexObject]
impl Auction {
    /// What the bearer has sealed. Null where he has nothing, and without a token.
    async fn own(&self, context: &Context<'_>) -> Result<Option<OwnBids>> {
        let caller = request(context)?.caller.as_ref();
        let sealed = caller.and_then(|caller| self.own.get(&caller.owner));
        Ok(sealed.map(OwnBids::from))
    }
}

impl Auction {
    /// Null for a fund that has no auction and never had one.
    pub(crate) fn of(fund: &FundState) -> Option<Self> {
        let (params, auction) = (fund.params().auction, fund.auction());
        if params.is_none() && auction.last().is_none() {
            return None;
        }
        let sealed = auction.sealed();
        Some(Self {
            sealed: sealed.len() as u64,
            opened: sealed.values().filter(|bids| bids.opened.is_some()).count() as u64,
            called_after_strike: auction.call().map(|call| call.epoch),
            opening_until: fund.opening_until(),
            band_ppb: params.map(|params| params.band.as_ppb()),
            deposit_ppb: params.map(|params| params.deposit.as_ppb()),
            minimum: params.map(|params| Credits(params.minimum)),
            last: auction.last().map(|last| AuctionResult {
                after_strike: last.epoch,
                day: last.day,
                forfeited: Credits(last.forfeited),
                markets: last.markets.clone(),
            }),
            own: sealed.clone(),
        })
    }
}

/// What an owner has sealed.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct OwnBids {
    /// What seals them.
    commitment: Sha256,
    /// The most that their trades may move.
    budget: Credits,
    /// What is held, and lost if they stay shut or cannot be paid or delivered.
    deposit: Credits,
    /// The bids. Null while they are shut.
    bids: Option<Vec<Bid>>,
}

impl From<&SealedBids> for OwnBids {
    fn from(value: &SealedBids) -> Self {
        Self {
            commitment: Sha256(value.commitment),
            budget: Credits(value.budget),
            deposit: Credits(value.deposit),
            bids: value.opened.as_ref().map(|bids| bids.iter().map(Bid::from).collect()),
        }
    }
}

/// What a batch with bidders came to.
#[derive(SimpleObject, Clone, Debug)]
#[graphql(complex)]
pub(crate) struct AuctionResult {
    /// The last strike before it.
    after_strike: u64,
    /// The fund's day.
    day: i64,
    /// Deposits that the fund kept: of sets that stayed shut, and of bidders who could not pay or deliver.
    forfeited: Credits,
    #[graphql(skip)]
    markets: Vec<MarketValue>,
}

#[ComplexObject]
impl AuctionResult {
    /// What was traded with bidders, those who bought first, by model. What the fund bought of a primary offer is not among it.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn markets(
        &self,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<ClearedMarket>> {
        let page = PageArguments::new(first, after)?;
        let start = page.after_number()?.map_or(0, |last| last.saturating_add(1));
        let start = usize::try_from(start).unwrap_or(0);
        let rows = self.markets.iter().enumerate().skip(start).take(page.limit() as usize);
        let rows = rows.map(|(index, market)| (index, market.clone())).collect();
        page.page(
            Ok(rows),
            |(index, _)| index.to_string(),
            |(_, market)| ClearedMarket::from(market),
        )
    }
}

/// What was traded of a model in one direction: everybody at one price.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct ClearedMarket {
    /// The model.
    model: NameText,
    /// What bidders did.
    side: BidSide,
    /// The price of all of it, in credits a unit: paid, not evaluated.
    price: Price,
    /// Units that were traded.
    units: UnitQuantity,
}

impl From<MarketValue> for ClearedMarket {
    fn from(value: MarketValue) -> Self {
        Self {
            model: NameText(value.model),
            side: SideValue::into(value.side),
            price: Price(value.price),
            units: UnitQuantity(value.units),
        }
    }
}
