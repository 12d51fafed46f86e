//! Strikes: the official NAVs of a fund.

use sea_orm::sea_query::{Condition, Expr, ExprTrait, IntoCondition};

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A strike.
    pub struct StrikeRow in "strike" {
        /// The fund.
        fund: String,
        /// Place among the fund's strikes, by the caller's count.
        number: i64,
        /// Dealing day.
        day: i64,
        /// The ledger's event that it is; unique.
        event_seq: i64,
        /// NAV in 1e-15 credits, decimal digits.
        nav_femto: String,
        /// Value at which subscriptions deal, 1e-15 credits, decimal digits.
        ask_femto: String,
        /// Shares in issue, 1e-9 shares.
        shares_nano: i64,
        /// NAV per share, 1e-9 credits.
        nav_per_share_nano: i64,
        /// Index level, 1e-9 points; null before the first rebalance.
        level_nano: Option<i64>,
        /// Whether the fund is being wound up.
        winding: bool,
        /// The strike record, JSON.
        record: String,
        /// Milliseconds since 1970.
        struck_at: i64,
    }
}

/// Writes a strike.
///
/// # Errors
/// [`StoreError::Conflict`] on `strike_pkey` or `strike_event_seq_key`;
/// [`StoreError::MissingReference`] without the fund or the event.
pub async fn insert(transaction: &StoreTransaction, row: StrikeRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The strike of a number.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    fund: &str,
    number: i64,
) -> Result<Option<StrikeRow>, StoreError> {
    let condition = Condition::all().add(equal("fund", fund)).add(equal("number", number));
    record::find(connection, condition).await
}

/// The last strike of a fund; null before the first.
///
/// # Errors
/// Those of the database.
pub async fn latest<C: Connection>(
    connection: &C,
    fund: &str,
) -> Result<Option<StrikeRow>, StoreError> {
    record::last(connection, equal("fund", fund), "number").await
}

/// The last strike of an earlier day than `day`; null where there is none.
///
/// # Errors
/// Those of the database.
pub async fn latest_before<C: Connection>(
    connection: &C,
    fund: &str,
    day: i64,
) -> Result<Option<StrikeRow>, StoreError> {
    let condition = equal("fund", fund).into_condition().add(Expr::col("day").lt(day));
    record::last(connection, condition, "number").await
}

/// A page of a fund's strikes by number.
///
/// # Errors
/// Those of the database.
pub async fn list<C: Connection>(
    connection: &C,
    fund: &str,
    after_number: Option<i64>,
    limit: u64,
) -> Result<Vec<StrikeRow>, StoreError> {
    let condition = equal("fund", fund).into_condition();
    record::page(connection, condition, "number", after_number.map(Into::into), limit).await
}
