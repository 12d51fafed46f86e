//! Orders: which wait for a strike, and which event closed the others.

use sea_orm::sea_query::{Condition, Expr, ExprTrait, IntoCondition, Order, Query};

use crate::record::{self, equal, record, words};
use crate::{Connection, StoreError, StoreTransaction};

const TABLE: &str = "fund_order";

words! {
    /// Which way an order goes.
    pub enum OrderSide {
        /// Credits for shares.
        Subscription = "subscription",
        /// Shares for a slice.
        Redemption = "redemption",
        /// Shares for cash, at the instant window.
        Window = "window",
    }
}

record! {
    /// An order.
    pub struct OrderRow in "fund_order" {
        /// The ledger's event that placed it: its id.
        event_seq: i64,
        /// The fund.
        fund: String,
        /// Which way it goes.
        side: OrderSide,
        /// Whose it is.
        owner: String,
        /// The event that settled it or took it back; null while it waits.
        closed_by: Option<i64>,
    }
}

/// Writes an order.
///
/// # Errors
/// [`StoreError::Conflict`] on `fund_order_pkey`; [`StoreError::MissingReference`] without fund or event.
pub async fn insert(transaction: &StoreTransaction, row: OrderRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The order of an id.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    event_seq: i64,
) -> Result<Option<OrderRow>, StoreError> {
    record::find(connection, equal("event_seq", event_seq)).await
}

/// A page of the orders of a fund and side that wait, in the order of placing.
///
/// # Errors
/// Those of the database.
pub async fn list_waiting<C: Connection>(
    connection: &C,
    fund: &str,
    side: OrderSide,
    after: Option<i64>,
    limit: u64,
) -> Result<Vec<OrderRow>, StoreError> {
    record::page(connection, waiting(fund, side), "event_seq", after.map(Into::into), limit).await
}

/// A page of the orders of a fund and side that waited right after an event, in the order of placing.
///
/// # Errors
/// Those of the database.
pub async fn list_waiting_at<C: Connection>(
    connection: &C,
    (fund, side): (&str, OrderSide),
    event: i64,
    after: Option<i64>,
    limit: u64,
) -> Result<Vec<OrderRow>, StoreError> {
    let closed_by = || Expr::col("closed_by");
    let waited = Condition::any().add(closed_by().is_null()).add(closed_by().gt(Expr::val(event)));
    let condition = Condition::all()
        .add(equal("fund", fund))
        .add(equal("side", side.as_str()))
        .add(Expr::col("event_seq").lte(Expr::val(event)))
        .add(waited);
    record::page(connection, condition, "event_seq", after.map(Into::into), limit).await
}

/// A page of an owner's orders, the youngest first, before an id.
///
/// # Errors
/// Those of the database.
pub async fn list_by_owner<C: Connection>(
    connection: &C,
    owner: &str,
    before: Option<i64>,
    limit: u64,
) -> Result<Vec<OrderRow>, StoreError> {
    let mut statement = record::select::<OrderRow>();
    statement.cond_where(equal("owner", owner).into_condition());
    statement.order_by("event_seq", Order::Desc).limit(record::page_rows(limit));
    if let Some(before) = before {
        statement.and_where(Expr::col("event_seq").lt(Expr::val(before)));
    }
    record::rows(connection, statement).await
}

/// How many orders of an owner wait in a fund on a side.
///
/// # Errors
/// Those of the database.
pub async fn count_waiting<C: Connection>(
    connection: &C,
    fund: &str,
    side: OrderSide,
    owner: &str,
) -> Result<i64, StoreError> {
    let condition = waiting(fund, side).add(equal("owner", owner));
    record::count::<OrderRow, C>(connection, condition).await
}

/// How many orders of a fund and side that wait were placed before one.
///
/// # Errors
/// Those of the database.
pub async fn count_before<C: Connection>(
    connection: &C,
    fund: &str,
    side: OrderSide,
    event_seq: i64,
) -> Result<i64, StoreError> {
    let before = Expr::col("event_seq").lt(Expr::val(event_seq));
    record::count::<OrderRow, C>(connection, waiting(fund, side).add(before)).await
}

/// How many orders of a fund and side were placed before one and waited after an event.
///
/// # Errors
/// Those of the database.
pub async fn count_before_at<C: Connection>(
    connection: &C,
    fund: &str,
    side: OrderSide,
    (event_seq, last): (i64, i64),
) -> Result<i64, StoreError> {
    let waited = Condition::any()
        .add(Expr::col("closed_by").is_null())
        .add(Expr::col("closed_by").gt(Expr::val(last)));
    let condition = Condition::all()
        .add(equal("fund", fund))
        .add(equal("side", side.as_str()))
        .add(Expr::col("event_seq").lt(Expr::val(event_seq)))
        .add(waited);
    record::count::<OrderRow, C>(connection, condition).await
}

/// Closes one order that waits; tells whether it did.
///
/// # Errors
/// Those of the database.
pub async fn close(
    transaction: &StoreTransaction,
    event_seq: i64,
    closed_by: i64,
) -> Result<bool, StoreError> {
    let statement = Query::update()
        .table(TABLE)
        .value("closed_by", closed_by)
        .and_where(equal("event_seq", event_seq))
        .and_where(Expr::col("closed_by").is_null())
        .take();
    Ok(record::update(transaction, statement).await? == 1)
}

/// Closes all orders of a fund and side that wait; tells how many.
///
/// # Errors
/// Those of the database.
pub async fn close_all(
    transaction: &StoreTransaction,
    fund: &str,
    side: OrderSide,
    closed_by: i64,
) -> Result<u64, StoreError> {
    let statement = Query::update()
        .table(TABLE)
        .value("closed_by", closed_by)
        .cond_where(waiting(fund, side))
        .take();
    record::update(transaction, statement).await
}

/// Closes the orders of a fund and side that wait, up to the id `last`; tells how many.
///
/// # Errors
/// Those of the database.
pub async fn close_up_to(
    transaction: &StoreTransaction,
    fund: &str,
    side: OrderSide,
    (last, closed_by): (i64, i64),
) -> Result<u64, StoreError> {
    let up_to = Expr::col("event_seq").lte(Expr::val(last));
    let statement = Query::update()
        .table(TABLE)
        .value("closed_by", closed_by)
        .cond_where(waiting(fund, side).add(up_to))
        .take();
    record::update(transaction, statement).await
}

fn waiting(fund: &str, side: OrderSide) -> Condition {
    Condition::all()
        .add(equal("fund", fund))
        .add(equal("side", side.as_str()))
        .add(Expr::col("closed_by").is_null())
}
