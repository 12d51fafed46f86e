//! Outcomes: what became of each seat of a round, and of the evaluator's deviation.

use sea_orm::sea_query::{Expr, ExprTrait, IntoCondition, Order};

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// The outcome of a seat.
    pub struct OutcomeRow in "round_outcome" {
        /// The round.
        round_id: String,
        /// The evaluator.
        public_key: String,
        /// Place among the outcomes of this evaluator, by the caller's count.
        number: i64,
        /// `kept`, `copied`, `rejected`, `no_price`, `unrevealed`, `missed` or `failed`.
        outcome: String,
        /// Its weight in the round, in parts per billion.
        weight_ppb: i64,
        /// Its report, if it revealed one.
        report_digest: Option<String>,
        /// Distance from the median in scales, in decimal form; null without a vote.
        deviation: Option<String>,
        /// Moving average of its deviations after the round, in decimal form.
        mean_deviation: String,
        /// Whether it decided every case as most of the kept did; null without a report.
        decisions_agree: Option<bool>,
        /// Milliseconds since 1970.
        settled_at: i64,
    }
}

/// Writes one.
///
/// # Errors
/// [`StoreError::Conflict`] on `round_outcome_pkey` or `round_outcome_public_key_number_key`;
/// [`StoreError::MissingReference`] without what it names.
pub async fn insert(transaction: &StoreTransaction, row: OutcomeRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The last outcome of an evaluator.
///
/// # Errors
/// Those of the database.
pub async fn latest<C: Connection>(
    connection: &C,
    public_key: &str,
) -> Result<Option<OutcomeRow>, StoreError> {
    record::last(connection, equal("public_key", public_key), "number").await
}

/// The last outcomes of an evaluator that were settled at or after a time, the latest first.
///
/// # Errors
/// Those of the database.
pub async fn list_latest<C: Connection>(
    connection: &C,
    public_key: &str,
    since: i64,
    limit: u64,
) -> Result<Vec<OutcomeRow>, StoreError> {
    let statement = record::select::<OutcomeRow>()
        .and_where(equal("public_key", public_key))
        .and_where(Expr::col("settled_at").gte(since))
        .order_by("number", Order::Desc)
        .limit(record::page_rows(limit))
        .take();
    record::rows(connection, statement).await
}

/// The outcomes of a round by evaluator.
///
/// # Errors
/// Those of the database.
pub async fn list<C: Connection>(
    connection: &C,
    round_id: &str,
) -> Result<Vec<OutcomeRow>, StoreError> {
    let condition = equal("round_id", round_id).into_condition();
    record::page(connection, condition, "public_key", None, record::PAGE_ROWS_MAX).await
}
