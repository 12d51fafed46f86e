//! Stages of a suite: the last move says where it stands. A suite without a move prices: it opened its family.

use sea_orm::sea_query::IntoCondition;

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A move of a suite to a stage.
    pub struct SuiteMoveRow in "suite_move" {
        /// The suite's row id.
        suite: String,
        /// Place among its moves, from 1.
        seq: i64,
        /// The stage, as the service names it.
        stage: String,
        /// Why, in words.
        reason: String,
        /// What the move rested on, as JSON.
        record: String,
        /// The login that moved it.
        moved_by: String,
        /// Milliseconds since 1970.
        moved_at: i64,
    }
}

/// Writes a move.
///
/// # Errors
/// [`StoreError::Conflict`] on `suite_move_pkey` when somebody else moved it at the same time;
/// [`StoreError::MissingReference`] without the suite.
pub async fn insert(transaction: &StoreTransaction, row: SuiteMoveRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The last move of a suite; null when it never moved.
///
/// # Errors
/// Those of the database.
pub async fn current<C: Connection>(
    connection: &C,
    suite: &str,
) -> Result<Option<SuiteMoveRow>, StoreError> {
    record::last(connection, equal("suite", suite), "seq").await
}

/// A page of the moves of a suite, oldest first.
///
/// # Errors
/// Those of the database.
pub async fn history<C: Connection>(
    connection: &C,
    suite: &str,
    after_seq: Option<i64>,
    limit: u64,
) -> Result<Vec<SuiteMoveRow>, StoreError> {
    record::page(
        connection,
        equal("suite", suite).into_condition(),
        "seq",
        after_seq.map(Into::into),
        limit,
    )
    .await
}
