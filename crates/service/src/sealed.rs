//! What an evaluator keeps to itself between commitment and reveal: report, samples and salt, on its own disk, for its owner alone.

use std::{
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use domain::{
    digest::to_hex,
    evaluation::{Attestation, AttestationError, attestation::from_hex},
};
use serde::{Deserialize, Serialize};

use crate::rounds::Reveal;

/// A sealed report, as it lies on the disk.
#[derive(Serialize, Deserialize)]
struct Sealed {
    body: String,
    samples: String,
    salt: String,
    attestation: Attestation,
}

/// Why a sealed report cannot be kept or found again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealError {
    /// The folder or a file of it.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file does not hold what was sealed.
    #[error("{path}: {source}")]
    Form {
        /// Which.
        path: PathBuf,
        /// Where it went wrong.
        source: serde_json::Error,
    },
    /// The salt is none.
    #[error(transparent)]
    Salt(#[from] AttestationError),
    /// The samples are no text.
    #[error("the samples are no JSON")]
    Samples,
}

/// The folder of one evaluator's sealed reports, one file a job.
pub(crate) struct SealedFolder(PathBuf);

impl SealedFolder {
    /// The folder, made for its owner alone if it is not there.
    pub(crate) fn open(folder: &Path) -> Result<Self, SealError> {
        let error = |source| SealError::File { path: folder.to_owned(), source };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(error)?;
        Ok(Self(folder.to_owned()))
    }

    fn path(&self, job: &str) -> PathBuf {
        self.0.join(format!("{job}.json"))
    }

    /// Keeps a report; when this returns it survives a crash. What is there already stays: it may have been committed to.
    pub(crate) fn keep(&self, job: &str, reveal: &Reveal) -> Result<(), SealError> {
        let path = self.path(job);
        let error = |source| SealError::File { path: path.clone(), source };
        if path.exists() {
            return Ok(());
        }
        let samples = String::from_utf8(reveal.samples.clone()).map_err(|_| SealError::Samples)?;
        let sealed = Sealed {
            body: reveal.body.clone(),
            samples,
            salt: to_hex(&reveal.salt),
            attestation: reveal.attestation.clone(),
        };
        let text = serde_json::to_vec(&sealed)
            .map_err(|source| SealError::Form { path: path.clone(), source })?;
        let staged = self.0.join(format!("{job}.part"));
        let mut options = std::fs::OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&staged).map_err(error)?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(error)?;
        std::fs::rename(&staged, &path).map_err(error)?;
        std::fs::File::open(&self.0).and_then(|folder| folder.sync_all()).map_err(error)
    }

    /// What was kept for a job, if anything.
    pub(crate) fn find(&self, job: &str) -> Result<Option<Reveal>, SealError> {
        let path = self.path(job);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(SealError::File { path, source }),
        };
        let sealed: Sealed =
            serde_json::from_slice(&text).map_err(|source| SealError::Form { path, source })?;
        Ok(Some(Reveal {
            body: sealed.body,
            samples: sealed.samples.into_bytes(),
            salt: from_hex::<32>("salt", &sealed.salt)?,
            attestation: sealed.attestation,
        }))
    }

    /// The jobs for which something is kept.
    pub(crate) fn jobs(&self) -> Result<Vec<String>, SealError> {
        let error = |source| SealError::File { path: self.0.clone(), source };
        let mut jobs = Vec::new();
        for entry in std::fs::read_dir(&self.0).map_err(error)? {
            let name = entry.map_err(error)?.file_name();
            jobs.extend(
                name.to_str().and_then(|name| name.strip_suffix(".json")).map(String::from),
            );
        }
        jobs.sort();
        Ok(jobs)
    }

    /// Forgets what everybody knows now, or nobody will ask for any more.
    pub(crate) fn forget(&self, job: &str) -> Result<(), SealError> {
        let path = self.path(job);
        std::fs::remove_file(&path).map_err(|source| SealError::File { path, source })
    }
}
