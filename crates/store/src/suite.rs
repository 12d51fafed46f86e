//! Suites: versioned sets of cases, metrics and scenarios.

use sea_orm::sea_query::Condition;

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A suite at one version and epoch.
    pub struct SuiteRow in "suite" {
        /// Id of this row, as the caller names suites.
        id: String,
        /// Id of the suite over all versions.
        suite_id: String,
        /// Version of the suite.
        version: i64,
        /// Re-draw of the cases, from 1.
        epoch: i64,
        /// Digest of the suite; unique.
        digest: String,
        /// The whole `suite.toml`.
        manifest: String,
        /// SHA-256 of the cases.
        cases_digest: String,
        /// SHA-256 of the reference model's checkpoint; null without a reference.
        reference_checkpoint_digest: Option<String>,
        /// SHA-256 of the reference model's graph; null without a reference.
        reference_graph_digest: Option<String>,
        /// The login that registered it.
        registered_by: String,
        /// Milliseconds since 1970.
        registered_at: i64,
    }
}

/// Writes a suite.
///
/// # Errors
/// [`StoreError::Conflict`] on `suite_pkey`, `suite_suite_id_version_epoch_key` or `suite_digest_key`.
pub async fn insert(transaction: &StoreTransaction, row: SuiteRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The suite of an id.
///
/// # Errors
/// Those of the database.
pub async fn find_by_id<C: Connection>(
    connection: &C,
    id: &str,
) -> Result<Option<SuiteRow>, StoreError> {
    record::find(connection, equal("id", id)).await
}

/// The suite of a digest.
///
/// # Errors
/// Those of the database.
pub async fn find_by_digest<C: Connection>(
    connection: &C,
    digest: &str,
) -> Result<Option<SuiteRow>, StoreError> {
    record::find(connection, equal("digest", digest)).await
}

/// One version and epoch of a suite.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    suite_id: &str,
    version: i64,
    epoch: i64,
) -> Result<Option<SuiteRow>, StoreError> {
    let condition = Condition::all()
        .add(equal("suite_id", suite_id))
        .add(equal("version", version))
        .add(equal("epoch", epoch));
    record::find(connection, condition).await
}

/// A page of all suites by id.
///
/// # Errors
/// Those of the database.
pub async fn list<C: Connection>(
    connection: &C,
    after_id: Option<&str>,
    limit: u64,
) -> Result<Vec<SuiteRow>, StoreError> {
    record::page(connection, Condition::all(), "id", after_id.map(Into::into), limit).await
}

/// A page of the versions and epochs of one suite by id.
///
/// # Errors
/// Those of the database.
pub async fn list_family<C: Connection>(
    connection: &C,
    suite_id: &str,
    after_id: Option<&str>,
    limit: u64,
) -> Result<Vec<SuiteRow>, StoreError> {
    let condition = Condition::all().add(equal("suite_id", suite_id));
    record::page(connection, condition, "id", after_id.map(Into::into), limit).await
}
