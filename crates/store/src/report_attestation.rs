//! Attestations: the signature beside a report.

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A signature of a report.
    pub struct AttestationRow in "report_attestation" {
        /// The report.
        report_digest: String,
        /// The name that was signed.
        evaluator: String,
        /// The key, 64 hex digits.
        public_key: String,
        /// 128 hex digits.
        signature: String,
    }
}

/// Writes one.
///
/// # Errors
/// [`StoreError::Conflict`] on `report_attestation_pkey`;
/// [`StoreError::MissingReference`] without what it names.
pub async fn insert(transaction: &StoreTransaction, row: AttestationRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The signature of a report; null for a report that was not signed.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    report_digest: &str,
) -> Result<Option<AttestationRow>, StoreError> {
    record::find(connection, equal("report_digest", report_digest)).await
}
