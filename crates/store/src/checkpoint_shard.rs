//! Shards: the files of a checkpoint that has several. Its own object is the document that names them.

use sea_orm::sea_query::IntoCondition;

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A file of a checkpoint in shards.
    pub struct ShardRow in "checkpoint_shard" {
        /// Digest of the checkpoint, which is the digest of its document.
        checkpoint_digest: String,
        /// Place among the shards, by the bytes of their names, from 0.
        position: i64,
        /// Its name, without a folder; unique in its checkpoint.
        file: String,
        /// SHA-256 of its bytes.
        shard_digest: String,
        /// How many they are.
        bytes: i64,
        /// Place of its first tensor among all tensors of the checkpoint.
        first_tensor: i64,
    }
}

/// Writes the shards of a checkpoint.
///
/// # Errors
/// [`StoreError::Conflict`] on `checkpoint_shard_pkey` or `checkpoint_shard_checkpoint_digest_file_key`;
/// [`StoreError::MissingReference`] without the object of the document or of a shard.
pub async fn insert_all(
    transaction: &StoreTransaction,
    rows: Vec<ShardRow>,
) -> Result<(), StoreError> {
    record::insert_all(transaction, rows).await
}

/// A page of a checkpoint's shards by position; empty for a checkpoint of one file.
///
/// # Errors
/// Those of the database.
pub async fn list<C: Connection>(
    connection: &C,
    checkpoint_digest: &str,
    after_position: Option<i64>,
    limit: u64,
) -> Result<Vec<ShardRow>, StoreError> {
    let condition = equal("checkpoint_digest", checkpoint_digest).into_condition();
    record::page(connection, condition, "position", after_position.map(Into::into), limit).await
}
