//! Pins: whether an alias stays where it is although evaluations would move it.

use sea_orm::sea_query::Condition;

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A pin set on an alias, or taken off it.
    pub struct PinRow in "alias_pin" {
        /// The model.
        model_id: String,
        /// The alias.
        alias: String,
        /// Place among the pins of this alias, by the caller's count.
        seq: i64,
        /// Whether it stays from now on.
        pinned: bool,
        /// Why, in words.
        reason: String,
        /// The login that set it.
        set_by: String,
        /// Milliseconds since 1970.
        set_at: i64,
    }
}

/// Writes a pin.
///
/// # Errors
/// [`StoreError::Conflict`] on `alias_pin_pkey` when somebody else set one at the same time;
/// [`StoreError::MissingReference`] without the model.
pub async fn insert(transaction: &StoreTransaction, row: PinRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The last pin of an alias; null when it never had one.
///
/// # Errors
/// Those of the database.
pub async fn current<C: Connection>(
    connection: &C,
    model_id: &str,
    alias: &str,
) -> Result<Option<PinRow>, StoreError> {
    let condition = Condition::all().add(equal("model_id", model_id)).add(equal("alias", alias));
    record::last(connection, condition, "seq").await
}
