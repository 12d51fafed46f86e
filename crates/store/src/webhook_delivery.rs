//! Deliveries: what a webhook is to be told, written with the change, and leased to one server at a time.

use sea_orm::sea_query::{
    Condition, Expr, ExprTrait, IntoCondition, LockBehavior, LockType, Order, Query,
    UpdateStatement, Value,
};

use crate::record::{self, equal, record, words};
use crate::{Connection, StoreError, StoreTransaction};

const TABLE: &str = "webhook_delivery";

words! {
    /// How a delivery stands.
    pub enum DeliveryState {
        /// It waits for its time.
        Pending = "pending",
        /// A server sends it.
        Leased = "leased",
        /// The receiver has taken it.
        Delivered = "delivered",
        /// It was tried as often as it may be.
        Failed = "failed",
    }
}

record! {
    /// A delivery.
    pub struct DeliveryRow in "webhook_delivery" {
        /// Id; every attempt bears it.
        id: String,
        /// The webhook.
        webhook_id: String,
        /// The audit entry of the change, which orders deliveries.
        audit_seq: i64,
        /// The model.
        model_id: String,
        /// What happened.
        event: String,
        /// The document that is sent.
        body: String,
        /// How it stands.
        state: DeliveryState,
        /// Attempts so far.
        attempts: i64,
        /// When it may be tried next, milliseconds since 1970.
        due_at: i64,
        /// The server that sends it.
        lease_holder: Option<String>,
        /// End of the lease, milliseconds since 1970.
        lease_until: Option<i64>,
        /// The status that the receiver last answered.
        status: Option<i64>,
        /// Why the last attempt failed.
        last_error: Option<String>,
    }
}

/// How an attempt ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DeliveryOutcome {
    /// How the delivery stands from now on.
    pub state: DeliveryState,
    /// When it may be tried next.
    pub due_at: i64,
    /// The status that the receiver answered, if it did.
    pub status: Option<i64>,
    /// Why it failed; none if it did not.
    pub last_error: Option<String>,
}

/// Writes deliveries, in the transaction of the change.
///
/// # Errors
/// [`StoreError::Conflict`] on `webhook_delivery_pkey`.
pub async fn insert_all(
    transaction: &StoreTransaction,
    rows: Vec<DeliveryRow>,
) -> Result<(), StoreError> {
    record::insert_all(transaction, rows).await
}

/// Leases the oldest delivery whose time has come; none while an older one of the same webhook and model is not done.
///
/// Two servers never get one: SQLite has one writer, PostgreSQL skips rows that another server has locked.
///
/// # Errors
/// Those of the database.
pub async fn lease_next(
    transaction: &StoreTransaction,
    holder: &str,
    now: i64,
    lease_until: i64,
) -> Result<Option<DeliveryRow>, StoreError> {
    let older = Query::select()
        .expr(Expr::val(1))
        .from_as(TABLE, "older")
        .and_where(Expr::col(("older", "webhook_id")).equals((TABLE, "webhook_id")))
        .and_where(Expr::col(("older", "model_id")).equals((TABLE, "model_id")))
        .and_where(Expr::col(("older", "state")).is_in(["pending", "leased"]))
        .and_where(Expr::col(("older", "audit_seq")).lt(Expr::col((TABLE, "audit_seq"))))
        .take();
    let waiting = Condition::all()
        .add(equal("state", DeliveryState::Pending.as_str()))
        .add(Expr::col("due_at").lte(now));
    let dropped = Condition::all()
        .add(equal("state", DeliveryState::Leased.as_str()))
        .add(Expr::col("lease_until").lt(now));
    let statement = record::select::<DeliveryRow>()
        .cond_where(Condition::any().add(waiting).add(dropped))
        .and_where(Expr::not_exists(older))
        .order_by("due_at", Order::Asc)
        .order_by("audit_seq", Order::Asc)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .take();
    let Some(mut row) = record::first::<DeliveryRow, _>(transaction, statement).await? else {
        return Ok(None);
    };
    row.state = DeliveryState::Leased;
    row.attempts += 1;
    row.lease_holder = Some(holder.to_owned());
    row.lease_until = Some(lease_until);
    let statement = Query::update()
        .table(TABLE)
        .value("state", DeliveryState::Leased.as_str())
        .value("attempts", row.attempts)
        .value("lease_holder", holder)
        .value("lease_until", lease_until)
        .and_where(equal("id", row.id.as_str()))
        .take();
    record::update(transaction, statement).await?;
    Ok(Some(row))
}

/// Writes how an attempt ended; `false` when the server has lost the lease.
///
/// # Errors
/// Those of the database.
pub async fn finish(
    transaction: &StoreTransaction,
    id: &str,
    holder: &str,
    outcome: &DeliveryOutcome,
) -> Result<bool, StoreError> {
    let statement: UpdateStatement = Query::update()
        .table(TABLE)
        .value("state", outcome.state.as_str())
        .value("due_at", outcome.due_at)
        .value("status", outcome.status)
        .value("last_error", outcome.last_error.clone())
        .value("lease_holder", Value::String(None))
        .value("lease_until", Value::BigInt(None))
        .and_where(equal("id", id))
        .and_where(equal("state", DeliveryState::Leased.as_str()))
        .and_where(equal("lease_holder", holder))
        .take();
    Ok(record::update(transaction, statement).await? == 1)
}

/// A page of a webhook's deliveries in their order.
///
/// # Errors
/// Those of the database.
pub async fn list<C: Connection>(
    connection: &C,
    webhook_id: &str,
    after_seq: Option<i64>,
    limit: u64,
) -> Result<Vec<DeliveryRow>, StoreError> {
    let condition = equal("webhook_id", webhook_id).into_condition();
    record::page(connection, condition, "audit_seq", after_seq.map(Into::into), limit).await
}
