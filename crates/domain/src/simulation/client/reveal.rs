//! Prices that are committed to, told and withheld.

use std::collections::BTreeMap;

use super::Client;
use crate::{
    amount::PriceNano,
    digest::Digest,
    fund::{Event, Salt},
    name::Name,
    simulation::model::{Model, sealed_digest},
};

/// A set of prices and its salt.
pub(super) type Sealed = (BTreeMap<Name, PriceNano>, BTreeMap<Name, PriceNano>, Salt);

impl Client {
    /// The next step of a strike with a commitment, in most cases.
    pub(super) fn sealed_step(&mut self, model: &Model) -> Event {
        let fund = model.cast.fund.clone();
        let day = model.facts.day;
        let Some(open) = &model.facts.open else { return self.commit(model) };
        match (self.random.below(20), open.book) {
            (0, _) => self.commit(model),
            (1, book) => {
                let day = book.map_or(day, |book| book.0) + self.random.range(0, 6);
                Event::ReopenOrders { fund, day: day.max(model.facts.day - 1) }
            }
            (2, _) | (_, None) => Event::CloseOrders { fund, day, salt: self.salt() },
            _ if open.told => Event::Strike { fund, day: self.day },
            _ => self.reveal(model, open.digest),
        }
    }

    fn salt(&mut self) -> Salt {
        Salt::from_bytes([self.random.below(256) as u8; 32])
    }

    fn commit(&mut self, model: &Model) -> Event {
        let fund = model.cast.fund.clone();
        let Event::MarkSet { prices, estimates, .. } = self.marks(model) else {
            return Event::HoldSubscriptions { fund, held: false };
        };
        let salt = self.salt();
        let (number, set) = (model.facts.epoch + 1, (&prices, &estimates));
        let commitment = sealed_digest(&fund, number, set, &salt.to_string());
        self.sealed.insert(commitment, (prices, estimates, salt));
        Event::CommitPrices { fund, commitment }
    }

    /// What was committed to, or something near it.
    fn reveal(&mut self, model: &Model, digest: Digest) -> Event {
        let fund = model.cast.fund.clone();
        let Some((mut prices, estimates, mut salt)) = self.sealed.get(&digest).cloned() else {
            return Event::Strike { fund, day: self.day };
        };
        match self.random.below(12) {
            0 => salt = self.salt(),
            1 => {
                if let Some(price) = prices.values_mut().next() {
                    *price = PriceNano::from_nano(price.as_nano() + 1);
                }
            }
            _ => {}
        }
        Event::RevealPrices { fund, prices, estimates, salt }
    }
}
