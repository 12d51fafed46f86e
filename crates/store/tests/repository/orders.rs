//! Orders that wait, slices, and which versions are alike.

use sea_orm::ConnectionTrait;
use store::{
    LikenessReviewRow, LikenessRow, MaintainerRow, ModelRow, Moment, MomentRow, ObjectKind,
    OrderRow, OrderSide, PriceCommitmentRow, PrintRow, SliceRow, Store, StoreError, SuiteRow,
    WindowEnd, WindowEndRow, WindowFillRow, dealing_window_end, fund_order,
    ledger::{append_event, list_operations},
    likeness_review, model_maintainer, order_slice, price_commitment, version_likeness,
    version_moment, version_print, window_fill,
};

use crate::rows::{event, fund, model, object, version};

/// Proves that orders wait by fund and side in the order of placing, are closed one by one or all at once and never twice, and that an
/// order gets one slice.
pub(crate) async fn orders_wait_until_they_are_closed(store: Store) {
    let order = |event_seq: i64, side: OrderSide| OrderRow {
        event_seq,
        fund: "f".into(),
        side,
        owner: if event_seq % 2 == 0 { "ann" } else { "bob" }.into(),
        closed_by: None,
    };
    let transaction = store.begin().await.unwrap();
    store::fund::insert(&transaction, fund("f")).await.unwrap();
    for seq in 1..=9 {
        append_event(&transaction, event(seq), Vec::new()).await.unwrap();
    }
    for seq in 1..=4 {
        fund_order::insert(&transaction, order(seq, OrderSide::Subscription)).await.unwrap();
    }
    fund_order::insert(&transaction, order(5, OrderSide::Redemption)).await.unwrap();
    transaction.commit().await.unwrap();
    let waiting = async |side, after| {
        let rows = fund_order::list_waiting(&store, "f", side, after, 2).await.unwrap();
        rows.into_iter().map(|row| row.event_seq).collect::<Vec<_>>()
    };
    assert_eq!(waiting(OrderSide::Subscription, None).await, [1, 2]);
    assert_eq!(waiting(OrderSide::Subscription, Some(2)).await, [3, 4]);
    assert_eq!(waiting(OrderSide::Redemption, None).await, [5]);
    let side = OrderSide::Subscription;
    assert_eq!(fund_order::count_waiting(&store, "f", side, "ann").await.unwrap(), 2);
    assert_eq!(fund_order::count_before(&store, "f", side, 4).await.unwrap(), 3);
    let transaction = store.begin().await.unwrap();
    assert!(fund_order::close(&transaction, 2, 6).await.unwrap());
    assert!(!fund_order::close(&transaction, 2, 7).await.unwrap(), "closed twice");
    let closed = fund_order::close_all(&transaction, "f", OrderSide::Subscription, 8).await;
    assert_eq!(closed.unwrap(), 3);
    transaction.commit().await.unwrap();
    assert!(waiting(OrderSide::Subscription, None).await.is_empty());
    assert_eq!(waiting(OrderSide::Redemption, None).await, [5], "the other side waits on");
    let by = |row: OrderRow| (row.event_seq, row.closed_by);
    let found = fund_order::find(&store, 2).await.unwrap().map(by);
    assert_eq!(found, Some((2, Some(6))), "the first word stays");
    let waited = async |event, after| {
        let of = ("f", OrderSide::Subscription);
        let rows = fund_order::list_waiting_at(&store, of, event, after, 9).await.unwrap();
        rows.into_iter().map(|row| row.event_seq).collect::<Vec<_>>()
    };
    assert_eq!(waited(3, None).await, [1, 2, 3], "the fourth was not placed yet");
    assert_eq!(waited(6, None).await, [1, 3, 4], "the second was closed by then");
    assert_eq!(waited(6, Some(1)).await, [3, 4]);
    assert!(waited(8, None).await.is_empty());
    let own = fund_order::list_by_owner(&store, "bob", Some(5), 9).await.unwrap();
    assert_eq!(own.into_iter().map(by).collect::<Vec<_>>(), [(3, Some(8)), (1, Some(8))]);

    let slice = SliceRow {
        fund: "f".into(),
        strike_number: 1,
        order_event_seq: 5,
        owner: "bob".into(),
        shares_nano: 7,
        cash_micro: 8,
        units: "{}".into(),
    };
    let transaction = store.begin().await.unwrap();
    order_slice::insert_all(&transaction, vec![slice.clone()]).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(order_slice::find(&store, 5).await.unwrap(), Some(slice.clone()));
    let transaction = store.begin().await.unwrap();
    let again = order_slice::insert_all(&transaction, vec![slice]).await;
    let Err(StoreError::Conflict { constraint }) = again else { panic!("{again:?}") };
    assert_eq!(constraint, "order_slice_pkey");
    drop(transaction);
    window_orders(&store, order(9, OrderSide::Window)).await;
}

