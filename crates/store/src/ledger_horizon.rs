//! The horizon: up to which moment the ledger's past is closed, so that nothing is recorded in it any more.

use sea_orm::sea_query::Condition;

use crate::record::{self, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    struct HorizonRow in "ledger_horizon" {
        /// Milliseconds since 1970; the greatest counts.
        closed_to: i64,
    }
}

/// Closes the past up to a moment that lies beyond the last horizon; take [`StoreTransaction::lock_ledger`] before reading that one.
///
/// # Errors
/// [`StoreError::Conflict`] on `ledger_horizon_pkey`.
pub async fn append(transaction: &StoreTransaction, closed_to: i64) -> Result<(), StoreError> {
    record::insert(transaction, HorizonRow { closed_to }).await
}

/// Up to which moment the past is closed; null before the first time.
///
/// # Errors
/// Those of the database.
pub async fn latest<C: Connection>(connection: &C) -> Result<Option<i64>, StoreError> {
    record::greatest::<HorizonRow, C>(connection, Condition::all(), "closed_to").await
}
