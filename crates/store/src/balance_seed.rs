//! What the salts of a strike's balances follow from, beside the record whose root they are under.

use sea_orm::sea_query::Condition;

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// The seed of a strike's salts.
    pub struct BalanceSeedRow in "balance_seed" {
        /// The fund.
        fund: String,
        /// The number of the strike.
        number: i64,
        /// 32 secret bytes, hex digits.
        seed: String,
    }
}

/// Writes a seed.
///
/// # Errors
/// [`StoreError::Conflict`] on `balance_seed_pkey`; [`StoreError::MissingReference`] without the record.
pub async fn insert(transaction: &StoreTransaction, row: BalanceSeedRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The seed of a strike; null where its record has no root over balances.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    fund: &str,
    number: i64,
) -> Result<Option<BalanceSeedRow>, StoreError> {
    let condition = Condition::all().add(equal("fund", fund)).add(equal("number", number));
    record::find(connection, condition).await
}
