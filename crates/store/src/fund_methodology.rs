//! Rules that were proposed to a fund; those of its creation, version 1, stand in its own row.

use sea_orm::sea_query::{Condition, IntoCondition};

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A proposal.
    pub struct MethodologyRow in "fund_methodology" {
        /// The fund.
        fund: String,
        /// Place among the fund's rules, from 2, by the caller's count.
        version: i64,
        /// The whole methodology, JSON, as it was given.
        body: String,
        /// SHA-256 of the canonical methodology, 64 hex digits.
        digest: String,
        /// The login that proposed it.
        proposed_by: String,
        /// Milliseconds since 1970.
        proposed_at: i64,
        /// The first day of the fund's clock whose strike puts it in force.
        effective_day: i64,
        /// Its backtest beside that of the rules then in force, JSON.
        comparison: String,
    }
}

/// Writes a proposal.
///
/// # Errors
/// [`StoreError::Conflict`] on `fund_methodology_pkey`; [`StoreError::MissingReference`] without the fund.
pub async fn insert(transaction: &StoreTransaction, row: MethodologyRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The proposal of a version.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    fund: &str,
    version: i64,
) -> Result<Option<MethodologyRow>, StoreError> {
    let condition = Condition::all().add(equal("fund", fund)).add(equal("version", version));
    record::find(connection, condition).await
}

/// The last proposal of rules with a digest.
///
/// # Errors
/// Those of the database.
pub async fn find_by_digest<C: Connection>(
    connection: &C,
    fund: &str,
    digest: &str,
) -> Result<Option<MethodologyRow>, StoreError> {
    let condition = Condition::all().add(equal("fund", fund)).add(equal("digest", digest));
    record::last(connection, condition, "version").await
}

/// The last proposal; null before the first.
///
/// # Errors
/// Those of the database.
pub async fn latest<C: Connection>(
    connection: &C,
    fund: &str,
) -> Result<Option<MethodologyRow>, StoreError> {
    record::last(connection, equal("fund", fund), "version").await
}

/// A page of a fund's proposals by version.
///
/// # Errors
/// Those of the database.
pub async fn list<C: Connection>(
    connection: &C,
    fund: &str,
    after_version: Option<i64>,
    limit: u64,
) -> Result<Vec<MethodologyRow>, StoreError> {
    let condition = equal("fund", fund).into_condition();
    record::page(connection, condition, "version", after_version.map(Into::into), limit).await
}
