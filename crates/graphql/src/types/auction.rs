//! The sealed auction of a fund's rebalances.

use std::sync::Arc;

use async_graphql::{ComplexObject, Context, Enum, InputObject, Result, SimpleObject};
use domain::{
    fund::{
        Bid as BidValue, BidSide as SideValue, ClearedMarket as MarketValue, FundState, SealedBids,
        State,
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

/// The sealed auction with which a fund's rebalances trade. Bids are sealed, called, and opened within some days; then prices are set and
/// struck, and at these marks everybody who trades a model in one direction does so at one price, that of the last bid that is needed,
/// inside the band.
#[derive(SimpleObject, Clone, Debug)]
#[graphql(complex)]
pub(crate) struct Auction {
    /// Sets that are sealed or open, those for a later auction included.
    sealed: u64,
    /// Sets that are called, those that are open among them.
    called: u64,
    /// Sets that are open.
    opened: u64,
    /// The day of the fund's clock (days since 1970-01-01) on which sets were called that no batch has followed. Null without a call.
    called_on: Option<i64>,
    /// The first day of the fund's clock on which the opening is over: the next strike whose prices are set from then on trades with what is
    /// open, at its marks, and what is shut loses its deposit. Null where nothing is called, or its opening is over.
    opening_until: Option<i64>,
    /// Whether the opening is over, and the next strike trades.
    awaits_strike: bool,
    /// How far from the mark a trade may be, in parts per billion. Null where the rules in force have no auction.
    band_ppb: Option<i64>,
    /// The part of a set's budget that is held and may be lost, in parts per billion. Null where the rules in force have no auction.
    deposit_ppb: Option<i64>,
    /// The least budget, and the least bid at the mark that it is opened at. Null where the rules in force have no auction.
    minimum: Option<Credits>,
    /// Whole days for opening, after that of the call. Null where the rules in force have no auction.
    opening_days: Option<i64>,
    /// What the last batch with bids came to. Null before the first.
    last: Option<AuctionResult>,
    #[graphql(skip)]
    of: AuctionOf,
}

/// Where the bids are.
#[derive(Clone)]
struct AuctionOf {
    fund: Name,
    state: Arc<State>,
}

impl std::fmt::Debug for AuctionOf {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.fund.fmt(formatter)
    }
}

#[ComplexObject]
impl Auction {
    /// What the bearer has sealed. Null where he has nothing, and without a token.
    async fn own(&self, context: &Context<'_>) -> Result<Option<OwnBids>> {
        let Some(caller) = request(context)?.caller.as_ref() else { return Ok(None) };
        let auction = self.of.state.fund(&self.of.fund).map(FundState::auction);
        let own = auction.and_then(|auction| Some((auction, auction.sealed().get(&caller.owner)?)));
        Ok(own.map(|(auction, sealed)| OwnBids::of(sealed, auction.is_called(sealed))))
    }
}

impl Auction {
    /// Null for a fund that has no auction and never had one.
    pub(crate) fn of(state: &Arc<State>, name: &Name) -> Option<Self> {
        let fund = state.fund(name)?;
        let (params, auction) = (fund.params().auction, fund.auction());
        if params.is_none() && auction.last().is_none() {
            return None;
        }
        let (sealed, call) = (auction.sealed(), auction.call());
        Some(Self {
            sealed: sealed.len() as u64,
            called: sealed.values().filter(|bids| auction.is_called(bids)).count() as u64,
            opened: sealed.values().filter(|bids| bids.opened.is_some()).count() as u64,
            called_on: call.map(|call| call.day),
            opening_until: fund.opening_until(),
            awaits_strike: call.is_some_and(|call| call.closed.is_some()),
            band_ppb: params.map(|params| params.band.as_ppb()),
            deposit_ppb: params.map(|params| params.deposit.as_ppb()),
            minimum: params.map(|params| Credits(params.minimum)),
            opening_days: params.map(|params| params.opening_days),
            last: auction.last().map(|last| AuctionResult {
                after_strike: last.epoch,
                day: last.day,
                forfeited: Credits(last.forfeited),
                markets: last.markets.clone(),
            }),
            of: AuctionOf { fund: name.clone(), state: Arc::clone(state) },
        })
    }
}

/// What an owner has sealed.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct OwnBids {
    /// What seals them.
    commitment: Sha256,
    /// The most that they may cost, the deposit included.
    budget: Credits,
    /// What is held, and lost if they stay shut or cannot be paid or delivered.
    deposit: Credits,
    /// Whether they are called: they are to be opened, and are not taken back.
    called: bool,
    /// The bids. Null while they are shut.
    bids: Option<Vec<Bid>>,
}

impl OwnBids {
    fn of(value: &SealedBids, called: bool) -> Self {
        Self {
            called,
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
