//! Lineage: the version that a publisher says another one was made from.

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// The declared base of a version.
    pub struct BaseRow in "version_base" {
        /// The version.
        version_id: String,
        /// The version that it was made from, by the word of its publisher.
        base_version_id: String,
        /// Milliseconds since 1970.
        declared_at: i64,
    }
}

/// Writes the base of a version.
///
/// # Errors
/// [`StoreError::Conflict`] on `version_base_pkey`; [`StoreError::MissingReference`] without one of the two versions.
pub async fn insert(transaction: &StoreTransaction, row: BaseRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The declared base of a version; null when none was declared.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    version_id: &str,
) -> Result<Option<BaseRow>, StoreError> {
    record::find(connection, equal("version_id", version_id)).await
}
