//! Sealed bids: some are opened, some too early, some with another text, some never; some are taken back.

use super::Client;
use crate::{
    amount::{Cash, PriceNano, Units},
    digest::Digest,
    fund::{Bid, BidSide, Event, bid_commitment},
    name::Name,
    simulation::{
        cast::{CASH, FIRST_INVESTOR, PROVIDERS, person, unit},
        model::Model,
    },
};

/// What an owner knows of his own bids: who, what, the salt, the commitment.
pub(super) type Secret = (Name, Vec<Bid>, Digest, Digest);

/// Secrets that are remembered.
const SECRETS_MAX: usize = 64;

impl Client {
    /// Whether the next request goes on with a call that is over: whatever comes between prices, strike and batch undoes it.
    pub(super) fn follows_bids(&mut self, model: &Model) -> bool {
        let near = model.facts.call.map_or(0, |call| {
            match (call.lost, call.marked || call.met.is_some()) {
                (None, _) => 0,
                (_, false) => 150,
                (_, true) => 500,
            }
        });
        self.random.chance(near)
    }

    /// Seals or opens.
    pub(super) fn bid_step(&mut self, model: &Model) -> Event {
        let fund = model.cast.fund.clone();
        let (called, due) = (model.facts.call, model.facts.passed < model.facts.epoch);
        let day = if self.random.chance(500) { self.day } else { model.facts.day };
        let between = called.is_some_and(|call| call.lost.is_none());
        if let Some(call) = called.filter(|call| call.lost.is_some() && self.random.chance(700)) {
            // The way of a call that is over: prices, a strike, its batch.
            return match (call.marked, call.met == Some(model.facts.epoch)) {
                (false, true) => self.rebalance(model),
                // Somebody leaves, and his units are for sale.
                (true, _) if self.random.chance(400) => self.leaving(model, FIRST_INVESTOR),
                (true, _) => Event::Strike { fund, day },
                _ => self.all_marks(model),
            };
        }
        if self.random.chance(if called.is_some() { 100 } else { 20 }) {
            return self.undo(model, day);
        }
        if let Some(call) = called.filter(|_| between && self.random.chance(200)) {
            // In most cases not too early.
            let over = if self.random.chance(700) { call.day + 4 } else { day };
            return Event::CloseBids { fund, day: day.max(over) };
        }
        let opens = !self.bids.is_empty() && self.random.chance(if between { 800 } else { 50 });
        if opens {
            return self.open(model);
        }
        if self.random.chance(if called.is_none() && due { 500 } else { 30 }) {
            return Event::CallBids { fund, day };
        }
        let bidder = self.random.pick([PROVIDERS[0], PROVIDERS[1], FIRST_INVESTOR]);
        let live: Vec<usize> = model.live().filter(|_| self.random.chance(700)).collect();
        let bids: Vec<Bid> = live.into_iter().map(|m| self.bid(model, bidder, m)).collect();
        let salt = Digest::of(&self.next_key.to_le_bytes());
        let who = model.cast.persons[bidder].clone();
        let commitment = bid_commitment(&fund, &who, &salt, &bids);
        if self.bids.len() == SECRETS_MAX {
            self.bids.remove(0);
        }
        self.bids.push((who.clone(), bids, salt, commitment));
        let budget = match self.random.below(8) {
            0 => self.random.magnitude(12),
            1 => self.random.pick([0, 1, i64::MAX]),
            2 => self.random.range(1_000_000, 10_000_000_000),
            // What he can pay.
            _ => {
                let cash = i64::try_from(model.cell(person(bidder), CASH)).unwrap_or(i64::MAX);
                cash / self.random.range(1, 6)
            }
        };
        Event::SealBids { fund, who, budget: Cash::from_micro(budget), commitment }
    }

    /// A price for every model, as bids want it.
    fn all_marks(&mut self, model: &Model) -> Event {
        let event = self.marks(model);
        let Event::MarkSet { fund, mut prices, estimates } = event else { return event };
        for index in model.live() {
            let old = PriceNano::from_nano(model.facts.px[index].unwrap_or(0));
            prices.entry(model.cast.models[index].clone()).or_insert(old);
        }
        Event::MarkSet { fund, prices, estimates }
    }

    /// Takes bids back, in time or not.
    fn undo(&mut self, model: &Model, day: i64) -> Event {
        let fund = model.cast.fund.clone();
        let bidder = self.random.pick([PROVIDERS[0], PROVIDERS[1], FIRST_INVESTOR]);
        let who = model.cast.persons[bidder].clone();
        let day = day + self.random.pick([0, 1, 31, 32, 40]);
        Event::TakeBackBids { fund, who, day }
    }

    fn bid(&mut self, model: &Model, bidder: usize, index: usize) -> Bid {
        let side = self.random.pick([BidSide::Buys, BidSide::Sells]);
        let price = i128::from(model.facts.px[index].unwrap_or(0));
        let limit = price * i128::from(self.random.range(800, 1200)) / 1000;
        let limit = match (side, self.random.chance(500)) {
            (_, false) => limit,
            // Whatever the band has.
            (BidSide::Buys, _) => limit * 1_000,
            (BidSide::Sells, _) => 1,
        };
        let has = match side {
            BidSide::Buys => model.cell(person(bidder), CASH) / price.max(1) * 1_000_000_000,
            BidSide::Sells => model.cell(person(bidder), unit(index)),
        };
        let units = i64::try_from(has).unwrap_or(i64::MAX / 2) / self.random.range(1, 20);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        // Now and then more than there is, and nothing.
        let units = if self.random.chance(100) { self.random.magnitude(12) } else { units };
        Bid {
            limit: PriceNano::from_nano(limit.max(1)),
            model: model.cast.models[index].clone(),
            side,
            units: Units::from_micro(units.max(i64::from(!self.random.chance(10)))),
        }
    }

    fn open(&mut self, model: &Model) -> Event {
        let place = self.random.below(self.bids.len());
        // In most cases what is there to be opened.
        let is_shut = |secret: &Secret| {
            model.facts.sealed.iter().any(|set| set.digest == secret.3 && set.bids.is_none())
        };
        let shut = self.bids.iter().position(is_shut).filter(|_| self.random.chance(800));
        let place = shut.unwrap_or(place);
        let (who, mut bids, salt, _) = self.bids[place].clone();
        if self.random.chance(50) {
            bids.pop();
        } else if self.random.chance(900) {
            self.bids.remove(place);
        }
        Event::OpenBids { fund: model.cast.fund.clone(), who, bids, salt }
    }
}
