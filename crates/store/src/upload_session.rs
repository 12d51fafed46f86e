//! Upload sessions: who sends which file in parts, and until when.

use sea_orm::sea_query::{Condition, Expr, ExprTrait, Order, Query, UpdateStatement};

use crate::record::{self, equal, record, words};
use crate::{Connection, StoreError, StoreTransaction};

words! {
    /// Where a session stands.
    pub enum UploadState {
        /// Parts are taken.
        Open = "open",
        /// The file is stored.
        Finished = "finished",
        /// Its owner ended it, or its bytes were refused.
        Aborted = "aborted",
        /// Nobody went on with it.
        Expired = "expired",
    }
}

record! {
    /// A session.
    pub struct UploadRow in "upload_session" {
        /// Id.
        id: String,
        /// The login that sends.
        owner: String,
        /// SHA-256 of the whole file as announced, 64 hex digits.
        digest: String,
        /// Number of this session among those of the same owner and digest, from 1.
        ordinal: i64,
        /// Size of the file.
        bytes: i64,
        /// SHA-256 of what was announced: the file's first bytes and the keys of its tensors.
        manifest: String,
        /// SHA-256 of the plan in force.
        plan: String,
        /// Bytes that the parts of this plan have.
        planned_bytes: i64,
        /// Where it stands.
        state: UploadState,
        /// Milliseconds since 1970.
        created_at: i64,
        /// Milliseconds since 1970.
        expires_at: i64,
    }
}

/// Writes a session.
///
/// # Errors
/// [`StoreError::Conflict`] on `upload_session_pkey` or `upload_session_owner_digest_ordinal_key`.
pub async fn insert(transaction: &StoreTransaction, row: UploadRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The session of an id.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    id: &str,
) -> Result<Option<UploadRow>, StoreError> {
    record::find(connection, equal("id", id)).await
}

/// The last session in which an owner sent a file.
///
/// # Errors
/// Those of the database.
pub async fn last<C: Connection>(
    connection: &C,
    owner: &str,
    digest: &str,
) -> Result<Option<UploadRow>, StoreError> {
    let condition = Condition::all().add(equal("owner", owner)).add(equal("digest", digest));
    record::last(connection, condition, "ordinal").await
}

/// Open sessions of an owner, at most `limit`.
///
/// # Errors
/// Those of the database.
pub async fn list_open<C: Connection>(
    connection: &C,
    owner: &str,
    limit: u64,
) -> Result<Vec<UploadRow>, StoreError> {
    let condition =
        Condition::all().add(equal("owner", owner)).add(equal("state", UploadState::Open.as_str()));
    record::page(connection, condition, "id", None, limit).await
}

/// Open sessions whose time ended at `now` or before, the oldest first, at most `limit`.
///
/// # Errors
/// Those of the database.
pub async fn list_expired<C: Connection>(
    connection: &C,
    now: i64,
    limit: u64,
) -> Result<Vec<UploadRow>, StoreError> {
    let statement = record::select::<UploadRow>()
        .and_where(equal("state", UploadState::Open.as_str()))
        .and_where(Expr::col("expires_at").lte(Expr::val(now)))
        .order_by("expires_at", Order::Asc)
        .limit(record::page_rows(limit))
        .take();
    record::rows(connection, statement).await
}

/// Ends an open session; `false` when it was not open.
///
/// # Errors
/// Those of the database.
pub async fn close(
    transaction: &StoreTransaction,
    id: &str,
    state: UploadState,
) -> Result<bool, StoreError> {
    let statement = open(id).value("state", state.as_str()).take();
    Ok(record::update(transaction, statement).await? == 1)
}

/// Lets an open session live until `expires_at`; `false` when it was not open.
///
/// # Errors
/// Those of the database.
pub async fn prolong(
    transaction: &StoreTransaction,
    id: &str,
    expires_at: i64,
) -> Result<bool, StoreError> {
    let statement = open(id).value("expires_at", expires_at).take();
    Ok(record::update(transaction, statement).await? == 1)
}

/// Puts a new plan in the place of the one that the caller has read; `false` when another was quicker, or it was not open.
///
/// # Errors
/// Those of the database.
pub async fn replan(
    transaction: &StoreTransaction,
    row: &UploadRow,
    plan: &str,
    planned_bytes: i64,
) -> Result<bool, StoreError> {
    let statement = open(&row.id)
        .and_where(equal("plan", row.plan.as_str()))
        .value("plan", plan)
        .value("planned_bytes", planned_bytes)
        .take();
    Ok(record::update(transaction, statement).await? == 1)
}

fn open(id: &str) -> UpdateStatement {
    Query::update()
        .table("upload_session")
        .and_where(equal("id", id))
        .and_where(equal("state", UploadState::Open.as_str()))
        .take()
}
