//! Who sees which model and object, and what is said about models and versions.

use store::{
    AliasMoveRow, BaseRow, CardRow, GrantRow, HolderRow, ModelRow, ModelSearch, ObjectKind, PinRow,
    Reading, Store, StoreError, StructureRow, SuiteRow, VersionRow, VisibilityRow, WordRow,
    YankRow,
};

use crate::rows::{model, object, publish, report, shard, version};

const ALICE: Reading<'_> = Reading::Login("alice");
const BOB: Reading<'_> = Reading::Login("bob");

async fn set_private(store: &Store, model_id: &str, seq: i64, private: bool) {
    let transaction = store.begin().await.unwrap();
    let row = VisibilityRow {
        model_id: model_id.into(),
        seq,
        private,
        set_by: "alice".into(),
        set_at: seq,
    };
    store::model_visibility::insert(&transaction, row).await.unwrap();
    transaction.commit().await.unwrap();
}

async fn set_grant(store: &Store, model_id: &str, grantee: &str, seq: i64, granted: bool) {
    let transaction = store.begin().await.unwrap();
    let row = GrantRow {
        model_id: model_id.into(),
        grantee: grantee.into(),
        seq,
        granted,
        set_by: "alice".into(),
        set_at: seq,
    };
    store::access_grant::insert(&transaction, row).await.unwrap();
    transaction.commit().await.unwrap();
}

async fn names(store: &Store, reading: Reading<'_>) -> Vec<String> {
    let rows = store::model_access::list(store, reading, None, 99).await.unwrap();
    rows.into_iter().map(|row| row.id).collect()
}

/// Proves that a private model is found and listed for its publisher, the grantees and the operator only, as the last rows say.
pub(crate) async fn private_models_are_seen_by_few(store: Store) {
    let transaction = store.begin().await.unwrap();
    for id in ["a", "b", "c"] {
        store::registered_model::insert(&transaction, model(id)).await.unwrap();
    }
    let of_bob = ModelRow { publisher: "bob".into(), ..model("d") };
    store::registered_model::insert(&transaction, of_bob).await.unwrap();
    transaction.commit().await.unwrap();
    for id in ["b", "d"] {
        set_private(&store, id, 1, true).await;
    }
    // Public, private and public again.
    for (seq, private) in [(1, true), (2, false)] {
        set_private(&store, "c", seq, private).await;
    }
    assert_eq!(names(&store, Reading::Anybody).await, ["a", "c"]);
    assert_eq!(names(&store, ALICE).await, ["a", "b", "c"]);
    assert_eq!(names(&store, BOB).await, ["a", "c", "d"]);
    assert_eq!(names(&store, Reading::Everything).await, ["a", "b", "c", "d"]);
    assert!(store::model_access::is_private(&store, "b").await.unwrap());
    assert!(!store::model_access::is_private(&store, "c").await.unwrap());
    let sees = async |reading| {
        let by_name = store::model_access::find_by_name(&store, reading, "name-of-b").await;
        let by_id = store::model_access::find_by_id(&store, reading, "b").await.unwrap();
        assert_eq!(by_name.unwrap(), by_id);
        by_id.is_some()
    };
    assert!(!sees(BOB).await && !sees(Reading::Anybody).await && sees(ALICE).await);
    set_grant(&store, "b", "bob", 1, true).await;
    set_grant(&store, "b", "carol", 1, true).await;
    assert!(sees(BOB).await && !sees(Reading::Login("dave")).await);
    assert_eq!(names(&store, BOB).await, ["a", "b", "c", "d"]);
    set_grant(&store, "b", "bob", 2, false).await;
    assert!(!sees(BOB).await);
    let grants = store::access_grant::list_in_force(&store, "b", None, 9).await.unwrap();
    assert_eq!(grants.iter().map(|row| row.grantee.as_str()).collect::<Vec<_>>(), ["carol"]);
    set_grant(&store, "b", "bob", 3, true).await;
    let page = store::access_grant::list_in_force(&store, "b", Some("bob"), 9).await.unwrap();
    assert_eq!(page.len(), 1);
    let current = store::access_grant::current(&store, "b", "bob").await.unwrap().unwrap();
    assert_eq!((current.seq, current.granted), (3, true));
}