/// An order at the window waits beside the other sides and gets one fill, which is found by its strike.
async fn window_orders(store: &Store, order: OrderRow) {
    let transaction = store.begin().await.unwrap();
    fund_order::insert(&transaction, order).await.unwrap();
    let fill = WindowFillRow {
        fund: "f".into(),
        strike_number: 1,
        order_event_seq: 9,
        owner: "bob".into(),
        requested_nano: 9,
        shares_nano: 7,
        levy_nano: 1,
        cash_micro: 8,
    };
    window_fill::insert_all(&transaction, vec![fill.clone()]).await.unwrap();
    transaction.commit().await.unwrap();
    let side = OrderSide::Window;
    assert_eq!(fund_order::count_waiting(store, "f", side, "bob").await.unwrap(), 1);
    assert_eq!(window_fill::find(store, 9).await.unwrap(), Some(fill.clone()));
    assert_eq!(window_fill::list(store, ("f", 1), None, 9).await.unwrap(), vec![fill.clone()]);
    assert!(window_fill::list(store, ("f", 2), None, 9).await.unwrap().is_empty());
    let transaction = store.begin().await.unwrap();
    let Err(StoreError::Conflict { constraint }) =
        window_fill::insert_all(&transaction, vec![fill]).await
    else {
        panic!("settled twice");
    };
    assert_eq!(constraint, "window_fill_pkey");
}

/// Proves that a version's window is open in each fund from its publishing until an end in that fund or a yank in all, that ends and
/// moments stand once, and that roles and operations are read in pages.
pub(crate) async fn windows_open_and_end(store: Store) {
    let transaction = store.begin().await.unwrap();
    for digest in [("checkpoint", ObjectKind::Checkpoint), ("graph", ObjectKind::Graph)] {
        store::stored_object::insert(&transaction, object(digest.0, digest.1)).await.unwrap();
    }
    store::registered_model::insert(&transaction, model("m")).await.unwrap();
    for ordinal in 1..=3 {
        store::model_version::insert(&transaction, version("m", ordinal)).await.unwrap();
    }
    for name in ["f", "g"] {
        store::fund::insert(&transaction, fund(name)).await.unwrap();
    }
    append_event(&transaction, event(1), Vec::new()).await.unwrap();
    let moment = |ordinal: i64, what| MomentRow {
        version_id: format!("m-{ordinal}"),
        what,
        model_id: "m".into(),
        after_event: ordinal - 1,
    };
    for ordinal in 1..=3 {
        let row = moment(ordinal, Moment::Published);
        version_moment::insert(&transaction, row).await.unwrap();
    }
    version_moment::insert(&transaction, moment(2, Moment::Yanked)).await.unwrap();
    let end = WindowEndRow {
        fund: "f".into(),
        version_id: "m-1".into(),
        event_seq: 1,
        reason: WindowEnd::Marked,
    };
    dealing_window_end::insert_all(&transaction, vec![end.clone()]).await.unwrap();
    for seq in 1..=2 {
        let role = MaintainerRow {
            model_id: "m".into(),
            login: "bob".into(),
            seq,
            granted: seq == 1,
            set_by: "alice".into(),
            set_at: seq,
        };
        model_maintainer::insert(&transaction, role).await.unwrap();
    }
    transaction.commit().await.unwrap();
    let open = async |fund: &str, after| {
        let rows = version_moment::list_open(&store, "m", fund, after, 9).await.unwrap();
        rows.into_iter().map(|row| row.version_id).collect::<Vec<_>>()
    };
    assert_eq!(open("f", None).await, ["m-3"]);
    assert_eq!(open("g", None).await, ["m-1", "m-3"]);
    assert_eq!(open("g", Some("m-1")).await, ["m-3"]);
    let published = version_moment::list_published(&store, "m", Some("m-1"), 9).await.unwrap();
    assert_eq!(published, [moment(2, Moment::Published), moment(3, Moment::Published)]);
    let yanked = version_moment::find(&store, "m-2", Moment::Yanked).await.unwrap();
    assert_eq!(yanked, Some(moment(2, Moment::Yanked)));
    assert_eq!(dealing_window_end::find(&store, "f", "m-1").await.unwrap(), Some(end.clone()));
    assert_eq!(dealing_window_end::find(&store, "g", "m-1").await.unwrap(), None);
    let history = model_maintainer::history(&store, "m", None, 1).await.unwrap();
    assert_eq!((history.len(), history[0].granted), (1, true));
    let history = model_maintainer::history(&store, "m", Some(("bob", 1)), 9).await.unwrap();
    assert_eq!((history.len(), history[0].granted), (1, false));
    assert!(list_operations(&store, "none", "admit", None, 9).await.unwrap().is_empty());
    let transaction = store.begin().await.unwrap();
    let again = dealing_window_end::insert_all(&transaction, vec![end]).await;
    let Err(StoreError::Conflict { constraint }) = again else { panic!("{again:?}") };
    assert_eq!(constraint, "dealing_window_end_pkey");
}

