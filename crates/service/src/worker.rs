//! A worker's turn: take a job, run it in child processes, record report and price in one transaction.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use domain::{
    checkpoint::{INDEX_FILE, ONE_FILE},
    digest::Digest,
    evaluation::{EvaluatorKey, Report, fingerprint::Fingerprint, samples},
    name::Name,
    time::Timestamp,
};
use evaluator::{EvaluationError, Subject};
use store::{
    JobRow, ReportRow, StoreTransaction, VersionRow, evaluation_job, evaluation_report,
    model_version,
};

use crate::{
    Service, ServiceError,
    citing::cite,
    folder::{Names, derive},
    jobs::RUNS_MAX,
    likeness::{Measured, look_around, record_likeness},
    log::{NewLeaf, append_leaf},
    prices::{Items, Run, decide_price},
    rounds::insert_attestation,
    suites::RegisteredSuite,
};

/// How long a lease lasts without a heartbeat. A worker that dies costs its job this much time.
const LEASE_MILLIS: i64 = 15_000;
/// How often a running job renews its lease.
const HEARTBEAT: Duration = Duration::from_secs(3);

/// A worker of this process.
#[derive(Clone, Debug)]
pub struct Worker {
    /// Unique in the installation: whose lease it is.
    pub holder: String,
    /// Whose name the reports bear.
    pub evaluator: Name,
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// The ONNX Runtime library.
    pub library: PathBuf,
    /// The program whose hidden command runs the inference.
    pub program: PathBuf,
    /// Folder for private copies.
    pub scratch: PathBuf,
    /// The key that signs the reports; without it they are unsigned, and no seat of a round is taken.
    pub key: Option<EvaluatorKey>,
    /// Folder for reports that are committed to and not revealed yet.
    pub sealed: PathBuf,
    /// Fresh random bytes, for salts and draws; none if the system gives none.
    pub entropy: fn() -> Option<[u8; 32]>,
}

/// What a turn did.
#[derive(Debug)]
pub enum Worked {
    /// There was no job.
    Idle,
    /// A job ended, well or not.
    Job {
        /// Its id.
        id: String,
    },
}

/// A turn could not be finished for a reason that lies with database or storage; the lease runs out and the job is taken again.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct WorkerError(pub ServiceError);

