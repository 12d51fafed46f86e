//! Versions: immutable releases of a model.

use sea_orm::sea_query::{Condition, IntoCondition};

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A version of a model.
    pub struct VersionRow in "model_version" {
        /// Id.
        id: String,
        /// The model.
        model_id: String,
        /// Place among the model's versions, by the caller's count; unique in the model.
        ordinal: i64,
        /// Name, such as `step-0270`; unique in the model.
        name: String,
        /// Digest of what the version is made of; unique in the model.
        digest: String,
        /// SHA-256 of the checkpoint.
        checkpoint_digest: String,
        /// SHA-256 of the graph.
        graph_digest: String,
        /// The login that published it.
        published_by: String,
        /// Milliseconds since 1970.
        published_at: i64,
    }
}

/// Writes a version.
///
/// # Errors
/// [`StoreError::Conflict`] on `model_version_pkey`, `model_version_model_id_name_key`,
/// `model_version_model_id_ordinal_key` or `model_version_model_id_digest_key`;
/// [`StoreError::MissingReference`] without the model, the checkpoint or the graph.
pub async fn insert(transaction: &StoreTransaction, row: VersionRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The version of a name in a model.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    model_id: &str,
    name: &str,
) -> Result<Option<VersionRow>, StoreError> {
    let condition = Condition::all().add(equal("model_id", model_id)).add(equal("name", name));
    record::find(connection, condition).await
}

/// The version of an id.
///
/// # Errors
/// Those of the database.
pub async fn find_by_id<C: Connection>(
    connection: &C,
    id: &str,
) -> Result<Option<VersionRow>, StoreError> {
    record::find(connection, equal("id", id)).await
}

/// The version of a digest in a model.
///
/// # Errors
/// Those of the database.
pub async fn find_by_digest<C: Connection>(
    connection: &C,
    model_id: &str,
    digest: &str,
) -> Result<Option<VersionRow>, StoreError> {
    let condition = Condition::all().add(equal("model_id", model_id)).add(equal("digest", digest));
    record::find(connection, condition).await
}

/// A page of a model's versions by ordinal.
///
/// # Errors
/// Those of the database.
pub async fn list<C: Connection>(
    connection: &C,
    model_id: &str,
    after_ordinal: Option<i64>,
    limit: u64,
) -> Result<Vec<VersionRow>, StoreError> {
    let condition = equal("model_id", model_id).into_condition();
    record::page(connection, condition, "ordinal", after_ordinal.map(Into::into), limit).await
}

/// The version of the greatest ordinal in a model.
///
/// # Errors
/// Those of the database.
pub async fn latest<C: Connection>(
    connection: &C,
    model_id: &str,
) -> Result<Option<VersionRow>, StoreError> {
    record::last(connection, equal("model_id", model_id), "ordinal").await
}

/// The greatest ordinal in a model; null before its first version.
///
/// # Errors
/// Those of the database.
pub async fn max_ordinal<C: Connection>(
    connection: &C,
    model_id: &str,
) -> Result<Option<i64>, StoreError> {
    let condition = equal("model_id", model_id).into_condition();
    record::greatest::<VersionRow, C>(connection, condition, "ordinal").await
}
