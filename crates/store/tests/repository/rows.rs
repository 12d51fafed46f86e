//! Example rows, and what is true of rows of every table.

use sea_orm::ConnectionTrait;
use store::{
    AuditRow, EventRow, FundRow, JobRow, JobState, ModelRow, ObjectKind, ObjectRow,
    PriceDecisionRow, ReplyRow, ReportRow, ShardRow, Store, StoreError, StrikeRow, VersionRow,
};

pub(crate) fn model(id: &str) -> ModelRow {
    ModelRow {
        id: id.into(),
        name: format!("name-of-{id}"),
        publisher: "alice".into(),
        created_at: 1,
    }
}

pub(crate) fn object(digest: &str, kind: ObjectKind) -> ObjectRow {
    ObjectRow { digest: digest.into(), kind, bytes: 10, uploaded_by: "alice".into(), created_at: 1 }
}

pub(crate) fn version(model_id: &str, ordinal: i64) -> VersionRow {
    VersionRow {
        id: format!("{model_id}-{ordinal}"),
        model_id: model_id.into(),
        ordinal,
        name: format!("step-{ordinal:04}"),
        digest: format!("digest-{model_id}-{ordinal}"),
        checkpoint_digest: "checkpoint".into(),
        graph_digest: "graph".into(),
        published_by: "alice".into(),
        published_at: 1,
    }
}

pub(crate) fn shard(checkpoint: &str, digest: &str) -> ShardRow {
    ShardRow {
        checkpoint_digest: checkpoint.into(),
        position: 0,
        file: "model-00001-of-00001.safetensors".into(),
        shard_digest: digest.into(),
        bytes: 10,
        first_tensor: 0,
    }
}

pub(crate) fn job(id: &str, version_id: &str, queued_at: i64) -> JobRow {
    JobRow {
        id: id.into(),
        version_id: version_id.into(),
        suite: "suite".into(),
        protocol: "quick".into(),
        seed: format!("{}-{id}", u64::MAX),
        confirms: None,
        state: JobState::Queued,
        attempts: 0,
        attempts_max: 3,
        lease_holder: None,
        lease_until: None,
        report_digest: None,
        failure_code: None,
        failure_message: None,
        queued_at,
        updated_at: queued_at,
    }
}

pub(crate) fn report(digest: &str, version_id: &str, recorded_at: i64) -> ReportRow {
    ReportRow {
        digest: digest.into(),
        version_id: version_id.into(),
        suite: "suite".into(),
        job_id: "job".into(),
        samples_digest: "samples".into(),
        evaluator: "evaluator".into(),
        items: 4000,
        correct: Some(2133),
        price_micro: None,
        body: "{}".into(),
        void: true,
        recorded_at,
    }
}

pub(crate) fn decision(seq: i64, report_digest: &str, status: &str) -> PriceDecisionRow {
    PriceDecisionRow {
        model_id: "m".into(),
        seq,
        version_id: "m-1".into(),
        report_digest: report_digest.into(),
        status: status.into(),
        price_micro: Some(1),
        est_micro: Some(2),
        previous_micro: None,
        sigma_ln: "0.012".into(),
        sigma_delta: None,
        band_ln: Some("0.005".into()),
        record: "{}".into(),
        decided_at: seq,
    }
}

pub(crate) fn event(seq: i64) -> EventRow {
    EventRow {
        seq,
        fund: None,
        op: "deposit".into(),
        body: "{}".into(),
        chain: "00".into(),
        idempotency_actor: "alice".into(),
        idempotency_key: format!("key-{seq}"),
        recorded_at: 1,
    }
}

pub(crate) fn fund(name: &str) -> FundRow {
    FundRow {
        name: name.into(),
        methodology: "{}".into(),
        methodology_digest: "digest".into(),
        created_by: "operator".into(),
        created_at: 1,
    }
}

pub(crate) fn strike(fund: &str, number: i64, event_seq: i64) -> StrikeRow {
    StrikeRow {
        fund: fund.into(),
        number,
        day: number,
        event_seq,
        nav_femto: "1".into(),
        ask_femto: "1".into(),
        shares_nano: 1,
        nav_per_share_nano: 1,
        level_nano: None,
        winding: false,
        record: "{}".into(),
        struck_at: 1,
    }
}

/// Writes model `m` with versions 1 to `versions`, and the objects they stand on.
pub(crate) async fn publish(store: &Store, versions: i64) {
    let transaction = store.begin().await.unwrap();
    store::registered_model::insert(&transaction, model("m")).await.unwrap();
    for (digest, kind) in [("checkpoint", ObjectKind::Checkpoint), ("graph", ObjectKind::Graph)] {
        assert!(store::stored_object::insert(&transaction, object(digest, kind)).await.unwrap());
    }
    for ordinal in 1..=versions {
        store::model_version::insert(&transaction, version("m", ordinal)).await.unwrap();
    }
    transaction.commit().await.unwrap();
}