/// Ends the evaluation when the turn is dropped: the blocking thread sees the flag and kills its child.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Worker {
    /// Takes one job, if there is one, and ends it.
    ///
    /// `wall` is the time that leases go by, `date` the time that reports are dated with.
    ///
    /// # Errors
    /// [`WorkerError`] if database or storage fail.
    pub async fn work_once<F>(
        &self,
        service: &Service,
        wall: impl Fn() -> Timestamp,
        date: impl Fn() -> F,
    ) -> Result<Worked, WorkerError>
    where
        F: Future<Output = Result<Timestamp, ServiceError>>,
    {
        self.tend_rounds(service, date().await.map_err(WorkerError)?).await.map_err(WorkerError)?;
        let Some(job) = self.lease(service, wall()).await.map_err(WorkerError)? else {
            return Ok(Worked::Idle);
        };
        let id = job.id.clone();
        tracing::info!(job = id, attempt = job.attempts, "job taken");
        let now = date().await.map_err(WorkerError)?;
        if self.commit_sealed(service, &job, now).await.map_err(WorkerError)? {
            return Ok(Worked::Job { id });
        }
        let scratch =
            Scratch::new(&self.scratch).map_err(|e| WorkerError(ServiceError::internal(e)))?;
        let cancel = CancelOnDrop(Arc::new(AtomicBool::new(false)));
        let run = self.run(service, &job, scratch.folder.path(), cancel.0.clone());
        let outcome = tokio::select! {
            outcome = run => outcome,
            () = self.keep_lease(service, &id, &wall) => {
                tracing::warn!(job = id, "lease lost; the job is left to its new holder");
                return Ok(Worked::Job { id });
            }
        };
        let now = date().await.map_err(WorkerError)?;
        self.record(service, &job, outcome, now, wall()).await.map_err(WorkerError)?;
        Ok(Worked::Job { id })
    }

    async fn lease(
        &self,
        service: &Service,
        now: Timestamp,
    ) -> Result<Option<JobRow>, ServiceError> {
        let transaction = service.store.begin().await?;
        let until = now.plus_millis(LEASE_MILLIS).as_millis();
        let job = evaluation_job::lease_next_for(
            &transaction,
            self.key.as_ref().map(|key| key.public().hex()).as_deref(),
            &self.holder,
            now.as_millis(),
            until,
        )
        .await?;
        transaction.commit().await?;
        Ok(job)
    }

    /// Renews the lease until it is lost; a database that does not answer is asked again until the lease would have run out.
    async fn keep_lease(&self, service: &Service, id: &str, wall: &impl Fn() -> Timestamp) {
        let mut held_until = wall().plus_millis(LEASE_MILLIS);
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            let until = wall().plus_millis(LEASE_MILLIS);
            let renewed = async {
                let transaction = service.store.begin().await?;
                let held =
                    evaluation_job::heartbeat(&transaction, id, &self.holder, until.as_millis())
                        .await?;
                transaction.commit().await?;
                Ok::<_, store::StoreError>(held)
            };
            match renewed.await {
                Ok(true) => held_until = until,
                Ok(false) => return,
                Err(error) if wall() >= held_until => {
                    tracing::error!(cause = %error, job = id, "lease not renewed");
                    return;
                }
                Err(_) => {}
            }
        }
    }

    /// Fetches what the job needs and runs it. The inner result is the job's outcome, the outer one our own trouble.
    async fn run(
        &self,
        service: &Service,
        job: &JobRow,
        scratch: &Path,
        cancel: Arc<AtomicBool>,
    ) -> Result<Result<Finished, EvaluationError>, ServiceError> {
        let version = model_version::find_by_id(&service.store, &job.version_id).await?;
        let version = version.ok_or_else(|| ServiceError::absent("version", &job.version_id))?;
        let suite = service.get_suite(&job.suite).await?;
        let digest = |text: &str| text.parse::<Digest>().map_err(ServiceError::internal);
        let model = fetch(
            service,
            scratch,
            "model",
            digest(&version.checkpoint_digest)?,
            digest(&version.graph_digest)?,
        )
        .await?;
        let files = &suite.files;
        let reference =
            fetch(service, scratch, "reference", files.reference_checkpoint, files.reference_graph)
                .await?;
        let cases = scratch.join("cases.safetensors");
        service.objects.copy_to(files.cases, &cases).await?;
        let seed: u64 = job.seed.parse().map_err(ServiceError::internal)?;
        let protocol = evaluator::protocols::named(&job.protocol, seed);
        let protocol = protocol.ok_or_else(|| ServiceError::absent("protocol", &job.protocol))?;
        let (worker, scratch) = (self.clone(), scratch.to_owned());
        let manifest = suite.suite.clone();
        let evaluated = tokio::task::spawn_blocking(move || {
            let evaluation = evaluator::evaluate(&evaluator::Request {
                model: &model,
                reference: Some(&reference),
                panel: &[],
                suite: &manifest,
                cases: &cases,
                protocol,
                device: worker.device.parse()?,
                child: &worker.program,
                library: &worker.library,
                scratch: Some(&scratch),
                limits: evaluator::Limits::default(),
                cancel: &cancel,
                progress: &|_| {},
            })?;
            // After the children: nothing else computes while they are timed.
            let weights = evaluator::fingerprint(&model.checkpoint)?;
            Ok::<_, EvaluationError>((evaluation, weights))
        });
        let finished = evaluated.await.map_err(ServiceError::internal)?;
        let finish = |(evaluation, weights)| Finished { version, suite, evaluation, weights };
        Ok(finished.map(finish))
    }

    /// Writes how the job ended: report, decision, alias and the job's state together, if the lease is still ours.
    async fn record(
        &self,
        service: &Service,
        job: &JobRow,
        outcome: Result<Result<Finished, EvaluationError>, ServiceError>,
        now: Timestamp,
        wall: Timestamp,
    ) -> Result<(), ServiceError> {
        let (code, message, retry) = match outcome {
            Ok(Ok(finished)) => match self.record_report(service, job, &finished, now, wall).await?
            {
                Recorded::Report => return Ok(()),
                Recorded::Void(reasons) => {
                    ("void", format!("the measurement is void: {reasons}"), job.attempts < RUNS_MAX)
                }
                Recorded::Underivable(reason) => ("underivable", reason, false),
            },
            Ok(Err(error)) => {
                (error.code(), error.to_string(), error.is_transient() && job.attempts < RUNS_MAX)
            }
            Err(error @ (ServiceError::Absent { .. } | ServiceError::Damaged(_))) => {
                (error.code(), error.to_string(), false)
            }
            // Storage and database recover by themselves: the lease runs out, and the job is taken again.
            Err(error) => return Err(error),
        };
        tracing::warn!(job = job.id, code, message, retry, "job did not end in a price");
        let transaction = service.store.begin().await?;
        let held = evaluation_job::fail(
            &transaction,
            &job.id,
            &self.holder,
            code,
            &message,
            wall.as_millis(),
            retry,
        )
        .await?;
        if held {
            self.log_failure(&transaction, job, code, now).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    async fn record_report(
        &self,
        service: &Service,
        job: &JobRow,
        finished: &Finished,
        now: Timestamp,
        wall: Timestamp,
    ) -> Result<Recorded, ServiceError> {
        let Finished { version, suite, evaluation, .. } = finished;
        let seated = service.find_seat(&job.id).await?;
        let evaluator = match &seated {
            Some(seated) => seated.evaluator.name.parse().map_err(ServiceError::internal)?,
            None => self.evaluator.clone(),
        };
        let names = Names { model: &version.name, evaluator: evaluator.as_str() };
        let report = match derive(evaluation, &suite.suite, suite.digest, names) {
            Ok(report) => report,
            Err(error) => return Ok(Recorded::Underivable(error.to_string())),
        };
        if report.is_void() {
            return Ok(Recorded::Void(report.void_reasons.join("; ")));
        }
        if seated.is_some() {
            self.seal(service, job, (&report, evaluation, &evaluator), now).await?;
            let measured = finished.measured(job, false, now);
            let looked = look_around(&service.store, &measured).await?;
            let transaction = service.store.begin().await?;
            record_likeness(&transaction, &measured, looked).await?;
            transaction.commit().await?;
            return Ok(Recorded::Report);
        }
        // Objects first: a row never names bytes that are not there. If the transaction fails, they are left without a row.
        let blob = samples::to_blob(&evaluation.measurement).map_err(ServiceError::internal)?;
        let samples = service.put_document(Bytes::from(blob), now).await?;
        let body = report.to_canonical().map_err(ServiceError::internal)?;
        let digest = service.put_document(Bytes::from(body.clone()), now).await?;
        let measured = finished.measured(job, true, now);
        let looked = look_around(&service.store, &measured).await?;
        let transaction = service.store.begin().await?;
        if !evaluation_job::finish(
            &transaction,
            &job.id,
            &self.holder,
            &digest.hex(),
            wall.as_millis(),
        )
        .await?
        {
            tracing::warn!(job = job.id, "lease lost before the report was recorded");
            return Ok(Recorded::Report);
        }
        cite(&transaction, &[samples, digest]).await?;
        self.insert_report(&transaction, job, &report, body, digest, now).await?;
        // The log keeps reports before what is decided on them.
        append_leaf(&transaction, NewLeaf::report(&report, digest, &version.model_id, now)).await?;
        if let Some(key) = &self.key {
            insert_attestation(&transaction, &key.attest(digest, &self.evaluator)).await?;
        }
        let items = Items::of(&report, &evaluation.measurement, &suite.suite);
        let run = Run { version, job, report: &report, items: &items, digest, now, round: None };
        decide_price(&transaction, &run).await?;
        self.log_report(&transaction, &run).await?;
        record_likeness(&transaction, &measured, looked).await?;
        transaction.commit().await?;
        Ok(Recorded::Report)
    }

    async fn insert_report(
        &self,
        transaction: &StoreTransaction,
        job: &JobRow,
        report: &Report,
        body: String,
        digest: Digest,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        let row = ReportRow {
            digest: digest.hex(),
            version_id: job.version_id.clone(),
            suite: job.suite.clone(),
            job_id: job.id.clone(),
            samples_digest: report.samples.hex(),
            evaluator: self.evaluator.to_string(),
            items: report.suite.items as i64,
            correct: report.model.correct.map(|correct| correct as i64),
            price_micro: report.price_micro,
            body,
            void: false,
            recorded_at: now.as_millis(),
        };
        Ok(evaluation_report::insert(transaction, row).await?)
    }
}

/// A turn's private folder. Its lock file says that the turn lives.
struct Scratch {
    folder: tempfile::TempDir,
    _lock: std::fs::File,
}

/// The lock file in a turn's folder.
const LOCK_FILE: &str = "lock";

impl Scratch {
    fn new(parent: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(parent)?;
        let folder = tempfile::Builder::new().prefix("job-").tempdir_in(parent)?;
        let lock = std::fs::File::create(folder.path().join(LOCK_FILE))?;
        lock.lock()?;
        Ok(Self { folder, _lock: lock })
    }
}

impl Worker {
    /// Removes what turns of dead workers left in the scratch folder: hold-out cases and weights do not lie around.
    ///
    /// # Errors
    /// What the system says of the folder.
    pub fn sweep_scratch(&self) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.scratch)?;
        for entry in std::fs::read_dir(&self.scratch)? {
            let folder = entry?.path();
            // Without a lock file the turn died, or is being born this very moment: then it is left for the next sweep.
            let Ok(lock) = std::fs::File::open(folder.join(LOCK_FILE)) else { continue };
            if lock.try_lock().is_ok() {
                std::fs::remove_dir_all(&folder)?;
            }
        }
        Ok(())
    }
}

