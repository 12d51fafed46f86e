//! Tokens, models, objects, versions, suites, reports and prices.

use store::{
    AccessTokenRow, AliasMoveRow, ModelRow, ObjectKind, ShardRow, Store, StoreError, SuiteRow,
    TensorRow, VersionRow,
};

use crate::rows::{decision, model, object, publish, report, shard, version};

#[track_caller]
fn assert_conflict<T: std::fmt::Debug>(result: Result<T, StoreError>, expected: &str) {
    match result {
        Err(StoreError::Conflict { constraint }) => assert_eq!(constraint, expected),
        other => panic!("{expected}: {other:?}"),
    }
}

/// Proves that a token is found by its hash, listed by id, and revoked at most once.
pub(crate) async fn tokens_are_found_listed_and_revoked_once(store: Store) {
    let row = |id: &str| AccessTokenRow {
        id: id.into(),
        owner: "alice".into(),
        secret_sha256: format!("hash-{id}"),
        scopes: "publish invest".into(),
        created_at: 1,
        expires_at: Some(i64::MAX),
        revoked_at: None,
    };
    let transaction = store.begin().await.unwrap();
    for id in ["a", "b", "c"] {
        store::access_token::insert(&transaction, row(id)).await.unwrap();
    }
    assert!(store::access_token::revoke(&transaction, "b", 7).await.unwrap());
    assert!(!store::access_token::revoke(&transaction, "b", 8).await.unwrap());
    assert!(!store::access_token::revoke(&transaction, "z", 8).await.unwrap());
    transaction.commit().await.unwrap();
    let found = store::access_token::find_by_secret_sha256(&store, "hash-b").await.unwrap();
    assert_eq!(found, Some(AccessTokenRow { revoked_at: Some(7), ..row("b") }));
    assert_eq!(store::access_token::find_by_secret_sha256(&store, "b").await.unwrap(), None);
    let page = store::access_token::list(&store, Some("a"), 5).await.unwrap();
    assert_eq!(page.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["b", "c"]);
    let transaction = store.begin().await.unwrap();
    let twin = AccessTokenRow { id: "d".into(), ..row("a") };
    let result = store::access_token::insert(&transaction, twin).await;
    assert_conflict(result, "access_token_secret_sha256_key");
}

/// Proves that a second row of the same key is a conflict that names the same constraint on both databases.
pub(crate) async fn unique_keys_conflict_by_name(store: Store) {
    publish(&store, 2).await;
    let models = [
        (ModelRow { name: "other".into(), ..model("m") }, "registered_model_pkey"),
        (ModelRow { id: "n".into(), ..model("m") }, "registered_model_name_key"),
    ];
    for (row, constraint) in models {
        let transaction = store.begin().await.unwrap();
        assert_conflict(store::registered_model::insert(&transaction, row).await, constraint);
    }
    let fresh = || version("m", 3);
    let old = version("m", 1);
    let versions = [
        (VersionRow { id: old.id, ..fresh() }, "model_version_pkey"),
        (VersionRow { name: old.name, ..fresh() }, "model_version_model_id_name_key"),
        (VersionRow { ordinal: 1, ..fresh() }, "model_version_model_id_ordinal_key"),
        (VersionRow { digest: old.digest, ..fresh() }, "model_version_model_id_digest_key"),
    ];
    for (row, constraint) in versions {
        let transaction = store.begin().await.unwrap();
        assert_conflict(store::model_version::insert(&transaction, row).await, constraint);
    }
    let transaction = store.begin().await.unwrap();
    let orphan = VersionRow { graph_digest: "nowhere".into(), ..fresh() };
    let result = store::model_version::insert(&transaction, orphan).await;
    assert!(matches!(result, Err(StoreError::MissingReference { .. })), "{result:?}");
}

