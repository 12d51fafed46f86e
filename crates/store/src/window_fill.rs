//! What the instant window paid each order. An order of the window without a row waits, or was taken back.

use sea_orm::sea_query::Condition;

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// What an order at the window got.
    pub struct WindowFillRow in "window_fill" {
        /// The fund.
        fund: String,
        /// The strike before which it was settled.
        strike_number: i64,
        /// The ledger's event that placed the order; an order is settled once.
        order_event_seq: i64,
        /// Whose it was.
        owner: String,
        /// Shares asked for, 1e-9 shares.
        requested_nano: i64,
        /// Shares given back, the levy among them, 1e-9 shares; none where all returned.
        shares_nano: i64,
        /// Shares whose value stayed in the fund, 1e-9 shares.
        levy_nano: i64,
        /// Cash, at once, micro-credits.
        cash_micro: i64,
    }
}

/// Writes fills.
///
/// # Errors
/// [`StoreError::Conflict`] on `window_fill_pkey` when an order was settled before; [`StoreError::MissingReference`] without the fund or
/// the event.
pub async fn insert_all(
    transaction: &StoreTransaction,
    rows: Vec<WindowFillRow>,
) -> Result<(), StoreError> {
    record::insert_all(transaction, rows).await
}

/// What an order got; null while it waits.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    order_event_seq: i64,
) -> Result<Option<WindowFillRow>, StoreError> {
    record::find(connection, equal("order_event_seq", order_event_seq)).await
}

/// A page of what was settled before a strike, in the order of placing.
///
/// # Errors
/// Those of the database.
pub async fn list<C: Connection>(
    connection: &C,
    (fund, strike_number): (&str, i64),
    after: Option<i64>,
    limit: u64,
) -> Result<Vec<WindowFillRow>, StoreError> {
    let condition =
        Condition::all().add(equal("fund", fund)).add(equal("strike_number", strike_number));
    record::page(connection, condition, "order_event_seq", after.map(Into::into), limit).await
}
