//! Tensors: where each lies in its checkpoint.

use sea_orm::sea_query::{Expr, ExprTrait, IntoCondition, Query};

use crate::record::{self, equal, record};
use crate::{Connection, Reading, StoreError, StoreTransaction, model_access};

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

/// A stored checkpoint that holds a tensor of some key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TensorSource {
    /// The key.
    pub tensor_key: String,
    /// Digest of the checkpoint.
    pub checkpoint_digest: String,
}

/// The tensor of a name in a checkpoint.
///
/// # Errors
/// Those of the database.
pub async fn find_by_name<C: Connection>(
    connection: &C,
    checkpoint_digest: &str,
    name: &str,
) -> Result<Option<TensorRow>, StoreError> {
    let condition = sea_orm::sea_query::Condition::all()
        .add(equal("checkpoint_digest", checkpoint_digest))
        .add(equal("name", name));
    record::find(connection, condition).await
}

/// Most keys that one statement asks for.
const KEYS_MAX: usize = 2_000;

/// For each key that a checkpoint has which the reading sees: one such checkpoint, for most keys the same.
///
/// # Errors
/// Those of the database.
pub async fn list_sources<C: Connection>(
    connection: &C,
    reading: Reading<'_>,
    keys: &[String],
) -> Result<Vec<TensorSource>, StoreError> {
    let mut sources = Vec::new();
    // A set of shards repeats the tensors of its files, in which the bytes lie.
    let sets = Query::select().column("checkpoint_digest").from("checkpoint_shard").take();
    for keys in keys.chunks(KEYS_MAX) {
        let statement = Query::select()
            .column("tensor_key")
            .expr_as(Expr::col("checkpoint_digest").max(), "source")
            .from("checkpoint_tensor")
            .and_where(Expr::col("tensor_key").is_in(keys.iter().map(String::as_str)))
            .and_where(Expr::col("checkpoint_digest").in_subquery(sets.clone()).not())
            .cond_where(model_access::readable_checkpoint("checkpoint_digest", reading))
            .group_by_col("tensor_key")
            .take();
        for row in record::answer(connection, &statement).await? {
            sources.push(TensorSource {
                tensor_key: record::read_field(&row, "checkpoint_tensor", "tensor_key")?,
                checkpoint_digest: record::read_field(&row, "checkpoint_tensor", "source")?,
            });
        }
    }
    Ok(sources)
}
