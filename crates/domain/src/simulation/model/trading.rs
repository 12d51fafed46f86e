//! The rebalance: leavers sell, the fund sells, the fund buys, old pools are delivered.

use std::collections::BTreeSet;

use super::{
    Code, FUND, GL_CASH, GL_TRADING, GL_UNITS, Leg, MODELS, Model, Sale,
    math::{K, down, split, up},
    need,
};
use crate::{
    fund::Event,
    simulation::cast::{CASH, bond, claim, esc_pub, person, primary, unit},
};

/// Rebalances that leavers' units go through.
const BATCHES: u32 = 3;

/// What a rebalance says, checked.
struct Order {
    weights: [i128; MODELS],
    cash: i128,
    spread: i128,
    parties: Vec<usize>,
    /// Part of NAV for the primary offer of each model.
    primary: Option<i128>,
}

impl Model {
    pub(super) fn rebalance(&mut self, event: &Event) -> Result<(), Code> {
        let (order, reserve, passes) = self.read_order(event)?;
        if passes {
            self.facts.passed = self.facts.epoch;
        }
        if passes || self.facts.access.paused {
            let waiting: Vec<u64> = self.facts.pools.keys().copied().collect();
            return waiting.into_iter().try_for_each(|epoch| self.close(epoch, passes));
        }
        let nav = self.nav();
        let invested = down(nav, K - order.cash, K);
        let keep = (down(nav, order.cash, K) / K).max(reserve);
        let traded: Vec<usize> = self.live().filter(|m| self.price(*m) > 0).collect();
        let gap = |m: usize| down(invested, order.weights[m], K) / self.price(m) - self.units(m);
        let gaps: Vec<(usize, i128)> = traded.iter().map(|m| (*m, gap(*m))).collect();
        let epochs: Vec<u64> = self.facts.pools.keys().copied().collect();
        let primary = order.primary.map(|part| down(nav, part, K) / K);
        if let Some(rules) = self.rules.and_then(|rules| rules.auction) {
            self.auction(&gaps, (keep, primary), rules)?;
            return epochs.into_iter().try_for_each(|epoch| self.close(epoch, false));
        }
        for epoch in &epochs {
            let Some(row) = self.facts.pools.get(epoch).map(|pool| pool.row) else { continue };
            for model in &traded {
                self.sell(*model, Some(*epoch), row, self.cell(row, unit(*model)), &order)?;
            }
        }
        for (model, gap) in gaps.iter().filter(|gap| gap.1 < 0) {
            self.sell(*model, None, FUND, -gap, &order)?;
        }
        for (model, gap) in gaps.iter().filter(|gap| gap.1 > 0) {
            self.buy(*model, *gap, (keep, primary), &order)?;
        }
        epochs.into_iter().try_for_each(|epoch| self.close(epoch, false))
    }

    fn read_order(&self, event: &Event) -> Result<(Order, i128, bool), Code> {
        let Event::Rebalance { fund, weights, cash, spread, counterparties, max_primary } = event
        else {
            return Err("model: another event");
        };
        let rules = self.rules(fund)?;
        let mut dense = [0; MODELS];
        for (name, weight) in weights {
            let model = self.alive(name)?;
            dense[model] = i128::from(weight.as_ppb());
            need((0..=K).contains(&dense[model]), "weights")?;
        }
        let (cash, spread) = (i128::from(cash.as_ppb()), i128::from(spread.as_ppb()));
        need(dense.iter().sum::<i128>() <= K, "weights")?;
        need((0..=K).contains(&cash) && (0..K).contains(&spread), "weights")?;
        let primary = max_primary.map(|part| i128::from(part.as_ppb()));
        need(primary.is_none_or(|part| (0..=K).contains(&part)), "weights")?;
        let parties = counterparties.iter().map(|name| self.person(name));
        let parties = parties.collect::<Result<Vec<usize>, Code>>()?;
        need(parties.iter().collect::<BTreeSet<_>>().len() == parties.len(), "owner")?;
        need(rules.auction.is_none() || parties.is_empty(), "owner")?;
        need(rules.auction.is_none() || spread == 0, "weights")?;
        let idle = weights.is_empty() && max_primary.is_none();
        let passes = rules.auction.is_some() && self.batch_passes(idle)?;
        need(self.shares() > 0, "unseeded")?;
        let empty = weights.is_empty() && parties.is_empty();
        need(empty || !self.facts.access.paused, "paused")?;
        Ok((Order { weights: dense, cash, spread, parties, primary }, rules.reserve, passes))
    }

