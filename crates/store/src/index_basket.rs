//! Index baskets: the constituents and their weights after each rebalance.

use sea_orm::sea_query::{Expr, ExprTrait, IntoCondition};

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A basket.
    pub struct BasketRow in "index_basket" {
        /// The fund.
        fund: String,
        /// Place among the fund's baskets, by the caller's count.
        seq: i64,
        /// The strike that it followed.
        strike_number: i64,
        /// Dealing day.
        day: i64,
        /// Weights, quantities and trades, JSON.
        record: String,
        /// Index level at the change, 1e-9 points.
        level_nano: i64,
        /// Milliseconds since 1970.
        recorded_at: i64,
    }
}

/// Writes a basket.
///
/// # Errors
/// [`StoreError::Conflict`] on `index_basket_pkey`; [`StoreError::MissingReference`] without the fund.
pub async fn insert(transaction: &StoreTransaction, row: BasketRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The last basket of a fund; null before the first rebalance.
///
/// # Errors
/// Those of the database.
pub async fn latest<C: Connection>(
    connection: &C,
    fund: &str,
) -> Result<Option<BasketRow>, StoreError> {
    record::last(connection, equal("fund", fund), "seq").await
}

/// The last basket of a fund that was recorded at a moment or before it; null before the first rebalance.
///
/// # Errors
/// Those of the database.
pub async fn latest_by<C: Connection>(
    connection: &C,
    fund: &str,
    recorded_at: i64,
) -> Result<Option<BasketRow>, StoreError> {
    let by = Expr::col("recorded_at").lte(Expr::val(recorded_at));
    record::last(connection, equal("fund", fund).into_condition().add(by), "seq").await
}

/// A page of a fund's baskets, oldest first.
///
/// # Errors
/// Those of the database.
pub async fn list<C: Connection>(
    connection: &C,
    fund: &str,
    after_seq: Option<i64>,
    limit: u64,
) -> Result<Vec<BasketRow>, StoreError> {
    let condition = equal("fund", fund).into_condition();
    record::page(connection, condition, "seq", after_seq.map(Into::into), limit).await
}
