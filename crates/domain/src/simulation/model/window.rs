//! The instant window, written from FUND 1.3 (4): cash at what units were lately sold for, shared out by holding.

use std::collections::BTreeMap;

use super::{
    Code, ESC_RED, FUND, GL_CAPITAL, GL_CASH, ISSUE, Leg, Model, SHARE, amount,
    math::{K, ONE18, down, up},
    need,
};
use crate::{
    name::Name,
    simulation::cast::{CASH, person},
};

/// Who, asked for, given back, of that left to the fund, cash.
pub(in crate::simulation) type Paid = (usize, i128, i128, i128, i128);

impl Model {
    pub(super) fn request_window(
        &mut self,
        fund: &Name,
        who: &Name,
        shares: i64,
    ) -> Result<(), Code> {
        let rules = self.rules(fund)?;
        let (who, shares) = (self.person(who)?, amount(shares, 1)?);
        need(rules.window.is_some(), "window")?;
        need(self.shares() > 0, "unseeded")?;
        need(!self.facts.winding, "winding")?;
        self.post(&[(SHARE, person(who), ESC_RED, shares)])?;
        self.facts.window.push((who, shares));
        Ok(())
    }

    pub(super) fn cancel_window(
        &mut self,
        fund: &Name,
        who: &Name,
        place: u64,
    ) -> Result<(), Code> {
        self.rules(fund)?;
        let place = usize::try_from(place).map_err(|_| "nothing")?;
        let (owner, shares) = *self.facts.window.get(place).ok_or("nothing")?;
        need(self.cast.persons.get(owner) == Some(who), "nothing")?;
        self.facts.window.remove(place);
        self.post(&[(SHARE, ESC_RED, person(owner), shares)])
    }

    pub(super) fn pay_window(&mut self, fund: &Name, day: i64) -> Result<Vec<Paid>, Code> {
        let rules = self.rules(fund)?;
        let (budget, levy_out) = rules.window.ok_or("window")?;
        self.clock(rules, day)?;
        let supply = self.shares();
        need(supply > 0, "unseeded")?;
        let doubt = self.facts.held || self.facts.access.paused;
        need(!doubt || self.facts.winding, "window")?;
        let queue = std::mem::take(&mut self.facts.window);
        need(!queue.is_empty(), "nothing")?;
        let mut asked = BTreeMap::<&Name, (usize, i128)>::new();
        for (who, shares) in &queue {
            asked.entry(&self.cast.persons[*who]).or_insert((*who, 0)).1 += shares;
        }
        let asked: Vec<(usize, i128)> = asked.into_values().collect();
        let young = |who: usize| -> i128 {
            let fresh = |made: &&(usize, i64, i128)| made.0 == who && self.facts.day - made.1 < 90;
            self.facts.young.iter().filter(fresh).map(|made| made.2).sum()
        };
        let held =
            |who: usize, asked: i128| (self.cell(person(who), SHARE) + asked - young(who)).max(0);
        let worth = self.bid();
        let pay = |shares: i128| {
            let left = up(shares, levy_out, K);
            (left, down(worth, shares - left, supply * K))
        };
        let give = |part: i128, who: usize, asked: i128| {
            let most = down(held(who, asked), part, ONE18).min(asked);
            if pay(most).1 == 0 { 0 } else { most }
        };
        let money = if self.facts.winding { 0 } else { down(self.cash(), budget, K) };
        let total = |part: i128| asked.iter().map(|(w, a)| pay(give(part, *w, *a)).1).sum::<i128>();
        let mut part = ONE18;
        if total(part) > money {
            part = 0;
            for bit in (0..60).rev() {
                let more = part + (1_i128 << bit);
                if more < ONE18 && total(more) <= money {
                    part = more;
                }
            }
        }
        let told = asked.iter().map(|(who, asked)| {
            let given = give(part, *who, *asked);
            let (left, cash) = pay(given);
            (*who, *asked, given, left, cash)
        });
        let told: Vec<Paid> = told.collect();
        let mut legs = Vec::<Leg>::new();
        for (who, asked, given, _, cash) in &told {
            legs.push((SHARE, ESC_RED, ISSUE, *given));
            legs.push((SHARE, ESC_RED, person(*who), asked - given));
            legs.push((CASH, FUND, person(*who), *cash));
        }
        self.post(&legs)?;
        let out: i128 = told.iter().map(|paid| paid.4).sum();
        self.book(GL_CASH, -out * K);
        self.book(GL_CAPITAL, out * K);
        Ok(told)
    }

    /// Cash, and units at what their like was sold for within ninety days.
    fn bid(&self) -> i128 {
        let worth = |m: usize| {
            let sold = self.facts.sold[m].filter(|(day, _)| self.facts.day - day <= 90);
            down(self.units(m) * self.price(m), sold.map_or(0, |sold| sold.1), K)
        };
        self.cash() * K + (0..self.facts.px.len()).map(worth).sum::<i128>()
    }

    /// A unit was sold at `traded`, marked at `price`.
    pub(super) fn sold(&mut self, model: usize, traded: i128, price: i128) {
        if self.rules.is_some_and(|rules| rules.window.is_some()) {
            let now = down(traded, K, price).min(K);
            let ratio = self.facts.sold[model].map_or(now, |(_, old)| (3 * old + now) / 4);
            self.facts.sold[model] = Some((self.facts.day, ratio));
        }
    }
}
