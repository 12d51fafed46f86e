//! Evaluation jobs: rows with a lease, so that any worker may take them and any worker may die.

use domain::{digest::Digest, name::Name, time::Timestamp};
use serde::{Deserialize, Serialize};
use store::{JobRow, evaluation_job, round_commitment, round_seat, round_verdict, version_yank};

use crate::roles::Right;
use crate::rotation::SuiteStage;
use crate::{
    Service, ServiceError,
    command::{Begun, Request},
    token::{Caller, Scope},
};

pub use store::JobState;

/// Times that a worker may take a job: far more than runs that may be void, because a worker that is killed or deployed anew
/// says nothing against the job.
const ATTEMPTS_MAX: i64 = 20;
/// Runs of a job that may be void: the first, and two more (DESIGN 4, Evaluation).
pub(crate) const RUNS_MAX: i64 = 3;

/// A request to evaluate a version.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RequestEvaluation {
    /// The model.
    pub model: Name,
    /// Its version.
    pub version: Name,
    /// The suite's id.
    pub suite: String,
    /// The protocol.
    pub protocol: String,
    /// Seed of every random order.
    pub seed: u64,
}

/// A job as it stands.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// The version's row id.
    pub version_id: String,
    /// The suite's id.
    pub suite: String,
    /// The protocol.
    pub protocol: String,
    /// Seed of every random order.
    pub seed: u64,
    /// The tripped report that this run is to confirm, if any.
    pub confirms: Option<Digest>,
    /// Where it stands.
    pub state: JobState,
    /// The round in which it is one evaluator's seat, if any.
    pub round: Option<String>,
    /// Whether its evaluator has committed to the report and it waits for the reveal.
    pub is_committed: bool,
    /// Times that it was taken.
    pub attempts: i64,
    /// The report, when done.
    pub report: Option<Digest>,
    /// Closed code, when failed.
    pub failure_code: Option<String>,
    /// Sentence, when failed.
    pub failure_message: Option<String>,
    /// When it was queued.
    pub queued_at: Timestamp,
}

impl Job {
    pub(crate) fn read(row: JobRow) -> Result<Self, ServiceError> {
        let digest = |text: Option<String>| {
            text.map(|t| t.parse::<Digest>()).transpose().map_err(ServiceError::internal)
        };
        Ok(Self {
            id: row.id,
            version_id: row.version_id,
            suite: row.suite,
            protocol: row.protocol,
            seed: row.seed.parse().map_err(ServiceError::internal)?,
            confirms: digest(row.confirms)?,
            state: row.state,
            round: None,
            is_committed: false,
            attempts: row.attempts,
            report: digest(row.report_digest)?,
            failure_code: row.failure_code,
            failure_message: row.failure_message,
            queued_at: Timestamp::from_millis(row.queued_at),
        })
    }
}

/// A job that waits, as a row.
pub(crate) fn queued_row(
    id: String,
    version_id: &str,
    suite: &str,
    protocol: &str,
    seed: u64,
    now: i64,
) -> JobRow {
    JobRow {
        id,
        version_id: version_id.to_owned(),
        suite: suite.to_owned(),
        protocol: protocol.to_owned(),
        seed: seed.to_string(),
        confirms: None,
        state: JobState::Queued,
        attempts: 0,
        attempts_max: ATTEMPTS_MAX,
        lease_holder: None,
        lease_until: None,
        report_digest: None,
        failure_code: None,
        failure_message: None,
        queued_at: now,
        updated_at: now,
    }
}

/// Refuses a protocol that nobody knows.
pub(crate) fn check_protocol(protocol: &str) -> Result<(), ServiceError> {
    let known = evaluator::protocols::NAMES;
    if known.contains(&protocol) {
        return Ok(());
    }
    let reason = format!("{protocol:?} is unknown; expected {}", known.join(" or "));
    Err(ServiceError::invalid("protocol", reason))
}

