//! `worker`: takes evaluation jobs, one at a time, until it is told to stop.

use std::{future::Future, path::PathBuf, time::Duration};

use domain::digest::to_hex;
use service::{Worked, Worker, WorkerError};

use crate::{Clock, Installation, OpenError, clock::wall_now};

/// Pause when there is no job.
const IDLE_WAIT: Duration = Duration::from_millis(100);
/// Pause after a failure of database or storage.
const TROUBLE_WAIT: Duration = Duration::from_secs(2);

/// What `worker` is told.
#[derive(Clone, Debug)]
pub struct WorkOptions {
    /// Database, objects, folder.
    pub installation: Installation,
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// The ONNX Runtime library.
    pub library: PathBuf,
    /// The program whose hidden `__child` command runs the inference.
    pub program: PathBuf,
    /// Whose name the reports bear.
    pub evaluator: String,
    /// File of the key that signs the reports; without it one in the data folder, made on the first start.
    pub key: Option<PathBuf>,
    /// The clock that reports and decisions are dated by.
    pub clock: Clock,
}

/// Takes jobs until `stop` is ready; a job that runs then is let go, and its lease runs out.
///
/// # Errors
/// [`OpenError`] if the installation cannot be opened or the evaluator is no name.
pub async fn work(options: WorkOptions, stop: impl Future<Output = ()>) -> Result<(), OpenError> {
    let service = options.installation.open().await?;
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|e| OpenError::Random(e.to_string()))?;
    let key = match &options.key {
        Some(path) => crate::load_key(path)?,
        None => crate::key::own_key(&options.installation.data)?,
    };
    let worker = Worker {
        holder: format!("{}-{}", options.evaluator, to_hex(&random)),
        evaluator: options.evaluator.parse()?,
        device: options.device.clone(),
        library: options.library.clone(),
        program: options.program.clone(),
        scratch: options.installation.data.join("scratch"),
        sealed: options.installation.data.join("sealed"),
        entropy: crate::rounds::entropy,
        key: Some(key),
    };
    worker
        .sweep_scratch()
        .map_err(|source| OpenError::Folder { path: worker.scratch.clone(), source })?;
    let public_key = worker.key.as_ref().map(|key| key.public().hex());
    tracing::info!(holder = worker.holder, device = worker.device, public_key, "worker ready");
    let mut stop = std::pin::pin!(stop);
    loop {
        let date = || options.clock.now(&service);
        let wait = tokio::select! {
            () = &mut stop => return Ok(()),
            worked = worker.work_once(&service, wall_now, date) => match worked {
                Ok(Worked::Idle) => IDLE_WAIT,
                Ok(Worked::Job { id }) => {
                    tracing::info!(job = id, "job ended");
                    Duration::ZERO
                }
                Err(WorkerError(error)) => {
                    tracing::error!(cause = %error.chain(), "worker trouble");
                    TROUBLE_WAIT
                }
            },
        };
        tokio::select! {
            () = &mut stop => return Ok(()),
            () = tokio::time::sleep(wait) => {}
        }
    }
}
