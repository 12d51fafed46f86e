//! The instant window in the journal: who waits at it, that it is paid right before the strike that it is for, and never passed over.
//!
//! What a payment pays is the engine's: it follows from the marks and from what waits, and is refused twice before a strike, beyond the
//! budget and in doubt. What is left to choose is when: so a payment stands between the marks of a strike and the strike, on its day, and
//! a strike that could pay and does not is no strike of these rules.

use super::{
    strike::{Order, OrderKind, WindowRecord},
    tail::Orders,
    watch_error::WatchError,
};
use crate::fund::{Event, FundState, Outcome};

/// A payment that waits for its strike.
#[derive(Clone, Debug)]
struct Paid {
    day: i64,
    orders: Vec<Order>,
    fills: Vec<WindowRecord>,
}

/// What is remembered of a fund's window between events.
#[derive(Clone, Debug, Default)]
pub(super) struct WindowWatch {
    paid: Option<Paid>,
    /// Whether the strike that comes could have paid.
    passed_over: bool,
}

/// What is wrong with the event of a number.
fn wrong(sequence: u64, why: &'static str) -> WatchError {
    WatchError::Window { sequence, why }
}

impl WindowWatch {
    /// Looks at the fund before its strike.
    pub(super) fn before(&mut self, fund: Option<&FundState>) {
        self.passed_over = fund.is_some_and(FundState::window_is_due);
    }

    /// An event of the fund, number `sequence`: after a payment it is the strike of that day.
    pub(super) fn follow(&self, sequence: u64, event: &Event) -> Result<(), WatchError> {
        match (event, &self.paid) {
            (Event::Strike { day, .. }, Some(paid)) if *day != paid.day => {
                Err(wrong(sequence, "was paid on another day than its strike's"))
            }
            (Event::Strike { .. }, _) if self.passed_over => {
                Err(wrong(sequence, "could be paid, and the strike passed over it"))
            }
            (Event::Strike { .. }, _) | (_, None) => Ok(()),
            _ => Err(wrong(sequence, "was paid, and its strike did not follow")),
        }
    }

    /// A payment took those out of the queue that it settled.
    pub(super) fn pay(
        &mut self,
        (sequence, day): (u64, i64),
        outcome: &Outcome,
        (orders, in_book): (&mut Orders, impl Fn(&Order) -> bool),
        cut_off: Option<u64>,
    ) -> Result<(), WatchError> {
        let Outcome::Window(fills) = outcome else {
            return Err(WatchError::Internal("a payment of the window without outcome"));
        };
        let settled = orders.take(|order| order.kind == OrderKind::Window && in_book(order));
        let cut_off = cut_off.unwrap_or(sequence - 1);
        if let Some(late) = settled.iter().find(|order| order.sequence > cut_off) {
            return Err(WatchError::Late { order: late.sequence, strike: sequence, cut_off });
        }
        let fills = fills.iter().map(WindowRecord::from).collect();
        self.paid = Some(Paid { day, orders: settled, fills });
        Ok(())
    }

    /// What a strike, which left `fund`, says of the window: every request that it settles, and what each was paid.
    pub(super) fn strike(
        &mut self,
        fund: &FundState,
        orders: &mut Orders,
    ) -> (Vec<Order>, Vec<WindowRecord>) {
        let (mut settled, fills) =
            self.paid.take().map_or_else(Default::default, |paid| (paid.orders, paid.fills));
        let waits = orders.iter().filter(|order| order.kind == OrderKind::Window).count();
        // Those that the strike gave back were the first.
        let returned = waits.saturating_sub(fund.window().requests().len());
        let last = orders
            .iter()
            .filter(|order| order.kind == OrderKind::Window)
            .nth(returned.wrapping_sub(1));
        if let Some(last) = last.map(|order| order.sequence) {
            let is_returned =
                |order: &Order| order.kind == OrderKind::Window && order.sequence <= last;
            settled.extend(orders.take(is_returned));
        }
        (settled, fills)
    }
}
