//! Holders: who has shown that he has the bytes of an object, by sending all of them.

use sea_orm::sea_query::Condition;

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A login that has the bytes of an object.
    pub struct HolderRow in "object_holder" {
        /// SHA-256 of the bytes, 64 hex digits.
        digest: String,
        /// The login.
        holder: String,
        /// Milliseconds since 1970.
        held_at: i64,
    }
}

/// Writes a holder unless he is one; `false` when he was.
///
/// # Errors
/// [`StoreError::MissingReference`] without the object.
pub async fn insert(transaction: &StoreTransaction, row: HolderRow) -> Result<bool, StoreError> {
    record::insert_if_absent_by(transaction, row, &["digest", "holder"]).await
}

/// Whether a login has the bytes of an object.
///
/// # Errors
/// Those of the database.
pub async fn is_held<C: Connection>(
    connection: &C,
    digest: &str,
    holder: &str,
) -> Result<bool, StoreError> {
    let condition = Condition::all().add(equal("digest", digest)).add(equal("holder", holder));
    Ok(record::find::<HolderRow, C>(connection, condition).await?.is_some())
}
