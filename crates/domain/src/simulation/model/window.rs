//! The instant window, written from FUND 1.3 (4) and ops/decisions/0046: cash at what the fund itself lately sold units for, as far as it
//! sold, shared out by holding.

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
        need(self.facts.window.iter().all(|waits| waits.0 != who), "exists")?;
        need(shares * 1_000_000 >= self.shares(), "amount")?;
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
        need(place >= self.in_book(), "closed")?;
        self.facts.window.remove(place);
        self.post(&[(SHARE, ESC_RED, person(owner), shares)])
    }

    /// Requests of the closed book.
    fn in_book(&self) -> usize {
        let bound = self.facts.open.as_ref().and_then(|open| open.book).map(|book| book.3);
        let cut = self.facts.cut.as_ref().and_then(|cut| cut.book).map(|book| book.2);
        bound.or(cut).unwrap_or(0)
    }

    pub(super) fn pay_window(&mut self, fund: &Name, day: i64) -> Result<Vec<Paid>, Code> {
        let rules = self.rules(fund)?;
        let (budget, levy_out) = rules.window.ok_or("window")?;
        self.clock(rules, day)?;
        let supply = self.shares();
        need(supply > 0, "unseeded")?;
        need(!self.facts.winding, "winding")?;
        let told = self.facts.open.as_ref().is_none_or(|open| open.told);
        let doubt = self.facts.held || self.facts.access.paused;
        let again = self.facts.window_paid == Some(self.facts.epoch);
        need(told && !doubt && !again, "window")?;
        let is_cut = self.facts.cut.as_ref().is_some_and(|cut| cut.book.is_some());
        let by_book = self.facts.open.is_some() || is_cut;
        let count = if by_book { self.in_book() } else { self.facts.window.len() };
        let queue = self.take_requests(count);
        need(!queue.is_empty(), "nothing")?;
        let mut asked: Vec<(usize, i128)> = queue;
        asked.sort_by_key(|(who, _)| &self.cast.persons[*who]);
        let held = |who: usize, asked: i128| {
            (self.cell(person(who), SHARE) + asked - self.young(who)).max(0)
        };
        let worth = self.bid();
        let pay = |shares: i128| {
            let left = up(shares, levy_out, K);
            (left, down(worth, shares - left, supply * K))
        };
        let give = |part: i128, who: usize, asked: i128| {
            let most = down(held(who, asked), part, ONE18).min(asked);
            if pay(most).1 == 0 { 0 } else { most }
        };
        let money = down(self.cash(), budget, K);
        let fits = |part: i128| {
            let gives = || asked.iter().map(|(who, asked)| give(part, *who, *asked));
            gives().map(|given| pay(given).1).sum::<i128>() <= money
                && gives().sum::<i128>() <= supply / 2
        };
        let mut part = ONE18;
        if !fits(part) {
            part = 0;
            for bit in (0..60).rev() {
                let more = part + (1_i128 << bit);
                if more < ONE18 && fits(more) {
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
        let burned: i128 = told.iter().map(|paid| paid.2).sum();
        self.facts.window_paid = Some(self.facts.epoch);
        if self.any_sold() {
            self.refresh_sold(supply);
            self.shrink_sold(supply - 2 * burned, supply);
            self.facts.sold_supply = supply - burned;
        }
        Ok(told)
    }

    /// The first requests leave the queue, and the book.
    fn take_requests(&mut self, count: usize) -> Vec<(usize, i128)> {
        if let Some(book) = self.facts.open.as_mut().and_then(|open| open.book.as_mut()) {
            book.3 = book.3.saturating_sub(count);
        } else if let Some(book) = self.facts.cut.as_mut().and_then(|cut| cut.book.as_mut()) {
            book.2 = book.2.saturating_sub(count);
        }
        self.facts.window.drain(..count).collect()
    }

    /// So many of the first requests go back to their owners.
    fn return_requests(&mut self, count: usize) -> Result<(), Code> {
        for (who, shares) in self.take_requests(count) {
            self.post(&[(SHARE, ESC_RED, person(who), shares)])?;
        }
        Ok(())
    }

    /// What a strike does with those whom nobody has paid; it runs before the commitment is used up.
    pub(super) fn window_at_strike(&mut self) -> Result<(), Code> {
        let bound = self.facts.open.as_ref().and_then(|open| open.book).map(|book| book.3);
        let cut = self.facts.cut.as_ref().and_then(|cut| cut.book).map(|book| book.2);
        let count = bound.or(cut).unwrap_or(self.facts.window.len());
        self.return_requests(count)
    }

    /// A book is opened again.
    pub(super) fn reopen_window(&mut self) -> Result<(), Code> {
        self.return_requests(self.in_book())
    }

    /// Cash, and units as far as the fund has sold some within ninety days, each at the least of what it brought, and of the same part of
    /// what it is said to be worth now.
    fn bid(&self) -> i128 {
        let supply = self.shares();
        let worth = |m: usize| {
            let said = i128::from(self.facts.est[m].unwrap_or(i64::MAX)).min(self.price(m));
            let (mut open, mut sum) = (0, 0);
            for (day, mark, traded, units) in &self.facts.sold[m] {
                if self.facts.day - day > 90 {
                    continue;
                }
                let before = self.facts.sold_supply;
                let units = down(*units, supply.min(before), before);
                open += units;
                sum += units * down(said, (*traded).min(*mark), *mark).min(*traded);
            }
            let held = self.units(m);
            if open > held { down(sum, held, open) } else { sum }
        };
        self.cash() * K + (0..self.facts.px.len()).map(worth).sum::<i128>()
    }

    fn any_sold(&self) -> bool {
        self.facts.sold.iter().any(|sold| !sold.is_empty())
    }

    fn shrink_sold(&mut self, part: i128, whole: i128) {
        for sold in &mut self.facts.sold {
            for sale in sold.iter_mut() {
                sale.3 = down(sale.3, part, whole);
            }
            sold.retain(|sale| sale.3 > 0);
        }
    }

    /// Old sales go, and those that left took their part along.
    fn refresh_sold(&mut self, supply: i128) {
        let (day, before) = (self.facts.day, self.facts.sold_supply);
        for sold in &mut self.facts.sold {
            sold.retain(|sale| day - sale.0 <= 90);
        }
        if before > 0 {
            self.shrink_sold(supply.min(before), before);
        }
        self.facts.sold_supply = supply;
    }

    /// The fund sold at `traded`, marked at `price`.
    pub(super) fn sold(&mut self, model: usize, units: i128, traded: i128) {
        if self.rules.is_none_or(|rules| rules.window.is_none()) {
            return;
        }
        let (day, price) = (self.facts.day, self.price(model));
        self.refresh_sold(self.shares());
        let sold = &mut self.facts.sold[model];
        match sold.last_mut().filter(|last| (last.0, last.1, last.2) == (day, price, traded)) {
            Some(last) => last.3 += units,
            None => {
                sold.push((day, price, traded, units));
                if sold.len() > 64 {
                    sold.remove(0);
                }
            }
        }
    }

    /// The fund bought: so many of what it sold for most count no more.
    pub(super) fn bought(&mut self, model: usize, mut units: i128) {
        if !self.any_sold() {
            return;
        }
        self.refresh_sold(self.shares());
        let sold = &mut self.facts.sold[model];
        while units > 0 && !sold.is_empty() {
            let mut best = 0;
            for (at, sale) in sold.iter().enumerate() {
                let more = sale.2 > sold[best].2;
                if more || (sale.2 == sold[best].2 && sale.1 < sold[best].1) {
                    best = at;
                }
            }
            let taken = units.min(sold[best].3);
            sold[best].3 -= taken;
            units -= taken;
            if sold[best].3 == 0 {
                sold.remove(best);
            }
        }
    }

    /// Somebody joined.
    pub(super) fn forget_sold(&mut self) {
        if self.any_sold() {
            self.facts.sold.iter_mut().for_each(Vec::clear);
            self.facts.sold_supply = 0;
        }
    }

    /// Shares that were made in kind within ninety days.
    pub(in crate::simulation) fn young(&self, who: usize) -> i128 {
        let fresh = |made: &&(usize, i64, i128)| made.0 == who && self.facts.day - made.1 < 90;
        self.facts.young.iter().filter(fresh).map(|made| made.2).sum()
    }

    /// Shares are given away: first those that were not made in kind lately, then the oldest of the others.
    pub(super) fn give_young(&mut self, who: usize, to: usize, n: i128) {
        let rest = (self.cell(person(who), SHARE) - self.young(who)).max(0);
        let mut moves = (n - rest).max(0);
        let day = self.facts.day;
        self.facts.young.sort_by_key(|made| made.1);
        let mut moved = Vec::new();
        for made in &mut self.facts.young {
            if made.0 == who && day - made.1 < 90 {
                let taken = moves.min(made.2);
                moves -= taken;
                made.2 -= taken;
                moved.push((to, made.1, taken));
            }
        }
        self.facts.young.extend(moved);
        self.facts.young.retain(|made| made.2 > 0);
    }
}