/// Proves that the least and greatest 64-bit numbers and 40 digits of text come back as written.
pub(crate) async fn numbers_survive_at_their_limits(store: Store) {
    let digits = "-170141183460469231731687303715884105728".to_owned();
    assert_eq!(digits.len(), 40);
    let transaction = store.begin().await.unwrap();
    store::fund::insert(&transaction, fund("f")).await.unwrap();
    let mut expected = Vec::new();
    for (number, extreme) in [(1, i64::MIN), (2, i64::MAX)] {
        let mut event = event(number);
        event.recorded_at = extreme;
        event.body = "{\"text\":\"ä \u{1f600} ' \\\" \\n\"}".into();
        store::ledger::append_event(&transaction, event.clone(), Vec::new()).await.unwrap();
        assert_eq!(store::ledger::find_event(&transaction, number).await.unwrap(), Some(event));
        let row = StrikeRow {
            day: extreme,
            nav_femto: digits.clone(),
            ask_femto: format!("{:0>40}", 7),
            shares_nano: extreme,
            level_nano: Some(extreme),
            winding: number == 2,
            struck_at: extreme,
            ..strike("f", number, number)
        };
        store::strike::insert(&transaction, row.clone()).await.unwrap();
        expected.push(row);
    }
    transaction.commit().await.unwrap();
    assert_eq!(store::strike::list(&store, "f", None, 10).await.unwrap(), expected);
    assert_eq!(store::strike::latest(&store, "f").await.unwrap().as_ref(), expected.last());
    assert_eq!(store::strike::find(&store, "f", 1).await.unwrap().as_ref(), expected.first());
}

/// Proves that pages of any size give every row once, and names in the order of their bytes.
pub(crate) async fn pages_are_complete_and_ordered_by_bytes(store: Store) {
    let mut names: Vec<String> =
        ["Zeta", "alpha", "beta-2", "beta-10", "beta_1", "ärger", "a", "A", "émile", "z"]
            .map(str::to_owned)
            .to_vec();
    names.extend((0..37).map(|number| format!("model {number}")));
    let transaction = store.begin().await.unwrap();
    for name in &names {
        let row = ModelRow { name: name.clone(), ..model(name) };
        store::registered_model::insert(&transaction, row).await.unwrap();
    }
    transaction.commit().await.unwrap();
    names.sort();
    for limit in [1, 2, 7, 47, 48, u64::MAX] {
        let mut seen: Vec<String> = Vec::new();
        loop {
            let after = seen.last().cloned();
            let page =
                store::registered_model::list(&store, after.as_deref(), limit).await.unwrap();
            assert!(page.len() as u64 <= limit);
            if page.is_empty() {
                break;
            }
            seen.extend(page.into_iter().map(|row| row.name));
        }
        assert_eq!(seen, names);
    }
    assert!(store::registered_model::list(&store, None, 0).await.unwrap().is_empty());
}

/// Proves that a reply is found by actor and key alone, and that clock and audit log count without gaps.
pub(crate) async fn replies_clock_and_audit_are_told_again(store: Store) {
    let reply = ReplyRow {
        actor: "alice".into(),
        key: "k".into(),
        operation: "modelCreate".into(),
        request_digest: "digest".into(),
        reply: "{\"id\":\"m\"}".into(),
        recorded_at: 5,
    };
    let transaction = store.begin().await.unwrap();
    store::idempotent_reply::insert(&transaction, reply.clone()).await.unwrap();
    for at in 1..=3 {
        assert_eq!(store::manual_clock::append(&transaction, at * 1000).await.unwrap(), at);
        let row = AuditRow {
            seq: 99,
            actor: "alice".into(),
            token_id: (at > 1).then(|| "token".into()),
            operation: "modelCreate".into(),
            subject: "m".into(),
            at,
        };
        assert_eq!(store::audit_entry::append(&transaction, row).await.unwrap(), at);
    }
    transaction.commit().await.unwrap();
    assert_eq!(store::idempotent_reply::find(&store, "alice", "k").await.unwrap(), Some(reply));
    assert_eq!(store::idempotent_reply::find(&store, "bob", "k").await.unwrap(), None);
    let clock = store::manual_clock::latest(&store).await.unwrap().unwrap();
    assert_eq!((clock.seq, clock.now_ms), (3, 3000));
    let page =
        store::audit_entry::list(&store, &store::AuditFilter::default(), Some(1), 1).await.unwrap();
    assert_eq!((page[0].seq, page[0].token_id.as_deref()), (2, Some("token")));
}

/// Proves that a value no program of ours writes is reported with its table and column, not passed on.
pub(crate) async fn a_flag_that_is_no_flag_is_corrupt(store: Store) {
    publish(&store, 1).await;
    let transaction = store.begin().await.unwrap();
    store::evaluation_report::insert(&transaction, report("r", "m-1", 1)).await.unwrap();
    transaction.commit().await.unwrap();
    // Another table of the same name stands in for a damaged one, since the real one refuses the value.
    for statement in [
        "ALTER TABLE price_decision RENAME TO price_decision_kept",
        "ALTER TABLE evaluation_report RENAME TO evaluation_report_kept",
        "CREATE TABLE evaluation_report AS SELECT digest, version_id, suite, job_id, samples_digest, \
         evaluator, items, correct, price_micro, body, 2 * void AS void, recorded_at \
         FROM evaluation_report_kept",
    ] {
        store.connection().execute_unprepared(statement).await.unwrap();
    }
    let error = store::evaluation_report::find(&store, "r").await.unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt { what } if what == "evaluation_report.void"));
}
