//! Sealed bids: some are opened, some too early, some with another text, some never.

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

/// What an owner knows of his own bids.
pub(super) type Secret = (Name, Vec<Bid>, Digest);

/// Secrets that are remembered.
const SECRETS_MAX: usize = 64;

impl Client {
    /// Seals or opens.
    pub(super) fn bid_step(&mut self, model: &Model) -> Event {
        let fund = model.cast.fund.clone();
        let (called, due) = (model.facts.call, model.facts.passed < model.facts.epoch);
        let day = if self.random.chance(500) { self.day } else { model.facts.day };
        let between = called.is_some_and(|call| call.2.is_none());
        if between && self.random.chance(150) {
            return Event::CloseBids { fund, day: day + self.random.range(0, 3) };
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
        self.bids.push((who.clone(), bids, salt));
        let budget = match self.random.below(8) {
            0 => self.random.magnitude(12),
            1 => self.random.pick([0, 1, i64::MAX]),
            _ => self.random.range(1_000_000, 10_000_000_000),
        };
        Event::SealBids { fund, who, budget: Cash::from_micro(budget), commitment }
    }

    fn bid(&mut self, model: &Model, bidder: usize, index: usize) -> Bid {
        let side = self.random.pick([BidSide::Buys, BidSide::Sells]);
        let price = i128::from(model.facts.px[index].unwrap_or(0));
        let limit = price * i128::from(self.random.range(800, 1200)) / 1000;
        let has = match side {
            BidSide::Buys => model.cell(person(bidder), CASH) / limit.max(1) * 1_000_000_000,
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
        let (who, mut bids, salt) = self.bids[place].clone();
        if self.random.chance(50) {
            bids.pop();
        } else if self.random.chance(900) {
            self.bids.remove(place);
        }
        Event::OpenBids { fund: model.cast.fund.clone(), who, bids, salt }
    }
}
