//! Citations: what keeps an object for ever. All citing rows are insert-only, so an object that was cited once stays.
//!
//! Whoever is about to write a citing row calls [`cite`] before it, in the same transaction. That locks the object's row, on which the
//! collector decides, so that one of the two waits for the other.

use sea_orm::ConnectionTrait;
use sea_orm::sea_query::{Condition, Expr, ExprTrait, Query};

use crate::record::{self, equal};
use crate::{Connection, StorageObjectRow, StoreError, StoreTransaction};

/// Columns that cite an object by its digest. A new table that cites objects adds a line here, and to the triggers of its migration.
pub const CITING: &[(&str, &str)] = &[
    ("model_version", "checkpoint_digest"),
    ("model_version", "graph_digest"),
    ("suite", "cases_digest"),
    ("suite", "reference_checkpoint_digest"),
    ("suite", "reference_graph_digest"),
    ("evaluation_report", "digest"),
    ("evaluation_report", "samples_digest"),
    ("hub_tree_entry", "digest"),
    ("checkpoint_shard", "checkpoint_digest"),
    ("checkpoint_shard", "shard_digest"),
];

/// Whether any row cites an object.
///
/// # Errors
/// Those of the database.
pub async fn is_cited<C: Connection>(connection: &C, digest: &str) -> Result<bool, StoreError> {
    let mut cited = Condition::any();
    for (table, column) in CITING {
        let row =
            Query::select().expr(Expr::val(1)).from(*table).and_where(equal(column, digest)).take();
        cited = cited.add(Expr::exists(row));
    }
    let statement = Query::select()
        .expr_as(Expr::cust("COUNT(*)"), "number")
        .from_subquery(Query::select().expr_as(Expr::val(1), "one").take(), "single")
        .cond_where(cited)
        .take();
    let answer =
        connection.executor().query_one(&statement).await.map_err(StoreError::from_database)?;
    let number: i64 = match answer {
        Some(row) => record::read_field(&row, "citation", "number")?,
        None => 0,
    };
    Ok(number > 0)
}

/// Says that objects are cited from now on; returns those that have no account, because they were collected.
///
/// # Errors
/// Those of the database.
pub async fn cite(
    transaction: &StoreTransaction,
    digests: &[String],
) -> Result<Vec<String>, StoreError> {
    // In the order of the digests, like everybody who locks several.
    let found = record::rows_in::<StorageObjectRow>(transaction, "digest", digests, true).await?;
    let uncited = found.iter().filter(|row| !row.cited).map(|row| row.digest.clone());
    for chunk in uncited.collect::<Vec<_>>().chunks(record::CHUNK_VALUES) {
        let statement = Query::update()
            .table("storage_object")
            .value("cited", 1)
            .and_where(Expr::col("digest").is_in(chunk.to_vec()))
            .take();
        record::update(transaction, statement).await?;
    }
    let absent = |digest: &&String| found.iter().all(|row| row.digest != **digest);
    Ok(digests.iter().filter(absent).cloned().collect())
}
