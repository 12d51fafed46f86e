//! The log: leaves, subtrees, heads, and the records that leaves name.

use sea_orm::ConnectionTrait;
use store::{
    BalanceSeedRow, LogHeadRow, LogLeafRow, LogNodeRow, Store, StoreError, StrikeRecordRow,
    balance_seed, ledger::append_event, log_head, log_leaf, log_node, strike_record,
};

use crate::rows::{event, fund, model, strike};

fn leaf(leaf_index: i64, kind: &str, subject: &str, model_id: Option<&str>) -> LogLeafRow {
    LogLeafRow {
        leaf_index,
        kind: kind.into(),
        subject: subject.into(),
        model_id: model_id.map(str::to_owned),
        body: format!("{{\"leaf\":\"{kind}\"}}"),
        evidence: None,
        leaf_hash: format!("hash-{leaf_index}"),
        recorded_at: 7,
    }
}

pub(crate) fn conflict(error: Result<(), StoreError>) -> String {
    match error {
        Err(StoreError::Conflict { constraint }) => constraint,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn refuses_change(store: &Store, table: &str, column: &str) {
    for statement in
        [format!("UPDATE {table} SET {column} = {column}"), format!("DELETE FROM {table}")]
    {
        let error = store.connection().execute_unprepared(&statement).await.unwrap_err();
        assert!(error.to_string().contains("insert-only"), "{statement}: {error}");
    }
}

/// Proves that leaves are counted from 0, come back in pages and by what they are about, that a number is taken once, and that none is
/// changed or removed.
pub(crate) async fn leaves_are_one_sequence(store: Store) {
    assert_eq!(log_leaf::size(&store).await.unwrap(), 0);
    let rows = [
        leaf(0, "publish", "m-1", Some("m")),
        leaf(1, "alias_move", "m@listed", Some("m")),
        leaf(2, "methodology", "f", None),
        leaf(3, "alias_move", "m@listed", Some("m")),
    ];
    let transaction = store.begin().await.unwrap();
    store::registered_model::insert(&transaction, model("m")).await.unwrap();
    for row in rows.clone() {
        log_leaf::insert(&transaction, row).await.unwrap();
    }
    transaction.commit().await.unwrap();
    assert_eq!(log_leaf::size(&store).await.unwrap(), 4);
    assert_eq!(log_leaf::find(&store, 2).await.unwrap().as_ref(), Some(&rows[2]));
    assert_eq!(log_leaf::find(&store, 4).await.unwrap(), None);
    assert_eq!(log_leaf::list(&store, None, 2).await.unwrap(), rows[..2]);
    assert_eq!(log_leaf::list(&store, Some(1), 9).await.unwrap(), rows[2..]);
    let moved = log_leaf::latest(&store, "alias_move", "m@listed").await.unwrap();
    assert_eq!(moved.as_ref(), Some(&rows[3]), "the last one about it");
    assert_eq!(log_leaf::latest(&store, "publish", "m@listed").await.unwrap(), None);
    let about = async |after| {
        let rows = log_leaf::list_about(&store, ("alias_move", "m@listed"), after, 9).await;
        rows.unwrap().into_iter().map(|row| row.leaf_index).collect::<Vec<_>>()
    };
    assert_eq!((about(None).await, about(Some(1)).await), (vec![1, 3], vec![3]));
    let found = log_leaf::find_by_hash(&store, "hash-2").await.unwrap();
    assert_eq!(found.as_ref(), Some(&rows[2]));
    assert_eq!(log_leaf::find_by_hash(&store, "hash-9").await.unwrap(), None);
    let transaction = store.begin().await.unwrap();
    let again = log_leaf::insert(&transaction, leaf(3, "yank", "m-1", None)).await;
    assert_eq!(conflict(again), "log_leaf_pkey");
    drop(transaction);
    let transaction = store.begin().await.unwrap();
    let stranger = log_leaf::insert(&transaction, leaf(4, "yank", "n-1", Some("n"))).await;
    assert!(matches!(stranger, Err(StoreError::MissingReference { .. })), "{stranger:?}");
    drop(transaction);
    refuses_change(&store, "log_leaf", "body").await;
}

/// Proves that a subtree and a head of a size are written once, that many subtrees are found in one question, and that the smallest
/// head of enough leaves is told from the largest.
pub(crate) async fn subtrees_and_heads_are_written_once(store: Store) {
    let node = |level: i64, node_index: i64| LogNodeRow {
        level,
        node_index,
        hash: format!("{level}-{node_index}"),
    };
    let head = |size: i64| LogHeadRow {
        size,
        log: "log".into(),
        root: format!("root-{size}"),
        signed_at: size,
        public_key: "key".into(),
        signature: "signature".into(),
    };
    let rows: Vec<LogNodeRow> = (0..500).map(|index| node(index % 3, index)).collect();
    let transaction = store.begin().await.unwrap();
    log_node::insert_all(&transaction, rows.clone()).await.unwrap();
    for size in [1, 4, 9] {
        log_head::insert(&transaction, head(size)).await.unwrap();
    }
    transaction.commit().await.unwrap();
    let wanted: Vec<(i64, i64)> = (0..500).map(|index| (index % 3, index)).collect();
    let mut found = log_node::list(&store, &wanted).await.unwrap();
    found.sort_by_key(|row| row.node_index);
    assert_eq!(found, rows);
    let two = log_node::list(&store, &[(1, 4), (0, 4), (2, 2)]).await.unwrap();
    assert_eq!(two.len(), 2, "{two:?}: 4 is of level 1 and not of 0");
    assert!(log_node::list(&store, &[]).await.unwrap().is_empty());
    assert_eq!(log_head::latest(&store).await.unwrap(), Some(head(9)));
    assert_eq!(log_head::find(&store, 4).await.unwrap(), Some(head(4)));
    for (least, size) in [(0, Some(1)), (2, Some(4)), (4, Some(4)), (5, Some(9)), (10, None)] {
        let found = log_head::first_of(&store, least).await.unwrap();
        assert_eq!(found.map(|row| row.size), size, "of at least {least}");
    }
    let transaction = store.begin().await.unwrap();
    assert_eq!(
        conflict(log_node::insert_all(&transaction, vec![node(1, 4)]).await),
        "log_node_pkey"
    );
    drop(transaction);
    let transaction = store.begin().await.unwrap();
    assert_eq!(conflict(log_head::insert(&transaction, head(4)).await), "log_head_pkey");
    drop(transaction);
    refuses_change(&store, "log_node", "hash").await;
    refuses_change(&store, "log_head", "root").await;
}

/// Proves that a strike has one record, and that there is none of what is no strike; and the same of the seed of its balances.
pub(crate) async fn a_strike_has_one_record(store: Store) {
    let record = |number: i64| StrikeRecordRow {
        fund: "f".into(),
        number,
        digest: "digest".into(),
        body: "{}".into(),
    };
    let transaction = store.begin().await.unwrap();
    store::fund::insert(&transaction, fund("f")).await.unwrap();
    append_event(&transaction, event(1), Vec::new()).await.unwrap();
    store::strike::insert(&transaction, strike("f", 1, 1)).await.unwrap();
    strike_record::insert(&transaction, record(1)).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(strike_record::find(&store, "f", 1).await.unwrap(), Some(record(1)));
    assert_eq!(strike_record::find(&store, "f", 2).await.unwrap(), None);
    let transaction = store.begin().await.unwrap();
    let again = strike_record::insert(&transaction, record(1)).await;
    assert_eq!(conflict(again), "strike_record_pkey");
    drop(transaction);
    let transaction = store.begin().await.unwrap();
    let none = strike_record::insert(&transaction, record(2)).await;
    assert!(matches!(none, Err(StoreError::MissingReference { .. })), "{none:?}");
    drop(transaction);
    refuses_change(&store, "strike_record", "body").await;
    let seed = |number: i64| BalanceSeedRow { fund: "f".into(), number, seed: "0a".repeat(32) };
    let transaction = store.begin().await.unwrap();
    balance_seed::insert(&transaction, seed(1)).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(balance_seed::find(&store, "f", 1).await.unwrap(), Some(seed(1)));
    assert_eq!(balance_seed::find(&store, "f", 2).await.unwrap(), None);
    let transaction = store.begin().await.unwrap();
    let again = balance_seed::insert(&transaction, seed(1)).await;
    assert_eq!(conflict(again), "balance_seed_pkey");
    drop(transaction);
    let transaction = store.begin().await.unwrap();
    let none = balance_seed::insert(&transaction, seed(2)).await;
    assert!(matches!(none, Err(StoreError::MissingReference { .. })), "{none:?}");
    drop(transaction);
    refuses_change(&store, "balance_seed", "seed").await;
}
