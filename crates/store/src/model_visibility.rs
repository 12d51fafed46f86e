//! Visibility: whether a model is private; the last row says how it is, the others how it was.

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A change of a model's visibility; a model without one is public.
    pub struct VisibilityRow in "model_visibility" {
        /// The model.
        model_id: String,
        /// Place among the changes of this model, by the caller's count.
        seq: i64,
        /// Whether it is private from now on.
        private: bool,
        /// The login that set it.
        set_by: String,
        /// Milliseconds since 1970.
        set_at: i64,
    }
}

/// Writes a change.
///
/// # Errors
/// [`StoreError::Conflict`] on `model_visibility_pkey` when somebody else changed it at the same time;
/// [`StoreError::MissingReference`] without the model.
pub async fn insert(transaction: &StoreTransaction, row: VisibilityRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The last change; null when the model was public from its start.
///
/// # Errors
/// Those of the database.
pub async fn current<C: Connection>(
    connection: &C,
    model_id: &str,
) -> Result<Option<VisibilityRow>, StoreError> {
    record::last(connection, equal("model_id", model_id), "seq").await
}
