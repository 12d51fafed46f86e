//! Commitments to prices, closed books, reveals.

use std::collections::BTreeMap;

use super::{Code, ESC_SUB, LAST_DAY, Model, amount, need};
use crate::{
    amount::PriceNano,
    digest::Digest,
    name::Name,
    simulation::cast::{CASH, person},
};

/// Days that a closed book waits before it may be opened again.
const WAITS: i64 = 3;

/// Prices that somebody is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::simulation) struct Open {
    pub(in crate::simulation) digest: Digest,
    /// Day, joiners, leavers and the window's requests of the closed book.
    pub(in crate::simulation) book: Option<(i64, usize, usize, usize)>,
    pub(in crate::simulation) told: bool,
}

/// The digest of a set of prices, its canonical JSON written by hand: keys in order, names and digits need no escape.
pub(in crate::simulation) fn digest(
    fund: &Name,
    number: u64,
    (px, est): (&BTreeMap<Name, PriceNano>, &BTreeMap<Name, PriceNano>),
    salt: &str,
) -> Digest {
    let list = |map: &BTreeMap<Name, PriceNano>| {
        let pairs = map.iter().map(|(name, price)| format!("\"{name}\":\"{}\"", price.as_nano()));
        pairs.collect::<Vec<_>>().join(",")
    };
    let text = format!(
        "{{\"estimates\":{{{}}},\"fund\":\"{fund}\",\"number\":{number},\"prices\":{{{}}},\"salt\":\"{salt}\"}}",
        list(est),
        list(px)
    );
    Digest::of(text.as_bytes())
}

impl Model {
    pub(super) fn commit_prices(&mut self, fund: &Name, digest: Digest) -> Result<(), Code> {
        self.rules(fund)?;
        need(self.shares() > 0, "unseeded")?;
        need(self.facts.open.is_none() && self.facts.cut.is_none(), "commitment")?;
        need(self.facts.call.is_none_or(|call| call.lost.is_none()), "commitment")?;
        self.facts.open = Some(Open { digest, book: None, told: false });
        Ok(())
    }

    fn day(&self, fund: &Name, day: i64) -> Result<(), Code> {
        self.rules(fund)?;
        need(day >= self.facts.day && day <= LAST_DAY, "clock")
    }

    pub(super) fn close_orders(&mut self, fund: &Name, day: i64) -> Result<(), Code> {
        self.day(fund, day)?;
        let doubt = self.facts.held || self.facts.access.paused;
        let joins = if doubt { 0 } else { self.facts.subs.len() };
        let leaves = self.facts.reds.len();
        let window = self.facts.window.len();
        let open = self.facts.open.as_mut().ok_or("commitment")?;
        need(open.book.is_none(), "commitment")?;
        open.book = Some((day, joins, leaves, window));
        Ok(())
    }

    pub(super) fn reopen(&mut self, fund: &Name, day: i64) -> Result<(), Code> {
        self.day(fund, day)?;
        let book = self.facts.open.as_ref().and_then(|open| open.book);
        let Some((closed, joins, ..)) = book else { return self.reopen_cut(day) };
        need(day - closed >= WAITS, "closed")?;
        self.facts.waits.drain(..joins);
        for (who, c) in self.facts.subs.drain(..joins).collect::<Vec<_>>() {
            self.post(&[(CASH, ESC_SUB, person(who), c)])?;
        }
        self.reopen_window()?;
        self.facts.open = None;
        Ok(())
    }

    pub(super) fn reveal(
        &mut self,
        fund: &Name,
        (px, est): (&BTreeMap<Name, PriceNano>, &BTreeMap<Name, PriceNano>),
        salt: &str,
    ) -> Result<(), Code> {
        self.rules(fund)?;
        for (name, price) in px.iter().chain(est) {
            self.listed(name)?;
            amount(price.as_nano(), 0)?;
        }
        let number = self.facts.epoch + 1;
        let open = self.facts.open.as_mut().ok_or("commitment")?;
        need(open.book.is_some() && !open.told, "commitment")?;
        need(open.digest == digest(fund, number, (px, est), salt), "commitment")?;
        open.told = true;
        for (name, price) in px {
            if let Ok(model) = self.alive(name) {
                self.mark(model, price.as_nano());
            }
        }
        for (name, estimate) in est {
            if let Ok(model) = self.alive(name) {
                self.facts.est[model] = Some(estimate.as_nano());
            }
        }
        Ok(())
    }

    /// Whether an order belongs to its strike already.
    pub(super) fn is_closed(&self, place: usize, joins: bool) -> bool {
        let bound = self.facts.open.as_ref().and_then(|open| open.book);
        let cut = self.facts.cut.as_ref().and_then(|cut| cut.book);
        let book = bound.map(|(_, subs, reds, _)| (subs, reds));
        let book = book.or_else(|| cut.map(|(subs, reds, _)| (subs, reds)));
        book.is_some_and(|(subs, reds)| place < if joins { subs } else { reds })
    }
}
