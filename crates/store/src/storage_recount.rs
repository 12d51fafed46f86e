//! Recounts: every counter of the storage accounts against the rows that it counts.

use sea_orm::sea_query::{Condition, Expr, Order};

use crate::record;
use crate::{Connection, PartRow, StoreError, UsageRow};

/// Parts whose count is not the number of objects that stand on them, at most `limit`; empty when all is well.
///
/// # Errors
/// Those of the database.
pub async fn list_wrong_parts<C: Connection>(
    connection: &C,
    limit: u64,
) -> Result<Vec<PartRow>, StoreError> {
    let wrong = Expr::cust(
        "reference_count <> (SELECT COUNT(*) FROM object_part o WHERE o.location = storage_part.location)",
    );
    wrong_rows(connection, wrong, "location", limit).await
}

/// Logins whose counters are not what their holds and parts add up to, at most `limit`; empty when all is well.
///
/// # Errors
/// Those of the database.
pub async fn list_wrong_usage<C: Connection>(
    connection: &C,
    limit: u64,
) -> Result<Vec<UsageRow>, StoreError> {
    let wrong = Expr::cust(
        "objects <> (SELECT COUNT(*) FROM storage_hold h WHERE h.login = storage_usage.login) \
         OR logical_bytes <> (SELECT COALESCE(SUM(o.bytes), 0) FROM storage_hold h \
           JOIN storage_object o ON o.digest = h.digest WHERE h.login = storage_usage.login) \
         OR stored_bytes <> (SELECT COALESCE(SUM(p.bytes), 0) FROM storage_part p \
           WHERE p.brought_by = storage_usage.login AND p.reference_count > 0)",
    );
    wrong_rows(connection, wrong, "login", limit).await
}

async fn wrong_rows<R: record::Record, C: Connection>(
    connection: &C,
    wrong: Expr,
    key: &'static str,
    limit: u64,
) -> Result<Vec<R>, StoreError> {
    let statement = record::select::<R>()
        .cond_where(Condition::all().add(wrong))
        .order_by(key, Order::Asc)
        .limit(record::page_rows(limit))
        .take();
    record::rows(connection, statement).await
}
