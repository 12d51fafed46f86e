//! Tensors: where each lies in its checkpoint.

use sea_orm::sea_query::IntoCondition;

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A tensor of a checkpoint.
    pub struct TensorRow in "checkpoint_tensor" {
        /// Digest of the checkpoint; a checkpoint in shards has rows of its own, one for each tensor of all shards.
        checkpoint_digest: String,
        /// Place in the order of the byte ranges, from 0; in shards, those of the first shard first.
        position: i64,
        /// Name; unique in its checkpoint.
        name: String,
        /// Type of an element as safetensors writes it, such as `F32`.
        dtype: String,
        /// Extents, a JSON array.
        shape: String,
        /// First byte, counted from the end of the header of its file.
        begin_byte: i64,
        /// The byte after the last.
        end_byte: i64,
        /// blake3 over type, shape and bytes (DESIGN 4, Objects).
        tensor_key: String,
    }
}

/// Writes the tensors of a checkpoint.
///
/// # Errors
/// [`StoreError::Conflict`] on `checkpoint_tensor_pkey` or `checkpoint_tensor_checkpoint_digest_name_key`;
/// [`StoreError::MissingReference`] without the object.
pub async fn insert_all(
    transaction: &StoreTransaction,
    rows: Vec<TensorRow>,
) -> Result<(), StoreError> {
    record::insert_all(transaction, rows).await
}

/// A page of a checkpoint's tensors by position.
///
/// # Errors
/// Those of the database.
pub async fn list<C: Connection>(
    connection: &C,
    checkpoint_digest: &str,
    after_position: Option<i64>,
    limit: u64,
) -> Result<Vec<TensorRow>, StoreError> {
    let condition = equal("checkpoint_digest", checkpoint_digest).into_condition();
    record::page(connection, condition, "position", after_position.map(Into::into), limit).await
}

/// The number of a checkpoint's tensors.
///
/// # Errors
/// Those of the database.
pub async fn count<C: Connection>(
    connection: &C,
    checkpoint_digest: &str,
) -> Result<i64, StoreError> {
    let condition = equal("checkpoint_digest", checkpoint_digest).into_condition();
    record::count::<TensorRow, C>(connection, condition).await
}
