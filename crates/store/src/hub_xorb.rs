//! Xorbs that an owner has sent: what chunks are in them, whether they are stored still, and in which files their chunks lie.

use sea_orm::sea_query::{Condition, Expr, ExprTrait, Query};

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A xorb of an owner.
    pub struct XorbRow in "hub_xorb" {
        /// The login that sent it.
        owner: String,
        /// Its hash, 64 digits.
        hash: String,
        /// Of each chunk in order, its packed bytes and its bytes, as `1000:1200 990:1024 …`.
        chunks: String,
        /// Milliseconds since 1970: when it was last sent.
        sent_at: i64,
        /// Milliseconds since 1970: from when on it is not stored; null while it is.
        dropped_at: Option<i64>,
    }
}

record! {
    /// A run of chunks that lies in a stored file.
    pub struct XorbPlaceRow in "hub_xorb_place" {
        /// The login.
        owner: String,
        /// The xorb.
        xorb: String,
        /// First chunk of the run.
        first_chunk: i64,
        /// One past its last.
        end_chunk: i64,
        /// SHA-256 of the file.
        digest: String,
        /// The run's first byte in it.
        file_offset: i64,
        /// Milliseconds since 1970.
        placed_at: i64,
    }
}

/// Writes that an owner has sent a xorb, which is stored from now on; a repetition changes its times.
///
/// # Errors
/// Those of the database.
pub async fn put(transaction: &StoreTransaction, row: XorbRow) -> Result<(), StoreError> {
    let (owner, hash, sent_at) = (row.owner.clone(), row.hash.clone(), row.sent_at);
    // The same chunks may come packed in another way.
    let chunks = row.chunks.clone();
    if record::insert_if_absent_by(transaction, row, &["owner", "hash"]).await? {
        return Ok(());
    }
    let statement = Query::update()
        .table("hub_xorb")
        .value("chunks", chunks)
        .value("sent_at", sent_at)
        .value("dropped_at", Option::<i64>::None)
        .and_where(equal("owner", owner.as_str()))
        .and_where(equal("hash", hash.as_str()))
        .take();
    record::update(transaction, statement).await.map(drop)
}

/// Writes that a xorb is not stored from now on.
///
/// # Errors
/// Those of the database.
pub async fn set_dropped(
    transaction: &StoreTransaction,
    owner: &str,
    hash: &str,
    at: i64,
) -> Result<(), StoreError> {
    let statement = Query::update()
        .table("hub_xorb")
        .value("dropped_at", at)
        .and_where(equal("owner", owner))
        .and_where(equal("hash", hash))
        .and_where(Expr::col("dropped_at").is_null())
        .take();
    record::update(transaction, statement).await.map(drop)
}

/// The xorb of a hash that an owner has sent.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    owner: &str,
    hash: &str,
) -> Result<Option<XorbRow>, StoreError> {
    let condition = Condition::all().add(equal("owner", owner)).add(equal("hash", hash));
    record::find(connection, condition).await
}

/// Every owner's xorb of a hash that is stored, at most `limit`.
///
/// # Errors
/// Those of the database.
pub async fn list_stored_of_hash<C: Connection>(
    connection: &C,
    hash: &str,
    limit: u64,
) -> Result<Vec<XorbRow>, StoreError> {
    let condition =
        Condition::all().add(equal("hash", hash)).add(Expr::col("dropped_at").is_null());
    record::page(connection, condition, "owner", None, limit).await
}

/// How many xorbs of an owner are stored.
///
/// # Errors
/// Those of the database.
pub async fn count_stored<C: Connection>(connection: &C, owner: &str) -> Result<i64, StoreError> {
    let condition =
        Condition::all().add(equal("owner", owner)).add(Expr::col("dropped_at").is_null());
    record::count::<XorbRow, C>(connection, condition).await
}

/// Stored xorbs that were last sent before a time, by hash after one, at most `limit`.
///
/// # Errors
/// Those of the database.
pub async fn list_stored_before<C: Connection>(
    connection: &C,
    sent_before: i64,
    after_hash: Option<&str>,
    limit: u64,
) -> Result<Vec<XorbRow>, StoreError> {
    let condition = Condition::all()
        .add(Expr::col("dropped_at").is_null())
        .add(Expr::col("sent_at").lt(Expr::val(sent_before)));
    record::page(connection, condition, "hash", after_hash.map(Into::into), limit).await
}

/// Writes where a run of chunks lies, unless that is written.
///
/// # Errors
/// [`StoreError::MissingReference`] without the xorb.
pub async fn insert_place(
    transaction: &StoreTransaction,
    row: XorbPlaceRow,
) -> Result<(), StoreError> {
    let key = ["owner", "xorb", "first_chunk", "end_chunk", "digest"];
    record::insert_if_absent_by(transaction, row, &key).await.map(drop)
}

/// The longest run from before or at a chunk that lies in a stored file.
///
/// # Errors
/// Those of the database.
pub async fn find_place<C: Connection>(
    connection: &C,
    owner: &str,
    xorb: &str,
    chunk: i64,
) -> Result<Option<XorbPlaceRow>, StoreError> {
    let condition = Condition::all()
        .add(equal("owner", owner))
        .add(equal("xorb", xorb))
        .add(Expr::col("first_chunk").lte(Expr::val(chunk)))
        .add(Expr::col("end_chunk").gt(Expr::val(chunk)));
    record::last(connection, condition, "end_chunk").await
}
