//! What its owner says about a token beside its scopes; tokens of the command line have none.

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// Terms of a token.
    pub struct TokenTermsRow in "token_terms" {
        /// The token.
        token_id: String,
        /// What its owner calls it.
        label: String,
        /// The models that it may write, separated by spaces; null: all of its owner's.
        models: Option<String>,
    }
}

/// Writes terms, in the transaction that writes the token.
///
/// # Errors
/// [`StoreError::Conflict`] on `token_terms_pkey`.
pub async fn insert(transaction: &StoreTransaction, row: TokenTermsRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The terms of a token.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    token_id: &str,
) -> Result<Option<TokenTermsRow>, StoreError> {
    record::find(connection, equal("token_id", token_id)).await
}
