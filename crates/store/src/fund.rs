//! Funds: the vehicles, with the methodology each was founded on.

use sea_orm::sea_query::Condition;

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A fund.
    pub struct FundRow in "fund" {
        /// Name.
        name: String,
        /// The whole methodology, JSON.
        methodology: String,
        /// SHA-256 of the canonical methodology, 64 hex digits.
        methodology_digest: String,
        /// The login that founded it.
        created_by: String,
        /// Milliseconds since 1970.
        created_at: i64,
    }
}

/// Writes a fund.
///
/// # Errors
/// [`StoreError::Conflict`] on `fund_pkey`.
pub async fn insert(transaction: &StoreTransaction, row: FundRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The fund of a name.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    name: &str,
) -> Result<Option<FundRow>, StoreError> {
    record::find(connection, equal("name", name)).await
}

/// A page of all funds by name.
///
/// # Errors
/// Those of the database.
pub async fn list<C: Connection>(
    connection: &C,
    after_name: Option<&str>,
    limit: u64,
) -> Result<Vec<FundRow>, StoreError> {
    record::page(connection, Condition::all(), "name", after_name.map(Into::into), limit).await
}
