//! Leaves of the log: what happened, in one sequence without a gap.

use sea_orm::sea_query::{Condition, IntoCondition};

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A leaf.
    pub struct LogLeafRow in "log_leaf" {
        /// Its number from 0, by the caller's count under the ledger's lock.
        leaf_index: i64,
        /// Its kind, the word of its JSON.
        kind: String,
        /// What it is about, as other tables name it.
        subject: String,
        /// The model whose readers may read it; null where anybody may.
        model_id: Option<String>,
        /// The canonical JSON that is hashed.
        body: String,
        /// What the leaf names by digest and no other table keeps; null for most.
        evidence: Option<String>,
        /// Its hash, hex digits.
        leaf_hash: String,
        /// Milliseconds since 1970.
        recorded_at: i64,
    }
}

/// Writes a leaf; take [`StoreTransaction::lock_ledger`] before counting its `leaf_index`.
///
/// # Errors
/// [`StoreError::Conflict`] on `log_leaf_pkey`; [`StoreError::MissingReference`] without the model.
pub async fn insert(transaction: &StoreTransaction, row: LogLeafRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The leaf of a number.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    leaf_index: i64,
) -> Result<Option<LogLeafRow>, StoreError> {
    record::find(connection, equal("leaf_index", leaf_index)).await
}

/// The first leaf with a hash, hex digits.
///
/// # Errors
/// Those of the database.
pub async fn find_by_hash<C: Connection>(
    connection: &C,
    leaf_hash: &str,
) -> Result<Option<LogLeafRow>, StoreError> {
    let condition = equal("leaf_hash", leaf_hash).into_condition();
    Ok(record::page(connection, condition, "leaf_index", None, 1).await?.into_iter().next())
}

/// The last leaf of a kind about something.
///
/// # Errors
/// Those of the database.
pub async fn latest<C: Connection>(
    connection: &C,
    kind: &str,
    subject: &str,
) -> Result<Option<LogLeafRow>, StoreError> {
    let condition = Condition::all().add(equal("kind", kind)).add(equal("subject", subject));
    record::last(connection, condition, "leaf_index").await
}

/// A page of the leaves of a kind about something, in order, after a number.
///
/// # Errors
/// Those of the database.
pub async fn list_about<C: Connection>(
    connection: &C,
    (kind, subject): (&str, &str),
    after: Option<i64>,
    limit: u64,
) -> Result<Vec<LogLeafRow>, StoreError> {
    let condition = Condition::all().add(equal("kind", kind)).add(equal("subject", subject));
    record::page(connection, condition, "leaf_index", after.map(Into::into), limit).await
}

/// How many leaves there are.
///
/// # Errors
/// Those of the database.
pub async fn size<C: Connection>(connection: &C) -> Result<i64, StoreError> {
    let last =
        record::greatest::<LogLeafRow, C>(connection, Condition::all(), "leaf_index").await?;
    Ok(last.map_or(0, |last| last + 1))
}

/// A page of the leaves in order, after a number.
///
/// # Errors
/// Those of the database.
pub async fn list<C: Connection>(
    connection: &C,
    after: Option<i64>,
    limit: u64,
) -> Result<Vec<LogLeafRow>, StoreError> {
    let all = Condition::all().into_condition();
    record::page(connection, all, "leaf_index", after.map(Into::into), limit).await
}

/// A page of the leaves of a kind in order, after a number.
///
/// # Errors
/// Those of the database.
pub async fn list_of_kind<C: Connection>(
    connection: &C,
    kind: &str,
    after: i64,
    limit: u64,
) -> Result<Vec<LogLeafRow>, StoreError> {
    let condition = equal("kind", kind).into_condition();
    record::page(connection, condition, "leaf_index", Some(after.into()), limit).await
}
