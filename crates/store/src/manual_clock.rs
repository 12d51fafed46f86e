//! The manual clock: every time it was set to, the last of which it tells.

use sea_orm::sea_query::Condition;

use crate::connection::Sequence;
use crate::record::{self, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A setting of the manual clock.
    pub struct ClockRow in "manual_clock" {
        /// Place in the sequence, from 1.
        seq: i64,
        /// The time it tells, milliseconds since 1970.
        now_ms: i64,
    }
}

/// Sets the clock and returns the place of the setting; that time goes forward is for the caller to see to.
///
/// # Errors
/// Those of the database.
pub async fn append(transaction: &StoreTransaction, now_ms: i64) -> Result<i64, StoreError> {
    transaction.lock(Sequence::Clock).await?;
    let last = record::greatest::<ClockRow, _>(transaction, Condition::all(), "seq").await?;
    let seq = last.unwrap_or(0) + 1;
    record::insert(transaction, ClockRow { seq, now_ms }).await?;
    Ok(seq)
}

/// The last setting; null when the clock was never set.
///
/// # Errors
/// Those of the database.
pub async fn latest<C: Connection>(connection: &C) -> Result<Option<ClockRow>, StoreError> {
    record::last(connection, Condition::all(), "seq").await
}