    fn sell(
        &mut self,
        model: usize,
        epoch: Option<u64>,
        from: usize,
        mut quantity: i128,
        order: &Order,
    ) -> Result<(), Code> {
        let price = self.price(model);
        let traded = price - down(price, order.spread, K);
        for party in &order.parties {
            let buyer = person(*party);
            let units = quantity.min(self.cell(buyer, CASH) * K / price);
            if units == 0 {
                continue;
            }
            quantity -= units;
            let proceeds = up(units, traded, K);
            let mut legs: Vec<Leg> = vec![(unit(model), from, buyer, units)];
            let Some(epoch) = epoch else {
                legs.push((CASH, buyer, FUND, proceeds));
                self.post(&legs)?;
                self.book(GL_CASH, proceeds * K);
                self.book(GL_UNITS + model, -units * price);
                self.book(GL_TRADING, units * price - proceeds * K);
                self.sold(model, units, traded);
                continue;
            };
            let owners = self.facts.pools.get(&epoch).map_or(&[][..], |pool| &pool.owners);
            let parts = split(proceeds, owners);
            let dust = proceeds - parts.iter().map(|part| part.1).sum::<i128>();
            legs.extend(parts.into_iter().map(|(who, part)| (CASH, buyer, claim(who), part)));
            legs.push((CASH, buyer, FUND, dust));
            self.post(&legs)?;
            self.book(GL_CASH, dust * K);
            self.book(GL_TRADING, -dust * K);
        }
        Ok(())
    }

    fn buy(
        &mut self,
        model: usize,
        mut quantity: i128,
        (keep, primary_cash): (i128, Option<i128>),
        order: &Order,
    ) -> Result<(), Code> {
        let price = self.price(model);
        let traded = price + down(price, order.spread, K);
        let offers =
            std::iter::once(primary(model)).chain(order.parties.iter().map(|p| person(*p)));
        for seller in offers {
            let affordable = (self.cash() - keep).max(0) * K / traded;
            let mut units = quantity.min(self.cell(seller, unit(model))).min(affordable);
            if let Some(cash) = primary_cash.filter(|_| seller == primary(model)) {
                units = units.min(cash * K / traded);
            }
            if units == 0 {
                continue;
            }
            // The reference has no such bound: a price is written in 64 bits here.
            need(traded <= i128::from(i64::MAX), "limit")?;
            quantity -= units;
            self.buy_units(model, seller, units, traded)?;
        }
        Ok(())
    }

    pub(super) fn buy_units(
        &mut self,
        model: usize,
        seller: usize,
        units: i128,
        traded: i128,
    ) -> Result<(), Code> {
        let price = self.price(model);
        let cost = down(units, traded, K);
        let mut legs: Vec<Leg> = vec![(unit(model), seller, FUND, units)];
        if seller == primary(model) {
            let bonded = (cost + 9) / 10;
            legs.push((CASH, FUND, bond(model), bonded));
            legs.push((CASH, FUND, esc_pub(model), cost - bonded));
            if cost > bonded {
                let sale = Sale { day: self.facts.day, amount: cost - bonded, paid: 0 };
                self.facts.sales[model].push(sale);
            }
        } else {
            legs.push((CASH, FUND, seller, cost));
        }
        self.post(&legs)?;
        self.book(GL_UNITS + model, units * price);
        self.book(GL_CASH, -cost * K);
        self.book(GL_TRADING, cost * K - units * price);
        self.bought(model, units);
        Ok(())
    }

    /// After the third batch, or with nothing left, leavers have what is theirs and the pool is gone.
    fn close(&mut self, epoch: u64, passes: bool) -> Result<(), Code> {
        // While bids are being opened the sale is to come.
        let stays = passes && self.sale_is_to_come();
        let Some(pool) = self.facts.pools.get_mut(&epoch) else { return Ok(()) };
        pool.batches += 1;
        let pool = pool.clone();
        let left: Vec<(usize, i128)> =
            self.live().map(|m| (m, self.cell(pool.row, unit(m)))).collect();
        let any = left.iter().any(|(_, units)| *units > 0);
        if any && (pool.batches < BATCHES || stays && pool.batches < BATCHES + 14) {
            return Ok(());
        }
        let mut legs = Vec::<Leg>::new();
        for (model, units) in left {
            let parts = split(units, &pool.owners);
            let dust = units - parts.iter().map(|part| part.1).sum::<i128>();
            let own = parts.into_iter();
            legs.extend(own.map(|(who, part)| (unit(model), pool.row, person(who), part)));
            legs.push((unit(model), pool.row, FUND, dust));
            let worth = dust * self.price(model);
            self.book(GL_UNITS + model, worth);
            self.book(GL_TRADING, -worth);
        }
        self.post(&legs)?;
        self.facts.pools.remove(&epoch);
        Ok(())
    }
}
