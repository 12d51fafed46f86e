//! Commitments to the prices of strikes: made, closed, used up, one after the other.

use sea_orm::sea_query::{Expr, ExprTrait, IntoCondition, Order, Query};

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

const TABLE: &str = "price_commitment";

record! {
    /// A commitment.
    pub struct PriceCommitmentRow in "price_commitment" {
        /// The event that made it.
        event_seq: i64,
        /// The fund.
        fund: String,
        /// The number of the strike that it is for.
        number: i64,
        /// The digest, with its prefix.
        digest: String,
        /// Prices, estimates and salt, JSON: nobody is shown it before the reveal.
        sealed: String,
        /// Milliseconds since 1970.
        committed_at: i64,
        /// The event of the cut-off; null while orders are taken.
        closed_by: Option<i64>,
        /// The root over the closed book, with its prefix.
        book_root: Option<String>,
        /// Orders in it.
        book_count: Option<i64>,
        /// Milliseconds since 1970.
        closed_at: Option<i64>,
        /// The strike's event, or the one that opened the book again; null while it is open.
        used_by: Option<i64>,
        /// When the prices were told; null where they were not.
        revealed_at: Option<i64>,
    }
}

/// Writes a commitment.
///
/// # Errors
/// [`StoreError::Conflict`] on `price_commitment_pkey`; [`StoreError::MissingReference`] without fund or event.
pub async fn insert(
    transaction: &StoreTransaction,
    row: PriceCommitmentRow,
) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The commitment of a fund that nothing has used up.
///
/// # Errors
/// Those of the database.
pub async fn find_open<C: Connection>(
    connection: &C,
    fund: &str,
) -> Result<Option<PriceCommitmentRow>, StoreError> {
    let statement = record::select::<PriceCommitmentRow>()
        .cond_where(equal("fund", fund).into_condition().add(Expr::col("used_by").is_null()))
        .order_by("event_seq", Order::Desc)
        .take();
    record::first(connection, statement).await
}

/// The commitment of a fund that was made by an event of the ledger or one before it, and that nothing had used up by then.
///
/// # Errors
/// Those of the database.
pub async fn find_open_by<C: Connection>(
    connection: &C,
    fund: &str,
    event_seq: i64,
) -> Result<Option<PriceCommitmentRow>, StoreError> {
    let used = Expr::col("used_by");
    let open = used.clone().is_null().or(used.gt(Expr::val(event_seq)));
    let made = Expr::col("event_seq").lte(Expr::val(event_seq));
    let statement = record::select::<PriceCommitmentRow>()
        .cond_where(equal("fund", fund).into_condition().add(open).add(made))
        .order_by("event_seq", Order::Desc)
        .take();
    record::first(connection, statement).await
}

/// The commitment that an event used up.
///
/// # Errors
/// Those of the database.
pub async fn find_used_by<C: Connection>(
    connection: &C,
    used_by: i64,
) -> Result<Option<PriceCommitmentRow>, StoreError> {
    record::find(connection, equal("used_by", used_by)).await
}

/// The commitment of a fund whose book was closed last after the event `placed` and before the event `end`.
///
/// # Errors
/// Those of the database.
pub async fn find_closed_between<C: Connection>(
    connection: &C,
    fund: &str,
    (placed, end): (i64, i64),
) -> Result<Option<PriceCommitmentRow>, StoreError> {
    let closed_by = || Expr::col("closed_by");
    let condition = equal("fund", fund)
        .into_condition()
        .add(closed_by().gt(Expr::val(placed)))
        .add(closed_by().lt(Expr::val(end)));
    let statement = record::select::<PriceCommitmentRow>()
        .cond_where(condition)
        .order_by("event_seq", Order::Desc)
        .take();
    record::first(connection, statement).await
}

/// Writes down the cut-off; tells whether the commitment was without one.
///
/// # Errors
/// Those of the database.
pub async fn close(
    transaction: &StoreTransaction,
    event_seq: i64,
    (closed_by, closed_at): (i64, i64),
    (book_root, book_count): (&str, i64),
) -> Result<bool, StoreError> {
    let statement = Query::update()
        .table(TABLE)
        .value("closed_by", closed_by)
        .value("closed_at", closed_at)
        .value("book_root", book_root)
        .value("book_count", book_count)
        .and_where(equal("event_seq", event_seq))
        .and_where(Expr::col("closed_by").is_null())
        .take();
    Ok(record::update(transaction, statement).await? == 1)
}

/// Writes down what used a commitment up, and when its prices were told, if they were; tells whether it was open.
///
/// # Errors
/// Those of the database.
pub async fn use_up(
    transaction: &StoreTransaction,
    event_seq: i64,
    used_by: i64,
    revealed_at: Option<i64>,
) -> Result<bool, StoreError> {
    let statement = Query::update()
        .table(TABLE)
        .value("used_by", used_by)
        .value("revealed_at", revealed_at)
        .and_where(equal("event_seq", event_seq))
        .and_where(Expr::col("used_by").is_null())
        .take();
    Ok(record::update(transaction, statement).await? == 1)
}