/// The print of a model's one version.
fn print(model: &str, seq: i64) -> PrintRow {
    PrintRow {
        version_id: format!("{model}-1"),
        suite: "suite".into(),
        seq,
        model_id: model.into(),
        weights: "{}".into(),
        answers_sketch: Some("00".into()),
        answers_classes: Some(2),
        recorded_at: seq,
    }
}

/// Versions of three models, each with its print.
async fn measured(store: &Store) {
    let transaction = store.begin().await.unwrap();
    for (digest, kind) in [("checkpoint", ObjectKind::Checkpoint), ("graph", ObjectKind::Graph)] {
        store::stored_object::insert(&transaction, object(digest, kind)).await.unwrap();
    }
    for id in ["m", "n", "o"] {
        let row: ModelRow = model(id);
        store::registered_model::insert(&transaction, row).await.unwrap();
        store::model_version::insert(&transaction, version(id, 1)).await.unwrap();
    }
    let suite = SuiteRow {
        id: "suite".into(),
        suite_id: "suite".into(),
        version: 1,
        epoch: 1,
        digest: "digest".into(),
        manifest: "id = \"suite\"".into(),
        cases_digest: "cases".into(),
        reference_checkpoint_digest: None,
        reference_graph_digest: None,
        registered_by: "operator".into(),
        registered_at: 1,
    };
    store::suite::insert(&transaction, suite).await.unwrap();
    for (seq, id) in (1..).zip(["m", "n", "o"]) {
        version_print::insert(&transaction, print(id, seq), Some("3f80".into())).await.unwrap();
    }
    transaction.commit().await.unwrap();
}

/// Proves that prints are listed without those of the model itself, that a pair is kept once, and that the last review counts.
pub(crate) async fn likenesses_are_kept_once(store: Store) {
    measured(&store).await;
    assert_eq!(version_print::max_seq(&store).await.unwrap(), 3);
    let others = version_print::list_others(&store, "n", 0, 9).await.unwrap();
    assert_eq!(others, [print("m", 1), print("o", 3)]);
    assert_eq!(version_print::find(&store, "o-1", "suite").await.unwrap(), Some(print("o", 3)));
    let answers = version_print::find_answers(&store, "m-1", "suite").await.unwrap();
    assert_eq!(answers.unwrap().body, "3f80");
    let like = |prior: &str, flagged: bool| LikenessRow {
        version_id: "o-1".into(),
        prior_version_id: prior.into(),
        sketches: Some("0.99".into()),
        logits: None,
        residual: None,
        flagged,
        recorded_at: 5,
    };
    let transaction = store.begin().await.unwrap();
    for (row, is_new) in
        [(like("m-1", true), true), (like("n-1", false), true), (like("m-1", false), false)]
    {
        let written = version_likeness::insert_if_absent(&transaction, row).await.unwrap();
        assert_eq!(written, is_new);
    }
    for (seq, cleared) in [(1, false), (2, true)] {
        let review = LikenessReviewRow {
            version_id: "o-1".into(),
            seq,
            cleared,
            findings: 1,
            reason: "x".into(),
            reviewed_by: "ann".into(),
            reviewed_at: seq,
        };
        likeness_review::insert(&transaction, review).await.unwrap();
    }
    transaction.commit().await.unwrap();
    let rows = version_likeness::list(&store, "o-1", None, 9).await.unwrap();
    assert_eq!(rows, [like("m-1", true), like("n-1", false)]);
    let flagged = version_likeness::latest_flagged(&store, "o-1").await.unwrap();
    assert_eq!(flagged, Some(like("m-1", true)));
    assert!(version_likeness::latest_flagged(&store, "m-1").await.unwrap().is_none());
    assert_eq!(version_likeness::count_flagged(&store, "o-1").await.unwrap(), 1);
    let review = likeness_review::current(&store, "o-1").await.unwrap().unwrap();
    assert!(review.cleared);
}

