//! Restatements of strikes and their parts.

use store::{
    RestatementPartRow, RestatementRow, Store, StoreError,
    ledger::append_event,
    restatement::{insert, latest, list_parts, list_restatements},
};

use crate::{
    log::{conflict, refuses_change},
    rows::{event, fund, strike},
};

fn row(number: i64) -> RestatementRow {
    RestatementRow {
        fund: "f".into(),
        strike_number: 1,
        number,
        event_seq: (number == 2).then_some(2),
        payer: (number == 2).then(|| "ann".into()),
        threshold_ppb: 5_000_000,
        nav_published_femto: "11".into(),
        nav_femto: "10".into(),
        ask_femto: "10".into(),
        nav_per_share_nano: None,
        error_ppb: -100_000_000,
        ask_error_ppb: 1,
        passes: number == 2,
        fund_loss_micro: 3,
        fund_paid_micro: 3,
        owners_paid_micro: 4,
        reason: "a wrong report".into(),
        restated_by: "op".into(),
        digest: "digest".into(),
        body: "{}".into(),
        recorded_at: 100 * number,
    }
}

fn part(number: i64, owner: &str) -> RestatementPartRow {
    RestatementPartRow {
        fund: "f".into(),
        strike_number: 1,
        number,
        owner: owner.into(),
        loss_micro: 4,
        paid_micro: 2,
    }
}

/// Proves that restatements are told by number, that the last one holds, that what is recorded later changes no answer about an earlier
/// moment, that parts are paged by owner or asked for one, and that nothing of it changes or hangs in the air.
pub(crate) async fn what_was_known_reads_the_same(store: Store) {
    let transaction = store.begin().await.unwrap();
    store::fund::insert(&transaction, fund("f")).await.unwrap();
    for seq in 1..=2 {
        append_event(&transaction, event(seq), Vec::new()).await.unwrap();
    }
    store::strike::insert(&transaction, strike("f", 1, 1)).await.unwrap();
    insert(&transaction, row(1), Vec::new()).await.unwrap();
    let parts = ["ann", "bob", "cat"].map(|owner| part(2, owner)).to_vec();
    insert(&transaction, row(2), parts).await.unwrap();
    transaction.commit().await.unwrap();
    let of = ("f", 1);
    assert_eq!(latest(&store, "f", 1).await.unwrap(), Some(row(2)));
    assert_eq!(latest(&store, "f", 2).await.unwrap(), None);
    for (known_at, after, wanted) in [
        (None, None, vec![row(1), row(2)]),
        (None, Some(1), vec![row(2)]),
        (Some(99), None, vec![]),
        (Some(100), None, vec![row(1)]),
        (Some(199), None, vec![row(1)]),
        (Some(200), None, vec![row(1), row(2)]),
    ] {
        let found = list_restatements(&store, of, known_at, after, 9).await.unwrap();
        assert_eq!(found, wanted, "{known_at:?} {after:?}");
    }
    let owners = async |owner, after, limit| {
        let found = list_parts(&store, ("f", 1, 2), owner, after, limit).await.unwrap();
        found.into_iter().map(|part| part.owner).collect::<Vec<_>>()
    };
    assert_eq!(owners(None, None, 2).await, ["ann", "bob"]);
    assert_eq!(owners(None, Some("bob"), 2).await, ["cat"]);
    assert_eq!(owners(Some("bob"), None, 2).await, ["bob"]);
    assert!(owners(Some("dan"), None, 2).await.is_empty());
    let transaction = store.begin().await.unwrap();
    assert_eq!(conflict(insert(&transaction, row(1), Vec::new()).await), "restatement_pkey");
    drop(transaction);
    let transaction = store.begin().await.unwrap();
    let stranger = RestatementRow { strike_number: 9, ..row(1) };
    let none = insert(&transaction, stranger, Vec::new()).await;
    assert!(matches!(none, Err(StoreError::MissingReference { .. })), "{none:?}");
    drop(transaction);
    refuses_change(&store, "restatement", "nav_femto").await;
    refuses_change(&store, "restatement_part", "paid_micro").await;
}
