//! `serve`: the HTTP server.

use std::{future::Future, path::PathBuf, sync::Arc, time::Duration};

use graphql::Api;
use poem::{
    Server,
    listener::{Acceptor, Listener, TcpListener},
};

use crate::{Clock, Installation, OpenError, routes};

/// How long running requests may take after the server was told to end.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(10);

/// What `serve` is told.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Database, objects, folder.
    pub installation: Installation,
    /// Address; port 0 takes a free one.
    pub listen: String,
    /// Which clock.
    pub clock: Clock,
}

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The installation cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
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
    let service = Arc::new(options.installation.open().await?);
    service.sweep().await.map_err(OpenError::Staging)?;
    match service.sweep_xorbs(crate::clock::wall_now()).await {
        Ok(0) => {}
        Ok(xorbs) => tracing::info!(xorbs, "removed xorbs that no file used"),
        // The next start tries again; nothing is wrong with what is served.
        Err(error) => tracing::warn!(cause = %error.chain(), "xorbs were not swept"),
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
    let api = Api::new(service.clone(), options.clock == Clock::Manual);
    let app = routes::app(routes::Shared { service, api, clock: options.clock });
    ready(&url);
    let ran = Server::new_with_acceptor(acceptor)
        .run_with_graceful_shutdown(app, stop, Some(SHUTDOWN_WAIT))
        .await;
    let _ = std::fs::remove_file(&file);
    ran.map_err(failed)
}
