//! The keys of evaluators and of the log, each in a file for its owner alone.

use std::{
    io::Write as _,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use domain::{
    digest::to_hex,
    evaluation::{AttestationError, EvaluatorKey},
    proof::LogKey,
};

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be written or read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is a file already; a key is never overwritten.
    #[error("{path} exists; a key is never overwritten")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Others may read the file, so the key may be known to anybody.
    #[error("{path} may be read by others than its owner (mode {mode:o}); expected 600")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The file holds no key.
    #[error("{path}: {source}")]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: AttestationError,
    },
    /// The system gives no random numbers.
    #[error("no random numbers: {0}")]
    Random(String),
}

/// Makes a key and writes it to a new file that its owner alone may read.
///
/// # Errors
/// [`KeyError::Exists`] leaves the file that is there as it is.
pub fn make_key(path: &Path) -> Result<EvaluatorKey, KeyError> {
    make_secret(path).map(|secret| EvaluatorKey::from_secret(&secret))
}

fn make_secret(path: &Path) -> Result<[u8; 32], KeyError> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|e| KeyError::Random(e.to_string()))?;
    let error = |source| KeyError::File { path: path.to_owned(), source };
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = match opened {
        Err(source) if source.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(KeyError::Exists { path: path.to_owned() });
        }
        opened => opened.map_err(error)?,
    };
    let text = format!("{}\n", to_hex(&secret));
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(error)?;
    Ok(secret)
}

/// Reads a key that [`make_key`] wrote.
///
/// # Errors
/// See [`KeyError`].
pub fn load_key(path: &Path) -> Result<EvaluatorKey, KeyError> {
    load(path, EvaluatorKey::parse)
}

/// Reads such a key to sign heads of a log with: a witness's.
///
/// # Errors
/// See [`KeyError`].
pub fn load_log_key(path: &Path) -> Result<LogKey, KeyError> {
    load(path, LogKey::parse)
}

fn load<K>(
    path: &Path,
    parse: impl FnOnce(&str) -> Result<K, AttestationError>,
) -> Result<K, KeyError> {
    let error = |source| KeyError::File { path: path.to_owned(), source };
    let mode = std::fs::metadata(path).map_err(error)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Open { path: path.to_owned(), mode });
    }
    let text = std::fs::read_to_string(path).map_err(error)?;
    parse(&text).map_err(|source| KeyError::Form { path: path.to_owned(), source })
}

/// The key of a data folder, made on the first start.
///
/// # Errors
/// See [`KeyError`].
pub(crate) fn own_key(data: &Path) -> Result<EvaluatorKey, KeyError> {
    let path = data.join("evaluator.key");
    match make_key(&path) {
        // Another process of the folder may be writing it this very moment; then the start is repeated by hand, once.
        Err(KeyError::Exists { .. }) => load_key(&path),
        made => made,
    }
}

/// The key that signs the log's heads, in the data folder of the server; made on the first start.
///
/// # Errors
/// See [`KeyError`].
pub(crate) fn own_log_key(data: &Path) -> Result<LogKey, KeyError> {
    let path = data.join("log.key");
    match make_secret(&path) {
        Ok(secret) => Ok(LogKey::from_secret(&secret)),
        Err(KeyError::Exists { .. }) => load_log_key(&path),
        Err(error) => Err(error),
    }
}
