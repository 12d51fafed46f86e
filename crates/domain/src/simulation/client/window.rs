//! Requests at the instant window.

use super::Client;
use crate::{
    amount::{PriceNano, Shares},
    fund::Event,
    simulation::{
        cast::{SHARE, person},
        model::Model,
    },
};

impl Client {
    /// Asks, takes back, or has the window paid.
    pub(super) fn window(&mut self, model: &Model, investor: usize) -> Event {
        let (fund, cast) = (model.cast.fund.clone(), model.cast.clone());
        let queue = &model.facts.window;
        match self.random.below(10) {
            0 => {
                let place = self.random.below(queue.len() + 1);
                let owner = queue.get(place).map_or(investor, |(who, ..)| *who);
                let who = if self.random.chance(900) { owner } else { investor };
                Event::CancelWindow { fund, who: cast.persons[who].clone(), place: place as u64 }
            }
            1..=3 => {
                let day = if self.random.chance(500) { self.day } else { model.facts.day };
                Event::PayWindow { fund, day }
            }
            _ => {
                let held = i64::try_from(model.cell(person(investor), SHARE)).unwrap_or(0);
                let shares = match self.random.below(4) {
                    0 => self.random.magnitude(12),
                    1 => self.random.pick([0, 1, held.max(1)]),
                    _ => (held / self.random.range(1, 9)).max(1),
                };
                let who = cast.persons[investor].clone();
                let least = PriceNano::from_nano(self.least(model));
                Event::RequestWindow { fund, who, shares: Shares::from_nano(shares), least }
            }
        }
    }

    /// The least that a leaver takes for a share: mostly anything, else about what the window would pay, or any number.
    fn least(&mut self, model: &Model) -> i64 {
        match self.random.below(8) {
            0 => self.random.magnitude(12),
            1 | 2 => {
                let paid = i64::try_from(model.window_price()).unwrap_or(0);
                let near = self.random.range(-2, 2);
                if self.random.chance(500) { paid + near } else { paid / 100 * (100 + near) }
            }
            _ => 0,
        }
    }
}
