//! Models: named lines of work.

use sea_orm::sea_query::Condition;

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A model.
    pub struct ModelRow in "registered_model" {
        /// Id.
        id: String,
        /// Name; unique.
        name: String,
        /// The login that publishes it.
        publisher: String,
        /// Milliseconds since 1970.
        created_at: i64,
    }
}

/// Writes a model.
///
/// # Errors
/// [`StoreError::Conflict`] on `registered_model_pkey` or `registered_model_name_key`.
pub async fn insert(transaction: &StoreTransaction, row: ModelRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The model of a name.
///
/// # Errors
/// Those of the database.
pub async fn find_by_name<C: Connection>(
    connection: &C,
    name: &str,
) -> Result<Option<ModelRow>, StoreError> {
    record::find(connection, equal("name", name)).await
}

/// The model of an id.
///
/// # Errors
/// Those of the database.
pub async fn find_by_id<C: Connection>(
    connection: &C,
    id: &str,
) -> Result<Option<ModelRow>, StoreError> {
    record::find(connection, equal("id", id)).await
}

/// The model of an id that another row named, so that it must exist.
///
/// # Errors
/// [`StoreError::Corrupt`] when it does not.
pub async fn get_by_id<C: Connection>(connection: &C, id: &str) -> Result<ModelRow, StoreError> {
    find_by_id(connection, id)
        .await?
        .ok_or_else(|| StoreError::Corrupt { what: format!("registered_model {id} is absent") })
}

/// A page of all models by name, in the order of their bytes.
///
/// # Errors
/// Those of the database.
pub async fn list<C: Connection>(
    connection: &C,
    after_name: Option<&str>,
    limit: u64,
) -> Result<Vec<ModelRow>, StoreError> {
    record::page(connection, Condition::all(), "name", after_name.map(Into::into), limit).await
}
