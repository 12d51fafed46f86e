//! Structures: what a checkpoint is made of, kept so that models are found by it.

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// The structure of a checkpoint.
    pub struct StructureRow in "checkpoint_structure" {
        /// SHA-256 of the checkpoint.
        checkpoint_digest: String,
        /// Elements of all tensors.
        parameters: i64,
        /// Types of its elements: a space, then each with a space after it.
        dtypes: String,
        /// SHA-256 over names and shapes, 64 hex digits.
        signature: String,
    }
}

/// Writes a structure unless it is there; `false` when it was.
///
/// # Errors
/// [`StoreError::MissingReference`] without the object.
pub async fn insert(transaction: &StoreTransaction, row: StructureRow) -> Result<bool, StoreError> {
    record::insert_if_absent(transaction, row, "checkpoint_digest").await
}

/// The structure of a checkpoint; null when it belongs to no version.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    checkpoint_digest: &str,
) -> Result<Option<StructureRow>, StoreError> {
    record::find(connection, equal("checkpoint_digest", checkpoint_digest)).await
}
