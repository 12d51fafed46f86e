//! Bytes that an owner has sent himself: only these can he put into a repository by naming their digest.

use sea_orm::sea_query::Condition;

use crate::record::{self, equal, record, words};
use crate::{Connection, StoreError, StoreTransaction};

words! {
    /// Which rules the bytes passed when they came in.
    pub enum HubBlobKind {
        /// All rules of safetensors.
        Checkpoint = "checkpoint",
        /// None: any file.
        File = "file",
    }
}

record! {
    /// Bytes of an owner.
    pub struct HubBlobRow in "hub_blob" {
        /// The login that sent them.
        owner: String,
        /// SHA-256 of the bytes, 64 hex digits.
        digest: String,
        /// How many they are.
        bytes: i64,
        /// Which rules they passed.
        kind: HubBlobKind,
        /// The id that git gives to these bytes, where they came in whole.
        git_oid: Option<String>,
        /// Milliseconds since 1970.
        uploaded_at: i64,
    }
}

/// Writes the bytes of an owner unless he has sent them before; `false` when he had.
///
/// # Errors
/// [`StoreError::Conflict`] on `hub_blob_pkey` when he sends them twice at the same moment.
pub async fn insert(transaction: &StoreTransaction, row: HubBlobRow) -> Result<bool, StoreError> {
    if find(transaction, &row.owner, &row.digest).await?.is_some() {
        return Ok(false);
    }
    record::insert(transaction, row).await.map(|()| true)
}

/// The bytes of a digest that an owner has sent.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    owner: &str,
    digest: &str,
) -> Result<Option<HubBlobRow>, StoreError> {
    let condition = Condition::all().add(equal("owner", owner)).add(equal("digest", digest));
    record::find(connection, condition).await
}
