//! Keys that an installation made for itself once, such as the one that signs upload links.

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A key.
    pub struct HubKeyRow in "hub_key" {
        /// What it is for; unique.
        purpose: String,
        /// The random bytes, in hexadecimal digits.
        secret: String,
        /// Milliseconds since 1970.
        created_at: i64,
    }
}

/// Writes a key unless there is one for its purpose; `false` when there was, and that one stays.
///
/// # Errors
/// Those of the database.
pub async fn insert(transaction: &StoreTransaction, row: HubKeyRow) -> Result<bool, StoreError> {
    record::insert_if_absent(transaction, row, "purpose").await
}

/// The key of a purpose.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    purpose: &str,
) -> Result<Option<HubKeyRow>, StoreError> {
    record::find(connection, equal("purpose", purpose)).await
}
