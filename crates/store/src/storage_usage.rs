//! Usage: what a login holds and what it brought, counted in the transaction that changes it.

use sea_orm::sea_query::{Expr, ExprTrait, Query};

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// The counters of a login.
    pub struct UsageRow in "storage_usage" {
        /// The login.
        login: String,
        /// Objects that count for it.
        objects: i64,
        /// Bytes of these.
        logical_bytes: i64,
        /// Bytes of the parts that it brought first and that objects stand on.
        stored_bytes: i64,
    }
}

/// Changes the counters of a login and returns them as they are then; they stay locked until the transaction ends.
///
/// # Errors
/// Those of the database, also when a counter would fall below zero.
pub async fn add(
    transaction: &StoreTransaction,
    login: &str,
    objects: i64,
    logical_bytes: i64,
    stored_bytes: i64,
) -> Result<UsageRow, StoreError> {
    let empty = UsageRow { login: login.to_owned(), objects: 0, logical_bytes: 0, stored_bytes: 0 };
    record::insert_if_absent(transaction, empty.clone(), "login").await?;
    let statement = Query::update()
        .table("storage_usage")
        .value("objects", Expr::col("objects").add(objects))
        .value("logical_bytes", Expr::col("logical_bytes").add(logical_bytes))
        .value("stored_bytes", Expr::col("stored_bytes").add(stored_bytes))
        .and_where(equal("login", login))
        .take();
    record::update(transaction, statement).await?;
    Ok(find(transaction, login).await?.unwrap_or(empty))
}

/// The counters of a login; none if it never sent anything.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    login: &str,
) -> Result<Option<UsageRow>, StoreError> {
    record::find(connection, equal("login", login)).await
}
