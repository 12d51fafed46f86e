//! Objects: what bytes rest in object storage, by SHA-256.

use crate::record::{self, equal, record, words};
use crate::{Connection, StoreError, StoreTransaction};

words! {
    /// What the bytes of an object are.
    pub enum ObjectKind {
        /// A safetensors file, or the document of a checkpoint in shards ([`crate::checkpoint_shard`]).
        Checkpoint = "checkpoint",
        /// A weightless ONNX graph.
        Graph = "graph",
        /// The cases of a suite.
        Cases = "cases",
        /// The manifest of a suite.
        Suite = "suite",
        /// An evaluation report.
        Report = "report",
        /// The samples behind a report.
        Samples = "samples",
    }
}

record! {
    /// An object.
    pub struct ObjectRow in "stored_object" {
        /// SHA-256 of the bytes, 64 hex digits.
        digest: String,
        /// What the bytes are.
        kind: ObjectKind,
        /// How many they are.
        bytes: i64,
        /// The login that brought them first.
        uploaded_by: String,
        /// Milliseconds since 1970.
        created_at: i64,
    }
}

/// Writes an object unless its digest is there; `false` when it was, and the row of then stays.
///
/// # Errors
/// Those of the database.
pub async fn insert(transaction: &StoreTransaction, row: ObjectRow) -> Result<bool, StoreError> {
    record::insert_if_absent(transaction, row, "digest").await
}

/// The object of a digest.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    digest: &str,
) -> Result<Option<ObjectRow>, StoreError> {
    record::find(connection, equal("digest", digest)).await
}
