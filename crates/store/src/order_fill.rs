//! Fills: what each subscription order got at its strike. An order without a fill waits.

use sea_orm::sea_query::{Condition, IntoCondition};

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A fill of a subscription order.
    pub struct FillRow in "order_fill" {
        /// The fund.
        fund: String,
        /// The strike that filled it.
        strike_number: i64,
        /// The ledger's event that placed the order; an order is filled once.
        order_event_seq: i64,
        /// Who ordered.
        owner: String,
        /// Amount of the order, micro-credits.
        amount_micro: i64,
        /// Shares it got, 1e-9 shares.
        shares_nano: i64,
        /// What they cost, micro-credits.
        cost_micro: i64,
        /// Levy kept by the fund, micro-credits.
        levy_micro: i64,
    }
}

/// Writes fills.
///
/// # Errors
/// [`StoreError::Conflict`] on `order_fill_pkey` when an order was filled before;
/// [`StoreError::MissingReference`] without the fund or the event.
pub async fn insert_all(
    transaction: &StoreTransaction,
    rows: Vec<FillRow>,
) -> Result<(), StoreError> {
    record::insert_all(transaction, rows).await
}

/// Writes one fill.
///
/// # Errors
/// Those of [`insert_all`].
pub async fn insert(transaction: &StoreTransaction, row: FillRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The fill of an order; null while it waits.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    order_event_seq: i64,
) -> Result<Option<FillRow>, StoreError> {
    record::find(connection, equal("order_event_seq", order_event_seq)).await
}

/// A page of the fills of a strike, by order.
///
/// # Errors
/// Those of the database.
pub async fn list_by_strike<C: Connection>(
    connection: &C,
    fund: &str,
    strike_number: i64,
    after_order_event_seq: Option<i64>,
    limit: u64,
) -> Result<Vec<FillRow>, StoreError> {
    let condition =
        Condition::all().add(equal("fund", fund)).add(equal("strike_number", strike_number));
    let after = after_order_event_seq.map(Into::into);
    record::page(connection, condition, "order_event_seq", after, limit).await
}

/// A page of an owner's fills in all funds, by order.
///
/// # Errors
/// Those of the database.
pub async fn list_by_owner<C: Connection>(
    connection: &C,
    owner: &str,
    after_order_event_seq: Option<i64>,
    limit: u64,
) -> Result<Vec<FillRow>, StoreError> {
    let condition = equal("owner", owner).into_condition();
    let after = after_order_event_seq.map(Into::into);
    record::page(connection, condition, "order_event_seq", after, limit).await
}