/// Proves that an object is seen through a visible model's version, its shards or report, through a suite, or by who sent it, and else not.
pub(crate) async fn objects_are_seen_through_models(store: Store) {
    publish(&store, 1).await;
    set_private(&store, "m", 1, true).await;
    let transaction = store.begin().await.unwrap();
    store::evaluation_report::insert(&transaction, report("r", "m-1", 1)).await.unwrap();
    for digest in ["cases", "loose", "shared", "shard"] {
        let row = object(digest, ObjectKind::Checkpoint);
        store::stored_object::insert(&transaction, row).await.unwrap();
    }
    let suite = SuiteRow {
        id: "s".into(),
        suite_id: "s".into(),
        version: 1,
        epoch: 1,
        digest: "digest".into(),
        manifest: String::new(),
        cases_digest: "cases".into(),
        reference_checkpoint_digest: Some("shared".into()),
        reference_graph_digest: None,
        registered_by: "operator".into(),
        registered_at: 1,
    };
    store::suite::insert(&transaction, suite).await.unwrap();
    store::checkpoint_shard::insert_all(&transaction, vec![shard("checkpoint", "shard")])
        .await
        .unwrap();
    let held = HolderRow { digest: "loose".into(), holder: "carol".into(), held_at: 1 };
    assert!(store::object_holder::insert(&transaction, held.clone()).await.unwrap());
    assert!(!store::object_holder::insert(&transaction, held).await.unwrap());
    transaction.commit().await.unwrap();
    let carol = Reading::Login("carol");
    let cases = [
        ("checkpoint", [false, false, false]),
        ("graph", [false, false, false]),
        ("shard", [false, false, false]),
        ("r", [false, false, false]),
        ("samples", [false, false, false]),
        ("cases", [true, true, true]),
        ("shared", [true, true, true]),
        ("loose", [false, false, true]),
        ("nowhere", [false, false, false]),
    ];
    for (digest, expected) in cases {
        let sees = async |reading| {
            store::model_access::sees_object(&store, reading, digest).await.unwrap()
        };
        let found = [sees(Reading::Anybody).await, sees(BOB).await, sees(carol).await];
        assert_eq!(found, expected, "{digest}");
        assert!(sees(Reading::Everything).await);
        // Alice is the publisher, and brought every object.
        assert_eq!(sees(ALICE).await, digest != "nowhere", "{digest}");
    }
    set_grant(&store, "m", "bob", 1, true).await;
    for digest in ["checkpoint", "graph", "shard", "r", "samples"] {
        assert!(store::model_access::sees_object(&store, BOB, digest).await.unwrap(), "{digest}");
        assert!(!store::model_access::sees_object(&store, carol, digest).await.unwrap());
    }
    // The same checkpoint in a public model is everybody's.
    let transaction = store.begin().await.unwrap();
    store::registered_model::insert(&transaction, model("n")).await.unwrap();
    store::model_version::insert(&transaction, version("n", 1)).await.unwrap();
    transaction.commit().await.unwrap();
    let seen = store::model_access::sees_object(&store, Reading::Anybody, "checkpoint").await;
    assert!(seen.unwrap());
}

/// Proves that aliases tell their last moves by page, that a pin is the last row, and that yank and base are written once.
pub(crate) async fn aliases_pins_yanks_and_bases_are_told(store: Store) {
    publish(&store, 3).await;
    let moved = |alias: &str, seq: i64, to: i64| AliasMoveRow {
        model_id: "m".into(),
        alias: alias.into(),
        seq,
        version_id: format!("m-{to}"),
        moved_by: "alice".into(),
        reason: "why".into(),
        moved_at: seq,
    };
    let transaction = store.begin().await.unwrap();
    for row in [moved("b", 1, 1), moved("b", 2, 3), moved("a", 1, 2), moved("c", 1, 1)] {
        store::alias_move::insert(&transaction, row).await.unwrap();
    }
    for (seq, pinned) in [(1, true), (2, false), (3, true)] {
        let row = PinRow {
            model_id: "m".into(),
            alias: "listed".into(),
            seq,
            pinned,
            reason: "why".into(),
            set_by: "alice".into(),
            set_at: seq,
        };
        store::alias_pin::insert(&transaction, row).await.unwrap();
    }
    let yank = YankRow {
        version_id: "m-2".into(),
        reason: "leaks".into(),
        yanked_by: "alice".into(),
        yanked_at: 5,
    };
    store::version_yank::insert(&transaction, yank.clone()).await.unwrap();
    let base = BaseRow { version_id: "m-2".into(), base_version_id: "m-1".into(), declared_at: 5 };
    store::version_base::insert(&transaction, base.clone()).await.unwrap();
    transaction.commit().await.unwrap();
    let page = store::alias_move::list_current(&store, "m", None, 2).await.unwrap();
    assert_eq!(page, [moved("a", 1, 2), moved("b", 2, 3)]);
    let page = store::alias_move::list_current(&store, "m", Some("b"), 2).await.unwrap();
    assert_eq!(page, [moved("c", 1, 1)]);
    let pin = store::alias_pin::current(&store, "m", "listed").await.unwrap().unwrap();
    assert_eq!((pin.seq, pin.pinned), (3, true));
    assert_eq!(store::version_yank::find(&store, "m-2").await.unwrap(), Some(yank.clone()));
    assert_eq!(store::version_yank::find(&store, "m-1").await.unwrap(), None);
    assert_eq!(store::version_base::find(&store, "m-2").await.unwrap(), Some(base));
    let transaction = store.begin().await.unwrap();
    let again = store::version_yank::insert(&transaction, yank).await;
    let constraint = |e: &StoreError| matches!(e, StoreError::Conflict { constraint } if constraint == "version_yank_pkey");
    assert!(again.as_ref().is_err_and(constraint), "{again:?}");
}

