//! Seats: the job of each evaluator in a round.

use sea_orm::sea_query::IntoCondition;

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A seat.
    pub struct SeatRow in "round_seat" {
        /// The job, which only this evaluator takes.
        job_id: String,
        /// The round.
        round_id: String,
        /// Counts the seats of the round from 1, replacements included.
        seat: i64,
        /// The evaluator.
        public_key: String,
        /// The evaluator that did not answer and whose place this is.
        replaces: Option<String>,
        /// Milliseconds since 1970.
        seated_at: i64,
    }
}

/// Writes one.
///
/// # Errors
/// [`StoreError::Conflict`] on `round_seat_pkey` or `round_seat_round_id_seat_key` or `round_seat_round_id_public_key_key`;
/// [`StoreError::MissingReference`] without what it names.
pub async fn insert(transaction: &StoreTransaction, row: SeatRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The seat of a job; null for a job of no round.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    job_id: &str,
) -> Result<Option<SeatRow>, StoreError> {
    record::find(connection, equal("job_id", job_id)).await
}

/// The seats of a round in order; their number is bounded by the caller.
///
/// # Errors
/// Those of the database.
pub async fn list<C: Connection>(
    connection: &C,
    round_id: &str,
) -> Result<Vec<SeatRow>, StoreError> {
    let condition = equal("round_id", round_id).into_condition();
    record::page(connection, condition, "seat", None, record::PAGE_ROWS_MAX).await
}
