//! What a person said who looked at a flagged version.

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A review; the last one counts.
    pub struct LikenessReviewRow in "likeness_review" {
        /// The version.
        version_id: String,
        /// Counts its reviews from 1, by the caller's count.
        seq: i64,
        /// Whether it is eligible from then on.
        cleared: bool,
        /// Flagged likenesses that there were.
        findings: i64,
        /// Why.
        reason: String,
        /// The login that looked.
        reviewed_by: String,
        /// Milliseconds since 1970.
        reviewed_at: i64,
    }
}

/// Writes a review.
///
/// # Errors
/// [`StoreError::Conflict`] on `likeness_review_pkey` when somebody else wrote one at the same time.
pub async fn insert(
    transaction: &StoreTransaction,
    row: LikenessReviewRow,
) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The last review of a version.
///
/// # Errors
/// Those of the database.
pub async fn current<C: Connection>(
    connection: &C,
    version_id: &str,
) -> Result<Option<LikenessReviewRow>, StoreError> {
    record::last(connection, equal("version_id", version_id), "seq").await
}
