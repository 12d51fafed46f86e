//! Quotas: how many bytes a login may hold, as the operator has set it; the last row counts.

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A quota as it was set.
    pub struct QuotaRow in "storage_quota" {
        /// The login.
        login: String,
        /// Counts from 1.
        seq: i64,
        /// The limit; null for the installation's default.
        bytes: Option<i64>,
        /// Who set it.
        set_by: String,
        /// Milliseconds since 1970.
        set_at: i64,
    }
}

/// Writes a quota.
///
/// # Errors
/// [`StoreError::Conflict`] on `storage_quota_pkey` when another is set at the same moment.
pub async fn insert(transaction: &StoreTransaction, row: QuotaRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The quota in force; none if none was set.
///
/// # Errors
/// Those of the database.
pub async fn current<C: Connection>(
    connection: &C,
    login: &str,
) -> Result<Option<QuotaRow>, StoreError> {
    record::last(connection, equal("login", login), "seq").await
}
