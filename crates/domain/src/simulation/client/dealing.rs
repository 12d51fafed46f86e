//! Orders to join and to leave.

use super::Client;
use crate::{
    amount::{Cash, Shares},
    fund::Event,
    simulation::{
        cast::{CASH, SHARE, person},
        model::Model,
    },
};

impl Client {
    pub(super) fn joining(&mut self, model: &Model, investor: usize) -> Event {
        let (fund, who) = (model.cast.fund.clone(), model.cast.persons[investor].clone());
        let most = i64::try_from(model.cell(person(investor), CASH)).unwrap_or(0);
        let amount = match self.random.below(8) {
            0 => self.random.pick([1, 7, 1000]),
            1 => most.max(1),
            _ => self.random.range(1, (most / 4).clamp(1, 1_000_000_000)),
        };
        Event::Subscribe { fund, who, amount: Cash::from_micro(amount) }
    }

    pub(super) fn leaving(&mut self, model: &Model, investor: usize) -> Event {
        let (fund, who) = (model.cast.fund.clone(), model.cast.persons[investor].clone());
        let held = i64::try_from(model.cell(person(investor), SHARE)).unwrap_or(0);
        let shares = match self.random.below(4) {
            0 => self.random.magnitude(12),
            1 => self.random.pick([1, held.max(1)]),
            _ => (held / self.random.range(1, 9)).max(1),
        };
        Event::Redeem { fund, who, shares: Shares::from_nano(shares) }
    }
}
