//! Sealed bids, written from the laws of the auction: one price a model and direction, within the band.

use super::{
    Code, ESC_SUB, FUND, GL_CASH, GL_INCOME, GL_TRADING, GL_UNITS, Leg, Model, amount,
    math::{K, down, split, up},
    need,
};
use crate::{
    digest::Digest,
    fund::{Bid, BidSide, bid_commitment},
    name::Name,
    simulation::cast::{CASH, claim, person, primary, unit},
};

/// Of one owner: who, what seals them, the bids where they are open, the deposit.
pub(in crate::simulation) type Sealed = (usize, Digest, Option<Vec<Bid>>, i128);

/// A bid that is good enough: who, units, limit.
type Good = (usize, i128, i128);

impl Model {
    pub(super) fn seal(&mut self, fund: &Name, who: &Name, commitment: Digest) -> Result<(), Code> {
        let rules = self.rules(fund)?;
        let who = self.person(who)?;
        let (_, deposit) = rules.auction.ok_or("auction")?;
        need(self.shares() > 0, "unseeded")?;
        need(self.facts.epoch == self.facts.batch_epoch, "auction")?;
        need(self.facts.sealed.iter().all(|sealed| sealed.0 != who), "exists")?;
        self.post(&[(CASH, person(who), ESC_SUB, deposit)])?;
        self.facts.sealed.push((who, commitment, None, deposit));
        Ok(())
    }

    pub(super) fn open(
        &mut self,
        (fund, name): (&Name, &Name),
        bids: &[Bid],
        salt: &Digest,
    ) -> Result<(), Code> {
        self.rules(fund)?;
        let who = self.person(name)?;
        for bid in bids {
            self.listed(&bid.model)?;
            amount(bid.units.as_micro(), 1)?;
            amount(bid.limit.as_nano(), 1)?;
        }
        let found = self.facts.sealed.iter().position(|s| s.0 == who && s.2.is_none());
        let place = found.ok_or("nothing")?;
        need(self.facts.epoch > self.facts.batch_epoch, "auction")?;
        need(bid_commitment(fund, name, salt, bids) == self.facts.sealed[place].1, "auction")?;
        let deposit = self.facts.sealed[place].3;
        self.post(&[(CASH, ESC_SUB, person(who), deposit)])?;
        self.facts.sealed[place].2 = Some(bids.to_vec());
        Ok(())
    }

    /// All that is good enough for one model in one direction, in the order in which it is served; nothing is paid beyond the band.
    fn good(&self, model: usize, side: BidSide, band: i128) -> Vec<Good> {
        let price = self.price(model);
        let off = down(price, band, K);
        let mut good = Vec::new();
        for (who, _, bids, _) in &self.facts.sealed {
            for bid in bids.iter().flatten() {
                let limit = i128::from(bid.limit.as_nano());
                let within =
                    if side == BidSide::Buys { limit >= price - off } else { limit <= price + off };
                if bid.side == side && within && bid.model == self.cast.models[model] {
                    good.push((*who, i128::from(bid.units.as_micro()), limit));
                }
            }
        }
        // Stable: those as good stand in the order of sealing.
        good.sort_by(|a, b| if side == BidSide::Buys { b.2.cmp(&a.2) } else { a.2.cmp(&b.2) });
        for bid in &mut good {
            bid.2 = bid.2.clamp(price - off, price + off);
        }
        good.retain(|bid| bid.2 > 0);
        good
    }

