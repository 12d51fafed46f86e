//! Yanks: a version that shall not be used anew stays readable, and a row says who withdrew it, when and why.

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// The yank of a version.
    pub struct YankRow in "version_yank" {
        /// The version.
        version_id: String,
        /// Why, in words.
        reason: String,
        /// The login that yanked it.
        yanked_by: String,
        /// Milliseconds since 1970.
        yanked_at: i64,
    }
}

/// Writes a yank.
///
/// # Errors
/// [`StoreError::Conflict`] on `version_yank_pkey` when it is yanked already; [`StoreError::MissingReference`] without the version.
pub async fn insert(transaction: &StoreTransaction, row: YankRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The yank of a version; null while it may be used.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    version_id: &str,
) -> Result<Option<YankRow>, StoreError> {
    record::find(connection, equal("version_id", version_id)).await
}
