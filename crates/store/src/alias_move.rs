//! Moves of an alias: the last one says where it points, the others where it pointed.

use sea_orm::sea_query::{Condition, Expr, ExprTrait, Query};

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A move of an alias to a version.
    pub struct AliasMoveRow in "alias_move" {
        /// The model.
        model_id: String,
        /// The alias, such as `listed`.
        alias: String,
        /// Place among the moves of this alias, by the caller's count.
        seq: i64,
        /// Where it points from now on.
        version_id: String,
        /// The login that moved it.
        moved_by: String,
        /// Why, in words.
        reason: String,
        /// Milliseconds since 1970.
        moved_at: i64,
    }
}

/// Writes a move.
///
/// # Errors
/// [`StoreError::Conflict`] on `alias_move_pkey` when somebody else moved it at the same time;
/// [`StoreError::MissingReference`] without the model or the version.
pub async fn insert(transaction: &StoreTransaction, row: AliasMoveRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The last move of an alias; null when it never pointed anywhere.
///
/// # Errors
/// Those of the database.
pub async fn current<C: Connection>(
    connection: &C,
    model_id: &str,
    alias: &str,
) -> Result<Option<AliasMoveRow>, StoreError> {
    record::last(connection, of(model_id, alias), "seq").await
}

/// A page of the last moves of all aliases of a model, by alias.
///
/// # Errors
/// Those of the database.
pub async fn list_current<C: Connection>(
    connection: &C,
    model_id: &str,
    after_alias: Option<&str>,
    limit: u64,
) -> Result<Vec<AliasMoveRow>, StoreError> {
    let later = Query::select()
        .expr(Expr::val(1))
        .from_as("alias_move", "later")
        .and_where(Expr::col(("later", "model_id")).equals(("alias_move", "model_id")))
        .and_where(Expr::col(("later", "alias")).equals(("alias_move", "alias")))
        .and_where(Expr::col(("later", "seq")).gt(Expr::col(("alias_move", "seq"))))
        .take();
    let condition = Condition::all().add(equal("model_id", model_id)).add(Expr::not_exists(later));
    record::page(connection, condition, "alias", after_alias.map(Into::into), limit).await
}

/// A page of the moves of an alias, oldest first.
///
/// # Errors
/// Those of the database.
pub async fn history<C: Connection>(
    connection: &C,
    model_id: &str,
    alias: &str,
    after_seq: Option<i64>,
    limit: u64,
) -> Result<Vec<AliasMoveRow>, StoreError> {
    record::page(connection, of(model_id, alias), "seq", after_seq.map(Into::into), limit).await
}

fn of(model_id: &str, alias: &str) -> Condition {
    Condition::all().add(equal("model_id", model_id)).add(equal("alias", alias))
}
