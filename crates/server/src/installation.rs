//! Where an installation keeps its things, and how it is opened.

use std::path::{Path, PathBuf};

use checkpoint::ObjectStorage;
use domain::name::Name;
use service::{Scope, Service, ServiceError};
use store::{Store, StoreError};

use crate::clock::wall_now;

/// Addresses of database and objects, and the folder for everything else.
#[derive(Clone, Debug)]
pub struct Installation {
    /// `sqlite://…` or `postgres://…`.
    pub database: String,
    /// A folder or an object store's address.
    pub objects: String,
    /// Staging, logs, and by default database and objects too.
    pub data: PathBuf,
}

/// Why an installation cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data folder cannot be made.
    #[error("data folder {path}: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database cannot be reached.
    #[error("database: {0}")]
    Database(#[from] StoreError),
    /// The database cannot be brought up to date.
    #[error("migration: {0}")]
    Migration(String),
    /// The object storage cannot be opened.
    #[error(transparent)]
    Objects(#[from] checkpoint::OpenError),
    /// What a dead process left in the staging folder cannot be removed.
    #[error(transparent)]
    Staging(#[from] checkpoint::StorageError),
    /// The system gives no random numbers.
    #[error("no random numbers: {0}")]
    Random(String),
    /// A login is no name.
    #[error(transparent)]
    Owner(#[from] domain::name::ParseNameError),
    /// The evaluator's key.
    #[error("evaluator key: {0}")]
    Key(#[from] crate::KeyError),
    /// The key of the log.
    #[error("log key: {0}")]
    LogKey(#[source] crate::KeyError),
    /// The token could not be stored.
    #[error(transparent)]
    Token(#[from] ServiceError),
}

impl Installation {
    /// Everything in one folder: the default.
    #[must_use]
    pub fn in_folder(data: &Path) -> Self {
        let absolute = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
        Self {
            database: format!("sqlite://{}", absolute.join("modelfolio.db").display()),
            objects: absolute.join("objects").display().to_string(),
            data: absolute,
        }
    }

    /// Opens database and objects and brings the database up to date.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(&self) -> Result<Service, OpenError> {
        std::fs::create_dir_all(&self.data)
            .map_err(|source| OpenError::Folder { path: self.data.clone(), source })?;
        let objects = ObjectStorage::open(&self.objects, &self.data.join("staging"))?;
        objects.check().await?;
        Ok(Service::new(self.migrate().await?, objects))
    }

    /// Connects to the database and brings it up to date.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn migrate(&self) -> Result<Store, OpenError> {
        std::fs::create_dir_all(&self.data)
            .map_err(|source| OpenError::Folder { path: self.data.clone(), source })?;
        let store = Store::connect(&self.database).await?;
        migrations::run(store.connection())
            .await
            .map_err(|e| OpenError::Migration(e.to_string()))?;
        Ok(store)
    }
}

/// Makes a token and writes it to the database directly: the way to the first one. The text is shown once.
///
/// # Errors
/// See [`OpenError`].
pub async fn mint_token(
    installation: &Installation,
    owner: &str,
    scopes: &[Scope],
    expires_in_days: Option<u32>,
) -> Result<String, OpenError> {
    let owner: Name = owner.parse()?;
    let mut random = [0; 20];
    getrandom::fill(&mut random).map_err(|e| OpenError::Random(e.to_string()))?;
    let service = installation.open().await?;
    let now = wall_now();
    let expires =
        expires_in_days.map(|days| now.plus_millis(i64::from(days) * domain::time::DAY_MS));
    let token = service.mint_token(&owner, scopes, expires, random, now).await?;
    Ok(token.reveal().to_owned())
}
