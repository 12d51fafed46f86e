//! Which event of a fund ended the window of a version: the strike whose mark knows it, most often.

use sea_orm::sea_query::Condition;

use crate::record::{self, equal, record, words};
use crate::{Connection, StoreError, StoreTransaction};

words! {
    /// Why a window ended.
    pub enum WindowEnd {
        /// The fund's mark follows from a decision on the version.
        Marked = "marked",
        /// A later version is listed: this one prices no more.
        PassedOver = "passed_over",
        /// The fund lists the model no more.
        Delisted = "delisted",
    }
}

record! {
    /// The end of a window.
    pub struct WindowEndRow in "dealing_window_end" {
        /// The fund.
        fund: String,
        /// The version.
        version_id: String,
        /// The ledger's event that ended it.
        event_seq: i64,
        /// Why.
        reason: WindowEnd,
    }
}

/// Writes ends.
///
/// # Errors
/// [`StoreError::Conflict`] on `dealing_window_end_pkey` where a window ended before; [`StoreError::MissingReference`] without fund,
/// version or event.
pub async fn insert_all(
    transaction: &StoreTransaction,
    rows: Vec<WindowEndRow>,
) -> Result<(), StoreError> {
    record::insert_all(transaction, rows).await
}

/// The end of a version's window in a fund; null while it is open.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    fund: &str,
    version_id: &str,
) -> Result<Option<WindowEndRow>, StoreError> {
    let condition = Condition::all().add(equal("fund", fund)).add(equal("version_id", version_id));
    record::find(connection, condition).await
}
