//! Repositories of the hub surface: trees, commits, and names that move.

use sea_orm::ConnectionTrait;
use store::{
    HubBlobKind, HubBlobRow, HubCommitRow, HubEntryRow, HubKeyRow, HubRefKind, HubRefRow, Store,
    StoreError, hub_blob, hub_commit, hub_key, hub_ref, hub_tree,
};

use crate::rows::model;

fn commit(ordinal: i64, parent: Option<&str>) -> HubCommitRow {
    HubCommitRow {
        model_id: "m".into(),
        id: format!("c{ordinal}"),
        ordinal,
        parent: parent.map(Into::into),
        tree: "t".into(),
        title: "title".into(),
        message: String::new(),
        author: "alice".into(),
        committed_at: 1,
    }
}

fn moved(name: &str, seq: i64, commit: Option<&str>) -> HubRefRow {
    HubRefRow {
        model_id: "m".into(),
        kind: HubRefKind::Branch,
        name: name.into(),
        seq,
        commit_id: commit.map(Into::into),
        message: None,
        moved_by: "alice".into(),
        moved_at: 1,
    }
}

fn entry(path: &str) -> HubEntryRow {
    HubEntryRow { tree: "t".into(), path: path.into(), digest: "d".into(), bytes: 3, git_oid: None }
}

fn blob(owner: &str) -> HubBlobRow {
    HubBlobRow {
        owner: owner.into(),
        digest: "d".into(),
        bytes: 3,
        kind: HubBlobKind::File,
        git_oid: Some("g".into()),
        uploaded_at: 1,
    }
}

async fn fill(store: &Store) {
    let transaction = store.begin().await.unwrap();
    store::registered_model::insert(&transaction, model("m")).await.unwrap();
    hub_tree::insert_all(&transaction, vec![entry("b"), entry("a")]).await.unwrap();
    hub_commit::insert(&transaction, commit(1, None)).await.unwrap();
    hub_commit::insert(&transaction, commit(2, Some("c1"))).await.unwrap();
    for row in [moved("main", 1, Some("c1")), moved("main", 2, Some("c2")), moved("dev", 1, None)] {
        hub_ref::insert(&transaction, row).await.unwrap();
    }
    assert!(hub_blob::insert(&transaction, blob("alice")).await.unwrap());
    let key = HubKeyRow { purpose: "p".into(), secret: "s".into(), created_at: 1 };
    assert!(hub_key::insert(&transaction, key).await.unwrap());
    transaction.commit().await.unwrap();
}

/// Proves that a tree is written once and read by path, that a name is where its last move put it, that bytes belong to their
/// sender, and that the first key stays.
pub(crate) async fn hub_rows_come_back(store: Store) {
    fill(&store).await;
    let transaction = store.begin().await.unwrap();
    hub_tree::insert_all(&transaction, vec![entry("b"), entry("a")]).await.unwrap();
    assert!(!hub_blob::insert(&transaction, blob("alice")).await.unwrap());
    let key = HubKeyRow { purpose: "p".into(), secret: "other".into(), created_at: 2 };
    assert!(!hub_key::insert(&transaction, key).await.unwrap());
    transaction.commit().await.unwrap();
    assert_eq!(hub_tree::list(&store, "t", None, 9).await.unwrap(), [entry("a"), entry("b")]);
    assert_eq!(hub_tree::list(&store, "t", Some("a"), 9).await.unwrap(), [entry("b")]);
    assert_eq!(hub_commit::max_ordinal(&store, "m").await.unwrap(), Some(2));
    assert_eq!(hub_commit::find(&store, "m", "c1").await.unwrap(), Some(commit(1, None)));
    let main = hub_ref::current(&store, "m", HubRefKind::Branch, "main").await.unwrap();
    assert_eq!(main, Some(moved("main", 2, Some("c2"))));
    assert_eq!(hub_ref::current(&store, "m", HubRefKind::Tag, "main").await.unwrap(), None);
    let names = hub_ref::first_moves(&store, "m", HubRefKind::Branch).await.unwrap();
    assert_eq!(names, [moved("dev", 1, None), moved("main", 1, Some("c1"))]);
    assert_eq!(hub_blob::find(&store, "alice", "d").await.unwrap(), Some(blob("alice")));
    assert_eq!(hub_blob::find(&store, "bob", "d").await.unwrap(), None);
    assert_eq!(hub_key::find(&store, "p").await.unwrap().unwrap().secret, "s");
}

/// Proves that a name cannot be moved twice to the same place, nor a commit have a parent that is not there.
pub(crate) async fn hub_rows_hold_together(store: Store) {
    fill(&store).await;
    let transaction = store.begin().await.unwrap();
    let error = hub_ref::insert(&transaction, moved("main", 2, Some("c1"))).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
    drop(transaction);
    let transaction = store.begin().await.unwrap();
    let error = hub_commit::insert(&transaction, commit(3, Some("c9"))).await.unwrap_err();
    assert!(matches!(error, StoreError::MissingReference { .. }), "{error:?}");
}

/// Proves that the database refuses to change or delete what the surface has written.
pub(crate) async fn hub_rows_refuse_change(store: Store) {
    fill(&store).await;
    for (table, column) in [
        ("hub_key", "secret"),
        ("hub_blob", "bytes"),
        ("hub_tree_entry", "digest"),
        ("hub_commit", "tree"),
        ("hub_ref_move", "commit_id"),
    ] {
        for statement in
            [format!("UPDATE {table} SET {column} = {column}"), format!("DELETE FROM {table}")]
        {
            let error = store.connection().execute_unprepared(&statement).await.unwrap_err();
            assert!(error.to_string().contains("insert-only"), "{statement}: {error}");
        }
    }
}
