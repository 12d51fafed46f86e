//! What can go wrong between client and server.

use serde::Deserialize;

/// An error as the API reports it: one code of a closed list, and a sentence.
#[derive(Clone, Debug, Deserialize)]
pub struct ApiError {
    /// The sentence for a person.
    pub message: String,
    /// Machine-readable fields.
    #[serde(default)]
    pub extensions: ApiErrorFields,
}

/// The machine-readable part of an [`ApiError`].
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ApiErrorFields {
    /// The closed code.
    #[serde(default)]
    pub code: String,
    /// The tensor at fault, where it is one.
    #[serde(default)]
    pub tensor: Option<String>,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The client could not be set up.
    #[error("client: {0}")]
    Setup(String),
    /// The server does not answer; the call may or may not have taken effect, and the same idempotency key makes a retry safe.
    #[error("server unreachable: {0}")]
    Unreachable(String),
    /// The server refused, with its code and sentence.
    #[error("{}", .0.message)]
    Api(ApiError),
    /// The server answered in no form that this client knows.
    #[error("unexpected answer: {reason}")]
    Answer {
        /// What was wrong with it.
        reason: String,
    },
    /// The bytes that arrived are not those that were asked for.
    #[error("bytes have digest {found}, expected {expected}")]
    WrongDigest {
        /// What was asked for.
        expected: domain::digest::Digest,
        /// What arrived.
        found: domain::digest::Digest,
    },
    /// A checkpoint on this side breaks a rule of safetensors; nothing was sent.
    #[error("{path}: {source}")]
    Checkpoint {
        /// The file.
        path: std::path::PathBuf,
        /// The rule, with the tensor's name.
        source: domain::checkpoint::HeaderError,
    },
    /// A file on this side failed.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl ClientError {
    /// The server's code, where the server refused.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Api(error) => Some(&error.extensions.code),
            _ => None,
        }
    }

    /// Whether the connection failed, so that the same call may be sent again.
    #[must_use]
    pub const fn is_connection(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }

    pub(crate) fn connection(error: reqwest::Error) -> Self {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        Self::Unreachable(text)
    }

    pub(crate) fn unexpected(status: reqwest::StatusCode, body: &[u8]) -> Self {
        let start: String = String::from_utf8_lossy(body).chars().take(200).collect();
        Self::Answer { reason: format!("HTTP {status}: {start}") }
    }
}
