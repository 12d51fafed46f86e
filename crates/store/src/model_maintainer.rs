//! Maintainers: who may publish to a model beside its publisher; the last row of a login says whether it may.

use sea_orm::sea_query::{Condition, Expr, ExprTrait, Order, Query};

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A role, or its end.
    pub struct MaintainerRow in "model_maintainer" {
        /// The model.
        model_id: String,
        /// The login.
        login: String,
        /// Place among the rows of this model and login, by the caller's count.
        seq: i64,
        /// Whether it maintains the model from now on.
        granted: bool,
        /// The login that said so.
        set_by: String,
        /// Milliseconds since 1970.
        set_at: i64,
    }
}

/// Writes a role, or its end.
///
/// # Errors
/// [`StoreError::Conflict`] on `model_maintainer_pkey` when somebody else wrote one at the same time.
pub async fn insert(transaction: &StoreTransaction, row: MaintainerRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The last row of a login on a model.
///
/// # Errors
/// Those of the database.
pub async fn current<C: Connection>(
    connection: &C,
    model_id: &str,
    login: &str,
) -> Result<Option<MaintainerRow>, StoreError> {
    let condition = Condition::all().add(equal("model_id", model_id)).add(equal("login", login));
    record::last(connection, condition, "seq").await
}

/// A page of the maintainers of a model, by login.
///
/// # Errors
/// Those of the database.
pub async fn list_in_force<C: Connection>(
    connection: &C,
    model_id: &str,
    after_login: Option<&str>,
    limit: u64,
) -> Result<Vec<MaintainerRow>, StoreError> {
    let later = Query::select()
        .expr(Expr::val(1))
        .from_as("model_maintainer", "later")
        .and_where(Expr::col(("later", "model_id")).equals(("model_maintainer", "model_id")))
        .and_where(Expr::col(("later", "login")).equals(("model_maintainer", "login")))
        .and_where(Expr::col(("later", "seq")).gt(Expr::col(("model_maintainer", "seq"))))
        .take();
    let condition = Condition::all()
        .add(equal("model_id", model_id))
        .add(equal("granted", 1))
        .add(Expr::not_exists(later));
    record::page(connection, condition, "login", after_login.map(Into::into), limit).await
}

/// A page of everything that was said of a model's maintainers, by login and then in order, after a login's row.
///
/// # Errors
/// Those of the database.
pub async fn history<C: Connection>(
    connection: &C,
    model_id: &str,
    after: Option<(&str, i64)>,
    limit: u64,
) -> Result<Vec<MaintainerRow>, StoreError> {
    let mut condition = Condition::all().add(equal("model_id", model_id));
    if let Some((login, seq)) = after {
        let same = Expr::col("login").eq(Expr::val(login));
        let later = same.and(Expr::col("seq").gt(Expr::val(seq)));
        condition = condition.add(Expr::col("login").gt(Expr::val(login)).or(later));
    }
    let statement = record::select::<MaintainerRow>()
        .cond_where(condition)
        .order_by("login", Order::Asc)
        .order_by("seq", Order::Asc)
        .limit(record::page_rows(limit))
        .take();
    record::rows(connection, statement).await
}
