//! What was recorded by a moment, and up to which the past is closed.

use store::ledger::{append_event, latest_event_by};
use store::{BasketRow, EventRow, Store, StoreError};

use crate::rows::{decision, event, fund, publish, report};

/// Proves that event, basket and accepted price of a moment are the last that were recorded by then, also where several were recorded at
/// once or out of order, and that a model's first price stands in where none was decided by then.
pub(crate) async fn moments_find_the_last_by_then(store: Store) {
    publish(&store, 1).await;
    let transaction = store.begin().await.unwrap();
    store::fund::insert(&transaction, fund("f")).await.unwrap();
    store::evaluation_report::insert(&transaction, report("r", "m-1", 1)).await.unwrap();
    for (seq, recorded_at) in [(1, 10), (2, 10), (3, 15), (4, 12), (5, 20)] {
        let row = EventRow { recorded_at, ..event(seq) };
        append_event(&transaction, row, Vec::new()).await.unwrap();
    }
    for (seq, recorded_at) in [(1, 10), (2, 15)] {
        let row = BasketRow {
            fund: "f".into(),
            seq,
            strike_number: seq,
            day: 1,
            record: "{}".into(),
            level_nano: seq,
            recorded_at,
        };
        store::index_basket::insert(&transaction, row).await.unwrap();
    }
    for (seq, status, decided_at) in
        [(1, "REFUSED", 5), (2, "ADMITTED", 10), (3, "DEADBAND", 12), (4, "ACCEPTED", 15)]
    {
        let row = store::PriceDecisionRow { decided_at, ..decision(seq, "r", status) };
        store::price_decision::insert(&transaction, row).await.unwrap();
    }
    transaction.commit().await.unwrap();
    for (moment, event, basket, price) in [
        (i64::MIN, None, None, 2),
        (9, None, None, 2),
        (10, Some(2), Some(1), 2),
        (12, Some(4), Some(1), 2),
        (14, Some(4), Some(1), 2),
        (15, Some(3), Some(2), 4),
        (i64::MAX, Some(5), Some(2), 4),
    ] {
        let found = latest_event_by(&store, moment).await.unwrap().map(|row| row.seq);
        assert_eq!(found, event, "the event by {moment}");
        let found = store::index_basket::latest_by(&store, "f", moment).await.unwrap();
        assert_eq!(found.map(|row| row.seq), basket, "the basket by {moment}");
        let found = store::price_decision::latest_accepted_by(&store, "m", moment).await.unwrap();
        assert_eq!(found.map(|row| row.seq), Some(price), "the price by {moment}");
    }
    let none = store::price_decision::latest_accepted_by(&store, "n", 99).await.unwrap();
    assert_eq!(none, None);

    for (moment, decided, stood) in [
        (4, None, None),
        (5, Some(1), None),
        (11, Some(2), Some(2)),
        (13, Some(3), Some(3)),
        (99, Some(4), Some(4)),
    ] {
        let found = store::price_decision::latest_by(&store, "m", moment).await.unwrap();
        assert_eq!(found.map(|row| row.seq), decided, "the decision by {moment}");
        let found = store::price_decision::latest_standing_by(&store, "m", moment).await.unwrap();
        assert_eq!(found.map(|row| row.seq), stood, "the price that stood at {moment}");
    }
}

/// Proves that the last note of a moment is the last by then, and that the horizon is the greatest that was set.
pub(crate) async fn notes_and_horizon_are_the_last(store: Store) {
    // What the step found in other tables would be noted; here it found nothing.
    assert_eq!(store::ledger_note::latest(&store).await.unwrap(), None);
    let transaction = store.begin().await.unwrap();
    for at in [12, 30] {
        store::ledger_note::append(&transaction, at).await.unwrap();
    }
    transaction.commit().await.unwrap();
    for (moment, note) in [(11, None), (12, Some(12)), (29, Some(12)), (30, Some(30))] {
        let found = store::ledger_note::latest_by(&store, moment).await.unwrap();
        assert_eq!(found, note, "the note by {moment}");
    }
    assert_eq!(store::ledger_note::latest(&store).await.unwrap(), Some(30));

    assert_eq!(store::ledger_horizon::latest(&store).await.unwrap(), None);
    for (closed_to, fits) in [(5, true), (9, true), (9, false), (7, true)] {
        let transaction = store.begin().await.unwrap();
        match store::ledger_horizon::append(&transaction, closed_to).await {
            Ok(()) => {
                assert!(fits);
                transaction.commit().await.unwrap();
            }
            Err(StoreError::Conflict { constraint }) => {
                assert!(!fits);
                assert_eq!(constraint, "ledger_horizon_pkey");
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(store::ledger_horizon::latest(&store).await.unwrap(), Some(9));
}