/// Proves that one commitment of a fund is open, that its cut-off and its end are written down once, that what it binds never changes, and
/// that orders are closed up to a place.
pub(crate) async fn commitments_are_used_up_once(store: Store) {
    let row = |event_seq: i64, number: i64| PriceCommitmentRow {
        event_seq,
        fund: "f".into(),
        number,
        digest: format!("sha256:{event_seq}"),
        sealed: "{}".into(),
        committed_at: 5,
        closed_by: None,
        book_root: None,
        book_count: None,
        closed_at: None,
        used_by: None,
        revealed_at: None,
    };
    let transaction = store.begin().await.unwrap();
    store::fund::insert(&transaction, fund("f")).await.unwrap();
    for seq in 1..=9 {
        append_event(&transaction, event(seq), Vec::new()).await.unwrap();
    }
    let side = OrderSide::Subscription;
    for event_seq in 1..=3 {
        let (owner, closed_by) = ("ann".into(), None);
        let order = OrderRow { event_seq, fund: "f".into(), side, owner, closed_by };
        fund_order::insert(&transaction, order).await.unwrap();
    }
    price_commitment::insert(&transaction, row(4, 2)).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(price_commitment::find_open(&store, "g").await.unwrap(), None);
    assert_eq!(price_commitment::find_open(&store, "f").await.unwrap(), Some(row(4, 2)));
    let transaction = store.begin().await.unwrap();
    assert_eq!(fund_order::close_up_to(&transaction, "f", side, (2, 6)).await.unwrap(), 2);
    let left = fund_order::list_waiting(&transaction, "f", side, None, 9).await.unwrap();
    assert_eq!(left.iter().map(|order| order.event_seq).collect::<Vec<_>>(), [3]);
    let close =
        async || price_commitment::close(&transaction, 4, (5, 6), ("root", 1)).await.unwrap();
    assert_eq!((close().await, close().await), (true, false));
    let end = async || price_commitment::use_up(&transaction, 4, 7, Some(8)).await.unwrap();
    assert_eq!((end().await, end().await), (true, false));
    price_commitment::insert(&transaction, row(8, 3)).await.unwrap();
    transaction.commit().await.unwrap();
    for (span, closed_by) in [((4, 6), Some(5)), ((4, 5), None), ((5, 9), None)] {
        let found = price_commitment::find_closed_between(&store, "f", span).await.unwrap();
        assert_eq!(found.and_then(|row| row.closed_by), closed_by, "{span:?}");
    }
    let used = price_commitment::find_used_by(&store, 7).await.unwrap().unwrap();
    assert_eq!((used.closed_by, used.book_count, used.revealed_at), (Some(5), Some(1), Some(8)));
    assert_eq!(price_commitment::find_open(&store, "f").await.unwrap(), Some(row(8, 3)));
    for (seq, made) in
        [(3, None), (4, Some(4)), (6, Some(4)), (7, None), (8, Some(8)), (9, Some(8))]
    {
        let found = price_commitment::find_open_by(&store, "f", seq).await.unwrap();
        assert_eq!(found.map(|row| row.event_seq), made, "what was open after event {seq}");
    }
    let change = "UPDATE price_commitment SET sealed = sealed";
    let error = store.connection().execute_unprepared(change).await.unwrap_err();
    assert!(error.to_string().contains("insert-only"), "{error}");
}
