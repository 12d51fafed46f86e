//! Verdicts: what a round ended with.

use sea_orm::sea_query::Condition;

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// The end of a round.
    pub struct VerdictRow in "round_verdict" {
        /// The round.
        round_id: String,
        /// `agreed` or `held`.
        status: String,
        /// Why, in words.
        reason: String,
        /// The price that a quorum agreed on, micro-credits per unit.
        price_micro: Option<i64>,
        /// Its σ, in decimal form.
        sigma_ln: Option<String>,
        /// Scale of the reports around their median, in decimal form.
        scale: Option<String>,
        /// The model, where a decision on its price followed.
        model_id: Option<String>,
        /// That decision.
        decision_seq: Option<i64>,
        /// Milliseconds since 1970.
        settled_at: i64,
    }
}

/// Writes one.
///
/// # Errors
/// [`StoreError::Conflict`] on `round_verdict_pkey`;
/// [`StoreError::MissingReference`] without what it names.
pub async fn insert(transaction: &StoreTransaction, row: VerdictRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The verdict of a round; null while it runs.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    round_id: &str,
) -> Result<Option<VerdictRow>, StoreError> {
    record::find(connection, equal("round_id", round_id)).await
}

/// The verdict that a decision on a price followed from; null for a decision on one report.
///
/// # Errors
/// Those of the database.
pub async fn find_by_decision<C: Connection>(
    connection: &C,
    model_id: &str,
    decision_seq: i64,
) -> Result<Option<VerdictRow>, StoreError> {
    let condition =
        Condition::all().add(equal("model_id", model_id)).add(equal("decision_seq", decision_seq));
    record::find(connection, condition).await
}
