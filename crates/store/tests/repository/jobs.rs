//! The work queue: leases, retries, expiry, races.

use std::collections::BTreeMap;

use store::evaluation_job::{
    LEASE_EXPIRED, count_by_state, fail, find, find_by_terms, finish, heartbeat, insert,
    lease_next, list_by_version,
};
use store::{JobRow, JobState, Store, StoreError};

use crate::rows::{job, publish};

async fn queue(store: &Store, jobs: Vec<JobRow>) {
    publish(store, 1).await;
    let transaction = store.begin().await.unwrap();
    for row in jobs {
        insert(&transaction, row).await.unwrap();
    }
    transaction.commit().await.unwrap();
}

async fn lease(store: &Store, holder: &str, now: i64, until: i64) -> Option<JobRow> {
    let transaction = store.begin().await.unwrap();
    let leased = lease_next(&transaction, holder, now, until).await.unwrap();
    transaction.commit().await.unwrap();
    leased
}

async fn jobs_in(store: &Store, state: JobState) -> i64 {
    let counts = count_by_state(store).await.unwrap();
    assert_eq!(counts.len(), JobState::ALL.len());
    counts.into_iter().find(|count| count.state == state).unwrap().jobs
}

/// Proves the ordinary life of a job: the oldest first, alive by heartbeat, done once.
pub(crate) async fn a_job_is_done_once(store: Store) {
    // An attempt before has failed: what it said goes when the job is done.
    let failed = (Some("void".to_owned()), Some("no".to_owned()));
    let old = JobRow { failure_code: failed.0, failure_message: failed.1, ..job("old", "m-1", 10) };
    queue(&store, vec![job("young", "m-1", 20), old]).await;
    let leased = lease(&store, "w1", 100, 200).await.unwrap();
    assert_eq!((leased.id.as_str(), leased.attempts, leased.lease_until), ("old", 1, Some(200)));
    assert_eq!(leased.failure_code.as_deref(), Some("void"));
    assert_eq!(find(&store, "old").await.unwrap(), Some(leased));
    let transaction = store.begin().await.unwrap();
    assert!(heartbeat(&transaction, "old", "w1", 300).await.unwrap());
    assert!(!heartbeat(&transaction, "old", "w2", 300).await.unwrap());
    assert!(!finish(&transaction, "old", "w2", "report", 250).await.unwrap());
    assert!(!finish(&transaction, "young", "w1", "report", 250).await.unwrap());
    assert!(finish(&transaction, "old", "w1", "report", 250).await.unwrap());
    assert!(!finish(&transaction, "old", "w1", "report", 260).await.unwrap());
    assert!(!heartbeat(&transaction, "old", "w1", 400).await.unwrap());
    transaction.commit().await.unwrap();
    let done = find(&store, "old").await.unwrap().unwrap();
    assert_eq!((done.state, done.report_digest.as_deref()), (JobState::Done, Some("report")));
    assert_eq!((done.lease_holder, done.lease_until, done.updated_at), (None, None, 250));
    assert_eq!((done.failure_code, done.failure_message), (None, None));
    assert_eq!(jobs_in(&store, JobState::Done).await, 1);
    assert_eq!(jobs_in(&store, JobState::Queued).await, 1);
    assert_eq!(jobs_in(&store, JobState::Failed).await, 0);
    assert_eq!(list_by_version(&store, "m-1", Some("old"), 9).await.unwrap()[0].id, "young");
    let young = job("young", "m-1", 20);
    let found = find_by_terms(&store, "m-1", "suite", "quick", &young.seed).await.unwrap();
    assert_eq!(found.as_ref(), Some(&young));
    let transaction = store.begin().await.unwrap();
    let twin = JobRow { id: "twin".into(), ..young };
    let result = insert(&transaction, twin).await;
    let Err(StoreError::Conflict { constraint }) = result else { panic!("{result:?}") };
    assert_eq!(constraint, "evaluation_job_version_id_suite_protocol_seed_key");
}

