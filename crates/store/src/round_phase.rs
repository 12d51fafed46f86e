//! Phases of a round: evaluators commit, then reveal.

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A phase that began.
    pub struct PhaseRow in "round_phase" {
        /// The round.
        round_id: String,
        /// Place among its phases, by the caller's count.
        seq: i64,
        /// `committing` or `revealing`.
        phase: String,
        /// End of the phase, milliseconds since 1970.
        deadline: i64,
        /// Milliseconds since 1970.
        began_at: i64,
    }
}

/// Writes one.
///
/// # Errors
/// [`StoreError::Conflict`] on `round_phase_pkey`;
/// [`StoreError::MissingReference`] without what it names.
pub async fn insert(transaction: &StoreTransaction, row: PhaseRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The phase that a round is in; null before its draw.
///
/// # Errors
/// Those of the database.
pub async fn current<C: Connection>(
    connection: &C,
    round_id: &str,
) -> Result<Option<PhaseRow>, StoreError> {
    record::last(connection, equal("round_id", round_id), "seq").await
}
