//! The cut-off without a commitment: what waits is the book of the next strike, and whatever comes later queues behind it (invariant 25).
//!
//! ```text
//! cut-off of the calendar ─▶ an order that comes before the strike ─▶ cut_off ─▶ the order, behind the book ─▶ strike: the book alone
//! ```
//! Whoever takes an order posts `cut_off` before it, where an instant of the fund's calendar has passed whose strike has not come. So an
//! order that knows what happened after the cut-off is never in the strike of it, however late that strike is. Where another cut-off
//! passes meanwhile, a second event takes in what came between the two: it was in time for the second, and one strike settles both.
//! Prices are not bound by it: joiners whose price is in doubt at the strike wait on, as they do without a cut-off.

use serde::{Deserialize, Serialize};

use super::{
    batch::{Batch, Effect},
    book::{Book, DAY_MAX, check_seeded, clock, find_fund},
    fund_state::FundState,
    outcome::Outcome,
    rejection::Rejection,
    reveal::{BOOK_DAYS_MAX, ClosedBook},
    state::State,
};
use crate::{name::Name, time::DAY_MS};

/// A cut-off whose strike has not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutOff {
    /// The instant, in milliseconds since 1970: what came after it is in no strike that this book is in.
    pub at: i64,
    /// The day of the first instant that has waited for this strike.
    pub since: i64,
    /// What the strike settles; none after the book was opened again.
    pub book: Option<ClosedBook>,
}

/// A change of a fund's queues.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum QueueChange {
    /// A strike settled its book: the first orders of each queue, but those joiners whose orders are held back.
    BookSettled {
        /// Places of joiners' orders that wait on, ascending.
        kept: Vec<u64>,
        /// The first so many redemption orders.
        redemptions: u64,
        /// The first so many subscription orders, with those that are kept.
        subscriptions: u64,
    },
    /// What waits now is the book of the next strike.
    CutOffPassed {
        /// The instant, in milliseconds since 1970.
        at: i64,
        /// Redemption orders in it.
        redemptions: u64,
        /// The day of the first instant that waits for the strike.
        since: i64,
        /// Subscription orders in it.
        subscriptions: u64,
        /// Requests at the window in it.
        window: u64,
    },
    /// The book of a cut-off is open again: its strike did not come.
    CutOffReopened,
    /// An order to buy is held back since a day, or is dealt with again.
    OrderHeld {
        /// Since when; none where it is held no more.
        day: Option<i64>,
        /// Its place in the queue, from 0.
        place: u64,
    },
}

fn count(orders: usize) -> u64 {
    orders as u64
}

fn index(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// Closes the book of a cut-off that has passed; a later one takes in what came since the one before.
pub(super) fn cut_off(state: &State, fund: &Name, at: i64) -> Result<Batch, Rejection> {
    let fund = find_fund(state, fund)?;
    let day = at.div_euclid(DAY_MS);
    if !(0..=DAY_MAX).contains(&day) {
        return Err(clock(day.to_string(), fund.day()));
    }
    let mut book = Book::over(state);
    check_seeded(&book, fund)?;
    if fund.commitment.is_some() {
        let why = "one is open, and its book is closed by itself";
        return Err(Rejection::Commitment { fund: fund.name.clone(), why });
    }
    if fund.cut_off.is_some_and(|last| at < last.at || at == last.at && last.book.is_some()) {
        return Err(Rejection::Closed {
            what: format!("the book of {} for this cut-off", fund.name),
        });
    }
    let change = QueueChange::CutOffPassed {
        at,
        redemptions: count(fund.redemptions.len()),
        since: fund.cut_off.map_or(day, |first| first.since),
        subscriptions: count(fund.subscriptions.len()),
        window: count(fund.window.requests().len()),
    };
    book.effect(Effect::Queued { change, fund: fund.name.clone() });
    Ok(book.finish(Outcome::None))
}

/// Opens the book of a cut-off again whose strike does not come: all wait on and may take their orders back.
pub(super) fn reopen(state: &State, fund: &FundState, day: i64) -> Result<Batch, Rejection> {
    let Some(closed) = fund.cut_off.and_then(|cut_off| cut_off.book) else {
        let why = "no book is closed";
        return Err(Rejection::Commitment { fund: fund.name.clone(), why });
    };
    if day.saturating_sub(closed.day) < BOOK_DAYS_MAX {
        return Err(Rejection::Closed {
            what: format!("the book of {} until day {}", fund.name, closed.day + BOOK_DAYS_MAX),
        });
    }
    let mut book = Book::over(state);
    book.effect(Effect::Queued { change: QueueChange::CutOffReopened, fund: fund.name.clone() });
    Ok(book.finish(Outcome::None))
}

impl FundState {
    /// The cut-off whose strike has not come; none where no order came after one.
    #[must_use]
    pub const fn cut_off(&self) -> Option<&CutOff> {
        self.cut_off.as_ref()
    }

    /// The book that the next strike settles and nothing behind it; none while orders are taken into it.
    #[must_use]
    pub fn closed_book(&self) -> Option<ClosedBook> {
        let bound = self.commitment.and_then(|open| open.book);
        bound.or_else(|| self.cut_off.and_then(|cut_off| cut_off.book))
    }

    /// Since which day an order to buy is held back; none where it is not.
    #[must_use]
    pub fn held_since(&self, place: u64) -> Option<i64> {
        self.held_orders.get(&index(place)).copied()
    }

    /// Places of the orders to buy that are held back, ascending.
    pub fn held_orders(&self) -> impl Iterator<Item = u64> {
        self.held_orders.keys().map(|place| count(*place))
    }

    /// Takes a change of the queues.
    pub(super) fn take_queues(&mut self, change: &QueueChange) {
        match change {
            QueueChange::BookSettled { kept, redemptions, subscriptions } => {
                let joins = index(*subscriptions);
                self.drop_subscriptions(|place| {
                    place < joins && kept.binary_search(&count(place)).is_err()
                });
                let leaves = index(*redemptions).min(self.redemptions.len());
                self.redemptions.drain(..leaves);
                (self.cut_off, self.commitment) = (None, None);
            }
            QueueChange::CutOffPassed { at, redemptions, since, subscriptions, window } => {
                let (subscriptions, redemptions) = (index(*subscriptions), index(*redemptions));
                let window = index(*window);
                let book = Some(ClosedBook { day: *since, subscriptions, redemptions, window });
                self.cut_off = Some(CutOff { at: *at, since: *since, book });
            }
            QueueChange::CutOffReopened => {
                if let Some(cut_off) = &mut self.cut_off {
                    cut_off.book = None;
                }
            }
            QueueChange::OrderHeld { day, place } => {
                let place = index(*place);
                match day {
                    Some(day) => self.held_orders.insert(place, *day),
                    None => self.held_orders.remove(&place),
                };
            }
        }
    }

    /// Takes orders to buy out of the queue, by their places; those behind move up, held or not.
    pub(super) fn drop_subscriptions(&mut self, gone: impl Fn(usize) -> bool) {
        if !self.held_orders.is_empty() {
            let stay = (0..self.subscriptions.len()).filter(|place| !gone(*place));
            let held = |(now, before): (usize, usize)| Some((now, *self.held_orders.get(&before)?));
            self.held_orders = stay.enumerate().filter_map(held).collect();
        }
        let mut place = 0;
        self.subscriptions.retain(|_| {
            place += 1;
            !gone(place - 1)
        });
    }
}
