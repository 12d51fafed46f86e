//! Reveals: the report and the salt behind a commitment.

use sea_orm::sea_query::IntoCondition;

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A reveal that matched its commitment.
    pub struct RevealRow in "round_reveal" {
        /// The round.
        round_id: String,
        /// The evaluator.
        public_key: String,
        /// The report.
        report_digest: String,
        /// The salt, 64 hex digits.
        salt: String,
        /// Milliseconds since 1970.
        revealed_at: i64,
    }
}

/// Writes one.
///
/// # Errors
/// [`StoreError::Conflict`] on `round_reveal_pkey` or `round_reveal_report_digest_key`;
/// [`StoreError::MissingReference`] without what it names.
pub async fn insert(transaction: &StoreTransaction, row: RevealRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The reveals of a round by evaluator.
///
/// # Errors
/// Those of the database.
pub async fn list<C: Connection>(
    connection: &C,
    round_id: &str,
) -> Result<Vec<RevealRow>, StoreError> {
    let condition = equal("round_id", round_id).into_condition();
    record::page(connection, condition, "public_key", None, record::PAGE_ROWS_MAX).await
}

/// The reveal of a report; null for a report of no round.
///
/// # Errors
/// Those of the database.
pub async fn find_by_report<C: Connection>(
    connection: &C,
    report_digest: &str,
) -> Result<Option<RevealRow>, StoreError> {
    record::find(connection, equal("report_digest", report_digest)).await
}
