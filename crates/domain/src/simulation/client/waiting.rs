//! Cut-offs that a strike is late for, orders that are held back, fee shares.

use super::Client;
use crate::{
    amount::{PPB_ONE, Ppb},
    fund::Event,
    simulation::model::Model,
};

const DAY: i64 = 86_400_000;

impl Client {
    /// An instant passes, in most cases a later one; now and then its book is opened again.
    pub(super) fn cut_off(&mut self, model: &Model) -> Event {
        let fund = model.cast.fund.clone();
        let (last, since) =
            model.facts.cut.as_ref().map_or((self.day * DAY, self.day), |c| (c.at, c.since));
        let at = match self.random.below(12) {
            0 => last,
            1 => last - 1,
            2 => self.random.pick([-1, i64::MIN, i64::MAX]),
            3..=5 => {
                let day = (since + self.random.range(0, 6)).max(model.facts.day);
                return Event::ReopenOrders { fund, day };
            }
            _ => last + self.random.range(0, 2 * DAY),
        };
        Event::CutOff { fund, at }
    }

    /// An order is held back, in most cases by its owner's name, or let go.
    pub(super) fn holding(&mut self, model: &Model, investor: usize) -> Event {
        let (fund, queue) = (model.cast.fund.clone(), &model.facts.subs);
        let held = model.facts.waits.iter().position(Option::is_some);
        let free = held.filter(|_| self.random.chance(600));
        let place = free.unwrap_or_else(|| self.random.below(queue.len() + 1));
        let is_held = model.facts.waits.get(place).is_some_and(Option::is_some);
        let owner = queue.get(place).map_or(investor, |(who, _)| *who);
        let who = if self.random.chance(950) { owner } else { investor };
        Event::HoldOrder {
            fund,
            who: model.cast.persons[who].clone(),
            place: place as u64,
            held: !is_held || self.random.chance(50),
            day: model.facts.day + self.random.range(0, 9) - i64::from(self.random.chance(50)),
        }
    }

    pub(super) fn fee_share(&mut self, model: &Model) -> Event {
        let share = self.random.pick([0, 1, 500_000_000, PPB_ONE, PPB_ONE, PPB_ONE + 1, -1]);
        let (fund, name) = (model.cast.fund.clone(), self.any_model(model));
        Event::SetFeeShare { fund, model: name, share: Ppb::from_ppb(share) }
    }
}
