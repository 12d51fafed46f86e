//! Notes: when something about funds was recorded that is no event of the ledger.

use sea_orm::sea_query::{Condition, Expr, ExprTrait};

use crate::record::{self, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    struct NoteRow in "ledger_note" {
        /// Milliseconds since 1970.
        recorded_at: i64,
    }
}

/// Notes a moment that is later than all that the ledger has; take [`StoreTransaction::lock_ledger`] before looking for that.
///
/// # Errors
/// [`StoreError::Conflict`] on `ledger_note_pkey`.
pub async fn append(transaction: &StoreTransaction, recorded_at: i64) -> Result<(), StoreError> {
    record::insert(transaction, NoteRow { recorded_at }).await
}

/// The last note at a moment or before it; null where there is none.
///
/// # Errors
/// Those of the database.
pub async fn latest_by<C: Connection>(
    connection: &C,
    recorded_at: i64,
) -> Result<Option<i64>, StoreError> {
    let by = Condition::all().add(Expr::col("recorded_at").lte(Expr::val(recorded_at)));
    record::greatest::<NoteRow, C>(connection, by, "recorded_at").await
}

/// The last note; null where there is none.
///
/// # Errors
/// Those of the database.
pub async fn latest<C: Connection>(connection: &C) -> Result<Option<i64>, StoreError> {
    record::greatest::<NoteRow, C>(connection, Condition::all(), "recorded_at").await
}
