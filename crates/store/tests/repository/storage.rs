//! Accounts of what is stored: parts, holds, usage, and what may not go.

use std::collections::BTreeMap;

use sea_orm::ConnectionTrait;
use store::{
    HoldRow, HubEntryRow, ObjectKind, PartRow, PlaceRow, QuotaRow, StorageObjectRow, Store,
    SuiteRow, citation, hub_tree, storage_hold, storage_object, storage_part, storage_quota,
    storage_recount, storage_usage,
};

use crate::rows::{object, publish, report};

fn parts(names: &[&str]) -> BTreeMap<String, i64> {
    names.iter().map(|name| ((*name).to_owned(), 7)).collect()
}

fn account(digest: &str, touched_at: i64) -> StorageObjectRow {
    StorageObjectRow { digest: digest.into(), bytes: 10, cited: false, touched_at }
}

/// Announces parts and lets an object stand on them.
async fn enter(store: &Store, digest: &str, names: &[&str], generation: &str, now: i64) -> i64 {
    let transaction = store.begin().await.unwrap();
    let rows = storage_part::announce(&transaction, generation, &parts(names), now).await.unwrap();
    storage_object::insert(&transaction, account(digest, now)).await.unwrap();
    let new = storage_part::refer(&transaction, digest, &rows, Some("alice")).await.unwrap();
    storage_usage::add(&transaction, "alice", 0, 0, new).await.unwrap();
    transaction.commit().await.unwrap();
    new
}

async fn part(store: &Store, name: &str) -> Option<PartRow> {
    let rows = storage_part::list(store, None, 100).await.unwrap();
    rows.into_iter().find(|row| row.location == name)
}

/// Proves that a part counts its objects, is free when the last has gone, can be marked only then, and goes with its hints.
pub(crate) async fn parts_are_counted_and_removed(store: Store) {
    assert_eq!(enter(&store, "x", &["a", "b"], "one", 1).await, 14);
    assert_eq!(enter(&store, "y", &["b", "c"], "two", 2).await, 7);
    // The same again changes nothing: an object stands on a part once.
    assert_eq!(enter(&store, "y", &["b", "c"], "three", 3).await, 0);
    let shared = part(&store, "b").await.unwrap();
    assert_eq!((shared.reference_count, shared.generation.as_str()), (2, "one"));
    assert_eq!(storage_recount::list_wrong_parts(&store, 9).await.unwrap(), []);
    assert_eq!(storage_recount::list_wrong_usage(&store, 9).await.unwrap(), []);

    let transaction = store.begin().await.unwrap();
    let place = |part: &str| PlaceRow { part: part.into(), location: format!("place/{part}") };
    storage_part::insert_places(&transaction, vec![place("a"), place("a")]).await.unwrap();
    let freed = storage_part::release(&transaction, "x", 10).await.unwrap();
    assert_eq!(freed.iter().map(|row| row.location.as_str()).collect::<Vec<_>>(), ["a"]);
    transaction.commit().await.unwrap();
    assert_eq!(part(&store, "a").await.unwrap().free_since, Some(10));
    assert_eq!(storage_part::list_free(&store, 9, 9).await.unwrap(), []);
    assert_eq!(storage_part::list_free(&store, 10, 9).await.unwrap().len(), 1);

    let all = ["a", "b", "c"].map(str::to_owned);
    let transaction = store.begin().await.unwrap();
    assert_eq!(storage_part::mark_collecting(&transaction, &all, 10).await.unwrap(), 1);
    let locked = storage_part::lock_collecting(&transaction, None, 9).await.unwrap();
    assert_eq!(locked.iter().map(|row| row.location.as_str()).collect::<Vec<_>>(), ["a"]);
    let places = storage_part::list_places(&transaction, &all).await.unwrap();
    assert_eq!(places, [place("a")]);
    // Those that are not marked stay, whoever asks.
    storage_part::remove(&transaction, &all[..1]).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(part(&store, "a").await, None);
    assert_eq!(storage_part::list(&store, None, 9).await.unwrap().len(), 2);
}

/// Proves that announcing a free part begins its grace anew, and that nobody can refer to a marked one: the database refuses.
pub(crate) async fn a_marked_part_takes_no_reference(store: Store) {
    for now in [5, 9, 7] {
        let transaction = store.begin().await.unwrap();
        let rows =
            storage_part::announce(&transaction, &format!("g{now}"), &parts(&["a"]), now).await;
        assert_eq!(rows.unwrap()[0].generation, "g5");
        transaction.commit().await.unwrap();
    }
    assert_eq!(part(&store, "a").await.unwrap().free_since, Some(9), "time does not go back");
    let transaction = store.begin().await.unwrap();
    assert_eq!(storage_part::mark_collecting(&transaction, &["a".into()], 8).await.unwrap(), 0);
    assert_eq!(storage_part::mark_collecting(&transaction, &["a".into()], 9).await.unwrap(), 1);
    transaction.commit().await.unwrap();
    let transaction = store.begin().await.unwrap();
    let rows = storage_part::announce(&transaction, "later", &parts(&["a"]), 20).await.unwrap();
    assert!(rows[0].collecting && rows[0].free_since == Some(9), "{rows:?}");
    storage_object::insert(&transaction, account("x", 1)).await.unwrap();
    assert!(storage_part::refer(&transaction, "x", &rows, None).await.is_err());
}

