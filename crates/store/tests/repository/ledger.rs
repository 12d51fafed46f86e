//! Events, entries, strikes and fills.

use store::ledger::{append_event, find_event, latest_event, list_entries, list_events, max_seq};
use store::{BasketRow, EntryRow, EventRow, FillRow, LegRow, LineRow, Store, StoreError};

use crate::rows::{event, fund, model, strike};

fn entry(kind: &str, legs: i64, lines: i64) -> EntryRow {
    EntryRow {
        kind: kind.into(),
        fund: Some("f".into()),
        meta: "{}".into(),
        legs: (0..legs)
            .map(|amount| LegRow {
                asset: "CASH".into(),
                from_account: "alice".into(),
                to_account: format!("account-{amount}"),
                amount,
            })
            .collect(),
        lines: (0..lines)
            .map(|number| LineRow {
                fund: "f".into(),
                account: format!("account-{number}"),
                delta_femto: format!("-{number}000000000000000000000000000000000000"),
            })
            .collect(),
    }
}

/// Proves that an event comes back with its entries, legs and lines in their order.
pub(crate) async fn an_event_comes_back_as_written(store: Store) {
    let row = EventRow { fund: Some("f".into()), ..event(1) };
    let entries = vec![entry("a", 2, 2), entry("b", 0, 1), entry("c", 1, 0), entry("d", 0, 0)];
    assert_eq!(max_seq(&store).await.unwrap(), None);
    let transaction = store.begin().await.unwrap();
    transaction.lock_ledger().await.unwrap();
    append_event(&transaction, row.clone(), entries.clone()).await.unwrap();
    append_event(&transaction, event(2), Vec::new()).await.unwrap();
    assert_eq!(max_seq(&transaction).await.unwrap(), Some(2));
    transaction.commit().await.unwrap();
    assert_eq!(list_entries(&store, 1, None, 100).await.unwrap(), entries);
    assert_eq!(list_entries(&store, 1, Some(0), 2).await.unwrap(), entries[1..3]);
    assert!(list_entries(&store, 2, None, 100).await.unwrap().is_empty());
    assert_eq!(find_event(&store, 1).await.unwrap().as_ref(), Some(&row));
    assert_eq!(latest_event(&store).await.unwrap(), Some(event(2)));
    assert_eq!(list_events(&store, None, 9).await.unwrap(), [row, event(2)]);
    assert_eq!(list_events(&store, Some(1), 9).await.unwrap(), [event(2)]);
    let transaction = store.begin().await.unwrap();
    let result = append_event(&transaction, event(2), Vec::new()).await;
    let Err(StoreError::Conflict { constraint }) = result else { panic!("{result:?}") };
    assert_eq!(constraint, "ledger_event_pkey");
}

/// Proves that an event with more values than a statement binds, and more legs than a page holds, survives whole.
pub(crate) async fn a_large_event_is_chunked_and_paged(store: Store) {
    let entries = vec![entry("large", 12_001, 3), entry("small", 1, 1)];
    let transaction = store.begin().await.unwrap();
    append_event(&transaction, event(1), entries.clone()).await.unwrap();
    transaction.commit().await.unwrap();
    assert!(list_entries(&store, 1, None, 100).await.unwrap() == entries);
}

/// Proves that a transaction that is dropped, rolled back or failed leaves no row.
pub(crate) async fn a_dropped_transaction_leaves_nothing(store: Store) {
    let transaction = store.begin().await.unwrap();
    append_event(&transaction, event(1), vec![entry("a", 2, 2)]).await.unwrap();
    drop(transaction);
    let transaction = store.begin().await.unwrap();
    append_event(&transaction, event(1), vec![entry("a", 2, 2)]).await.unwrap();
    transaction.rollback().await.unwrap();
    let transaction = store.begin().await.unwrap();
    append_event(&transaction, event(1), vec![entry("a", 2, 2)]).await.unwrap();
    append_event(&transaction, event(1), Vec::new()).await.unwrap_err();
    drop(transaction);
    assert_eq!(max_seq(&store).await.unwrap(), None);
    assert!(list_entries(&store, 1, None, 9).await.unwrap().is_empty());
    let transaction = store.begin().await.unwrap();
    store::registered_model::insert(&transaction, model("m")).await.unwrap();
    assert!(store::registered_model::find_by_id(&store, "m").await.unwrap().is_none());
    transaction.commit().await.unwrap();
    assert!(store::registered_model::find_by_id(&store, "m").await.unwrap().is_some());
}

