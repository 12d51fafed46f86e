//! Contributors: who made a model, in parts per billion; a revision is a whole split, and the last one is in force.

use sea_orm::sea_query::Condition;

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// One part of a split.
    pub struct ContributorRow in "model_contributor" {
        /// The model.
        model_id: String,
        /// The revision, from 1.
        revision: i64,
        /// Place in the split, from 0; the first takes the dust of every payment.
        position: i64,
        /// Who.
        login: String,
        /// Parts per billion.
        share_ppb: i64,
        /// The login that set it.
        set_by: String,
        /// Milliseconds since 1970.
        set_at: i64,
    }
}

/// Writes a revision whole.
///
/// # Errors
/// [`StoreError::Conflict`] on `model_contributor_pkey` when somebody else wrote one at the same time.
pub async fn insert_all(
    transaction: &StoreTransaction,
    rows: Vec<ContributorRow>,
) -> Result<(), StoreError> {
    record::insert_all(transaction, rows).await
}

/// Number of the last revision.
///
/// # Errors
/// Those of the database.
pub async fn last_revision<C: Connection>(
    connection: &C,
    model_id: &str,
) -> Result<Option<i64>, StoreError> {
    let condition = Condition::all().add(equal("model_id", model_id));
    record::greatest::<ContributorRow, C>(connection, condition, "revision").await
}

/// The parts of a revision in their order.
///
/// # Errors
/// Those of the database.
pub async fn list<C: Connection>(
    connection: &C,
    model_id: &str,
    revision: i64,
    limit: u64,
) -> Result<Vec<ContributorRow>, StoreError> {
    let condition =
        Condition::all().add(equal("model_id", model_id)).add(equal("revision", revision));
    record::page(connection, condition, "position", None, limit).await
}
