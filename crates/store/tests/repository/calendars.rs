//! Calendars of funds and what became of their dealing days.

use store::{
    CalendarRow, DealingRow, DealingState, Store, StoreError, dealing_day, fund_calendar,
    ledger::append_event,
};

use crate::rows::{event, fund, strike};

fn calendar(fund: &str, seq: i64, text: Option<&str>) -> CalendarRow {
    CalendarRow {
        fund: fund.into(),
        seq,
        calendar: text.map(Into::into),
        digest: text.map(|_| "digest".into()),
        set_by: "operator".into(),
        set_at: seq,
    }
}

fn day(seq: i64, date: &str, state: DealingState, review: bool, strike: Option<i64>) -> DealingRow {
    let refused = !matches!(state, DealingState::Struck | DealingState::Reviewed);
    DealingRow {
        fund: "f".into(),
        seq,
        date: date.into(),
        cut_off: 1_000 + seq,
        state,
        review,
        strike_number: strike,
        code: refused.then(|| "outage".into()),
        reason: refused.then(|| "nobody struck".into()),
        recorded_at: 2_000 + seq,
    }
}

/// Proves that the last calendar of a fund is in force, that one that is taken away hides the fund, and that history stays.
pub(crate) async fn the_last_calendar_is_in_force(store: Store) {
    let transaction = store.begin().await.unwrap();
    for name in ["a", "b", "c", "d"] {
        store::fund::insert(&transaction, fund(name)).await.unwrap();
    }
    for row in [
        calendar("a", 1, Some("{}")),
        calendar("b", 1, Some("{}")),
        calendar("b", 2, None),
        calendar("c", 1, None),
        calendar("c", 2, Some("{2}")),
    ] {
        fund_calendar::insert(&transaction, row).await.unwrap();
    }
    transaction.commit().await.unwrap();
    let listed = async |after| {
        let rows = fund_calendar::list_current(&store, after, 9).await.unwrap();
        rows.into_iter().map(|row| (row.fund, row.seq)).collect::<Vec<_>>()
    };
    assert_eq!(listed(None).await, [("a".to_owned(), 1), ("c".to_owned(), 2)]);
    assert_eq!(listed(Some("a")).await, [("c".to_owned(), 2)]);
    let current = fund_calendar::current(&store, "b").await.unwrap();
    assert_eq!(current, Some(calendar("b", 2, None)));
    assert_eq!(fund_calendar::current(&store, "d").await.unwrap(), None);
    for (moment, seq) in [(0, None), (1, Some(1)), (2, Some(2)), (9, Some(2))] {
        let found = fund_calendar::current_by(&store, "b", moment).await.unwrap();
        assert_eq!(found.map(|row| row.seq), seq, "the calendar by {moment}");
    }
    let transaction = store.begin().await.unwrap();
    let again = fund_calendar::insert(&transaction, calendar("b", 2, Some("{}"))).await;
    assert!(matches!(again, Err(StoreError::Conflict { .. })), "{again:?}");
}

/// Proves that rows about dealing days are told by state, date and review, and that the database refuses a row that contradicts itself.
pub(crate) async fn dealing_days_are_settled_once(store: Store) {
    use DealingState::{Failed, Missed, ReviewFailed, Reviewed, Struck};
    let transaction = store.begin().await.unwrap();
    store::fund::insert(&transaction, fund("f")).await.unwrap();
    for seq in 1..=2 {
        append_event(&transaction, event(seq), Vec::new()).await.unwrap();
        store::strike::insert(&transaction, strike("f", seq, seq)).await.unwrap();
    }
    let rows = vec![
        day(1, "2026-01-05", Struck, true, Some(1)),
        day(2, "2026-01-05", ReviewFailed, true, Some(1)),
        day(3, "2026-01-05", Reviewed, true, Some(1)),
        day(4, "2026-01-07", Failed, false, None),
        day(5, "2026-01-07", Failed, false, None),
        day(6, "2026-01-06", Missed, true, Some(2)),
        day(7, "2026-01-07", Missed, false, Some(2)),
        day(8, "2026-01-08", Missed, true, None),
    ];
    dealing_day::insert_all(&transaction, rows.clone()).await.unwrap();
    transaction.commit().await.unwrap();
    let settled = async |review| dealing_day::last_settled(&store, "f", review).await.unwrap();
    assert_eq!(settled(false).await.as_ref(), rows.last());
    assert_eq!(settled(true).await.as_ref(), rows.get(5), "a review follows a strike");
    let last = async |state, date| {
        dealing_day::last_in_state(&store, "f", state, date).await.unwrap().map(|row| row.seq)
    };
    assert_eq!(last(Failed, Some("2026-01-07")).await, Some(5));
    assert_eq!(last(Failed, Some("2026-01-06")).await, None);
    assert_eq!(last(Reviewed, None).await, Some(3));
    assert_eq!(dealing_day::count_in_state(&store, "f", Failed, "2026-01-07").await.unwrap(), 2);
    assert_eq!(dealing_day::last_seq(&store, "f").await.unwrap(), Some(8));
    assert_eq!(dealing_day::last_seq(&store, "g").await.unwrap(), None);
    assert_eq!(dealing_day::list_by(&store, "f", i64::MAX, Some(6), 9).await.unwrap(), rows[6..]);
    for (moment, known, settled) in [(2_000, 0, None), (2_003, 3, Some(1)), (2_007, 7, Some(7))] {
        let found = dealing_day::list_by(&store, "f", moment, None, 9).await.unwrap();
        assert_eq!(found, rows[..known], "what was known by {moment}");
        let found = dealing_day::last_settled_by(&store, "f", moment).await.unwrap();
        assert_eq!(found.map(|row| row.seq), settled, "the last day settled by {moment}");
    }
    for bad in [
        day(9, "2026-01-09", Struck, false, None),
        DealingRow { code: Some("x".into()), ..day(9, "2026-01-09", Struck, false, Some(1)) },
        DealingRow { reason: None, ..day(9, "2026-01-09", Missed, false, None) },
        day(9, "2026-01-09", Missed, false, Some(3)),
        day(8, "2026-01-09", Missed, false, None),
    ] {
        let transaction = store.begin().await.unwrap();
        assert!(dealing_day::insert_all(&transaction, vec![bad.clone()]).await.is_err(), "{bad:?}");
    }
}
