//! Signed heads: what the log was at a moment.

use sea_orm::sea_query::{Condition, Expr, ExprTrait, IntoCondition, Order};

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A signed head.
    pub struct LogHeadRow in "log_head" {
        /// Leaves; one head a size.
        size: i64,
        /// What the log is called.
        log: String,
        /// Root of the tree, hex digits.
        root: String,
        /// Milliseconds since 1970.
        signed_at: i64,
        /// By which key, hex digits.
        public_key: String,
        /// The signature, hex digits.
        signature: String,
    }
}

/// Writes a head.
///
/// # Errors
/// [`StoreError::Conflict`] on `log_head_pkey`.
pub async fn insert(transaction: &StoreTransaction, row: LogHeadRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The head of a size.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    size: i64,
) -> Result<Option<LogHeadRow>, StoreError> {
    record::find(connection, equal("size", size)).await
}

/// The largest head.
///
/// # Errors
/// Those of the database.
pub async fn latest<C: Connection>(connection: &C) -> Result<Option<LogHeadRow>, StoreError> {
    record::last(connection, Condition::all(), "size").await
}

/// The smallest head of at least so many leaves.
///
/// # Errors
/// Those of the database.
pub async fn first_of<C: Connection>(
    connection: &C,
    size_min: i64,
) -> Result<Option<LogHeadRow>, StoreError> {
    let condition = Expr::col("size").gte(Expr::val(size_min)).into_condition();
    let mut statement = record::select::<LogHeadRow>();
    statement.cond_where(condition).order_by("size", Order::Asc);
    record::first(connection, statement).await
}
