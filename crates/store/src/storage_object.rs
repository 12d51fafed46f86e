//! Accounts of objects: how large each is, whether anything cites it, and when it was last sent.

use sea_orm::sea_query::{Condition, Expr, ExprTrait, Order, Query};

use crate::record::{self, equal, record};
use crate::{
    Connection, HolderRow, HubBlobRow, ObjectRow, StoreError, StoreTransaction, TensorRow,
};

record! {
    /// The account of an object.
    pub struct StorageObjectRow in "storage_object" {
        /// SHA-256 of the bytes, 64 hex digits.
        digest: String,
        /// How many they are.
        bytes: i64,
        /// Whether something cites it, and so keeps it for ever.
        cited: bool,
        /// When it was last sent, in milliseconds since 1970.
        touched_at: i64,
    }
}

/// An object of a time before accounts: it is entered when its parts are known.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnaccountedObject {
    /// SHA-256 of the bytes, 64 hex digits.
    pub digest: String,
    /// How many they are.
    pub bytes: i64,
}

/// Opens an account unless there is one; `false` when there was.
///
/// # Errors
/// Those of the database.
pub async fn insert(
    transaction: &StoreTransaction,
    row: StorageObjectRow,
) -> Result<bool, StoreError> {
    record::insert_if_absent(transaction, row, "digest").await
}

/// The account of an object.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    digest: &str,
) -> Result<Option<StorageObjectRow>, StoreError> {
    record::find(connection, equal("digest", digest)).await
}

/// Notes that an object was sent again, and locks its account until the transaction ends; `false` if there is none.
///
/// # Errors
/// Those of the database.
pub async fn touch(
    transaction: &StoreTransaction,
    digest: &str,
    now: i64,
) -> Result<bool, StoreError> {
    let later = Expr::case(Expr::col("touched_at").lt(now), Expr::val(now))
        .finally(Expr::col("touched_at"));
    let statement = Query::update()
        .table("storage_object")
        .value("touched_at", later)
        .and_where(equal("digest", digest))
        .take();
    Ok(record::update(transaction, statement).await? == 1)
}

/// Objects that nothing was said to cite and that were last sent at `until` or before, oldest first.
///
/// # Errors
/// Those of the database.
pub async fn list_due<C: Connection>(
    connection: &C,
    until: i64,
    limit: u64,
) -> Result<Vec<StorageObjectRow>, StoreError> {
    let statement = record::select::<StorageObjectRow>()
        .and_where(equal("cited", 0))
        .and_where(Expr::col("touched_at").lte(until))
        .order_by("touched_at", Order::Asc)
        .order_by("digest", Order::Asc)
        .limit(record::page_rows(limit))
        .take();
    record::rows(connection, statement).await
}

/// Locks the account of an object that is still due; `false` if it was sent or cited meanwhile, or is gone.
///
/// # Errors
/// Those of the database.
pub async fn lock_due(
    transaction: &StoreTransaction,
    digest: &str,
    until: i64,
) -> Result<bool, StoreError> {
    // A change to the same value: what counts is the lock, and that the condition is judged on the row that is locked.
    let statement = Query::update()
        .table("storage_object")
        .value("cited", 0)
        .and_where(equal("digest", digest))
        .and_where(equal("cited", 0))
        .and_where(Expr::col("touched_at").lte(until))
        .take();
    Ok(record::update(transaction, statement).await? == 1)
}

/// Removes an object from the registry: its account, its tensors, and who has sent it. Holds and parts are given back before.
///
/// # Errors
/// [`StoreError::MissingReference`] or a refusal of the database while something cites it.
pub async fn remove(transaction: &StoreTransaction, digest: &str) -> Result<(), StoreError> {
    record::delete::<TensorRow>(transaction, equal("checkpoint_digest", digest)).await?;
    record::delete::<HolderRow>(transaction, equal("digest", digest)).await?;
    record::delete::<HubBlobRow>(transaction, equal("digest", digest)).await?;
    record::delete::<ObjectRow>(transaction, equal("digest", digest)).await?;
    record::delete::<StorageObjectRow>(transaction, equal("digest", digest)).await?;
    Ok(())
}

/// Objects without an account, at most `limit`: of a time before there were accounts.
///
/// # Errors
/// Those of the database.
pub async fn list_unaccounted<C: Connection>(
    connection: &C,
    limit: u64,
) -> Result<Vec<UnaccountedObject>, StoreError> {
    let mut found: Vec<UnaccountedObject> = Vec::new();
    for table in ["stored_object", "hub_blob"] {
        let account = Query::select()
            .expr(Expr::val(1))
            .from("storage_object")
            .and_where(Expr::col(("storage_object", "digest")).equals((table, "digest")))
            .take();
        let statement = Query::select()
            .columns(["digest", "bytes"])
            .distinct()
            .from(table)
            .cond_where(Condition::all().add(Expr::not_exists(account)))
            .order_by("digest", Order::Asc)
            .limit(record::page_rows(limit))
            .take();
        let rows = sea_orm::ConnectionTrait::query_all(connection.executor(), &statement);
        for row in rows.await.map_err(StoreError::from_database)? {
            let digest = record::read_field(&row, table, "digest")?;
            found.push(UnaccountedObject {
                digest,
                bytes: record::read_field(&row, table, "bytes")?,
            });
        }
    }
    found.dedup_by(|a, b| a.digest == b.digest);
    found.truncate(limit as usize);
    Ok(found)
}

/// The logins that are known to have sent an object of a time before accounts, its first bringer first.
///
/// # Errors
/// Those of the database.
pub async fn list_senders<C: Connection>(
    connection: &C,
    digest: &str,
) -> Result<Vec<String>, StoreError> {
    let mut logins = Vec::new();
    if let Some(object) = crate::stored_object::find(connection, digest).await? {
        logins.push(object.uploaded_by);
    }
    let holders = record::select::<HolderRow>().and_where(equal("digest", digest)).take();
    let holders: Vec<HolderRow> = record::rows(connection, holders).await?;
    let blobs = record::select::<HubBlobRow>()
        .and_where(equal("digest", digest))
        .order_by("uploaded_at", Order::Asc)
        .take();
    let blobs: Vec<HubBlobRow> = record::rows(connection, blobs).await?;
    logins.extend(holders.into_iter().map(|row| row.holder));
    logins.extend(blobs.into_iter().map(|row| row.owner));
    let mut seen = std::collections::BTreeSet::new();
    logins.retain(|login| seen.insert(login.clone()));
    Ok(logins)
}
