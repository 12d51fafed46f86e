//! A rebalance with those who sealed bids: one price a model and direction, within the band around the mark (FUND 1.2).

use std::collections::BTreeMap;

use super::{Lot, Venue};
use crate::{
    amount::{Ppb, PriceNano},
    fund::{
        account::{Account, Asset, GlAccount},
        auction::{AuctionParams, Bid, BidSide},
        batch::{Effect, Meta},
        kind::Kind,
        math::{self, K},
        rejection::Rejection,
        trading,
    },
    name::Name,
};

/// One model's price, and who takes how many units at it, in the order of the bids.
struct Cleared<'a> {
    traded: i128,
    takers: Vec<(&'a Name, i128)>,
}

/// Who, how many units, at what limit.
type Offer<'a> = (&'a Name, i128, i128);

/// A model with its mark and the gap to its target: negative where the fund sells.
pub(super) type Gap<'a> = (&'a Name, PriceNano, i128);

impl<'a> Venue<'a> {
    /// Leavers sell, the fund sells, the fund buys; deposits of bids that stayed shut are the fund's.
    pub(super) fn trade_with_bidders(
        &mut self,
        params: AuctionParams,
        gaps: &[Gap<'a>],
        keep: i128,
    ) -> Result<(), Rejection> {
        let mut markets = self.sales(params, gaps);
        let fund = self.fund;
        for (epoch, pool) in &fund.pools {
            let account = Account::Liquidation { fund: fund.name.clone(), epoch: *epoch };
            for ((model, price, _), market) in gaps.iter().zip(&mut markets) {
                let units = self.book.balance(&account, &Asset::Unit((*model).clone()));
                let lot = Lot { model, price: *price, units: i128::from(units) };
                self.sell_to_takers(&lot, market, Some((*epoch, pool)))?;
            }
        }
        for ((model, price, gap), market) in gaps.iter().zip(&mut markets) {
            if *gap < 0 {
                self.sell_to_takers(&Lot { model, price: *price, units: -gap }, market, None)?;
            }
        }
        for (model, price, gap) in gaps.iter().filter(|gap| gap.2 > 0) {
            self.buy_from_bidders(params, &Lot { model, price: *price, units: *gap }, keep)?;
        }
        self.forfeit()?;
        let (epoch, fund) = (fund.progress.epoch, fund.name.clone());
        self.book.effect(Effect::BidsCleared { epoch, fund });
        Ok(())
    }

    /// Open bids on a model in one direction, the best first, with their limits inside the band; bids as good in the order of sealing.
    fn bids(&self, (model, mark): (&Name, PriceNano), side: BidSide, band: Ppb) -> Vec<Offer<'a>> {
        let mut bids: Vec<(&Name, &Bid, u64)> = Vec::new();
        for (who, sealed) in &self.fund.auction.sealed {
            let own = sealed.opened.iter().flatten();
            let own = own.filter(|bid| bid.model == *model && bid.side == side);
            bids.extend(own.map(|bid| (who, bid, sealed.order)));
        }
        let worth = |bid: &Bid| match side {
            BidSide::Buys => -i128::from(bid.limit.as_nano()),
            BidSide::Sells => i128::from(bid.limit.as_nano()),
        };
        bids.sort_by_key(|(_, bid, order)| (worth(bid), *order));
        let (mark, band) = (i128::from(mark.as_nano()), i128::from(band.as_ppb()));
        let (least, most) = (trading::selling_price(mark, band), trading::buying_price(mark, band));
        let offer = |(who, bid, _): (&'a Name, &Bid, u64)| {
            let limit = i128::from(bid.limit.as_nano());
            // A better price than the band has is the band's best; a worse one is no bid.
            let within = match side {
                BidSide::Buys => (limit >= least).then(|| limit.min(most)),
                BidSide::Sells => (limit <= most).then(|| limit.max(least)),
            };
            within
                .filter(|limit| *limit > 0)
                .map(|limit| (who, i128::from(bid.units.as_micro()), limit))
        };
        bids.into_iter().filter_map(offer).collect()
    }