/// Proves that writers who lock the ledger before counting never count the same place.
pub(crate) async fn writers_of_the_ledger_take_turns(store: Store) {
    let mut writers = Vec::new();
    for _ in 0..4 {
        let store = store.clone();
        writers.push(tokio::spawn(async move {
            for _ in 0..5 {
                let transaction = store.begin().await.unwrap();
                transaction.lock_ledger().await.unwrap();
                let seq = max_seq(&transaction).await.unwrap().unwrap_or(0) + 1;
                append_event(&transaction, event(seq), Vec::new()).await.unwrap();
                transaction.commit().await.unwrap();
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let events = list_events(&store, None, 100).await.unwrap();
    assert_eq!(events.iter().map(|row| row.seq).collect::<Vec<_>>(), (1..=20).collect::<Vec<_>>());
}

/// Proves that strikes, baskets and fills are listed in pages without gaps, and that an order is filled once.
pub(crate) async fn strikes_baskets_and_fills_are_paged(store: Store) {
    let fill = |order: i64| FillRow {
        fund: "f".into(),
        strike_number: 1 + order % 2,
        order_event_seq: order,
        owner: if order < 4 { "alice" } else { "bob" }.into(),
        amount_micro: 5,
        shares_nano: 4,
        cost_micro: 3,
        levy_micro: 2,
    };
    let basket = |seq: i64| BasketRow {
        fund: "f".into(),
        seq,
        strike_number: seq,
        day: seq,
        record: "{}".into(),
        level_nano: 1_000_000_000_000,
        recorded_at: seq,
    };
    let transaction = store.begin().await.unwrap();
    store::fund::insert(&transaction, fund("f")).await.unwrap();
    store::fund::insert(&transaction, fund("g")).await.unwrap();
    for number in 1..=6 {
        append_event(&transaction, event(number), Vec::new()).await.unwrap();
        store::strike::insert(&transaction, strike("f", number, number)).await.unwrap();
        store::index_basket::insert(&transaction, basket(number)).await.unwrap();
    }
    store::order_fill::insert_all(&transaction, (1..=5).map(fill).collect()).await.unwrap();
    store::order_fill::insert(&transaction, fill(6)).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(store::fund::find(&store, "g").await.unwrap(), Some(fund("g")));
    assert_eq!(store::fund::list(&store, Some("f"), 9).await.unwrap(), [fund("g")]);
    let strikes = store::strike::list(&store, "f", Some(2), 2).await.unwrap();
    assert_eq!(strikes, [strike("f", 3, 3), strike("f", 4, 4)]);
    assert!(store::strike::latest(&store, "g").await.unwrap().is_none());
    assert_eq!(store::index_basket::latest(&store, "f").await.unwrap(), Some(basket(6)));
    assert_eq!(store::index_basket::list(&store, "f", Some(5), 9).await.unwrap(), [basket(6)]);
    let fills = store::order_fill::list_by_strike(&store, "f", 2, Some(1), 9).await.unwrap();
    assert_eq!(fills, [fill(3), fill(5)]);
    let fills = store::order_fill::list_by_owner(&store, "alice", None, 2).await.unwrap();
    assert_eq!(fills, [fill(1), fill(2)]);
    assert_eq!(store::order_fill::find(&store, 6).await.unwrap(), Some(fill(6)));
    let transaction = store.begin().await.unwrap();
    let result = store::order_fill::insert(&transaction, fill(6)).await;
    let Err(StoreError::Conflict { constraint }) = result else { panic!("{result:?}") };
    assert_eq!(constraint, "order_fill_pkey");
}
