//! Draws: what the evaluators of a round were drawn by.

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// The draw of a round.
    pub struct DrawRow in "round_draw" {
        /// The round.
        round_id: String,
        /// The seed, 64 hex digits.
        seed: String,
        /// Random bytes drawn after the round was asked for, 64 hex digits.
        entropy: String,
        /// The last report of the installation then.
        latest_report: Option<String>,
        /// Milliseconds since 1970.
        drawn_at: i64,
    }
}

/// Writes one.
///
/// # Errors
/// [`StoreError::Conflict`] on `round_draw_pkey`;
/// [`StoreError::MissingReference`] without what it names.
pub async fn insert(transaction: &StoreTransaction, row: DrawRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The draw of a round.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    round_id: &str,
) -> Result<Option<DrawRow>, StoreError> {
    record::find(connection, equal("round_id", round_id)).await
}
