//! Evaluation jobs: a queue whose rows change state under a lease.
//!
//! ```text
//! queued ──lease_next──▶ leased ──finish──▶ done
//!    ▲                    │  │
//!    └──fail, retry───────┘  └──fail, or lease expired too often──▶ failed
//! ```
//! A lease that expired is taken by the next worker; who held it learns so by `false` from
//! [`heartbeat`], [`finish`] or [`fail`], and must throw its result away.

use sea_orm::sea_query::{
    Condition, Expr, ExprTrait, IntoCondition, LockBehavior, LockType, Order, Query,
    UpdateStatement,
};
use sea_orm::{ConnectionTrait, sea_query::Value};

use crate::record::{self, equal, record, words};
use crate::{Connection, StoreError, StoreTransaction};

const TABLE: &str = "evaluation_job";

/// The failure code of a job whose last permitted attempt ended without a word.
pub const LEASE_EXPIRED: &str = "lease_expired";

/// The most dead jobs one call of [`lease_next`] buries before it answers; the next call goes on.
const BURIED_JOBS_MAX: usize = 64;

words! {
    /// State of a job.
    pub enum JobState {
        /// Waits for a worker.
        Queued = "queued",
        /// A worker has it until the lease ends.
        Leased = "leased",
        /// Ended with a report.
        Done = "done",
        /// Ended without one.
        Failed = "failed",
    }
}

record! {
    /// An evaluation job.
    pub struct JobRow in "evaluation_job" {
        /// Id.
        id: String,
        /// The version to measure.
        version_id: String,
        /// Id of the suite's row.
        suite: String,
        /// Name of the protocol, such as `quick`.
        protocol: String,
        /// Seed of the run, an unsigned number in decimal digits.
        seed: String,
        /// Digest of the report of a tripped run that this one is to confirm; null for an ordinary run.
        confirms: Option<String>,
        /// State.
        state: JobState,
        /// Leases given so far.
        attempts: i64,
        /// Leases that may be given.
        attempts_max: i64,
        /// The worker that has it; set exactly while leased.
        lease_holder: Option<String>,
        /// End of the lease, milliseconds since 1970; set exactly while leased.
        lease_until: Option<i64>,
        /// The report; set exactly when done.
        report_digest: Option<String>,
        /// Closed code of the last failure.
        failure_code: Option<String>,
        /// The last failure in words.
        failure_message: Option<String>,
        /// Milliseconds since 1970.
        queued_at: i64,
        /// Last change of state, milliseconds since 1970; a heartbeat is none.
        updated_at: i64,
    }
}

/// How many jobs are in a state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct JobCount {
    /// State.
    pub state: JobState,
    /// Jobs in it.
    pub jobs: i64,
}