/// A run that ended with a measurement.
struct Finished {
    version: VersionRow,
    suite: RegisteredSuite,
    evaluation: evaluator::Evaluation,
    /// What others are compared with.
    weights: Fingerprint,
}

impl Finished {
    /// What likenesses are found by; answers are told with the report, and not before.
    fn measured<'a>(&'a self, job: &'a JobRow, is_told: bool, now: Timestamp) -> Measured<'a> {
        Measured {
            version: &self.version,
            suite: &job.suite,
            weights: &self.weights,
            probes: self.evaluation.probes.as_ref().filter(|_| is_told),
            now,
        }
    }
}

enum Recorded {
    Report,
    Void(String),
    Underivable(String),
}

/// Copies a checkpoint, all shards of it, and its graph into the scratch folder, every digest checked.
async fn fetch(
    service: &Service,
    scratch: &Path,
    name: &str,
    checkpoint: Digest,
    graph: Digest,
) -> Result<Subject, ServiceError> {
    let folder = scratch.join(name);
    std::fs::create_dir(&folder).map_err(ServiceError::internal)?;
    let graph_path = folder.join("graph.onnx");
    service.objects.copy_to(graph, &graph_path).await?;
    let weights = match service.find_set_document(checkpoint).await? {
        None => {
            let path = folder.join(ONE_FILE);
            service.objects.copy_to(checkpoint, &path).await?;
            path
        }
        Some(document) => {
            for shard in &document.shards {
                service.objects.copy_to(shard.digest, &folder.join(&shard.file)).await?;
            }
            let path = folder.join(INDEX_FILE);
            std::fs::write(&path, document.index).map_err(ServiceError::internal)?;
            path
        }
    };
    Ok(Subject { checkpoint: weights, graph: graph_path })
}
