//! Cut-offs whose strike is late: an order that comes after one closes its book first, in its own transaction (invariant 25).
//!
//! Whichever server and process takes the order, it asks the fund's calendar under the ledger's lock, at the moment that it records at,
//! which is later than all that was recorded before. So what is known after a cut-off is in no order of its strike, whether the
//! scheduler was there or not (ops/decisions/0050).

use domain::{
    fund::{BOOK_DAYS_MAX, Event, FundState},
    name::Name,
    time::Timestamp,
};
use store::{OrderSide, fund_order};

use crate::{
    Service, ServiceError, calendars,
    exits::fund_day,
    ledger::LedgerUnit,
    moment::LedgerAt,
    orders::{Order, OrderSize, OrderState},
    reveal::{close_book, reopen_if_due},
};

/// At which strike an order that waits is dealt with, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderDealing {
    /// The strike: the next one, or the one after it for what came behind a closed book. An order that is held back waits longer.
    pub strike: i64,
    /// The cut-off that it is dealt with at; none for a fund without a calendar whose book is open.
    pub cut_off: Option<Timestamp>,
    /// Whether the book that it is in is closed: it is not taken back.
    pub is_closed: bool,
    /// The day since when it is held back, because its owner may know what no mark knows; none where it is not.
    pub held_since: Option<i64>,
}

/// Closes the book of the last cut-off that has passed and whose strike has not come, unless that is done.
pub(crate) async fn close_if_due(
    ledger: &mut LedgerUnit<'_>,
    fund: &Name,
) -> Result<(), ServiceError> {
    let now = Timestamp::from_millis(ledger.at());
    let due = calendars::due_cut_offs(&ledger.unit.transaction, fund, now).await?;
    let (Some((_, last)), Some(state)) = (due, ledger.state.fund(fund)) else { return Ok(()) };
    // A fund without shares takes no orders.
    if state.last().is_none() {
        return Ok(());
    }
    match state.open_commitment() {
        Some(open) if open.book.is_some() => return Ok(()),
        Some(_) => return close_book(ledger, fund).await.map(drop),
        None => {}
    }
    let at = last.as_millis();
    let is_closed = state.cut_off().is_some_and(|closed| closed.book.is_some() && closed.at >= at);
    if is_closed {
        return Ok(());
    }
    ledger.post(&Event::CutOff { fund: fund.clone(), at }).await.map(drop)
}

/// Before a strike: where a book is closed and another cut-off has passed meanwhile, what came between the two is in the strike too.
pub(crate) async fn extend_if_due(
    ledger: &mut LedgerUnit<'_>,
    fund: &Name,
) -> Result<(), ServiceError> {
    let is_cut = ledger.state.fund(fund).is_some_and(|state| state.cut_off().is_some());
    if is_cut { close_if_due(ledger, fund).await } else { Ok(()) }
}

/// Before an order is taken back: a book whose strike has not come for three days is opened, so that nobody is shut in; otherwise the
/// book of a cut-off that has passed is closed, and what is in it stays in it.
pub(crate) async fn open_or_close(
    ledger: &mut LedgerUnit<'_>,
    fund: &Name,
) -> Result<(), ServiceError> {
    reopen_if_due(ledger, fund).await?;
    let now = Timestamp::from_millis(ledger.at());
    let due = calendars::due_cut_offs(&ledger.unit.transaction, fund, now).await?;
    let day = fund_day(&ledger.state, fund, ledger.unit.caller.now);
    let waited = due.map_or(0, |(first, _)| day.saturating_sub(first.day()));
    if waited >= BOOK_DAYS_MAX { Ok(()) } else { close_if_due(ledger, fund).await }
}

impl Service {
    /// At which strike an order that waits on a ledger is dealt with; none for one that waits no more.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn find_order_dealing(
        &self,
        order: &Order,
        ledger: &LedgerAt,
    ) -> Result<Option<OrderDealing>, ServiceError> {
        let (Some(state), OrderState::Waiting) = (ledger.state.fund(&order.fund), &order.state)
        else {
            return Ok(None);
        };
        let side = match order.size {
            OrderSize::Subscription(_) => OrderSide::Subscription,
            OrderSize::Redemption(_) => OrderSide::Redemption,
            OrderSize::Window(..) => OrderSide::Window,
        };
        let (fund, at) = (order.fund.as_str(), (order.id, ledger.seq));
        let place = fund_order::count_before_at(&self.store, fund, side, at).await?;
        let place = place.unsigned_abs();
        let next = i64::try_from(state.epoch()).map_err(ServiceError::internal)? + 1;
        let closed = state.closed_book().map(|book| match side {
            OrderSide::Subscription => book.subscriptions as u64,
            OrderSide::Redemption => book.redemptions as u64,
            OrderSide::Window => book.window as u64,
        });
        let is_closed = closed.is_some_and(|count| place < count);
        let cut_at =
            state.cut_off().filter(|_| is_closed).map(|cut| Timestamp::from_millis(cut.at));
        let cut_off = match cut_at {
            Some(at) => Some(at),
            None if is_closed => None,
            None => self.coming_cut_off(state, ledger).await?,
        };
        Ok(Some(OrderDealing {
            strike: if closed.is_some() && !is_closed { next + 1 } else { next },
            cut_off,
            is_closed,
            held_since: match side {
                OrderSide::Subscription => state.held_since(place),
                OrderSide::Redemption | OrderSide::Window => None,
            },
        }))
    }

    /// The cut-off for an order behind all closed books: one that has passed without a strike or a later order, or the next one.
    async fn coming_cut_off(
        &self,
        state: &FundState,
        ledger: &LedgerAt,
    ) -> Result<Option<Timestamp>, ServiceError> {
        let Some(calendar) = self.find_calendar(state.name(), ledger).await? else {
            return Ok(None);
        };
        let closed = state.cut_off().map(|cut| cut.at);
        let due = calendar.last_due(ledger.as_of);
        let due = due.filter(|due| closed.is_none_or(|closed| due.as_millis() > closed));
        Ok(due.or_else(|| calendar.next_dealing(ledger.as_of).map(|day| day.cut_off)))
    }
}