/// Proves that the shards of a checkpoint page by position, and that a name stands once and a shard is an object of its own.
pub(crate) async fn shards_are_paged_and_hold_together(store: Store) {
    let transaction = store.begin().await.unwrap();
    for digest in ["set", "one", "two"] {
        let row = object(digest, ObjectKind::Checkpoint);
        store::stored_object::insert(&transaction, row).await.unwrap();
    }
    let second = ShardRow { position: 1, file: "2".into(), first_tensor: 3, ..shard("set", "two") };
    let rows = vec![shard("set", "one"), second.clone()];
    store::checkpoint_shard::insert_all(&transaction, rows).await.unwrap();
    transaction.commit().await.unwrap();
    let list = async |after| store::checkpoint_shard::list(&store, "set", after, 5).await.unwrap();
    assert_eq!(list(None).await, [shard("set", "one"), second.clone()]);
    assert_eq!(list(Some(0)).await, [second]);
    assert!(store::checkpoint_shard::list(&store, "one", None, 5).await.unwrap().is_empty());
    let transaction = store.begin().await.unwrap();
    let twin = ShardRow { position: 2, ..shard("set", "two") };
    assert_conflict(
        store::checkpoint_shard::insert_all(&transaction, vec![twin]).await,
        "checkpoint_shard_checkpoint_digest_file_key",
    );
    drop(transaction);
    for (checkpoint, digest) in [("set", "nowhere"), ("nowhere", "one")] {
        let transaction = store.begin().await.unwrap();
        let orphan = ShardRow { position: 3, file: "3".into(), ..shard(checkpoint, digest) };
        let result = store::checkpoint_shard::insert_all(&transaction, vec![orphan]).await;
        assert!(matches!(result, Err(StoreError::MissingReference { .. })), "{result:?}");
    }
}

/// Proves that an object is written once however often it is brought, and that its tensors page by position.
pub(crate) async fn objects_and_tensors_are_idempotent_and_paged(store: Store) {
    let transaction = store.begin().await.unwrap();
    let first = object("d", ObjectKind::Checkpoint);
    assert!(store::stored_object::insert(&transaction, first.clone()).await.unwrap());
    let mut second = first.clone();
    second.uploaded_by = "bob".into();
    assert!(!store::stored_object::insert(&transaction, second).await.unwrap());
    let tensors: Vec<TensorRow> = (0..5)
        .map(|position| TensorRow {
            checkpoint_digest: "d".into(),
            position,
            name: format!("layer.{position}.weight"),
            dtype: "F32".into(),
            shape: "[2,3]".into(),
            begin_byte: position * 24,
            end_byte: position * 24 + 24,
            tensor_key: "key".into(),
        })
        .collect();
    store::checkpoint_tensor::insert_all(&transaction, tensors.clone()).await.unwrap();
    store::checkpoint_tensor::insert_all(&transaction, Vec::new()).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(store::stored_object::find(&store, "d").await.unwrap(), Some(first));
    assert_eq!(store::checkpoint_tensor::count(&store, "d").await.unwrap(), 5);
    assert_eq!(store::checkpoint_tensor::count(&store, "e").await.unwrap(), 0);
    let page = store::checkpoint_tensor::list(&store, "d", Some(1), 2).await.unwrap();
    assert_eq!(page, tensors[2..4]);
    let transaction = store.begin().await.unwrap();
    let twin = TensorRow { position: 9, ..tensors[0].clone() };
    assert_conflict(
        store::checkpoint_tensor::insert_all(&transaction, vec![twin]).await,
        "checkpoint_tensor_checkpoint_digest_name_key",
    );
}

/// Proves that versions are counted and found in their model, and that an alias tells where it points and pointed.
pub(crate) async fn versions_and_aliases_keep_their_history(store: Store) {
    assert_eq!(store::model_version::max_ordinal(&store, "m").await.unwrap(), None);
    publish(&store, 3).await;
    assert_eq!(store::model_version::max_ordinal(&store, "m").await.unwrap(), Some(3));
    let third = Some(version("m", 3));
    assert_eq!(store::model_version::latest(&store, "m").await.unwrap(), third);
    assert_eq!(store::model_version::find(&store, "m", "step-0003").await.unwrap(), third);
    assert_eq!(store::model_version::find_by_id(&store, "m-3").await.unwrap(), third);
    let found = store::model_version::find_by_digest(&store, "m", "digest-m-3").await.unwrap();
    assert_eq!(found, third);
    assert_eq!(store::model_version::list(&store, "m", Some(1), 9).await.unwrap().len(), 2);
    assert_eq!(store::model_version::find(&store, "other", "step-0003").await.unwrap(), None);
    assert_eq!(
        store::registered_model::find_by_name(&store, "name-of-m").await.unwrap(),
        Some(model("m"))
    );
    assert_eq!(store::registered_model::get_by_id(&store, "m").await.unwrap(), model("m"));
    assert!(store::registered_model::get_by_id(&store, "x").await.is_err());
    let row = |seq: i64, to: i64| AliasMoveRow {
        model_id: "m".into(),
        alias: "listed".into(),
        seq,
        version_id: format!("m-{to}"),
        moved_by: "alice".into(),
        reason: "evaluated".into(),
        moved_at: seq,
    };
    let transaction = store.begin().await.unwrap();
    for (seq, to) in [(1, 1), (2, 3), (3, 2)] {
        store::alias_move::insert(&transaction, row(seq, to)).await.unwrap();
    }
    transaction.commit().await.unwrap();
    let current = store::alias_move::current(&store, "m", "listed").await.unwrap();
    assert_eq!(current, Some(row(3, 2)));
    assert_eq!(store::alias_move::current(&store, "m", "champion").await.unwrap(), None);
    let history = store::alias_move::history(&store, "m", "listed", Some(1), 9).await.unwrap();
    assert_eq!(history, [row(2, 3), row(3, 2)]);
}

