//! Grants: who may read a private model; the last row of a login says whether it may, the others whether it might.

use sea_orm::sea_query::{Condition, Expr, ExprTrait, Query};

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A grant, or its end.
    pub struct GrantRow in "access_grant" {
        /// The model.
        model_id: String,
        /// The login that may read it.
        grantee: String,
        /// Place among the rows of this model and login, by the caller's count.
        seq: i64,
        /// Whether it may from now on.
        granted: bool,
        /// The login that said so.
        set_by: String,
        /// Milliseconds since 1970.
        set_at: i64,
    }
}

/// Writes a grant, or its end.
///
/// # Errors
/// [`StoreError::Conflict`] on `access_grant_pkey` when somebody else wrote one at the same time;
/// [`StoreError::MissingReference`] without the model.
pub async fn insert(transaction: &StoreTransaction, row: GrantRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The last row of a login on a model.
///
/// # Errors
/// Those of the database.
pub async fn current<C: Connection>(
    connection: &C,
    model_id: &str,
    grantee: &str,
) -> Result<Option<GrantRow>, StoreError> {
    let condition =
        Condition::all().add(equal("model_id", model_id)).add(equal("grantee", grantee));
    record::last(connection, condition, "seq").await
}

/// A page of the grants in force on a model, by login.
///
/// # Errors
/// Those of the database.
pub async fn list_in_force<C: Connection>(
    connection: &C,
    model_id: &str,
    after_grantee: Option<&str>,
    limit: u64,
) -> Result<Vec<GrantRow>, StoreError> {
    let later = Query::select()
        .expr(Expr::val(1))
        .from_as("access_grant", "later")
        .and_where(Expr::col(("later", "model_id")).equals(("access_grant", "model_id")))
        .and_where(Expr::col(("later", "grantee")).equals(("access_grant", "grantee")))
        .and_where(Expr::col(("later", "seq")).gt(Expr::col(("access_grant", "seq"))))
        .take();
    let condition = Condition::all()
        .add(equal("model_id", model_id))
        .add(equal("granted", 1))
        .add(Expr::not_exists(later));
    record::page(connection, condition, "grantee", after_grantee.map(Into::into), limit).await
}
