//! Commitments: what binds an evaluator to a report that nobody has seen.

use sea_orm::sea_query::{Condition, IntoCondition};

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A commitment.
    pub struct CommitmentRow in "round_commitment" {
        /// The round.
        round_id: String,
        /// The evaluator.
        public_key: String,
        /// Order of the commitments in the round, from 1.
        place: i64,
        /// The salted digest, 64 hex digits.
        commitment: String,
        /// Milliseconds since 1970.
        committed_at: i64,
    }
}

/// Writes one.
///
/// # Errors
/// [`StoreError::Conflict`] on `round_commitment_pkey` or `round_commitment_round_id_place_key` or `round_commitment_commitment_key`;
/// [`StoreError::MissingReference`] without what it names.
pub async fn insert(transaction: &StoreTransaction, row: CommitmentRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The commitment of an evaluator in a round.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    round_id: &str,
    public_key: &str,
) -> Result<Option<CommitmentRow>, StoreError> {
    let condition =
        Condition::all().add(equal("round_id", round_id)).add(equal("public_key", public_key));
    record::find(connection, condition).await
}

/// The same commitment, wherever it was made.
///
/// # Errors
/// Those of the database.
pub async fn find_by_commitment<C: Connection>(
    connection: &C,
    commitment: &str,
) -> Result<Option<CommitmentRow>, StoreError> {
    record::find(connection, equal("commitment", commitment)).await
}

/// The commitments of a round in their order.
///
/// # Errors
/// Those of the database.
pub async fn list<C: Connection>(
    connection: &C,
    round_id: &str,
) -> Result<Vec<CommitmentRow>, StoreError> {
    let condition = equal("round_id", round_id).into_condition();
    record::page(connection, condition, "place", None, record::PAGE_ROWS_MAX).await
}
