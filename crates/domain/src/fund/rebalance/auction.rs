//! A rebalance with those who sealed bids: one price a model and direction, within the band around the mark (FUND 1.2).

use std::collections::{BTreeMap, BTreeSet};

use super::{Lot, Order, Venue, trade};
use crate::{
    amount::{Cash, PriceNano, Units},
    fund::{
        Pool,
        account::{Account, Asset, GlAccount},
        auction::{AuctionParams, AuctionResult, Bid, BidSide, BidsChange, ClearedMarket},
        batch::{Effect, Meta},
        bidding::{forfeit, refused, returned},
        fund_state::FundState,
        kind::Kind,
        math::{self, K},
        rejection::Rejection,
        trading,
    },
    name::Name,
};

/// One model's price, and who takes how many units at it, in the order of the bids.
#[derive(Default)]
struct Cleared<'a> {
    traded: i128,
    takers: Vec<(&'a Name, i128)>,
}

/// Who, how many units, at what limit.
type Offer<'a> = (&'a Name, i128, i128);

/// A model with its mark and the gap to its target: negative where the fund sells.
pub(super) type Gap<'a> = (&'a Name, PriceNano, i128);

/// The open bids, and what bidders have left while the batch runs.
struct Bidders<'a> {
    fund: &'a FundState,
    params: AuctionParams,
    /// By model and direction, in the order of sealing.
    bids: BTreeMap<(&'a Name, BidSide), Vec<(&'a Name, &'a Bid)>>,
    /// What the trades of each may still move.
    budgets: BTreeMap<&'a Name, i128>,
    /// Who could not pay or deliver what he bid.
    short: BTreeSet<&'a Name>,
    markets: Vec<ClearedMarket>,
}

/// Whether a batch trades nothing because bids are called, and counts for leavers all the same; once a strike.
///
/// # Errors
/// `auction` for a batch that trades before the bids met their strike, and for a second one that does not.
pub(super) fn passes(fund: &FundState, order: &Order<'_>) -> Result<bool, Rejection> {
    if fund.auction.call().is_none() {
        return Ok(false);
    }
    // A batch that aims at nothing never trades with bids: it counts for leavers, where a plan was refused too.
    if !order.weights.is_empty() || order.max_primary.is_some() {
        let why = "trades at the marks of the strike after its opening";
        return if fund.meets_bids() { Ok(false) } else { Err(refused(fund, why)) };
    }
    if fund.auction.passed() >= fund.progress.epoch {
        return Err(refused(fund, "has had a batch after this strike"));
    }
    Ok(true)
}

impl<'a> Bidders<'a> {
    fn of(fund: &'a FundState, params: AuctionParams) -> Self {
        let opened = fund.auction.sealed().iter();
        let mut opened: Vec<_> = opened
            .filter_map(|(who, sealed)| Some((who, sealed, sealed.opened.as_ref()?)))
            .collect();
        opened.sort_by_key(|(_, sealed, _)| sealed.order);
        let (mut bids, mut budgets) = (BTreeMap::<_, Vec<_>>::new(), BTreeMap::new());
        for (who, sealed, own) in opened {
            let budget = i128::from(sealed.budget.as_micro());
            // The deposit is a part of what he answers for: who has the budget is never short.
            budgets.insert(who, budget - i128::from(sealed.deposit.as_micro()));
            for bid in own.iter() {
                bids.entry((&bid.model, bid.side)).or_default().push((who, bid));
            }
        }
        Self { fund, params, bids, budgets, short: BTreeSet::new(), markets: Vec::new() }
    }

    /// The least and the most that a unit is traded at: the band around the mark, less what the estimate leaves out on the side that
    /// would gain by it.
    fn limits(&self, (model, mark): (&Name, PriceNano), side: BidSide) -> (i128, i128) {
        let band = i128::from(self.params.band.as_ppb());
        let estimate = self.fund.estimate(model).unwrap_or(mark);
        let least = |price: PriceNano| trading::selling_price(i128::from(price.as_nano()), band);
        let most = |price: PriceNano| trading::buying_price(i128::from(price.as_nano()), band);
        match side {
            BidSide::Buys => (least(mark.max(estimate)), most(mark)),
            BidSide::Sells => (least(mark), most(mark.min(estimate))),
        }
    }

