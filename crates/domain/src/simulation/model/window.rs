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
        (shares, least): (i64, i64),
    ) -> Result<(), Code> {
        let rules = self.rules(fund)?;
        let (who, shares) = (self.person(who)?, amount(shares, 1)?);
        let least = amount(least, 0)?;
        need(rules.window.is_some(), "window")?;
        need(self.shares() > 0, "unseeded")?;
        need(!self.facts.winding, "winding")?;
        need(self.facts.window.iter().all(|waits| waits.0 != who), "exists")?;
        need(shares * 1_000_000 >= self.shares(), "amount")?;
        self.post(&[(SHARE, person(who), ESC_RED, shares)])?;
        self.facts.window.push((who, shares, least));
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
        let (owner, shares, _) = *self.facts.window.get(place).ok_or("nothing")?;
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
        let mut asked: Vec<(usize, i128, i128)> = queue;
        asked.sort_by_key(|(who, ..)| &self.cast.persons[*who]);
        let held = |who: usize, asked: i128| {
            (self.cell(person(who), SHARE) + asked - self.young(who)).max(0)
        };
        let worth = self.bid();
        let each = self.window_price();
        let pay = |shares: i128| {
            let left = up(shares, levy_out, K);
            (left, down(worth, shares - left, supply * K))
        };
        let give = |part: i128, (who, asked, least): (usize, i128, i128)| {
            if least > each {
                return 0;
            }
            let most = down(held(who, asked), part, ONE18).min(asked);
            if pay(most).1 == 0 { 0 } else { most }
        };
        let money = down(self.cash(), budget, K);
        let fits = |part: i128| {
            let gives = || asked.iter().map(|waits| give(part, *waits));
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
        let told = asked.iter().map(|waits| {
            let given = give(part, *waits);
            let (left, cash) = pay(given);
            (waits.0, waits.1, given, left, cash)
        });
        let told: Vec<Paid> = told.collect();
        self.settle_window(&told, supply)?;
        Ok(told)
    }

    fn settle_window(&mut self, told: &[Paid], supply: i128) -> Result<(), Code> {
        let mut legs = Vec::<Leg>::new();
        for (who, asked, given, _, cash) in told {
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
        Ok(())
    }

    /// The first requests leave the queue, and the book.
    fn take_requests(&mut self, count: usize) -> Vec<(usize, i128, i128)> {
        if let Some(book) = self.facts.open.as_mut().and_then(|open| open.book.as_mut()) {
            book.3 = book.3.saturating_sub(count);
        } else if let Some(book) = self.facts.cut.as_mut().and_then(|cut| cut.book.as_mut()) {
            book.2 = book.2.saturating_sub(count);
        }
        self.facts.window.drain(..count).collect()
    }

    /// So many of the first requests go back to their owners.
    fn return_requests(&mut self, count: usize) -> Result<(), Code> {
        for (who, shares, _) in self.take_requests(count) {
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

    /// What one share gets that leaves a part to the fund, in 1e-9 credits.
    pub(in crate::simulation) fn window_price(&self) -> i128 {
        let levy_out = self.rules.and_then(|rules| rules.window).map_or(0, |window| window.1);
        down(self.bid(), K - levy_out, self.shares().max(1) * 1_000_000)
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

    /// Shares are given away: first those that were not made in kind lately, then the oldest of the others; a reversal fetches first what
    /// the gift that it reverses has moved.
    pub(super) fn give_young(&mut self, who: usize, to: usize, n: i128, reverses: Option<u64>) {
        let rest = (self.cell(person(who), SHARE) - self.young(who)).max(0);
        let day = self.facts.day;
        self.facts.young.sort_by_key(|made| made.1);
        let back = reverses.and_then(|event| self.facts.moved.get(&event).cloned());
        let mut left = n;
        let mut moved = Vec::new();
        let mut fetch = |made: &mut (usize, i64, i128), most: i128| {
            let is_his = made.0 == who && day - made.1 < 90;
            let taken = if is_his { most.min(made.2).max(0) } else { 0 };
            made.2 -= taken;
            moved.push((made.1, taken));
            taken
        };
        for (of, mut part) in back.unwrap_or_default() {
            for made in self.facts.young.iter_mut().filter(|made| made.1 == of) {
                let taken = fetch(made, part.min(left));
                part -= taken;
                left -= taken;
            }
        }
        let mut moves = (left - rest).max(0);
        for made in &mut self.facts.young {
            moves -= fetch(made, moves);
        }
        moved.retain(|part| part.1 > 0);
        self.facts.young.extend(moved.iter().map(|(of, part)| (to, *of, *part)));
        self.facts.young.retain(|made| made.2 > 0);
        if reverses.is_none() && !moved.is_empty() {
            self.facts.moved.insert(self.events + 1, moved);
        }
    }
}
