//! Access tokens: stored by hash, revoked by the one change a token knows.

use sea_orm::sea_query::{Condition, Expr, ExprTrait, Query};

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A bearer token, without the token.
    pub struct AccessTokenRow in "access_token" {
        /// Id.
        id: String,
        /// The login that the token speaks for.
        owner: String,
        /// SHA-256 of the whole token, 64 hex digits; unique.
        secret_sha256: String,
        /// Words out of `publish`, `invest`, `evaluate`, `operate`, separated by spaces.
        scopes: String,
        /// Milliseconds since 1970.
        created_at: i64,
        /// Milliseconds since 1970; null: never.
        expires_at: Option<i64>,
        /// Milliseconds since 1970; null: in force.
        revoked_at: Option<i64>,
    }
}

/// Writes a token.
///
/// # Errors
/// [`StoreError::Conflict`] on `access_token_pkey` or `access_token_secret_sha256_key`.
pub async fn insert(transaction: &StoreTransaction, row: AccessTokenRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// Revokes a token that is in force; `false` when there is none of this id, or it was revoked before.
///
/// # Errors
/// Those of the database.
pub async fn revoke(transaction: &StoreTransaction, id: &str, at: i64) -> Result<bool, StoreError> {
    let statement = Query::update()
        .table("access_token")
        .value("revoked_at", at)
        .and_where(equal("id", id))
        .and_where(Expr::col("revoked_at").is_null())
        .take();
    Ok(record::update(transaction, statement).await? == 1)
}

/// The token of a hash, expired and revoked ones included.
///
/// # Errors
/// Those of the database.
pub async fn find_by_secret_sha256<C: Connection>(
    connection: &C,
    secret_sha256: &str,
) -> Result<Option<AccessTokenRow>, StoreError> {
    record::find(connection, equal("secret_sha256", secret_sha256)).await
}

/// The token of an id, expired and revoked ones included.
///
/// # Errors
/// Those of the database.
pub async fn find_by_id<C: Connection>(
    connection: &C,
    id: &str,
) -> Result<Option<AccessTokenRow>, StoreError> {
    record::find(connection, equal("id", id)).await
}

/// A page of all tokens by id.
///
/// # Errors
/// Those of the database.
pub async fn list<C: Connection>(
    connection: &C,
    after_id: Option<&str>,
    limit: u64,
) -> Result<Vec<AccessTokenRow>, StoreError> {
    record::page(connection, Condition::all(), "id", after_id.map(Into::into), limit).await
}

/// A page of the tokens of an owner by id, expired and revoked ones included.
///
/// # Errors
/// Those of the database.
pub async fn list_of<C: Connection>(
    connection: &C,
    owner: &str,
    after_id: Option<&str>,
    limit: u64,
) -> Result<Vec<AccessTokenRow>, StoreError> {
    let condition = Condition::all().add(equal("owner", owner));
    record::page(connection, condition, "id", after_id.map(Into::into), limit).await
}