/// Writes a job.
///
/// # Errors
/// [`StoreError::Conflict`] on `evaluation_job_pkey` or `evaluation_job_version_id_suite_protocol_seed_key`;
/// [`StoreError::MissingReference`] without the version.
pub async fn insert(transaction: &StoreTransaction, row: JobRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// Leases the oldest job that is queued, or whose lease ended before `now`; null when there is none.
///
/// A job whose lease ended at its last permitted attempt becomes failed with the code [`LEASE_EXPIRED`] instead.
/// Two workers never get one job: SQLite has one writer, PostgreSQL skips rows that another worker has locked.
///
/// # Errors
/// Those of the database.
pub async fn lease_next(
    transaction: &StoreTransaction,
    holder: &str,
    now: i64,
    lease_until: i64,
) -> Result<Option<JobRow>, StoreError> {
    lease_next_for(transaction, None, holder, now, lease_until).await
}

/// The same for a worker that has the key of an evaluator: jobs that are seated in a round go to the evaluator of the seat alone, and
/// only until it has committed to their report.
///
/// # Errors
/// Those of the database.
pub async fn lease_next_for(
    transaction: &StoreTransaction,
    evaluator: Option<&str>,
    holder: &str,
    now: i64,
    lease_until: i64,
) -> Result<Option<JobRow>, StoreError> {
    for _ in 0..BURIED_JOBS_MAX {
        let Some(mut job) = next(transaction, evaluator, now).await? else { return Ok(None) };
        let expired = job.state == JobState::Leased;
        if expired && job.attempts >= job.attempts_max {
            let message = format!("the lease ended {} times without an answer", job.attempts);
            let statement = to_failed(LEASE_EXPIRED, &message, now);
            record::update(transaction, of(statement, &job.id)).await?;
            continue;
        }
        job.state = JobState::Leased;
        job.attempts += 1;
        job.lease_holder = Some(holder.to_owned());
        job.lease_until = Some(lease_until);
        job.updated_at = now;
        let statement = Query::update()
            .table(TABLE)
            .value("state", JobState::Leased.as_str())
            .value("attempts", job.attempts)
            .value("lease_holder", holder)
            .value("lease_until", lease_until)
            .value("updated_at", now)
            .take();
        record::update(transaction, of(statement, &job.id)).await?;
        return Ok(Some(job));
    }
    Ok(None)
}

/// Prolongs a lease; `false` when the worker has lost it.
///
/// # Errors
/// Those of the database.
pub async fn heartbeat(
    transaction: &StoreTransaction,
    id: &str,
    holder: &str,
    lease_until: i64,
) -> Result<bool, StoreError> {
    let statement = Query::update().table(TABLE).value("lease_until", lease_until).take();
    Ok(record::update(transaction, held(statement, id, holder)).await? == 1)
}

/// Ends a job with its report; `false` when the worker has lost it.
///
/// # Errors
/// Those of the database.
pub async fn finish(
    transaction: &StoreTransaction,
    id: &str,
    holder: &str,
    report_digest: &str,
    now: i64,
) -> Result<bool, StoreError> {
    // An earlier attempt may have failed; the job has not.
    let statement = unleased(JobState::Done, now)
        .value("report_digest", report_digest)
        .value("failure_code", None::<String>)
        .value("failure_message", None::<String>)
        .take();
    Ok(record::update(transaction, held(statement, id, holder)).await? == 1)
}

/// Gives the lease of a job back without an outcome: its report is committed to and waits for the reveal; `false` if it had ended.
///
/// # Errors
/// Those of the database.
pub async fn release(
    transaction: &StoreTransaction,
    id: &str,
    now: i64,
) -> Result<bool, StoreError> {
    let statement = unleased(JobState::Queued, now);
    Ok(record::update(transaction, running(statement, id)).await? == 1)
}

/// Ends a seated job with the report that was revealed; `false` if it had ended.
///
/// # Errors
/// Those of the database.
pub async fn reveal(
    transaction: &StoreTransaction,
    id: &str,
    report_digest: &str,
    now: i64,
) -> Result<bool, StoreError> {
    let statement = unleased(JobState::Done, now)
        .value("report_digest", report_digest)
        .value("failure_code", None::<String>)
        .value("failure_message", None::<String>)
        .take();
    Ok(record::update(transaction, running(statement, id)).await? == 1)
}

/// Ends a seated job whose evaluator did not do its part, whoever has its lease; `false` if it had ended.
///
/// # Errors
/// Those of the database.
pub async fn abandon(
    transaction: &StoreTransaction,
    id: &str,
    code: &str,
    message: &str,
    now: i64,
) -> Result<bool, StoreError> {
    let statement = to_failed(code, message, now);
    Ok(record::update(transaction, running(statement, id)).await? == 1)
}

/// Ends an attempt without a report; `false` when the worker has lost the job.
///
/// With `retry` the job is queued again at its old place while attempts are left, otherwise it becomes failed.
/// Code and message stay readable either way.
///
/// # Errors
/// Those of the database.
pub async fn fail(
    transaction: &StoreTransaction,
    id: &str,
    holder: &str,
    code: &str,
    message: &str,
    now: i64,
    retry: bool,
) -> Result<bool, StoreError> {
    if retry {
        let statement = unleased(JobState::Queued, now)
            .value("failure_code", code)
            .value("failure_message", message)
            .and_where(Expr::col("attempts").lt(Expr::col("attempts_max")))
            .take();
        if record::update(transaction, held(statement, id, holder)).await? == 1 {
            return Ok(true);
        }
    }
    let statement = to_failed(code, message, now);
    Ok(record::update(transaction, held(statement, id, holder)).await? == 1)
}

/// The job of an id.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(connection: &C, id: &str) -> Result<Option<JobRow>, StoreError> {
    record::find(connection, equal("id", id)).await
}

/// The job that measures a version by a suite, a protocol and a seed.
///
/// # Errors
/// Those of the database.
pub async fn find_by_terms<C: Connection>(
    connection: &C,
    version_id: &str,
    suite: &str,
    protocol: &str,
    seed: &str,
) -> Result<Option<JobRow>, StoreError> {
    let condition = Condition::all()
        .add(equal("version_id", version_id))
        .add(equal("suite", suite))
        .add(equal("protocol", protocol))
        .add(equal("seed", seed));
    record::find(connection, condition).await
}

