//! Trees: which files a commit holds. A tree is named by what it lists, so commits of equal files share one.

use sea_orm::sea_query::IntoCondition;

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A file in a tree.
    pub struct HubEntryRow in "hub_tree_entry" {
        /// Digest of the listing, 64 hex digits.
        tree: String,
        /// Path in the repository; unique in the tree.
        path: String,
        /// SHA-256 of the bytes, 64 hex digits.
        digest: String,
        /// How many they are.
        bytes: i64,
        /// The id that git gives to these bytes, where they came in whole.
        git_oid: Option<String>,
    }
}

/// Writes a tree unless it is there; all rows bear the same `tree`.
///
/// # Errors
/// [`StoreError::Conflict`] on `hub_tree_entry_pkey` when another writes the same tree at the same moment.
pub async fn insert_all(
    transaction: &StoreTransaction,
    rows: Vec<HubEntryRow>,
) -> Result<(), StoreError> {
    let Some(first) = rows.first() else { return Ok(()) };
    if !list(transaction, &first.tree, None, 1).await?.is_empty() {
        return Ok(());
    }
    record::insert_all(transaction, rows).await
}

/// A page of a tree's files by path, in the order of their bytes.
///
/// # Errors
/// Those of the database.
pub async fn list<C: Connection>(
    connection: &C,
    tree: &str,
    after_path: Option<&str>,
    limit: u64,
) -> Result<Vec<HubEntryRow>, StoreError> {
    let condition = equal("tree", tree).into_condition();
    record::page(connection, condition, "path", after_path.map(Into::into), limit).await
}

/// A tree's file of a path.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    tree: &str,
    path: &str,
) -> Result<Option<HubEntryRow>, StoreError> {
    let condition = equal("tree", tree).into_condition().add(equal("path", path));
    record::find(connection, condition).await
}
