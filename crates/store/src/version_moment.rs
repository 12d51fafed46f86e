//! Where the publishing and yanking of versions stand among the ledger's events.

use sea_orm::sea_query::{Condition, Expr, ExprTrait, Query};

use crate::record::{self, equal, record, words};
use crate::{Connection, StoreError, StoreTransaction};

words! {
    /// What happened to a version.
    pub enum Moment {
        /// It was published.
        Published = "published",
        /// It was yanked.
        Yanked = "yanked",
    }
}

record! {
    /// A moment of a version.
    pub struct MomentRow in "version_moment" {
        /// The version.
        version_id: String,
        /// What happened.
        what: Moment,
        /// Its model.
        model_id: String,
        /// The ledger's last event before it; 0 where there was none.
        after_event: i64,
    }
}

/// Writes a moment; take [`StoreTransaction::lock_ledger`] before asking for the last event.
///
/// # Errors
/// [`StoreError::Conflict`] on `version_moment_pkey`; [`StoreError::MissingReference`] without version or model.
pub async fn insert(transaction: &StoreTransaction, row: MomentRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// When a version was published, or yanked; null where it was not, or before these rows were kept.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    version_id: &str,
    what: Moment,
) -> Result<Option<MomentRow>, StoreError> {
    let condition =
        Condition::all().add(equal("version_id", version_id)).add(equal("what", what.as_str()));
    record::find(connection, condition).await
}

/// A page of the publishings of a model, by version.
///
/// # Errors
/// Those of the database.
pub async fn list_published<C: Connection>(
    connection: &C,
    model_id: &str,
    after_version: Option<&str>,
    limit: u64,
) -> Result<Vec<MomentRow>, StoreError> {
    let after = after_version.map(Into::into);
    record::page(connection, published(model_id), "version_id", after, limit).await
}

/// A page of those publishings of a model that no strike of the fund knows yet and no yank has ended, by version.
///
/// # Errors
/// Those of the database.
pub async fn list_open<C: Connection>(
    connection: &C,
    model_id: &str,
    fund: &str,
    after_version: Option<&str>,
    limit: u64,
) -> Result<Vec<MomentRow>, StoreError> {
    let same = |table: &'static str| {
        Expr::col((table, "version_id")).equals(("version_moment", "version_id"))
    };
    let yanked = Query::select()
        .expr(Expr::val(1))
        .from_as("version_moment", "yank")
        .and_where(same("yank"))
        .and_where(Expr::col(("yank", "what")).eq(Expr::val(Moment::Yanked.as_str())))
        .take();
    let ended = Query::select()
        .expr(Expr::val(1))
        .from_as("dealing_window_end", "ended")
        .and_where(same("ended"))
        .and_where(Expr::col(("ended", "fund")).eq(Expr::val(fund)))
        .take();
    let condition = published(model_id).add(Expr::not_exists(yanked)).add(Expr::not_exists(ended));
    let after = after_version.map(Into::into);
    record::page(connection, condition, "version_id", after, limit).await
}

fn published(model_id: &str) -> Condition {
    Condition::all().add(equal("model_id", model_id)).add(equal("what", Moment::Published.as_str()))
}