/// A page of a version's jobs by id.
///
/// # Errors
/// Those of the database.
pub async fn list_by_version<C: Connection>(
    connection: &C,
    version_id: &str,
    after_id: Option<&str>,
    limit: u64,
) -> Result<Vec<JobRow>, StoreError> {
    let condition = equal("version_id", version_id).into_condition();
    record::page(connection, condition, "id", after_id.map(Into::into), limit).await
}

/// How many jobs are in each state; all four states, in the order of [`JobState::ALL`].
///
/// # Errors
/// Those of the database.
pub async fn count_by_state<C: Connection>(connection: &C) -> Result<Vec<JobCount>, StoreError> {
    let statement = Query::select()
        .column("state")
        .expr_as(Expr::cust("COUNT(*)"), "jobs")
        .from(TABLE)
        .group_by_col("state")
        .take();
    let answer =
        connection.executor().query_all(&statement).await.map_err(StoreError::from_database)?;
    let mut counts: Vec<JobCount> =
        JobState::ALL.iter().map(|state| JobCount { state: *state, jobs: 0 }).collect();
    for row in &answer {
        let state: JobState = record::read_field(row, TABLE, "state")?;
        let jobs: i64 = record::read_field(row, TABLE, "jobs")?;
        if let Some(count) = counts.iter_mut().find(|count| count.state == state) {
            count.jobs = jobs;
        }
    }
    Ok(counts)
}

/// The oldest job that a worker may take, locked until the transaction ends.
async fn next(
    transaction: &StoreTransaction,
    evaluator: Option<&str>,
    now: i64,
) -> Result<Option<JobRow>, StoreError> {
    let expired = Condition::all()
        .add(equal("state", JobState::Leased.as_str()))
        .add(Expr::col("lease_until").lt(now));
    let statement = record::select::<JobRow>()
        .cond_where(Condition::any().add(equal("state", JobState::Queued.as_str())).add(expired))
        .cond_where(open_to(evaluator))
        .order_by("queued_at", Order::Asc)
        .order_by("id", Order::Asc)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .take();
    record::first(transaction, statement).await
}

/// Jobs of no round, and those of the evaluator's seats to whose report it has not committed.
fn open_to(evaluator: Option<&str>) -> Condition {
    let seat = || {
        Query::select()
            .expr(Expr::val(1))
            .from("round_seat")
            .and_where(Expr::col(("round_seat", "job_id")).equals((TABLE, "id")))
            .take()
    };
    let condition = Condition::any().add(Expr::not_exists(seat()));
    let Some(evaluator) = evaluator else { return condition };
    let committed = Query::select()
        .expr(Expr::val(1))
        .from("round_commitment")
        .and_where(Expr::col(("round_commitment", "round_id")).equals(("round_seat", "round_id")))
        .and_where(
            Expr::col(("round_commitment", "public_key")).equals(("round_seat", "public_key")),
        )
        .take();
    let own = seat()
        .and_where(Expr::col(("round_seat", "public_key")).eq(evaluator))
        .and_where(Expr::not_exists(committed))
        .take();
    condition.add(Expr::exists(own))
}

/// Takes the lease away and sets the state.
fn unleased(state: JobState, now: i64) -> UpdateStatement {
    Query::update()
        .table(TABLE)
        .value("state", state.as_str())
        .value("lease_holder", Value::String(None))
        .value("lease_until", Value::BigInt(None))
        .value("updated_at", now)
        .take()
}

fn to_failed(code: &str, message: &str, now: i64) -> UpdateStatement {
    unleased(JobState::Failed, now)
        .value("failure_code", code)
        .value("failure_message", message)
        .take()
}

fn of(mut statement: UpdateStatement, id: &str) -> UpdateStatement {
    statement.and_where(equal("id", id)).take()
}

fn running(statement: UpdateStatement, id: &str) -> UpdateStatement {
    of(statement, id)
        .and_where(Expr::col("state").is_in([JobState::Queued.as_str(), JobState::Leased.as_str()]))
        .take()
}

fn held(statement: UpdateStatement, id: &str, holder: &str) -> UpdateStatement {
    of(statement, id)
        .and_where(equal("state", JobState::Leased.as_str()))
        .and_where(equal("lease_holder", holder))
        .take()
}
