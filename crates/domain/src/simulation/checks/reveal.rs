//! The two-sided strike: 25 and 26, by the numbers of the requests.
//!
//! It follows events by the order in which they were done and asks no commitment of the engine.

use std::collections::BTreeSet;

use super::{Violation, ensure};
use crate::{
    amount::Shares,
    fund::{Event, FundState, StrikeOutcome},
    name::Name,
};

/// An order that waits, by the number of its request.
type Waiting = (u64, Name);

/// What is under way for the next strike.
#[derive(Debug, Default)]
pub(in crate::simulation) struct Sequence {
    done: u64,
    joins: Vec<Waiting>,
    leaves: Vec<Waiting>,
    held: bool,
    paused: bool,
    committed: Option<u64>,
    /// The cut-off, and whether joiners were held back at it.
    cut_off: Option<(u64, bool)>,
    /// Orders that are held back, by the numbers of their requests.
    kept: BTreeSet<u64>,
    revealed: Option<u64>,
}

fn remove(queue: &mut Vec<Waiting>, place: u64) {
    if let Some(place) = usize::try_from(place).ok().filter(|place| *place < queue.len()) {
        queue.remove(place);
    }
}

/// Those up to a request, out of the queue.
fn up_to(queue: &mut Vec<Waiting>, last: u64) -> Vec<Waiting> {
    let count = queue.iter().take_while(|order| order.0 <= last).count();
    queue.drain(..count).collect()
}

fn same<'a>(orders: &[Waiting], names: impl Iterator<Item = &'a Name>) -> bool {
    orders.iter().map(|order| &order.1).eq(names)
}

impl Sequence {
    /// Follows an event that was done.
    pub(in crate::simulation) fn follow(
        &mut self,
        event: &Event,
        struck: Option<&StrikeOutcome>,
        fund: Option<&FundState>,
    ) -> Result<(), Violation> {
        self.done += 1;
        match event {
            Event::Subscribe { who, .. } => self.joins.push((self.done, who.clone())),
            Event::Redeem { who, .. } => self.leaves.push((self.done, who.clone())),
            Event::CancelSubscription { place, .. } => {
                let order = self.joins.get(*place as usize);
                self.check_open(order)?;
                let held = order.is_some_and(|order| self.kept.contains(&order.0));
                ensure(28, !held, || "an order that is held back was taken back".to_owned())?;
                remove(&mut self.joins, *place);
            }
            Event::CancelRedemption { place, .. } => {
                self.check_open(self.leaves.get(*place as usize))?;
                remove(&mut self.leaves, *place);
            }
            Event::HoldSubscriptions { held, .. } => self.held = *held,
            Event::Pause { paused, .. } => self.paused = *paused,
            Event::CommitPrices { .. } => {
                ensure(26, self.committed.is_none(), || "two commitments are open".to_owned())?;
                self.committed = Some(self.done);
            }
            // Without a commitment it is told at the strike whether joiners wait.
            Event::CutOff { .. } => self.cut_off = Some((self.done, false)),
            Event::HoldOrder { place, held, .. } => {
                let order = self.joins.get(*place as usize).map(|order| order.0);
                if *held {
                    self.kept.extend(order);
                } else {
                    order.map(|order| self.kept.remove(&order));
                }
            }
            Event::CloseOrders { .. } => self.cut_off = Some((self.done, self.held || self.paused)),
            Event::RevealPrices { .. } => self.revealed = Some(self.done),
            Event::MarkSet { .. } => ensure(26, self.committed.is_none(), || {
                "prices were set beside a commitment".to_owned()
            })?,
            Event::ReopenOrders { .. } => {
                if let (Some((last, false)), Some(_)) = (self.cut_off, self.committed) {
                    up_to(&mut self.joins, last);
                }
                (self.committed, self.cut_off, self.revealed) = (None, None, None);
            }
            _ => {}
        }
        if let Some(strike) = struck {
            self.strike(strike)?;
        }
        match fund {
            Some(fund) if struck.is_some() => self.check_left(fund),
            _ => Ok(()),
        }
    }

    fn check_open(&self, order: Option<&Waiting>) -> Result<(), Violation> {
        let closed = self.cut_off.zip(order).is_some_and(|(cut_off, order)| order.0 <= cut_off.0);
        // Held joiners are outside the book.
        let outside = self.cut_off.is_some_and(|cut_off| cut_off.1)
            && self.joins.iter().any(|join| Some(join) == order);
        ensure(25, !closed || outside, || "an order of a closed book was taken back".to_owned())
    }

    fn strike(&mut self, strike: &StrikeOutcome) -> Result<(), Violation> {
        let holds = (self.held || self.paused) && !strike.winding;
        let (last, without) = match self.cut_off {
            Some((last, held)) if self.committed.is_some() => (last, held),
            Some((last, _)) => (last, holds),
            None => (self.done, holds),
        };
        // What goes back to all goes back to those too who are held.
        let bound = self.committed.is_some();
        let back = strike.winding || bound && (self.revealed.is_none() || holds);
        let kept = if back { BTreeSet::new() } else { self.kept.clone() };
        let joined = if without { Vec::new() } else { up_to(&mut self.joins, last) };
        let (waits, joined): (Vec<_>, Vec<_>) =
            joined.into_iter().partition(|order| kept.contains(&order.0));
        self.joins.splice(..0, waits);
        let left = up_to(&mut self.leaves, last);
        ensure(25, same(&joined, strike.fills.iter().map(|fill| &fill.who)), || {
            format!("joiners up to {last} are {joined:?}, the strike deals {:?}", strike.fills)
        })?;
        ensure(25, same(&left, strike.slices.iter().map(|slice| &slice.who)), || {
            format!("leavers up to {last} are {left:?}, the strike deals {:?}", strike.slices)
        })?;
        let filled = strike.fills.iter().any(|fill| fill.shares > Shares::ZERO);
        if self.committed.is_some() {
            let order = [self.committed, self.cut_off.map(|c| c.0), self.revealed];
            let in_order = order.iter().all(Option::is_some) && order.is_sorted();
            ensure(26, !filled || in_order, || {
                format!("a joiner is dealt with at commitment, cut-off and reveal {order:?}")
            })?;
        }
        (self.committed, self.cut_off, self.revealed) = (None, None, None);
        Ok(())
    }

    /// What the strike did not settle waits on, and nothing else does.
    fn check_left(&self, fund: &FundState) -> Result<(), Violation> {
        let joins = same(&self.joins, fund.pending_subscriptions().iter().map(|order| &order.0));
        let leaves = same(&self.leaves, fund.pending_redemptions().iter().map(|order| &order.0));
        ensure(25, joins && leaves, || "other orders wait after a strike than should".to_owned())
    }
}
