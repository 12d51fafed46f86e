//! Holds: for whom an object counts. An object that two logins have sent counts for both.

use sea_orm::sea_query::{Condition, Order};

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// An object that counts for a login.
    pub struct HoldRow in "storage_hold" {
        /// The login.
        login: String,
        /// SHA-256 of the bytes, 64 hex digits.
        digest: String,
        /// Milliseconds since 1970.
        held_at: i64,
    }
}

/// Writes a hold unless it is there; `false` when it was.
///
/// # Errors
/// [`StoreError::MissingReference`] without the object's account.
pub async fn insert(transaction: &StoreTransaction, row: HoldRow) -> Result<bool, StoreError> {
    record::insert_if_absent_by(transaction, row, &["login", "digest"]).await
}

/// Whether an object counts for a login.
///
/// # Errors
/// Those of the database.
pub async fn is_held<C: Connection>(
    connection: &C,
    login: &str,
    digest: &str,
) -> Result<bool, StoreError> {
    let condition = Condition::all().add(equal("login", login)).add(equal("digest", digest));
    Ok(record::find::<HoldRow, C>(connection, condition).await?.is_some())
}

/// Ends all holds of an object; the logins that had one, in order.
///
/// # Errors
/// Those of the database.
pub async fn remove_all(
    transaction: &StoreTransaction,
    digest: &str,
) -> Result<Vec<String>, StoreError> {
    let statement = record::select::<HoldRow>()
        .and_where(equal("digest", digest))
        .order_by("login", Order::Asc)
        .take();
    let rows: Vec<HoldRow> = record::rows(transaction, statement).await?;
    record::delete::<HoldRow>(transaction, equal("digest", digest)).await?;
    Ok(rows.into_iter().map(|row| row.login).collect())
}
