//! Webhooks: addresses that are told of changes.

use sea_orm::sea_query::{Condition, Expr, ExprTrait, Query};

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A webhook.
    pub struct WebhookRow in "webhook" {
        /// Id.
        id: String,
        /// Whose it is.
        owner: String,
        /// The model that it is about; null: all models of its owner.
        model_id: Option<String>,
        /// Where deliveries go.
        url: String,
        /// Words separated by spaces.
        events: String,
        /// The key that signs, as text.
        secret: String,
        /// Milliseconds since 1970.
        created_at: i64,
        /// Milliseconds since 1970; null: in force.
        deleted_at: Option<i64>,
    }
}

/// Writes a webhook.
///
/// # Errors
/// [`StoreError::Conflict`] on `webhook_pkey`; [`StoreError::MissingReference`] without the model.
pub async fn insert(transaction: &StoreTransaction, row: WebhookRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// Ends a webhook; `false` when it had ended.
///
/// # Errors
/// Those of the database.
pub async fn delete(transaction: &StoreTransaction, id: &str, at: i64) -> Result<bool, StoreError> {
    let statement = Query::update()
        .table("webhook")
        .value("deleted_at", at)
        .and_where(equal("id", id))
        .and_where(Expr::col("deleted_at").is_null())
        .take();
    Ok(record::update(transaction, statement).await? == 1)
}

/// The webhook of an id, ended ones included.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    id: &str,
) -> Result<Option<WebhookRow>, StoreError> {
    record::find(connection, equal("id", id)).await
}

/// A page of an owner's webhooks in force, by id.
///
/// # Errors
/// Those of the database.
pub async fn list<C: Connection>(
    connection: &C,
    owner: &str,
    after_id: Option<&str>,
    limit: u64,
) -> Result<Vec<WebhookRow>, StoreError> {
    let condition =
        Condition::all().add(equal("owner", owner)).add(Expr::col("deleted_at").is_null());
    record::page(connection, condition, "id", after_id.map(Into::into), limit).await
}
