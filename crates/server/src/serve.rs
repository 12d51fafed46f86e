//! `serve`: the HTTP server.

use std::{future::Future, path::PathBuf, sync::Arc, time::Duration};

use graphql::Api;
use poem::{
    Server,
    listener::{Acceptor, Listener, TcpListener},
};
use service::Service;

use crate::{
    Clock, GarbageOptions, Installation, OpenError, calendars, garbage, log, rounds, routes,
    webhooks,
};

/// How long running requests may take after the server was told to end.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(10);

/// Time between two sweeps of upload sessions.
const SWEEP_EVERY: Duration = Duration::from_secs(10 * 60);

/// What `serve` is told.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Database, objects, folder.
    pub installation: Installation,
    /// Address; port 0 takes a free one.
    pub listen: String,
    /// Which clock.
    pub clock: Clock,
    /// Whether readers of an object that lies whole in a bucket are sent there by a signed link.
    pub redirect_reads: bool,
    /// When garbage goes.
    pub garbage: GarbageOptions,
    /// Logical bytes that a login may hold, if the operator sets nothing else for it; none without a limit.
    pub storage_quota_default: Option<u64>,
    /// Evaluators of a round, if it is to be set at the start.
    pub quorum: Option<u32>,
    /// Time between two looks for prices that have grown old; zero never looks.
    pub renewal_interval: Duration,
    /// Time between two looks for funds that their calendar strikes; zero never looks.
    pub calendar_interval: Duration,
    /// Whether webhooks may lead to loopback and private addresses.
    pub webhook_allow_private: bool,
}

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The installation cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The quorum is none.
    #[error("--quorum: {0}")]
    Quorum(#[source] service::ServiceError),
    /// The address cannot be taken.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file that names the running server cannot be written.
    #[error("{path}: {source}")]
    ServerFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Serves until `stop` is ready; `ready` is told the address once requests are answered.
///
/// # Errors
/// See [`ServeError`].
pub async fn serve(
    options: ServeOptions,
    ready: impl FnOnce(&str),
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let service = options.installation.open().await?;
    let log_key = crate::key::own_log_key(&options.installation.data);
    let service = service
        .with_log_key(log_key.map_err(OpenError::LogKey)?)
        .with_quota_default(options.storage_quota_default);
    let service = Arc::new(service);
    service.sweep().await.map_err(OpenError::Staging)?;
    sweep_uploads(&service, options.clock).await;
    if let Some(quorum) = options.quorum {
        let now = options.clock.now(&service).await.map_err(OpenError::Token)?;
        service.start_with_quorum(quorum, now).await.map_err(ServeError::Quorum)?;
    }
    let failed = |source| ServeError::Listen { address: options.listen.clone(), source };
    let acceptor =
        TcpListener::bind(options.listen.clone()).into_acceptor().await.map_err(failed)?;
    let address = acceptor.local_addr().into_iter().find_map(|a| a.as_socket_addr().copied());
    let address = address.ok_or_else(|| failed(std::io::Error::other("no local address")))?;
    let url = format!("http://{address}");
    let file = options.installation.data.join("server.json");
    let text = serde_json::json!({ "pid": std::process::id(), "url": url }).to_string();
    std::fs::write(&file, text)
        .map_err(|source| ServeError::ServerFile { path: file.clone(), source })?;
    let sweeping = tokio::spawn(keep_sweeping(service.clone(), options.clock));
    let api = Api::new(service.clone(), options.clock == Clock::Manual);
    // What is cut off while it is sent is sent again when its lease has run out.
    let deliveries =
        tokio::spawn(webhooks::deliver(service.clone(), options.webhook_allow_private));
    let app = routes::app(routes::Shared {
        service: service.clone(),
        api,
        clock: options.clock,
        redirect_reads: options.redirect_reads,
        keeps_calendars: !options.calendar_interval.is_zero(),
    });
    let signing = tokio::spawn(log::keep_signing(service.clone(), options.clock));
    let advancing = tokio::spawn(rounds::keep_advancing(service.clone(), options.clock));
    let renewing = rounds::keep_renewing(service.clone(), options.clock, options.renewal_interval);
    let renewing = tokio::spawn(renewing);
    let dealing = calendars::keep(service.clone(), options.clock, options.calendar_interval);
    let dealing = tokio::spawn(dealing);
    let collector = garbage::collect_by_timer(service, options.clock, options.garbage);
    // A collection that is cut off is resumed by the next one, here or elsewhere.
    let collector = tokio::spawn(collector);
    ready(&url);
    let ran = Server::new_with_acceptor(acceptor)
        .run_with_graceful_shutdown(app, stop, Some(SHUTDOWN_WAIT))
        .await;
    sweeping.abort();
    collector.abort();
    deliveries.abort();
    signing.abort();
    advancing.abort();
    renewing.abort();
    dealing.abort();
    let _ = std::fs::remove_file(&file);
    ran.map_err(failed)
}

async fn keep_sweeping(service: Arc<Service>, clock: Clock) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        sweep_uploads(&service, clock).await;
    }
}

/// Ends and removes uploads that nobody goes on with, and chunks that no file used. A failure is told and tried again with the next sweep: it keeps nobody
/// from working.
async fn sweep_uploads(service: &Service, clock: Clock) {
    let swept = async { service.sweep_uploads(clock.now(service).await?).await };
    match swept.await {
        Ok(0) => {}
        Ok(uploads) => tracing::info!(uploads, "removed uploads that had ended"),
        Err(error) => {
            tracing::warn!(cause = %error.chain(), "uploads that have ended were not removed")
        }
    }
    let swept = async {
        let now = clock.now(service).await?;
        // Parts bear the time of the file system.
        let parts = service.sweep_hub_parts(crate::clock::wall_now()).await?;
        Ok::<_, service::ServiceError>((service.sweep_xorbs(now).await?, parts))
    };
    match swept.await {
        Ok((0, 0)) => {}
        Ok((xorbs, parts)) => tracing::info!(xorbs, parts, "removed what no file of the hub used"),
        Err(error) => {
            tracing::warn!(cause = %error.chain(), "what no file of the hub used was not removed")
        }
    }
}
