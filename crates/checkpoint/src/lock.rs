//! Who may write when: commits side by side, packing one at a time, a sweep alone.
//!
//! Within a process tokio's locks decide; between processes that share a folder, advisory locks on its directories do.
//! The locks of the process come first, so that no thread of the blocking pool waits for a task that needs that pool.

use std::{fs::File, path::PathBuf, sync::Arc};

use tokio::sync::{Mutex, OwnedMutexGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use crate::{ObjectStorage, StorageError, location};

/// The locks of one process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Locks {
    gate: Arc<RwLock<()>>,
    packing: Arc<Mutex<()>>,
}

/// A lock that is held until this value goes.
pub(crate) struct Held<Guard> {
    _folder: Option<File>,
    _process: Guard,
}

impl ObjectStorage {
    /// Held while new objects are looked for, made visible and put into a recipe: what was found stays.
    pub(crate) async fn lock_for_commit(
        &self,
    ) -> Result<Held<OwnedRwLockReadGuard<()>>, StorageError> {
        let process = self.locks.gate.clone().read_owned().await;
        Ok(Held { _folder: lock_folder(self.folder.clone(), false).await?, _process: process })
    }

    /// Held while objects without a recipe are removed: no commit runs meanwhile.
    pub(crate) async fn lock_for_sweep(
        &self,
    ) -> Result<Held<OwnedRwLockWriteGuard<()>>, StorageError> {
        let process = self.locks.gate.clone().write_owned().await;
        Ok(Held { _folder: lock_folder(self.folder.clone(), true).await?, _process: process })
    }

    /// Held while small tensors are looked up and packed: two uploaders of one tensor pack it once.
    pub(crate) async fn lock_for_packing(&self) -> Result<Held<OwnedMutexGuard<()>>, StorageError> {
        let process = self.locks.packing.clone().lock_owned().await;
        let packs = self.folder.as_ref().map(|folder| folder.join(location::PACKS));
        Ok(Held { _folder: lock_folder(packs, true).await?, _process: process })
    }
}

async fn lock_folder(
    folder: Option<PathBuf>,
    exclusive: bool,
) -> Result<Option<File>, StorageError> {
    let Some(folder) = folder else { return Ok(None) };
    let locked = tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&folder)?;
        let folder = File::open(folder)?;
        if exclusive { folder.lock() } else { folder.lock_shared() }.map(|()| Some(folder))
    });
    locked.await.map_err(StorageError::join)?.map_err(StorageError::Staging)
}
