//! Requests for access to gated models; the last row of a login says how its request stands, the others how it stood.

use sea_orm::sea_query::{Condition, Expr, ExprTrait, Query};

use crate::record::{self, equal, record, words};
use crate::{Connection, StoreError, StoreTransaction};

words! {
    /// How a request stands.
    pub enum RequestState {
        /// Nobody has decided.
        Open = "open",
        /// The login may have the bytes.
        Granted = "granted",
        /// It may not.
        Refused = "refused",
    }
}

record! {
    /// A request, or the decision about it.
    pub struct AccessRequestRow in "access_request" {
        /// The model.
        model_id: String,
        /// Who asks.
        login: String,
        /// Place among the rows of this model and login, by the caller's count.
        seq: i64,
        /// How it stands from now on.
        state: RequestState,
        /// What the login says for itself, or the reason of the decision.
        words: String,
        /// Who wrote this row.
        set_by: String,
        /// Milliseconds since 1970.
        set_at: i64,
    }
}

/// Writes a request or a decision.
///
/// # Errors
/// [`StoreError::Conflict`] on `access_request_pkey` when somebody else wrote one at the same time.
pub async fn insert(
    transaction: &StoreTransaction,
    row: AccessRequestRow,
) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// How the request of a login stands.
///
/// # Errors
/// Those of the database.
pub async fn current<C: Connection>(
    connection: &C,
    model_id: &str,
    login: &str,
) -> Result<Option<AccessRequestRow>, StoreError> {
    let condition = Condition::all().add(equal("model_id", model_id)).add(equal("login", login));
    record::last(connection, condition, "seq").await
}

/// A page of how the requests on a model stand, by login.
///
/// # Errors
/// Those of the database.
pub async fn list_current<C: Connection>(
    connection: &C,
    model_id: &str,
    after_login: Option<&str>,
    limit: u64,
) -> Result<Vec<AccessRequestRow>, StoreError> {
    let later = Query::select()
        .expr(Expr::val(1))
        .from_as("access_request", "later")
        .and_where(Expr::col(("later", "model_id")).equals(("access_request", "model_id")))
        .and_where(Expr::col(("later", "login")).equals(("access_request", "login")))
        .and_where(Expr::col(("later", "seq")).gt(Expr::col(("access_request", "seq"))))
        .take();
    let condition = Condition::all().add(equal("model_id", model_id)).add(Expr::not_exists(later));
    record::page(connection, condition, "login", after_login.map(Into::into), limit).await
}