/// Proves that a suite is found by id, by digest and by version and epoch.
pub(crate) async fn suites_are_found_three_ways(store: Store) {
    let row = |epoch: i64| SuiteRow {
        id: format!("fashion@1.{epoch}"),
        suite_id: "fashion".into(),
        version: 1,
        epoch,
        digest: format!("digest-{epoch}"),
        manifest: "id = \"fashion\"".into(),
        cases_digest: "cases".into(),
        reference_checkpoint_digest: Some("checkpoint".into()),
        reference_graph_digest: None,
        registered_by: "operator".into(),
        registered_at: 1,
    };
    let transaction = store.begin().await.unwrap();
    for epoch in 1..=2 {
        store::suite::insert(&transaction, row(epoch)).await.unwrap();
    }
    transaction.commit().await.unwrap();
    assert_eq!(store::suite::find_by_id(&store, "fashion@1.2").await.unwrap(), Some(row(2)));
    assert_eq!(store::suite::find_by_digest(&store, "digest-2").await.unwrap(), Some(row(2)));
    assert_eq!(store::suite::find(&store, "fashion", 1, 2).await.unwrap(), Some(row(2)));
    assert_eq!(store::suite::find(&store, "fashion", 2, 2).await.unwrap(), None);
    assert_eq!(store::suite::list(&store, None, 9).await.unwrap(), [row(1), row(2)]);
    let transaction = store.begin().await.unwrap();
    let twin = SuiteRow { id: "x".into(), digest: "y".into(), ..row(1) };
    let result = store::suite::insert(&transaction, twin).await;
    assert_conflict(result, "suite_suite_id_version_epoch_key");
}

/// Proves that reports page by time and digest without gaps, and that the last accepting decision is found.
pub(crate) async fn reports_and_decisions_are_told_in_order(store: Store) {
    publish(&store, 1).await;
    let reports: Vec<_> = [("b", 1), ("a", 2), ("c", 2), ("d", 2), ("e", 3)]
        .into_iter()
        .map(|(digest, recorded_at)| report(digest, "m-1", recorded_at))
        .collect();
    let transaction = store.begin().await.unwrap();
    for row in &reports {
        store::evaluation_report::insert(&transaction, row.clone()).await.unwrap();
    }
    let statuses = [("ADMITTED", "b"), ("ACCEPTED", "a"), ("DEADBAND", "c"), ("TRIPPED", "d")];
    for (seq, (status, digest)) in (1..).zip(statuses) {
        let row = decision(seq, digest, status);
        store::price_decision::insert(&transaction, row).await.unwrap();
    }
    transaction.commit().await.unwrap();
    let mut seen = Vec::new();
    loop {
        let after = seen.last().map(|row: &store::ReportRow| (row.recorded_at, row.digest.clone()));
        let after = after.as_ref().map(|(at, digest)| (*at, digest.as_str()));
        let page =
            store::evaluation_report::list_by_version(&store, "m-1", after, 2).await.unwrap();
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert_eq!(seen, reports);
    let latest = store::evaluation_report::latest_by_version(&store, "m-1").await.unwrap();
    assert_eq!(latest.as_ref(), reports.last());
    let latest = store::price_decision::latest(&store, "m").await.unwrap().unwrap();
    assert_eq!(latest, decision(4, "d", "TRIPPED"));
    let accepted = store::price_decision::latest_accepted(&store, "m").await.unwrap().unwrap();
    assert_eq!(accepted.seq, 2);
    assert_eq!(store::price_decision::list(&store, "m", Some(2), 9).await.unwrap().len(), 2);
    let found = store::price_decision::find_by_report(&store, "c").await.unwrap().unwrap();
    assert_eq!(found.status, "DEADBAND");
    assert_eq!(store::price_decision::find_by_report(&store, "e").await.unwrap(), None);
}
