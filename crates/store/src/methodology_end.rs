//! What became of a proposal of rules: adopted or withdrawn, once and for ever.

use sea_orm::sea_query::{Condition, Expr, ExprTrait, IntoCondition};

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// The end of a proposal.
    pub struct MethodologyEndRow in "methodology_end" {
        /// The fund.
        fund: String,
        /// The version.
        version: i64,
        /// `adopted` or `withdrawn`.
        kind: String,
        /// The ledger's event that adopted it; null for one that was withdrawn.
        event_seq: Option<i64>,
        /// The strike that it follows; null for one that was withdrawn.
        strike_number: Option<i64>,
        /// The login that did it.
        recorded_by: String,
        /// Milliseconds since 1970.
        recorded_at: i64,
    }
}

/// Writes the end of a proposal.
///
/// # Errors
/// [`StoreError::Conflict`] on `methodology_end_pkey`; [`StoreError::MissingReference`] without the proposal or the event.
pub async fn insert(
    transaction: &StoreTransaction,
    row: MethodologyEndRow,
) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The end of a version's proposal; null while it is open.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    fund: &str,
    version: i64,
) -> Result<Option<MethodologyEndRow>, StoreError> {
    let condition = Condition::all().add(equal("fund", fund)).add(equal("version", version));
    record::find(connection, condition).await
}

/// The last adoption of a fund: which rules are in force; null while those of its creation are.
///
/// # Errors
/// Those of the database.
pub async fn latest_adopted<C: Connection>(
    connection: &C,
    fund: &str,
) -> Result<Option<MethodologyEndRow>, StoreError> {
    let condition = Condition::all().add(equal("fund", fund)).add(equal("kind", "adopted"));
    record::last(connection, condition, "version").await
}

/// The last adoption of a fund by an event of the ledger or one before it; null while the rules of its creation were in force.
///
/// # Errors
/// Those of the database.
pub async fn latest_adopted_by<C: Connection>(
    connection: &C,
    fund: &str,
    event_seq: i64,
) -> Result<Option<MethodologyEndRow>, StoreError> {
    let by = Expr::col("event_seq").lte(Expr::val(event_seq));
    let condition = Condition::all().add(equal("fund", fund)).add(equal("kind", "adopted")).add(by);
    record::last(connection, condition, "version").await
}

/// A page of the ends of a fund's proposals by version.
///
/// # Errors
/// Those of the database.
pub async fn list<C: Connection>(
    connection: &C,
    fund: &str,
    after_version: Option<i64>,
    limit: u64,
) -> Result<Vec<MethodologyEndRow>, StoreError> {
    let condition = equal("fund", fund).into_condition();
    record::page(connection, condition, "version", after_version.map(Into::into), limit).await
}

/// A page of a fund's adoptions by version, which is the order of coming into force.
///
/// # Errors
/// Those of the database.
pub async fn list_adopted<C: Connection>(
    connection: &C,
    fund: &str,
    after_version: Option<i64>,
    limit: u64,
) -> Result<Vec<MethodologyEndRow>, StoreError> {
    let condition = Condition::all().add(equal("fund", fund)).add(equal("kind", "adopted"));
    record::page(connection, condition, "version", after_version.map(Into::into), limit).await
}
