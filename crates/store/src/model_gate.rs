//! Gates: whether the bytes of a model need a grant; the last row says how it is, the others how it was.

use crate::record::{self, equal, record, words};
use crate::{Connection, StoreError, StoreTransaction};

words! {
    /// How access to a model's bytes is given.
    pub enum GateMode {
        /// Nobody needs a grant.
        None = "none",
        /// Whoever asks is granted it at once.
        Auto = "auto",
        /// The publisher decides.
        Manual = "manual",
    }
}

record! {
    /// A change of a model's gate; a model without one has none.
    pub struct GateRow in "model_gate" {
        /// The model.
        model_id: String,
        /// Place among the changes of this model, by the caller's count.
        seq: i64,
        /// How it is from now on.
        mode: GateMode,
        /// The login that set it.
        set_by: String,
        /// Milliseconds since 1970.
        set_at: i64,
    }
}

/// Writes a change.
///
/// # Errors
/// [`StoreError::Conflict`] on `model_gate_pkey` when somebody else changed it at the same time.
pub async fn insert(transaction: &StoreTransaction, row: GateRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The last change; none when the model was open from its start.
///
/// # Errors
/// Those of the database.
pub async fn current<C: Connection>(
    connection: &C,
    model_id: &str,
) -> Result<Option<GateRow>, StoreError> {
    record::last(connection, equal("model_id", model_id), "seq").await
}
