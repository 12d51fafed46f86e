//! Slices: what each redemption order got at its strike. An order without a slice waits, or was taken back.

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// The slice of a redemption order.
    pub struct SliceRow in "order_slice" {
        /// The fund.
        fund: String,
        /// The strike that settled it.
        strike_number: i64,
        /// The ledger's event that placed the order; an order is settled once.
        order_event_seq: i64,
        /// Whose it was.
        owner: String,
        /// Shares given back, 1e-9 shares.
        shares_nano: i64,
        /// Cash, at once, micro-credits.
        cash_micro: i64,
        /// Units to be sold or delivered, by model, in 1e-6, JSON.
        units: String,
    }
}

/// Writes slices.
///
/// # Errors
/// [`StoreError::Conflict`] on `order_slice_pkey` when an order was settled before; [`StoreError::MissingReference`] without the fund
/// or the event.
pub async fn insert_all(
    transaction: &StoreTransaction,
    rows: Vec<SliceRow>,
) -> Result<(), StoreError> {
    record::insert_all(transaction, rows).await
}

/// The slice of an order; null while it waits.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    order_event_seq: i64,
) -> Result<Option<SliceRow>, StoreError> {
    record::find(connection, equal("order_event_seq", order_event_seq)).await
}
