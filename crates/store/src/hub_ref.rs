//! Branches and tags: the last move says where one points, the others where it pointed.

use sea_orm::sea_query::{Condition, Order};

use crate::record::{self, equal, record, words};
use crate::{Connection, StoreError, StoreTransaction};

words! {
    /// What kind of name points at a commit.
    pub enum HubRefKind {
        /// Moves with every commit on it.
        Branch = "branch",
        /// Stays where it was put.
        Tag = "tag",
    }
}

record! {
    /// A move of a branch or a tag.
    pub struct HubRefRow in "hub_ref_move" {
        /// The model.
        model_id: String,
        /// Branch or tag.
        kind: HubRefKind,
        /// Its name.
        name: String,
        /// Place among the moves of this name, by the caller's count.
        seq: i64,
        /// Where it points from now on; null when it was taken away.
        commit_id: Option<String>,
        /// What was said about it.
        message: Option<String>,
        /// The login that moved it.
        moved_by: String,
        /// Milliseconds since 1970.
        moved_at: i64,
    }
}

/// Writes a move.
///
/// # Errors
/// [`StoreError::Conflict`] on `hub_ref_move_pkey` when somebody else moved it at the same time;
/// [`StoreError::MissingReference`] without the model or the commit.
pub async fn insert(transaction: &StoreTransaction, row: HubRefRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The last move of a branch or a tag; null when there never was one.
///
/// # Errors
/// Those of the database.
pub async fn current<C: Connection>(
    connection: &C,
    model_id: &str,
    kind: HubRefKind,
    name: &str,
) -> Result<Option<HubRefRow>, StoreError> {
    let condition = of(model_id, kind).add(equal("name", name));
    record::last(connection, condition, "seq").await
}

/// The names of a kind that a model ever had, in the order of their bytes, at most `PAGE_ROWS_MAX`.
///
/// # Errors
/// Those of the database.
pub async fn first_moves<C: Connection>(
    connection: &C,
    model_id: &str,
    kind: HubRefKind,
) -> Result<Vec<HubRefRow>, StoreError> {
    let statement = record::select::<HubRefRow>()
        .cond_where(of(model_id, kind).add(equal("seq", 1i64)))
        .order_by("name", Order::Asc)
        .limit(record::PAGE_ROWS_MAX)
        .take();
    record::rows(connection, statement).await
}

fn of(model_id: &str, kind: HubRefKind) -> Condition {
    Condition::all().add(equal("model_id", model_id)).add(equal("kind", kind.as_str()))
}
