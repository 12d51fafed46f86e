//! Rules that are proposed to a fund, and what becomes of them.

use store::{
    EventRow, MethodologyEndRow, MethodologyRow, Store, StoreError, fund_methodology,
    ledger::{append_event, list_fund_events},
    methodology_end,
};

use crate::{
    log::{conflict, refuses_change},
    rows::{event, fund},
};

fn proposal(fund: &str, version: i64, digest: &str) -> MethodologyRow {
    MethodologyRow {
        fund: fund.into(),
        version,
        body: "{}".into(),
        digest: digest.into(),
        proposed_by: "operator".into(),
        proposed_at: version,
        effective_day: 10 + version,
        comparison: "{}".into(),
    }
}

fn end(version: i64, kind: &str, event_seq: Option<i64>) -> MethodologyEndRow {
    MethodologyEndRow {
        fund: "f".into(),
        version,
        kind: kind.into(),
        event_seq,
        strike_number: event_seq,
        recorded_by: "operator".into(),
        recorded_at: 7,
    }
}

/// Proves that proposals are found by version and digest and listed in order, that each ends once, adopted by an event or withdrawn without
/// one, that nothing of it changes, and that events are found by fund and operation.
pub(crate) async fn a_proposal_ends_once(store: Store) {
    let transaction = store.begin().await.unwrap();
    store::fund::insert(&transaction, fund("f")).await.unwrap();
    store::fund::insert(&transaction, fund("g")).await.unwrap();
    for (seq, of, op) in
        [(1, "f", "strike"), (2, "g", "strike"), (3, "f", "seed"), (4, "f", "mark_set")]
    {
        let row = EventRow { fund: Some(of.into()), op: op.into(), ..event(seq) };
        append_event(&transaction, row, Vec::new()).await.unwrap();
    }
    for (of, version, digest) in [("f", 2, "a"), ("f", 3, "b"), ("f", 4, "a"), ("g", 2, "a")] {
        fund_methodology::insert(&transaction, proposal(of, version, digest)).await.unwrap();
    }
    methodology_end::insert(&transaction, end(2, "adopted", Some(1))).await.unwrap();
    methodology_end::insert(&transaction, end(3, "withdrawn", None)).await.unwrap();
    transaction.commit().await.unwrap();
    let versions =
        |rows: Vec<MethodologyRow>| rows.iter().map(|row| row.version).collect::<Vec<_>>();
    assert_eq!(fund_methodology::find(&store, "f", 3).await.unwrap(), Some(proposal("f", 3, "b")));
    assert_eq!(fund_methodology::find(&store, "f", 5).await.unwrap(), None);
    let found = fund_methodology::find_by_digest(&store, "f", "a").await.unwrap();
    assert_eq!(found.map(|row| row.version), Some(4));
    let found = fund_methodology::latest(&store, "f").await.unwrap();
    assert_eq!(found.map(|row| row.version), Some(4));
    let page = fund_methodology::list(&store, "f", Some(2), 9).await.unwrap();
    assert_eq!(versions(page), [3, 4]);
    assert_eq!(methodology_end::find(&store, "f", 4).await.unwrap(), None, "it is open");
    let adopted = Some(end(2, "adopted", Some(1)));
    assert_eq!(methodology_end::latest_adopted(&store, "f").await.unwrap(), adopted);
    assert_eq!(methodology_end::latest_adopted(&store, "g").await.unwrap(), None);
    for (seq, version) in [(0, None), (1, Some(2)), (9, Some(2))] {
        let found = methodology_end::latest_adopted_by(&store, "f", seq).await.unwrap();
        assert_eq!(found.map(|row| row.version), version, "what was in force after event {seq}");
    }
    let all = methodology_end::list_adopted(&store, "f", None, 9).await.unwrap();
    assert_eq!(all.len(), 1);
    let ops = ["strike", "mark_set"];
    let events = list_fund_events(&store, "f", &ops, None, 9).await.unwrap();
    assert_eq!(events.iter().map(|row| row.seq).collect::<Vec<_>>(), [1, 4]);
    assert_eq!(list_fund_events(&store, "f", &ops, Some(1), 9).await.unwrap().len(), 1);
    for (row, constraint) in [
        (end(2, "withdrawn", None), "methodology_end_pkey"),
        (end(4, "adopted", Some(1)), "methodology_end_event_seq_key"),
    ] {
        let transaction = store.begin().await.unwrap();
        assert_eq!(conflict(methodology_end::insert(&transaction, row).await), constraint);
    }
    for row in [end(4, "adopted", None), end(4, "withdrawn", Some(4)), end(4, "lost", None)] {
        let transaction = store.begin().await.unwrap();
        assert!(methodology_end::insert(&transaction, row.clone()).await.is_err(), "{row:?}");
    }
    let transaction = store.begin().await.unwrap();
    let none = methodology_end::insert(&transaction, end(9, "withdrawn", None)).await;
    assert!(matches!(none, Err(StoreError::MissingReference { .. })), "{none:?}");
    drop(transaction);
    refuses_change(&store, "fund_methodology", "body").await;
    refuses_change(&store, "methodology_end", "kind").await;
}
