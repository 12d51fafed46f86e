//! The SDK: verified transfer of bytes over HTTP, everything else over GraphQL.
//!
//! ```no_run
//! # async fn example() -> Result<(), client::ClientError> {
//! let client = client::Client::new("http://127.0.0.1:8080", None)?;
//! let answer: serde_json::Value = client.graphql("{ clock { now } }", serde_json::json!({})).await?;
//! # Ok(()) }
//! ```

mod bundle;
mod description;
mod error;
mod evidence;
mod log;
mod origin;
mod publication;
mod pull;
mod push;
mod retry;
mod session;
mod shards;
mod transfer;
mod webhook;

use std::time::Duration;

use serde::{Deserialize, de::DeserializeOwned};

pub use description::Description;
pub use error::{ApiError, ClientError};
pub use origin::same_origin;
pub use publication::Published;
pub use push::{Progress, Sent};
pub use transfer::{ObjectKind, Uploaded};
pub use webhook::{WEBHOOK_WINDOW_S, WebhookError, verify_webhook};

/// Parts of one file that are sent at once, unless the caller says otherwise.
pub const JOBS: usize = 4;
/// Most parts that are sent at once: each holds up to 8 MiB of memory.
pub const JOBS_MAX: usize = 64;

/// A connection to one server, under one token.
#[derive(Clone, Debug)]
pub struct Client {
    base: String,
    token: Option<String>,
    http: reqwest::Client,
    /// Without a limit on the wait for an answer, which comes after the last byte of a long upload.
    uploads: reqwest::Client,
    /// Parts of one file that are sent at once.
    jobs: usize,
}

#[derive(Deserialize)]
struct Answer {
    data: Option<serde_json::Value>,
    #[serde(default)]
    errors: Vec<ApiError>,
}

impl Client {
    /// Prepares a client of the server at `base` (`http://host:port`); nothing is sent yet.
    ///
    /// # Errors
    /// [`ClientError::Setup`] if the system gives no TLS.
    pub fn new(base: &str, token: Option<String>) -> Result<Self, ClientError> {
        // Another client of this process may have installed the provider already: that is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = || {
            let builder = reqwest::Client::builder().connect_timeout(Duration::from_secs(10));
            // A peer that is gone without a word is noticed by the system.
            builder.tcp_keepalive(Duration::from_secs(15))
        };
        let setup = |e: reqwest::Error| ClientError::Setup(e.to_string());
        let http = builder().read_timeout(Duration::from_secs(120)).build().map_err(setup)?;
        let uploads = builder().build().map_err(setup)?;
        Ok(Self { base: base.trim_end_matches('/').to_owned(), token, http, uploads, jobs: JOBS })
    }

    /// The same server under another token.
    #[must_use]
    pub fn with_token(&self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self.clone() }
    }

    /// The same server, with so many parts of a file on their way at once (1 to [`JOBS_MAX`]).
    #[must_use]
    pub fn with_jobs(self, jobs: usize) -> Self {
        Self { jobs: jobs.clamp(1, JOBS_MAX), ..self }
    }

    /// The server's address.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Sends one GraphQL operation and reads its data as `T`.
    ///
    /// # Errors
    /// [`ClientError::Api`] with the server's code, or a failure of the connection.
    pub async fn graphql<T: DeserializeOwned>(
        &self,
        query: &str,
        variables: serde_json::Value,
    ) -> Result<T, ClientError> {
        let body = serde_json::json!({ "query": query, "variables": variables });
        let request = self.authorised(self.http.post(format!("{}/graphql", self.base)).json(&body));
        let response = request.send().await.map_err(ClientError::connection)?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(ClientError::connection)?;
        let answer: Answer =
            serde_json::from_slice(&bytes).map_err(|_| ClientError::unexpected(status, &bytes))?;
        if let Some(error) = answer.errors.into_iter().next() {
            return Err(ClientError::Api(error));
        }
        let data = answer.data.ok_or_else(|| ClientError::unexpected(status, &bytes))?;
        serde_json::from_value(data).map_err(|e| ClientError::Answer { reason: e.to_string() })
    }

    fn authorised(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }
}
