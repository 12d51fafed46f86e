//! Parts: what lies in the object storage under a name of its own, and how many objects stand on each.
//!
//! A part's bytes are removed only under the lock of a row that is marked `collecting`, and such a row never comes back to life: it
//! goes, and a new one has another generation. So whoever saw or wrote the bytes after [`announce`], and finds the row of the same
//! generation unmarked when he refers to it, knows that they are there.

use std::collections::{BTreeMap, HashSet};

use sea_orm::sea_query::{Condition, Expr, ExprTrait, LockBehavior, LockType, Order, Query, Value};

use crate::record::{self, CHUNK_VALUES, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A part.
    pub struct PartRow in "storage_part" {
        /// Its name in the object storage.
        location: String,
        /// How many bytes it has.
        bytes: i64,
        /// Which upload entered it: another row of the same name has another one.
        generation: String,
        /// Objects that stand on it.
        reference_count: i64,
        /// The login whose upload was the first of these; null for the program's own documents and while nothing stands on it.
        brought_by: Option<String>,
        /// Since when nothing stands on it, in milliseconds since 1970.
        free_since: Option<i64>,
        /// Whether its bytes are being removed.
        collecting: bool,
    }
}

record! {
    /// The name of a hint that leads to a part, and goes with it.
    pub struct PlaceRow in "storage_place" {
        /// The part.
        part: String,
        /// The hint.
        location: String,
    }
}

record! {
    /// An object stands on a part.
    pub struct ObjectPartRow in "object_part" {
        /// SHA-256 of the object.
        digest: String,
        /// The part.
        location: String,
    }
}

const TABLE: &str = "storage_part";

/// Enters parts that an upload is about to look for or to write, with their sizes, unless they are there; returns them all, locked.
/// The grace of those that nothing stands on begins anew.
///
/// # Errors
/// Those of the database.
pub async fn announce(
    transaction: &StoreTransaction,
    generation: &str,
    parts: &BTreeMap<String, i64>,
    now: i64,
) -> Result<Vec<PartRow>, StoreError> {
    let fresh = parts.iter().map(|(location, bytes)| PartRow {
        location: location.clone(),
        bytes: *bytes,
        generation: generation.to_owned(),
        reference_count: 0,
        brought_by: None,
        free_since: Some(now),
        collecting: false,
    });
    record::insert_absent(transaction, fresh.collect(), &["location"]).await?;
    let locations: Vec<String> = parts.keys().cloned().collect();
    let rows = record::rows_in::<PartRow>(transaction, "location", &locations, true).await?;
    for chunk in locations.chunks(CHUNK_VALUES) {
        let statement = Query::update()
            .table(TABLE)
            .value("free_since", now)
            .and_where(Expr::col("location").is_in(chunk.to_vec()))
            .and_where(equal("reference_count", 0))
            .and_where(equal("collecting", 0))
            .and_where(Expr::col("free_since").lt(now))
            .take();
        record::update(transaction, statement).await?;
    }
    Ok(rows)
}

/// Enters the hints that lead to parts, so that they go with them.
///
/// # Errors
/// [`StoreError::MissingReference`] without the part.
pub async fn insert_places(
    transaction: &StoreTransaction,
    places: Vec<PlaceRow>,
) -> Result<(), StoreError> {
    record::insert_absent(transaction, places, &["part", "location"]).await.map(drop)
}

/// The parts of these names, locked until the transaction ends.
///
/// # Errors
/// Those of the database.
pub async fn lock(
    transaction: &StoreTransaction,
    locations: &[String],
) -> Result<Vec<PartRow>, StoreError> {
    record::rows_in(transaction, "location", locations, true).await
}

/// Lets an object stand on parts, which the caller has locked and found unmarked; returns the bytes that nothing stood on before.
///
/// # Errors
/// Those of the database.
pub async fn refer(
    transaction: &StoreTransaction,
    digest: &str,
    parts: &[PartRow],
    brought_by: Option<&str>,
) -> Result<i64, StoreError> {
    let named = |rows: &[&PartRow]| rows.iter().map(|row| row.location.clone()).collect::<Vec<_>>();
    let known: Vec<ObjectPartRow> = list_of(transaction, digest).await?;
    let known: HashSet<&str> = known.iter().map(|row| row.location.as_str()).collect();
    let new: Vec<&PartRow> =
        parts.iter().filter(|row| !known.contains(row.location.as_str())).collect();
    let (first, again): (Vec<&PartRow>, Vec<&PartRow>) =
        new.iter().copied().partition(|row| row.reference_count == 0);
    for (rows, is_first) in [(&first, true), (&again, false)] {
        for chunk in named(rows).chunks(CHUNK_VALUES) {
            let mut statement = Query::update();
            statement
                .table(TABLE)
                .value("reference_count", Expr::col("reference_count").add(1))
                .value("free_since", Value::BigInt(None))
                .and_where(Expr::col("location").is_in(chunk.to_vec()));
            if is_first {
                statement.value("brought_by", brought_by.map(str::to_owned));
            }
            record::update(transaction, statement).await?;
        }
    }
    let rows = new
        .iter()
        .map(|row| ObjectPartRow { digest: digest.to_owned(), location: row.location.clone() });
    record::insert_all(transaction, rows.collect()).await?;
    Ok(first.iter().map(|row| row.bytes).sum())
}

