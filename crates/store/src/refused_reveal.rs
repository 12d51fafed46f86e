//! Refused reveals: what an evaluator showed and had not committed to.

use sea_orm::sea_query::Condition;

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A reveal that was refused.
    pub struct RefusedRevealRow in "refused_reveal" {
        /// The round.
        round_id: String,
        /// The evaluator.
        public_key: String,
        /// Place among its refused reveals, by the caller's count.
        seq: i64,
        /// Digest of what was shown.
        report_digest: String,
        /// Why, in words.
        reason: String,
        /// Milliseconds since 1970.
        refused_at: i64,
    }
}

/// Writes one.
///
/// # Errors
/// [`StoreError::Conflict`] on `refused_reveal_pkey`;
/// [`StoreError::MissingReference`] without what it names.
pub async fn insert(
    transaction: &StoreTransaction,
    row: RefusedRevealRow,
) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The refused reveals of an evaluator in a round, oldest first.
///
/// # Errors
/// Those of the database.
pub async fn list<C: Connection>(
    connection: &C,
    round_id: &str,
    public_key: &str,
) -> Result<Vec<RefusedRevealRow>, StoreError> {
    let condition =
        Condition::all().add(equal("round_id", round_id)).add(equal("public_key", public_key));
    record::page(connection, condition, "seq", None, record::PAGE_ROWS_MAX).await
}
