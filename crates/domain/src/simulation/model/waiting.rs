//! Cut-offs, orders that are held back, fee shares; and which orders a strike takes out of the queues.

use super::{Code, Model, math::K, need};
use crate::{amount::Ppb, name::Name};

const DAY: i64 = 86_400_000;
const LAST_DAY: i64 = 1_000_000;

/// An instant that waits for its strike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::simulation) struct Cut {
    pub(in crate::simulation) at: i64,
    /// Day of the first one.
    pub(in crate::simulation) since: i64,
    /// Joiners, leavers and the window's requests of the book; none after it was opened again.
    pub(in crate::simulation) book: Option<(usize, usize, usize)>,
}

/// Orders of one strike: joiners, leavers, and whether joiners get all back.
pub(super) type Dealt = (Vec<(usize, i128)>, Vec<(usize, i128)>, bool);

impl Model {
    pub(super) fn cut_off(&mut self, fund: &Name, at: i64) -> Result<(), Code> {
        self.rules(fund)?;
        let day = at.div_euclid(DAY);
        need((0..=LAST_DAY).contains(&day), "clock")?;
        need(self.shares() > 0, "unseeded")?;
        need(self.facts.open.is_none(), "commitment")?;
        let mut since = day;
        if let Some(last) = &self.facts.cut {
            let again = last.at == at && last.book.is_some();
            need(at >= last.at && !again, "closed")?;
            since = last.since;
        }
        let book = Some((self.facts.subs.len(), self.facts.reds.len(), self.facts.window.len()));
        self.facts.cut = Some(Cut { at, since, book });
        Ok(())
    }

    pub(super) fn hold_joiners(&mut self, fund: &Name, held: bool) -> Result<(), Code> {
        self.rules(fund)?;
        need(self.facts.held != held, "nothing")?;
        self.facts.held = held;
        Ok(())
    }

    pub(super) fn hold_order(
        &mut self,
        fund: &Name,
        (who, place): (&Name, u64),
        (held, day): (bool, i64),
    ) -> Result<(), Code> {
        self.rules(fund)?;
        need(day >= self.facts.day && day <= LAST_DAY, "clock")?;
        let place = usize::try_from(place).map_err(|_| "nothing")?;
        let owner = self.facts.subs.get(place).ok_or("nothing")?.0;
        need(self.cast.persons.get(owner) == Some(who), "nothing")?;
        need(self.facts.waits[place].is_some() != held, "nothing")?;
        self.facts.waits[place] = held.then_some(day);
        Ok(())
    }

    pub(super) fn fee_share(&mut self, fund: &Name, name: &Name, share: Ppb) -> Result<(), Code> {
        self.rules(fund)?;
        let model = self.alive(name)?;
        let share = i128::from(share.as_ppb());
        need((0..=K).contains(&share), "weights")?;
        need(self.facts.fee_shares[model] != share, "nothing")?;
        self.facts.fee_shares[model] = share;
        Ok(())
    }

    /// Opens the book of a cut-off again.
    pub(super) fn reopen_cut(&mut self, day: i64) -> Result<(), Code> {
        let cut = self.facts.cut.as_mut().ok_or("commitment")?;
        need(cut.book.is_some(), "commitment")?;
        need(day - cut.since >= 3, "closed")?;
        cut.book = None;
        Ok(())
    }

    /// Takes the orders of a strike out of the queues, and uses commitment and cut-off up.
    pub(super) fn dealt(&mut self) -> Dealt {
        let facts = &mut self.facts;
        let (open, cut) = (facts.open.take(), facts.cut.take());
        let doubt = facts.held || facts.access.paused;
        let bound =
            open.as_ref().and_then(|open| open.book).map(|(_, joins, leaves, _)| (joins, leaves));
        let all = (facts.subs.len(), facts.reds.len());
        let cut = cut.and_then(|cut| cut.book).map(|(joins, leaves, _)| (joins, leaves));
        let (mut joins, leaves) = bound.or(cut).unwrap_or(all);
        if bound.is_none() && doubt && !facts.winding {
            joins = 0;
        }
        let back = facts.winding || open.is_some_and(|open| !open.told || doubt);
        let (mut taken, mut subs, mut waits) = (Vec::new(), Vec::new(), Vec::new());
        let queue = std::mem::take(&mut facts.subs).into_iter();
        for (place, (order, held)) in queue.zip(std::mem::take(&mut facts.waits)).enumerate() {
            if place < joins && (back || held.is_none()) {
                taken.push(order);
            } else {
                subs.push(order);
                waits.push(held);
            }
        }
        (facts.subs, facts.waits) = (subs, waits);
        (taken, facts.reds.drain(..leaves).collect(), back)
    }
}
