//! Idempotent replies: what a mutation answered, to answer the same when it is asked again.

use sea_orm::sea_query::Condition;

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A reply to a mutation.
    pub struct ReplyRow in "idempotent_reply" {
        /// Who asked.
        actor: String,
        /// The idempotency key; unique for its actor.
        key: String,
        /// Name of the mutation.
        operation: String,
        /// Digest of the input, so that a key used for something else is noticed.
        request_digest: String,
        /// The answer, JSON.
        reply: String,
        /// Milliseconds since 1970.
        recorded_at: i64,
    }
}

/// Writes a reply; do it in the transaction that does the work.
///
/// # Errors
/// [`StoreError::Conflict`] on `idempotent_reply_pkey` when the same was asked at the same time: begin anew and find it.
pub async fn insert(transaction: &StoreTransaction, row: ReplyRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The reply to an actor's key.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    actor: &str,
    key: &str,
) -> Result<Option<ReplyRow>, StoreError> {
    let condition = Condition::all().add(equal("actor", actor)).add(equal("key", key));
    record::find(connection, condition).await
}