/// Ends what an object stands on; returns the parts that nothing stands on any more, as they were before.
///
/// # Errors
/// Those of the database.
pub async fn release(
    transaction: &StoreTransaction,
    digest: &str,
    now: i64,
) -> Result<Vec<PartRow>, StoreError> {
    let of: Vec<ObjectPartRow> = list_of(transaction, digest).await?;
    let locations: Vec<String> = of.into_iter().map(|row| row.location).collect();
    let rows = lock(transaction, &locations).await?;
    record::delete::<ObjectPartRow>(transaction, equal("digest", digest)).await?;
    let (last, others): (Vec<PartRow>, Vec<PartRow>) =
        rows.into_iter().partition(|row| row.reference_count == 1);
    for (rows, is_last) in [(&last, true), (&others, false)] {
        let names: Vec<String> = rows.iter().map(|row| row.location.clone()).collect();
        for chunk in names.chunks(CHUNK_VALUES) {
            let mut statement = Query::update();
            statement
                .table(TABLE)
                .value("reference_count", Expr::col("reference_count").sub(1))
                .and_where(Expr::col("location").is_in(chunk.to_vec()));
            if is_last {
                statement.value("free_since", now).value("brought_by", Value::String(None));
            }
            record::update(transaction, statement).await?;
        }
    }
    Ok(last)
}

/// The parts that an object stands on.
///
/// # Errors
/// Those of the database.
pub async fn list_of<C: Connection>(
    connection: &C,
    digest: &str,
) -> Result<Vec<ObjectPartRow>, StoreError> {
    let statement = record::select::<ObjectPartRow>()
        .and_where(equal("digest", digest))
        .order_by("location", Order::Asc)
        .take();
    record::rows(connection, statement).await
}

/// The condition of parts that nothing has stood on since `until` or before.
fn free(until: i64) -> Condition {
    Condition::all()
        .add(equal("collecting", 0))
        .add(equal("reference_count", 0))
        .add(Expr::col("free_since").lte(until))
}

/// Parts that nothing has stood on since `until` or before, at most `limit`.
///
/// # Errors
/// Those of the database.
pub async fn list_free<C: Connection>(
    connection: &C,
    until: i64,
    limit: u64,
) -> Result<Vec<PartRow>, StoreError> {
    let statement = record::select::<PartRow>()
        .cond_where(free(until))
        .order_by("free_since", Order::Asc)
        .order_by("location", Order::Asc)
        .limit(record::page_rows(limit))
        .take();
    record::rows(connection, statement).await
}

/// Marks those of these parts that nothing has stood on since `until`: from here on nobody may refer to them.
///
/// # Errors
/// Those of the database.
pub async fn mark_collecting(
    transaction: &StoreTransaction,
    locations: &[String],
    until: i64,
) -> Result<u64, StoreError> {
    lock(transaction, locations).await?;
    let mut marked = 0;
    for chunk in locations.chunks(CHUNK_VALUES) {
        let statement = Query::update()
            .table(TABLE)
            .value("collecting", 1)
            .cond_where(free(until))
            .and_where(Expr::col("location").is_in(chunk.to_vec()))
            .take();
        marked += record::update(transaction, statement).await?;
    }
    Ok(marked)
}

/// Locks marked parts whose bytes the caller then removes: some of those that nobody else removes just now, or exactly these.
///
/// # Errors
/// Those of the database.
pub async fn lock_collecting(
    transaction: &StoreTransaction,
    only: Option<&[String]>,
    limit: u64,
) -> Result<Vec<PartRow>, StoreError> {
    let mut statement = record::select::<PartRow>();
    statement.and_where(equal("collecting", 1));
    match only {
        Some(locations) => {
            let chunk = locations.iter().take(CHUNK_VALUES).cloned().collect::<Vec<_>>();
            statement.and_where(Expr::col("location").is_in(chunk)).lock_exclusive();
        }
        None => {
            statement.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
        }
    }
    statement.order_by("location", Order::Asc).limit(record::page_rows(limit));
    record::rows(transaction, statement).await
}

/// The hints that lead to parts.
///
/// # Errors
/// Those of the database.
pub async fn list_places(
    transaction: &StoreTransaction,
    parts: &[String],
) -> Result<Vec<PlaceRow>, StoreError> {
    record::rows_in(transaction, "part", parts, false).await
}

/// Removes marked parts, whose bytes are gone.
///
/// # Errors
/// [`StoreError::MissingReference`] if an object stands on one.
pub async fn remove(
    transaction: &StoreTransaction,
    locations: &[String],
) -> Result<(), StoreError> {
    for chunk in locations.chunks(CHUNK_VALUES) {
        let places = Expr::col("part").is_in(chunk.to_vec());
        record::delete::<PlaceRow>(transaction, places).await?;
        let parts = Expr::col("location").is_in(chunk.to_vec()).and(equal("collecting", 1));
        record::delete::<PartRow>(transaction, parts).await?;
    }
    Ok(())
}

/// A page of all parts by name.
///
/// # Errors
/// Those of the database.
pub async fn list<C: Connection>(
    connection: &C,
    after_location: Option<&str>,
    limit: u64,
) -> Result<Vec<PartRow>, StoreError> {
    let after = after_location.map(Into::into);
    record::page(connection, Condition::all(), "location", after, limit).await
}
