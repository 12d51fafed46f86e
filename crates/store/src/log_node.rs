//! Finished subtrees of the log: each hash is written once and never changes again.

use sea_orm::sea_query::{Condition, ExprTrait};

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

/// Subtrees that one statement looks for.
const CHUNK_NODES: usize = 200;

record! {
    /// A finished subtree.
    pub struct LogNodeRow in "log_node" {
        /// It has 2 to the power of this many leaves.
        level: i64,
        /// Which of its level, from the left.
        node_index: i64,
        /// Its root, hex digits.
        hash: String,
    }
}

/// Writes subtrees.
///
/// # Errors
/// [`StoreError::Conflict`] on `log_node_pkey`.
pub async fn insert_all(
    transaction: &StoreTransaction,
    rows: Vec<LogNodeRow>,
) -> Result<(), StoreError> {
    record::insert_all(transaction, rows).await
}

/// Those of the subtrees, by level and index, that are there, in no order.
///
/// # Errors
/// Those of the database.
pub async fn list<C: Connection>(
    connection: &C,
    wanted: &[(i64, i64)],
) -> Result<Vec<LogNodeRow>, StoreError> {
    let mut found = Vec::with_capacity(wanted.len());
    for chunk in wanted.chunks(CHUNK_NODES) {
        let mut any = Condition::any();
        for (level, index) in chunk {
            any = any.add(equal("level", *level).and(equal("node_index", *index)));
        }
        let statement = record::select::<LogNodeRow>().cond_where(any).take();
        found.extend(record::rows::<LogNodeRow, C>(connection, statement).await?);
    }
    Ok(found)
}