/// A row in each citing table, each for an object of its own; the first two are those of a version.
async fn cite_everywhere(store: &Store) {
    publish(store, 1).await;
    let transaction = store.begin().await.unwrap();
    let suite = SuiteRow {
        id: "s".into(),
        suite_id: "s".into(),
        version: 1,
        epoch: 1,
        digest: "of-suite".into(),
        manifest: String::new(),
        cases_digest: "cases".into(),
        reference_checkpoint_digest: Some("reference-checkpoint".into()),
        reference_graph_digest: Some("reference-graph".into()),
        registered_by: "operator".into(),
        registered_at: 1,
    };
    store::suite::insert(&transaction, suite).await.unwrap();
    store::evaluation_report::insert(&transaction, report("report", "m-1", 1)).await.unwrap();
    let entry = HubEntryRow {
        tree: "t".into(),
        path: "p".into(),
        digest: "file".into(),
        bytes: 10,
        git_oid: None,
    };
    hub_tree::insert_all(&transaction, vec![entry]).await.unwrap();
    for digest in ["set", "shard"] {
        let row = object(digest, ObjectKind::Checkpoint);
        store::stored_object::insert(&transaction, row).await.unwrap();
    }
    let shard = store::ShardRow {
        checkpoint_digest: "set".into(),
        position: 0,
        file: "f".into(),
        shard_digest: "shard".into(),
        bytes: 10,
        first_tensor: 0,
    };
    store::checkpoint_shard::insert_all(&transaction, vec![shard]).await.unwrap();
    transaction.commit().await.unwrap();
}

/// Proves for every citing column that the object is known as cited and that the database itself refuses to let it go, and that an
/// object that nothing cites goes.
pub(crate) async fn what_is_cited_cannot_go(store: Store) {
    cite_everywhere(&store).await;
    let cited = [
        "checkpoint",
        "graph",
        "cases",
        "reference-checkpoint",
        "reference-graph",
        "report",
        "samples",
        "file",
        "set",
        "shard",
    ];
    assert_eq!(cited.len(), citation::CITING.len(), "one a citing column");
    for digest in cited.into_iter().chain(["garbage"]) {
        let transaction = store.begin().await.unwrap();
        let row = object(digest, ObjectKind::Checkpoint);
        store::stored_object::insert(&transaction, row).await.unwrap();
        storage_object::insert(&transaction, account(digest, 1)).await.unwrap();
        transaction.commit().await.unwrap();
        let is_garbage = digest == "garbage";
        assert_eq!(citation::is_cited(&store, digest).await.unwrap(), !is_garbage, "{digest}");
        for table in ["stored_object", "storage_object"] {
            let delete = format!("DELETE FROM {table} WHERE digest = '{digest}'");
            let deleted = store.connection().execute_unprepared(&delete).await;
            match deleted {
                Ok(_) => assert!(is_garbage, "{delete}"),
                Err(error) => {
                    assert!(!is_garbage && error.to_string().contains("cites"), "{error}");
                }
            }
        }
    }
    let transaction = store.begin().await.unwrap();
    let digests = ["file".to_owned(), "gone".to_owned(), "cases".to_owned()];
    assert_eq!(citation::cite(&transaction, &digests).await.unwrap(), ["gone"]);
    transaction.commit().await.unwrap();
    assert!(storage_object::find(&store, "file").await.unwrap().unwrap().cited);
    let due = storage_object::list_due(&store, 1, 99).await.unwrap();
    assert_eq!(due.len(), cited.len() - 2, "those that are said to be cited are not asked about");
}

/// Proves that counters add up and are refused below zero, that the last quota counts, and that holds end with their object.
pub(crate) async fn usage_and_quotas_are_told(store: Store) {
    let transaction = store.begin().await.unwrap();
    storage_object::insert(&transaction, account("x", 1)).await.unwrap();
    for login in ["bob", "alice"] {
        let hold = HoldRow { login: login.into(), digest: "x".into(), held_at: 1 };
        assert!(storage_hold::insert(&transaction, hold.clone()).await.unwrap());
        assert!(!storage_hold::insert(&transaction, hold).await.unwrap());
        let row = storage_usage::add(&transaction, login, 1, 10, 0).await.unwrap();
        assert_eq!((row.objects, row.logical_bytes, row.stored_bytes), (1, 10, 0));
    }
    for (seq, bytes) in [(1, Some(5)), (2, None), (3, Some(6))] {
        let (login, set_by) = ("bob".into(), "operator".into());
        let row = QuotaRow { login, seq, bytes, set_by, set_at: seq };
        storage_quota::insert(&transaction, row).await.unwrap();
    }
    transaction.commit().await.unwrap();
    assert_eq!(storage_quota::current(&store, "bob").await.unwrap().unwrap().bytes, Some(6));
    assert_eq!(storage_quota::current(&store, "alice").await.unwrap(), None);
    assert_eq!(storage_recount::list_wrong_usage(&store, 9).await.unwrap(), []);
    let transaction = store.begin().await.unwrap();
    assert!(storage_usage::add(&transaction, "bob", -2, 0, 0).await.is_err());
    drop(transaction);
    let transaction = store.begin().await.unwrap();
    storage_usage::add(&transaction, "bob", 0, 1, 0).await.unwrap();
    let wrong = storage_recount::list_wrong_usage(&transaction, 9).await.unwrap();
    assert_eq!(wrong.len(), 1, "a recount that finds nothing would prove nothing");
    drop(transaction);
    let transaction = store.begin().await.unwrap();
    let holders = storage_hold::remove_all(&transaction, "x").await.unwrap();
    assert_eq!(holders, ["alice", "bob"]);
}
