//! Commits: states of a repository's files, each with its parent.

use sea_orm::sea_query::{Condition, IntoCondition};

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A commit of a repository.
    pub struct HubCommitRow in "hub_commit" {
        /// The model.
        model_id: String,
        /// 40 hex digits; unique in the model.
        id: String,
        /// Place among the model's commits, by the caller's count; unique in the model.
        ordinal: i64,
        /// The commit before it; null for a first one.
        parent: Option<String>,
        /// Digest of the listing of its files.
        tree: String,
        /// First line of the message.
        title: String,
        /// The other lines.
        message: String,
        /// The login that made it.
        author: String,
        /// Milliseconds since 1970.
        committed_at: i64,
    }
}

/// Writes a commit.
///
/// # Errors
/// [`StoreError::Conflict`] on `hub_commit_pkey` or `hub_commit_model_id_ordinal_key`;
/// [`StoreError::MissingReference`] without the model or the parent.
pub async fn insert(transaction: &StoreTransaction, row: HubCommitRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The commit of an id in a model.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    model_id: &str,
    id: &str,
) -> Result<Option<HubCommitRow>, StoreError> {
    let condition = Condition::all().add(equal("model_id", model_id)).add(equal("id", id));
    record::find(connection, condition).await
}

/// The greatest ordinal among the commits of a model.
///
/// # Errors
/// Those of the database.
pub async fn max_ordinal<C: Connection>(
    connection: &C,
    model_id: &str,
) -> Result<Option<i64>, StoreError> {
    let condition = equal("model_id", model_id).into_condition();
    record::greatest::<HubCommitRow, _>(connection, condition, "ordinal").await
}