    /// For each model, at what price and to whom all that is for sale goes. A buyer's cash is counted once, models ascending.
    fn sales(&self, params: AuctionParams, gaps: &[Gap<'a>]) -> Vec<Cleared<'a>> {
        let mut purses = BTreeMap::<&Name, i128>::new();
        let mut markets = Vec::with_capacity(gaps.len());
        for (model, price, gap) in gaps {
            let unit = Asset::Unit((*model).clone());
            let pools = self.fund.pools.keys().map(|epoch| {
                let account = Account::Liquidation { fund: self.fund.name.clone(), epoch: *epoch };
                i128::from(self.book.balance(&account, &unit))
            });
            let mut left = pools.sum::<i128>() + (-gap).max(0);
            let mut cleared = Cleared { traded: 0, takers: Vec::new() };
            for (who, wanted, limit) in self.bids((model, *price), BidSide::Buys, params.band) {
                let purse = purses.entry(who).or_insert_with(|| {
                    i128::from(self.book.balance(&Account::Person(who.clone()), &Asset::Cash))
                });
                // Each lot rounds its proceeds up by itself.
                let spare = (*purse - self.fund.pools.len() as i128 - 1).max(0);
                let units = wanted.min(left).min(math::floor_div(spare, K, limit));
                if units <= 0 {
                    continue;
                }
                *purse -= math::ceil_div(units, limit, K) + self.fund.pools.len() as i128 + 1;
                left -= units;
                cleared.traded = limit;
                cleared.takers.push((who, units));
            }
            markets.push(cleared);
        }
        markets
    }

    /// Sells a lot to those who are still to be served.
    fn sell_to_takers(
        &mut self,
        lot: &Lot<'_>,
        market: &mut Cleared<'_>,
        leavers: Option<(u64, &'a crate::fund::Pool)>,
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
            let at = (trading::proceeds(units, traded), traded);
            match leavers {
                None => self.sell_own(lot, &buyer, units, at)?,
                Some(pool) => self.sell_for(pool, lot, &buyer, units, at)?,
            }
        }
        Ok(())
    }

    /// Buys from the primary offer at the mark, and where that is empty from the bidders at one price.
    fn buy_from_bidders(
        &mut self,
        params: AuctionParams,
        lot: &Lot<'_>,
        keep: i128,
    ) -> Result<(), Rejection> {
        let (fund, price) = (self.fund, i128::from(lot.price.as_nano()));
        let floor = keep.max(i128::from(fund.params.reserve.as_micro()));
        let (unit, primary) = (Asset::Unit(lot.model.clone()), Account::Primary(lot.model.clone()));
        let offered = i128::from(self.book.balance(&primary, &unit));
        let first = lot.units.min(offered);
        let first = first.min(trading::affordable(self.book.cash(fund), floor, price));
        let first = match self.primary_most {
            Some(cash) => first.min(trading::affordable(cash, 0, price)),
            None => first,
        };
        self.buy_some(lot, &primary, first, price)?;
        if first < offered && self.primary_most.is_none() {
            return Ok(());
        }
        let (mut left, cash) = (lot.units - first, self.book.cash(fund));
        let (mut traded, mut takers, mut total) = (0, Vec::new(), 0);
        let mut stocks = BTreeMap::<&Name, i128>::new();
        for (who, offered, limit) in self.bids((lot.model, lot.price), BidSide::Sells, params.band)
        {
            let stock = stocks.entry(who).or_insert_with(|| {
                i128::from(self.book.balance(&Account::Person(who.clone()), &unit))
            });
            // At the price of this bid all those before it must be affordable too.
            let room = trading::affordable(cash, floor, limit) - total;
            let units = offered.min(*stock).min(left).min(room);
            if units <= 0 {
                continue;
            }
            *stock -= units;
            left -= units;
            total += units;
            traded = limit;
            takers.push((who, units));
        }
        takers.into_iter().try_for_each(|(who, units)| {
            self.buy_some(lot, &Account::Person(who.clone()), units, traded)
        })
    }

    /// What was not opened in time is the fund's.
    fn forfeit(&mut self) -> Result<(), Rejection> {
        let name = &self.fund.name;
        let lost = self.fund.auction.deposits();
        let escrow = Account::EscrowSubscriptions(name.clone());
        let leg = (Asset::Cash, escrow, Account::Fund(name.clone()), lost);
        let lines = vec![(GlAccount::Cash, lost * K), (GlAccount::Income, -lost * K)];
        if lost == 0 {
            return Ok(());
        }
        self.book.post(Kind::BidForfeit, Some(name), vec![leg], lines, Meta::None)
    }
}
