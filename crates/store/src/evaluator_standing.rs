//! Standings: the weight that a person or a rule gave an evaluator, and whether it is drawn.

use sea_orm::sea_query::IntoCondition;

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A standing, from then on.
    pub struct StandingRow in "evaluator_standing" {
        /// The evaluator.
        public_key: String,
        /// Place among its standings, by the caller's count.
        seq: i64,
        /// Weight before deviations are taken off, in parts per billion.
        weight_ppb: i64,
        /// Whether it is drawn.
        active: bool,
        /// Why, in words.
        reason: String,
        /// The login that set it; `rule` for a rule.
        set_by: String,
        /// Milliseconds since 1970.
        set_at: i64,
    }
}

/// Writes one.
///
/// # Errors
/// [`StoreError::Conflict`] on `evaluator_standing_pkey`;
/// [`StoreError::MissingReference`] without what it names.
pub async fn insert(transaction: &StoreTransaction, row: StandingRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The standing in force.
///
/// # Errors
/// Those of the database.
pub async fn current<C: Connection>(
    connection: &C,
    public_key: &str,
) -> Result<Option<StandingRow>, StoreError> {
    record::last(connection, equal("public_key", public_key), "seq").await
}

/// A page of the standings of an evaluator, oldest first.
///
/// # Errors
/// Those of the database.
pub async fn list<C: Connection>(
    connection: &C,
    public_key: &str,
    after_seq: Option<i64>,
    limit: u64,
) -> Result<Vec<StandingRow>, StoreError> {
    let condition = equal("public_key", public_key).into_condition();
    record::page(connection, condition, "seq", after_seq.map(Into::into), limit).await
}
