//! Records of strikes, as the log names them.

use sea_orm::sea_query::Condition;

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// The record of a strike.
    pub struct StrikeRecordRow in "strike_record" {
        /// The fund.
        fund: String,
        /// The number of the strike.
        number: i64,
        /// Digest of the body, hex digits: what the strike's leaf names.
        digest: String,
        /// The record, canonical JSON.
        body: String,
    }
}

/// Writes a record.
///
/// # Errors
/// [`StoreError::Conflict`] on `strike_record_pkey`; [`StoreError::MissingReference`] without the strike.
pub async fn insert(
    transaction: &StoreTransaction,
    row: StrikeRecordRow,
) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The record of a strike.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    fund: &str,
    number: i64,
) -> Result<Option<StrikeRecordRow>, StoreError> {
    let condition = Condition::all().add(equal("fund", fund)).add(equal("number", number));
    record::find(connection, condition).await
}