/// Proves that a failed attempt goes back to the queue while attempts are left, and then stays failed.
pub(crate) async fn a_failed_attempt_is_retried_until_the_last(store: Store) {
    queue(&store, vec![JobRow { attempts_max: 2, ..job("j", "m-1", 1) }]).await;
    for (attempt, expected) in [(1, JobState::Queued), (2, JobState::Failed)] {
        let leased = lease(&store, "w", 10 * attempt, 10 * attempt + 5).await.unwrap();
        assert_eq!(leased.attempts, attempt);
        let transaction = store.begin().await.unwrap();
        let lost = fail(&transaction, "j", "x", "void", "no", 11, true).await.unwrap();
        assert!(!lost);
        assert!(fail(&transaction, "j", "w", "void", "control", 12, true).await.unwrap());
        transaction.commit().await.unwrap();
        let row = find(&store, "j").await.unwrap().unwrap();
        assert_eq!((row.state, row.failure_code.as_deref()), (expected, Some("void")));
        assert_eq!(row.lease_holder, None);
    }
    assert!(lease(&store, "w", 1000, 2000).await.is_none());
    let transaction = store.begin().await.unwrap();
    let row = JobRow { seed: "other".into(), ..job("k", "m-1", 2) };
    insert(&transaction, row).await.unwrap();
    lease_next(&transaction, "w", 1, 2).await.unwrap().unwrap();
    assert!(fail(&transaction, "k", "w", "refused", "graph", 3, false).await.unwrap());
    transaction.commit().await.unwrap();
    assert_eq!(jobs_in(&store, JobState::Failed).await, 2);
}

/// Proves that an expired lease, and no other, is taken by the next worker and lost to the first.
pub(crate) async fn an_expired_lease_is_taken_over(store: Store) {
    queue(&store, vec![job("j", "m-1", 1)]).await;
    assert!(lease(&store, "w1", 10, 20).await.is_some());
    assert!(lease(&store, "w2", 20, 30).await.is_none());
    let taken = lease(&store, "w2", 21, 30).await.unwrap();
    assert_eq!((taken.attempts, taken.lease_holder.as_deref()), (2, Some("w2")));
    let transaction = store.begin().await.unwrap();
    assert!(!heartbeat(&transaction, "j", "w1", 99).await.unwrap());
    assert!(!finish(&transaction, "j", "w1", "late", 22).await.unwrap());
    assert!(finish(&transaction, "j", "w2", "report", 23).await.unwrap());
    transaction.commit().await.unwrap();
}

/// Proves that a job whose last attempt fell silent fails by itself and does not stop the queue.
pub(crate) async fn a_dead_job_fails_and_the_next_is_leased(store: Store) {
    let dead = JobRow { attempts_max: 1, ..job("dead", "m-1", 1) };
    queue(&store, vec![dead, job("next", "m-1", 2)]).await;
    assert_eq!(lease(&store, "w1", 10, 20).await.unwrap().id, "dead");
    assert_eq!(lease(&store, "w2", 50, 60).await.unwrap().id, "next");
    let row = find(&store, "dead").await.unwrap().unwrap();
    assert_eq!((row.state, row.failure_code.as_deref()), (JobState::Failed, Some(LEASE_EXPIRED)));
    assert_eq!(row.attempts, 1);
}

/// Proves that workers at the same time get different jobs, and all jobs together, each once.
pub(crate) async fn workers_never_share_a_job(store: Store) {
    const JOBS: usize = 24;
    queue(&store, (0..JOBS).map(|n| job(&format!("j{n:02}"), "m-1", 1)).collect()).await;
    let mut workers = Vec::new();
    for worker in 0..4 {
        let store = store.clone();
        workers.push(tokio::spawn(async move {
            let mut got = Vec::new();
            while let Some(job) = lease(&store, &format!("w{worker}"), 10, 1_000).await {
                got.push(job.id);
                tokio::task::yield_now().await;
            }
            got
        }));
    }
    let mut times: BTreeMap<String, u32> = BTreeMap::new();
    for worker in workers {
        for id in worker.await.unwrap() {
            *times.entry(id).or_default() += 1;
        }
    }
    // A worker that finds every row locked by others stops early, so the rest is leased here.
    while let Some(job) = lease(&store, "last", 10, 1_000).await {
        *times.entry(job.id).or_default() += 1;
    }
    assert_eq!(times.len(), JOBS);
    assert!(times.values().all(|count| *count == 1), "{times:?}");
    assert_eq!(jobs_in(&store, JobState::Leased).await, JOBS as i64);
}
