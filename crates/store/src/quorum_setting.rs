//! The quorum of the installation, with its history.

use sea_orm::sea_query::Condition;

use crate::record::{self, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// How many evaluators a price rests on, from then on.
    pub struct QuorumRow in "quorum_setting" {
        /// Place in the history, by the caller's count.
        seq: i64,
        /// Evaluators of a round.
        quorum: i64,
        /// Milliseconds that they have to commit.
        commit_ms: i64,
        /// Milliseconds that they have to reveal.
        reveal_ms: i64,
        /// The login that set it.
        set_by: String,
        /// Milliseconds since 1970.
        set_at: i64,
    }
}

/// Writes one.
///
/// # Errors
/// [`StoreError::Conflict`] on `quorum_setting_pkey`.
pub async fn insert(transaction: &StoreTransaction, row: QuorumRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The setting in force; null when it was never set.
///
/// # Errors
/// Those of the database.
pub async fn current<C: Connection>(connection: &C) -> Result<Option<QuorumRow>, StoreError> {
    record::last(connection, Condition::all(), "seq").await
}
