//! Evaluators: who may be drawn to measure, by public key.

use sea_orm::sea_query::Condition;

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A registered evaluator.
    pub struct EvaluatorRow in "evaluator" {
        /// The ed25519 public key, 64 hex digits: its identity.
        public_key: String,
        /// Whose name the reports bear.
        name: String,
        /// The login that answers for it.
        owner: String,
        /// The login that registered it.
        registered_by: String,
        /// Milliseconds since 1970.
        registered_at: i64,
    }
}

/// Writes one.
///
/// # Errors
/// [`StoreError::Conflict`] on `evaluator_pkey` or `evaluator_name_key`.
pub async fn insert(transaction: &StoreTransaction, row: EvaluatorRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The evaluator of a key.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    public_key: &str,
) -> Result<Option<EvaluatorRow>, StoreError> {
    record::find(connection, equal("public_key", public_key)).await
}

/// The evaluator of a name.
///
/// # Errors
/// Those of the database.
pub async fn find_by_name<C: Connection>(
    connection: &C,
    name: &str,
) -> Result<Option<EvaluatorRow>, StoreError> {
    record::find(connection, equal("name", name)).await
}

/// A page of the evaluators, by name.
///
/// # Errors
/// Those of the database.
pub async fn list<C: Connection>(
    connection: &C,
    after_name: Option<&str>,
    limit: u64,
) -> Result<Vec<EvaluatorRow>, StoreError> {
    record::page(connection, Condition::all(), "name", after_name.map(Into::into), limit).await
}