    /// Bids on a model in one direction, the best first, with their limits inside the band; bids as good in the order of sealing.
    fn offers(&self, (model, mark): (&'a Name, PriceNano), side: BidSide) -> Vec<Offer<'a>> {
        let (least, most) = self.limits((model, mark), side);
        if least > most {
            return Vec::new();
        }
        let offer = |(who, bid): &(&'a Name, &'a Bid)| {
            let (limit, units) =
                (i128::from(bid.limit.as_nano()), i128::from(bid.units.as_micro()));
            // A better price than the band has is the band's best, one bid as good as another; a worse one is no bid.
            let within = match side {
                BidSide::Buys => (limit >= least).then(|| limit.min(most)),
                BidSide::Sells => (limit <= most).then(|| limit.max(least)),
            };
            within.filter(|limit| *limit > 0).map(|limit| (*who, units, limit))
        };
        let bids = self.bids.get(&(model, side)).into_iter().flatten();
        let mut offers: Vec<Offer<'a>> = bids.filter_map(offer).collect();
        offers.sort_by_key(|(_, _, limit)| match side {
            BidSide::Buys => -limit,
            BidSide::Sells => *limit,
        });
        offers
    }

    /// Takes what a bidder can do of what he is wanted for; one who cannot do all of it loses his deposit.
    fn hold(&mut self, who: &'a Name, wanted: i128, can: i128) -> i128 {
        if can < wanted {
            self.short.insert(who);
        }
        wanted.min(can)
    }

    fn spend(&mut self, who: &'a Name, cash: i128) {
        if let Some(budget) = self.budgets.get_mut(who) {
            *budget -= cash;
        }
    }

    fn budget(&self, who: &Name) -> i128 {
        self.budgets.get(who).copied().unwrap_or(0)
    }

    fn note(&mut self, model: &Name, side: BidSide, cleared: &Cleared<'_>) {
        let units: i128 = cleared.takers.iter().map(|(_, units)| units).sum();
        if units > 0 {
            // Both are parts of what exists.
            let (price, units) = (cleared.traded as i64, units as i64);
            let (price, units) = (PriceNano::from_nano(price), Units::from_micro(units));
            self.markets.push(ClearedMarket { model: model.clone(), price, side, units });
        }
    }
}

impl<'a> Venue<'a> {
    /// Nothing is traded, and the batch counts.
    pub(super) fn pass(&mut self) {
        let (epoch, fund) = (self.fund.progress.epoch, self.fund.name.clone());
        self.book.effect(Effect::Bids { change: BidsChange::Passed { epoch }, fund });
    }

    /// Leavers sell, the fund sells, the fund buys; then deposits return, but those of who could not do what he bid.
    pub(super) fn trade_with_bidders(
        &mut self,
        params: AuctionParams,
        gaps: &[Gap<'a>],
        keep: i128,
    ) -> Result<(), Rejection> {
        let fund = self.fund;
        let mut bidders = Bidders::of(fund, params);
        let mut markets = self.sales(&mut bidders, gaps);
        for (epoch, pool) in &fund.pools {
            let account = Account::Liquidation { fund: fund.name.clone(), epoch: *epoch };
            for ((model, price, _), market) in gaps.iter().zip(&mut markets) {
                let units = self.book.balance(&account, &Asset::Unit((*model).clone()));
                let lot = Lot { model, price: *price, units: i128::from(units) };
                self.sell_to_takers(&lot, market, Some(*epoch))?;
            }
            self.pay_leavers(*epoch, pool)?;
        }
        for ((model, price, gap), market) in gaps.iter().zip(&mut markets) {
            if *gap < 0 {
                self.sell_to_takers(&Lot { model, price: *price, units: -gap }, market, None)?;
            }
        }
        for (model, price, gap) in gaps.iter().filter(|gap| gap.2 > 0) {
            self.buy_from_bidders(&mut bidders, (model, *price, *gap), keep)?;
        }
        self.settle(bidders)
    }

    /// For each model, at what price and to whom all that is for sale goes. A buyer's cash is counted once, models ascending.
    fn sales(&self, bidders: &mut Bidders<'a>, gaps: &[Gap<'a>]) -> Vec<Cleared<'a>> {
        let mut purses = BTreeMap::<&Name, i128>::new();
        let mut markets = Vec::with_capacity(gaps.len());
        // Each lot rounds what a buyer pays up by itself.
        let lots = self.fund.pools.len() as i128 + 1;
        for (model, price, gap) in gaps {
            let unit = Asset::Unit((*model).clone());
            let pools = self.fund.pools.keys().map(|epoch| {
                let account = Account::Liquidation { fund: self.fund.name.clone(), epoch: *epoch };
                i128::from(self.book.balance(&account, &unit))
            });
            let mut left = pools.sum::<i128>() + (-gap).max(0);
            let mut cleared = Cleared::default();
            for (who, wanted, limit) in bidders.offers((model, *price), BidSide::Buys) {
                let purse = purses.entry(who).or_insert_with(|| {
                    i128::from(self.book.balance(&Account::Person(who.clone()), &Asset::Cash))
                });
                let within = |cash: i128| math::floor_div((cash - lots).max(0), K, limit);
                let wanted = wanted.min(left).min(within(bidders.budget(who)));
                if wanted <= 0 {
                    continue;
                }
                let units = bidders.hold(who, wanted, within(*purse));
                if units <= 0 {
                    continue;
                }
                let cost = math::ceil_div(units, limit, K) + lots;
                *purse -= cost;
                bidders.spend(who, cost);
                left -= units;
                cleared.traded = limit;
                cleared.takers.push((who, units));
            }
            bidders.note(model, BidSide::Buys, &cleared);
            markets.push(cleared);
        }
        markets
    }

    /// Sells a lot to those who are still to be served; cash for leavers waits beside their units.
    fn sell_to_takers(
        &mut self,
        lot: &Lot<'_>,
        market: &mut Cleared<'_>,
        leavers: Option<u64>,
    ) -> Result<(), Rejection> {
        let mut left = lot.units;
        for (who, wanted) in &mut market.takers {
            let units = left.min(*wanted);
            if units <= 0 {
                continue;
            }
            left -= units;
            *wanted -= units;
            let (buyer, traded) = (Account::Person((*who).clone()), market.traded);
            let proceeds = trading::proceeds(units, traded);
            let Some(epoch) = leavers else {
                self.sell_own(lot, &buyer, units, (proceeds, traded))?;
                continue;
            };
            let name = &self.fund.name;
            let from = Account::Liquidation { fund: name.clone(), epoch };
            let unit = Asset::Unit(lot.model.clone());
            let legs = vec![
                (unit, from.clone(), buyer.clone(), units),
                (Asset::Cash, buyer.clone(), from, proceeds),
            ];
            let facts = trade(lot.model, &buyer, traded, Some(epoch))?;
            self.book.post(Kind::LiqSell, Some(name), legs, Vec::new(), facts)?;
        }
        Ok(())
    }

    /// Pays the leavers of a strike by shares burned, once for all that was sold for them, so that many buyers are not many roundings;
    /// dust to the fund.
    fn pay_leavers(&mut self, epoch: u64, pool: &Pool) -> Result<(), Rejection> {
        let name = &self.fund.name;
        let from = Account::Liquidation { fund: name.clone(), epoch };
        let proceeds = i128::from(self.book.balance(&from, &Asset::Cash));
        if proceeds == 0 {
            return Ok(());
        }
        let parts = math::split(proceeds, pool.owners.iter().map(|(_, shares)| shares.as_nano()));
        let dust = proceeds - parts.iter().sum::<i128>();
        let mut legs = Vec::with_capacity(pool.owners.len() + 1);
        for ((who, _), part) in pool.owners.iter().zip(parts) {
            legs.push((Asset::Cash, from.clone(), Account::Claim(who.clone()), part));
        }
        legs.push((Asset::Cash, from, Account::Fund(name.clone()), dust));
        let lines = vec![(GlAccount::Cash, dust * K), (GlAccount::Trading, -dust * K)];
        self.book.post(Kind::LiqPay, Some(name), legs, lines, Meta::Settlement { epoch })
    }

    /// Buys from the primary offer at the mark, and where that is empty from the bidders at one price.
    fn buy_from_bidders(
        &mut self,
        bidders: &mut Bidders<'a>,
        (model, mark, gap): Gap<'a>,
        keep: i128,
    ) -> Result<(), Rejection> {
        let (fund, price) = (self.fund, i128::from(mark.as_nano()));
        let lot = Lot { model, price: mark, units: gap };
        let floor = keep.max(i128::from(fund.params.reserve.as_micro()));
        let (unit, primary) = (Asset::Unit(model.clone()), Account::Primary(model.clone()));
        let offered = i128::from(self.book.balance(&primary, &unit));
        // A price that is held back is not the publisher's gain either.
        let (_, most) = bidders.limits((model, mark), BidSide::Sells);
        let first = if most < price { 0 } else { gap.min(offered) };
        let first = first.min(trading::affordable(self.book.cash(fund), floor, price));
        let first = match self.primary_most {
            Some(cash) => first.min(trading::affordable(cash, 0, price)),
            None => first,
        };
        self.buy_some(&lot, &primary, first, price)?;
        if first < offered && self.primary_most.is_none() && most >= price {
            return Ok(());
        }
        let (mut left, cash) = (gap - first, self.book.cash(fund));
        let (mut cleared, mut total) = (Cleared::default(), 0);
        for (who, offered, limit) in bidders.offers((model, mark), BidSide::Sells) {
            // At the price of this bid all those before it must be affordable too.
            let room = trading::affordable(cash, floor, limit) - total;
            // Whatever the price becomes, it is within the budget.
            let budget = math::floor_div(bidders.budget(who).max(0), K, most);
            let wanted = offered.min(left).min(room).min(budget);
            if wanted <= 0 {
                continue;
            }
            let stock = self.book.balance(&Account::Person(who.clone()), &unit);
            let units = bidders.hold(who, wanted, i128::from(stock));
            if units <= 0 {
                continue;
            }
            bidders.spend(who, math::ceil_div(units, most, K));
            left -= units;
            total += units;
            cleared.traded = limit;
            cleared.takers.push((who, units));
        }
        bidders.note(model, BidSide::Sells, &cleared);
        let traded = cleared.traded;
        cleared.takers.into_iter().try_for_each(|(who, units)| {
            self.buy_some(&lot, &Account::Person(who.clone()), units, traded)
        })
    }

    /// Deposits of open bids return, but those of bidders who were short, which are the fund's.
    fn settle(&mut self, bidders: Bidders<'a>) -> Result<(), Rejection> {
        let fund = self.fund;
        let Some(call) = fund.auction.call() else {
            let change = BidsChange::Batched { epoch: fund.progress.epoch };
            self.book.effect(Effect::Bids { change, fund: fund.name.clone() });
            return Ok(());
        };
        let opened = || fund.auction.sealed().iter().filter(|(_, bids)| bids.opened.is_some());
        let lost = opened().filter(|(who, _)| bidders.short.contains(who));
        let lost: i128 = lost.map(|(_, bids)| i128::from(bids.deposit.as_micro())).sum();
        forfeit(&mut self.book, fund, lost)?;
        let kept = opened().filter(|(who, _)| !bidders.short.contains(who));
        let legs: Vec<_> = kept.map(|(who, bids)| returned(fund, who, bids.deposit)).collect();
        if !legs.is_empty() {
            self.book.post(Kind::BidReturn, Some(&fund.name), legs, Vec::new(), Meta::None)?;
        }
        let closed = call.closed.unwrap_or(Cash::ZERO);
        // Both were in one account at a time.
        let forfeited = Cash::from_micro(closed.as_micro().saturating_add(lost as i64));
        let (day, epoch) = (fund.day(), fund.progress.epoch);
        let result = AuctionResult { day, epoch, forfeited, markets: bidders.markets };
        let (change, fund) = (BidsChange::Cleared(result), fund.name.clone());
        self.book.effect(Effect::Bids { change, fund });
        Ok(())
    }
}