impl Service {
    /// Queues an evaluation; the same version, suite, protocol and seed are one job, whoever asks.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] for an unknown protocol, [`ServiceError::Yanked`], [`ServiceError::NotOwner`],
    /// [`ServiceError::Absent`].
    pub async fn request_evaluation(
        &self,
        caller: &Caller,
        key: &str,
        input: &RequestEvaluation,
    ) -> Result<Job, ServiceError> {
        let model = self.get_readable_model(&caller.into(), &input.model).await?;
        if caller.may_measure() {
            caller.check_bound(&model.name)?;
        } else {
            self.check_right(caller, &model, Right::Maintain).await?;
        }
        check_protocol(&input.protocol)?;
        let version = self.find_version(&model, &input.version).await?;
        let version = version.ok_or_else(|| {
            ServiceError::absent("version", format!("{}/{}", model.name, input.version))
        })?;
        let suite = self.get_suite(&input.suite).await?;
        let cases = self.header_of(suite.files.cases).await?;
        let graph = self.objects.read(version.graph).await.map_err(ServiceError::Damaged)?;
        evaluator::check_graph(&suite.suite, &cases, &graph)
            .map_err(|e| ServiceError::invalid("suite", e))?;
        self.check_suite_open(caller, &input.suite).await?;
        let version_name = format!("{}/{}", model.name, input.version);
        let scope = [Scope::Publish, Scope::Evaluate, Scope::Operate];
        let request =
            Request { caller, scope: &scope, key, operation: "evaluation_request", input };
        let unit = match self.begin::<_, String>(&request).await? {
            Begun::Replayed(id) => return self.get_job(&id).await,
            Begun::Fresh(unit) => unit.about(&model),
        };
        let transaction = &unit.transaction;
        if version_yank::find(transaction, &version.id).await?.is_some() {
            return Err(ServiceError::Yanked(version_name));
        }
        let seed = input.seed.to_string();
        let row = match evaluation_job::find_by_terms(
            transaction,
            &version.id,
            &input.suite,
            &input.protocol,
            &seed,
        )
        .await?
        {
            Some(row) => row,
            None => {
                let row = queued_row(
                    unit.id("job"),
                    &version.id,
                    &input.suite,
                    &input.protocol,
                    input.seed,
                    unit.now(),
                );
                evaluation_job::insert(transaction, row.clone()).await?;
                row
            }
        };
        unit.finish(&version_name, row.id.clone()).await?;
        Job::read(row)
    }

    /// A closed suite takes no runs; a shadow only those of whoever rotates suites.
    async fn check_suite_open(&self, caller: &Caller, suite: &str) -> Result<(), ServiceError> {
        let stage = self.suite_stage(suite).await?;
        match stage {
            SuiteStage::Active => Ok(()),
            SuiteStage::Shadow if caller.may(Scope::Operate) => Ok(()),
            SuiteStage::Shadow | SuiteStage::Closed | SuiteStage::Revealed => {
                let reason = format!("{suite} is {} and does not price", stage.as_str());
                Err(ServiceError::invalid("suite", reason))
            }
        }
    }

    /// The job of this id.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] if there is none.
    pub async fn get_job(&self, id: &str) -> Result<Job, ServiceError> {
        let row = evaluation_job::find(&self.store, id).await?;
        let mut job = Job::read(row.ok_or_else(|| ServiceError::absent("evaluation job", id))?)?;
        let Some(seat) = round_seat::find(&self.store, id).await? else { return Ok(job) };
        let commitment =
            round_commitment::find(&self.store, &seat.round_id, &seat.public_key).await?;
        job.is_committed = commitment.is_some() && job.state != JobState::Done;
        if round_verdict::find(&self.store, &seat.round_id).await?.is_none() {
            // How a run ended says something of the model to those who have not committed yet.
            (job.failure_code, job.failure_message) = (None, None);
        }
        job.round = Some(seat.round_id);
        Ok(job)
    }
}