async fn write_card(store: &Store, model_id: &str, seq: i64, tags: &[&str], words: &[&str]) {
    let transaction = store.begin().await.unwrap();
    let row = CardRow {
        model_id: model_id.into(),
        seq,
        body: words.join(" "),
        licence: (seq > 1).then(|| "MIT".into()),
        written_by: "alice".into(),
        written_at: seq,
    };
    let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    store::model_card::insert(&transaction, row, tags).await.unwrap();
    let word = |word: &&str| WordRow { word: (*word).into(), model_id: model_id.into(), seq };
    store::model_card::insert_words(&transaction, words.iter().map(word).collect()).await.unwrap();
    transaction.commit().await.unwrap();
}

/// Proves that a search goes by words of the name and the current card, by tag and by structure, and shows no hidden model.
pub(crate) async fn models_are_found_by_words_tags_and_structure(store: Store) {
    publish(&store, 1).await;
    let transaction = store.begin().await.unwrap();
    store::registered_model::insert(&transaction, model("n")).await.unwrap();
    let big = object("big", ObjectKind::Checkpoint);
    store::stored_object::insert(&transaction, big).await.unwrap();
    let row = VersionRow { checkpoint_digest: "big".into(), ..version("n", 1) };
    store::model_version::insert(&transaction, row).await.unwrap();
    for (id, word) in [("m", "small"), ("n", "smaller")] {
        let row = WordRow { word: word.into(), model_id: id.into(), seq: 0 };
        store::model_card::insert_words(&transaction, vec![row]).await.unwrap();
    }
    for (digest, parameters, dtypes) in [("checkpoint", 10, " F32 "), ("big", 90, " F16 I64 ")] {
        let row = StructureRow {
            checkpoint_digest: digest.into(),
            parameters,
            dtypes: dtypes.into(),
            signature: format!("signature-{parameters}"),
        };
        assert!(store::checkpoint_structure::insert(&transaction, row.clone()).await.unwrap());
        assert!(!store::checkpoint_structure::insert(&transaction, row).await.unwrap());
    }
    transaction.commit().await.unwrap();
    write_card(&store, "m", 1, &["vision", "old"], &["digits", "größe"]).await;
    write_card(&store, "m", 2, &["vision"], &["images"]).await;
    let found = async |reading, search: ModelSearch| {
        let rows = store::model_search::list(&store, reading, &search, None, 9).await.unwrap();
        rows.into_iter().map(|row| row.id).collect::<Vec<_>>().concat()
    };
    let words = |words: &[&str]| ModelSearch {
        words: words.iter().map(|word| (*word).to_owned()).collect(),
        ..ModelSearch::default()
    };
    let tag = |tag: &str| ModelSearch { tag: Some(tag.into()), ..ModelSearch::default() };
    let dtype = |dtype: &str| ModelSearch { dtype: Some(dtype.into()), ..ModelSearch::default() };
    let signature = Some("signature-90".to_owned());
    let cases = [
        (ModelSearch::default(), "mn"),
        (words(&["small"]), "mn"),
        (words(&["smalle"]), "n"),
        (words(&["imag", "small"]), "m"),
        // Of a revision that is no longer the current one.
        (words(&["digits"]), ""),
        (tag("old"), ""),
        (tag("vision"), "m"),
        (dtype("I64"), "n"),
        (dtype("F3"), ""),
        (ModelSearch { signature, ..ModelSearch::default() }, "n"),
        (ModelSearch { parameters_min: Some(10), ..ModelSearch::default() }, "mn"),
        (ModelSearch { parameters_max: Some(89), ..ModelSearch::default() }, "m"),
        (ModelSearch { parameters_min: Some(20), ..dtype("F32") }, ""),
    ];
    for (search, expected) in cases {
        assert_eq!(found(Reading::Anybody, search.clone()).await, expected, "{search:?}");
    }
    set_private(&store, "n", 1, true).await;
    assert_eq!(found(Reading::Anybody, words(&["small"])).await, "m");
    assert_eq!(found(ALICE, words(&["small"])).await, "mn");
    let card = store::model_card::current(&store, "m").await.unwrap().unwrap();
    assert_eq!((card.seq, card.licence.as_deref()), (2, Some("MIT")));
    assert_eq!(store::model_card::list(&store, "m", None, 9).await.unwrap().len(), 2);
    let tags = store::model_card::list_tags(&store, "m", 1).await.unwrap();
    assert_eq!(tags.iter().map(|row| row.tag.as_str()).collect::<Vec<_>>(), ["old", "vision"]);
    let structure = store::checkpoint_structure::find(&store, "big").await.unwrap().unwrap();
    assert_eq!(structure.parameters, 90);
}