    /// The whole batch; `gaps` are the models that are traded, with what they lack.
    pub(super) fn auction(
        &mut self,
        gaps: &[(usize, i128)],
        (keep, primary_cash): (i128, Option<i128>),
        band: i128,
    ) -> Result<(), Code> {
        let epochs: Vec<u64> = self.facts.pools.keys().copied().collect();
        let rows: Vec<usize> = self.facts.pools.values().map(|pool| pool.row).collect();
        let lots = rows.len() as i128 + 1;
        let mut purse: Vec<i128> =
            (0..self.cast.persons.len()).map(|p| self.cell(person(p), CASH)).collect();
        let mut served: Vec<(i128, Vec<(usize, i128)>)> = Vec::new();
        for (model, gap) in gaps {
            let mut supply: i128 = rows.iter().map(|row| self.cell(*row, unit(*model))).sum();
            supply += if *gap < 0 { -gap } else { 0 };
            let (mut at, mut takers) = (0, Vec::new());
            for (who, units, limit) in self.good(*model, BidSide::Buys, band) {
                if purse[who] <= lots {
                    continue;
                }
                let most = units.min(supply).min(down(purse[who] - lots, K, limit));
                if most > 0 {
                    purse[who] -= up(most, limit, K) + lots;
                    supply -= most;
                    at = limit;
                    takers.push((who, most));
                }
            }
            served.push((at, takers));
        }
        for (epoch, row) in epochs.iter().zip(&rows) {
            for (index, (model, _)) in gaps.iter().enumerate() {
                let units = self.cell(*row, unit(*model));
                self.hand_over(*model, (*row, Some(*epoch)), units, &mut served[index])?;
            }
        }
        for (index, (model, gap)) in gaps.iter().enumerate().filter(|g| g.1.1 < 0) {
            self.hand_over(*model, (FUND, None), -gap, &mut served[index])?;
        }
        for (model, gap) in gaps.iter().filter(|gap| gap.1 > 0) {
            self.take_offers(*model, *gap, (keep, primary_cash), band)?;
        }
        let shut = self.facts.sealed.iter().filter(|sealed| sealed.2.is_none());
        let lost: i128 = shut.map(|sealed| sealed.3).sum();
        self.post(&[(CASH, ESC_SUB, FUND, lost)])?;
        self.book(GL_CASH, lost * K);
        self.book(GL_INCOME, -lost * K);
        self.facts.sealed.clear();
        self.facts.batch_epoch = self.facts.epoch;
        Ok(())
    }

    fn hand_over(
        &mut self,
        model: usize,
        (row, epoch): (usize, Option<u64>),
        mut units: i128,
        (at, takers): &mut (i128, Vec<(usize, i128)>),
    ) -> Result<(), Code> {
        let price = self.price(model);
        for (who, wants) in takers {
            let sold = units.min(*wants);
            if sold == 0 {
                continue;
            }
            units -= sold;
            *wants -= sold;
            let cash = up(sold, *at, K);
            let mut legs: Vec<Leg> = vec![(unit(model), row, person(*who), sold)];
            if let Some(pool) = epoch.and_then(|epoch| self.facts.pools.get(&epoch)) {
                let parts = split(cash, &pool.owners);
                let dust = cash - parts.iter().map(|part| part.1).sum::<i128>();
                legs.extend(parts.iter().map(|(o, part)| (CASH, person(*who), claim(*o), *part)));
                legs.push((CASH, person(*who), FUND, dust));
                self.post(&legs)?;
                self.book(GL_CASH, dust * K);
                self.book(GL_TRADING, -dust * K);
            } else {
                self.sold(model, sold, *at);
                legs.push((CASH, person(*who), FUND, cash));
                self.post(&legs)?;
                self.book(GL_CASH, cash * K);
                self.book(GL_UNITS + model, -sold * price);
                self.book(GL_TRADING, sold * price - cash * K);
            }
        }
        Ok(())
    }

    /// The primary offer at the mark, then the offers, cheapest first, all at the price of the last one.
    fn take_offers(
        &mut self,
        model: usize,
        gap: i128,
        (keep, primary_cash): (i128, Option<i128>),
        band: i128,
    ) -> Result<(), Code> {
        let price = self.price(model);
        let offered = self.cell(primary(model), unit(model));
        let reach = |cash: i128, at: i128| down((cash - keep).max(0), K, at);
        let first = gap.min(offered).min(reach(self.cash(), price));
        let first = primary_cash.map_or(first, |cash| first.min(cash * K / price));
        if first > 0 {
            self.buy_units(model, primary(model), first, price)?;
        }
        if first < offered && primary_cash.is_none() {
            return Ok(());
        }
        let (cash, mut left) = (self.cash(), gap - first);
        let (mut at, mut all, mut takers) = (0, 0, Vec::new());
        let mut stock: Vec<i128> =
            (0..self.cast.persons.len()).map(|p| self.cell(person(p), unit(model))).collect();
        for (who, units, limit) in self.good(model, BidSide::Sells, band) {
            let most = units.min(stock[who]).min(left).min(reach(cash, limit) - all);
            if most > 0 {
                stock[who] -= most;
                left -= most;
                all += most;
                at = limit;
                takers.push((who, most));
            }
        }
        for (who, units) in takers {
            self.buy_units(model, person(who), units, at)?;
        }
        Ok(())
    }
}
