//! The staging folder: bytes that are not visible yet, and how they become visible whole.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use object_store::{ObjectStoreExt, PutPayload, WriteMultipart};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncWriteExt},
};

use crate::{ObjectStorage, StorageError};

/// One opening of a storage: its name starts the name of everything that it stages, and the lock on its file says that it lives.
///
/// Not the process's number: two containers that share a folder both run as process 1.
#[derive(Debug)]
pub(crate) struct Opening {
    name: String,
    path: PathBuf,
    _lock: std::fs::File,
}

/// Ending of the file whose lock says that an opening lives.
const LOCK_ENDING: &str = "lock";

impl Opening {
    /// Makes and locks the file of a new opening in `staging`.
    pub(crate) fn new(staging: &Path) -> std::io::Result<Self> {
        let ending = format!(".{LOCK_ENDING}");
        let made = tempfile::Builder::new()
            .prefix("")
            .suffix(&ending)
            .rand_bytes(12)
            .tempfile_in(staging)?;
        made.as_file().lock()?;
        let (lock, path) = made.keep()?;
        let name = path.file_stem().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self { name, path, _lock: lock })
    }

    /// Whether the opening that staged `path` still lives, here or in another process.
    pub(crate) fn is_alive(path: &Path) -> bool {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let opening = name.split(['-', '.']).next().unwrap_or_default();
        let lock = path.with_file_name(format!("{opening}.{LOCK_ENDING}"));
        std::fs::File::open(lock).is_ok_and(|file| file.try_lock().is_err())
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        // What stays is swept by whoever starts next.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A file that goes away unless it is kept.
pub(crate) struct Leftover {
    path: PathBuf,
    kept: bool,
}

impl Leftover {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Leftover {
    fn drop(&mut self) {
        if !self.kept {
            // Nothing can be done about a failure here; the sweep at the next start takes what stays.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// A [`Leftover`] that is being written.
pub(crate) struct Staged {
    file: File,
    leftover: Leftover,
}

impl Staged {
    /// Makes a new file at `path`.
    pub(crate) async fn create_new(path: &Path) -> Result<Self, StorageError> {
        let file = File::create_new(path).await.map_err(StorageError::Staging)?;
        Ok(Self { file, leftover: Leftover { path: path.to_owned(), kept: false } })
    }

    /// Adds the next bytes.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        self.file.write_all(bytes).await.map_err(StorageError::Staging)
    }

    /// Ends the writing; the file still goes away with the value.
    pub(crate) async fn close(mut self) -> Result<Leftover, StorageError> {
        self.file.flush().await.map_err(StorageError::Staging)?;
        Ok(self.leftover)
    }

    /// Ends the writing; the file stays.
    pub(crate) async fn keep(self) -> Result<(), StorageError> {
        self.close().await?.kept = true;
        Ok(())
    }
}

/// As [`Staged`], for work that may block: nothing stands between the bytes and the file.
pub(crate) struct StagedFile {
    file: std::fs::File,
    leftover: Leftover,
}

impl StagedFile {
    /// Makes a new file at `path`.
    pub(crate) fn create_new(path: PathBuf) -> Result<Self, StorageError> {
        let file = std::fs::File::create_new(&path).map_err(StorageError::Staging)?;
        Ok(Self { file, leftover: Leftover { path, kept: false } })
    }

    /// Adds the next bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        std::io::Write::write_all(&mut self.file, bytes).map_err(StorageError::Staging)
    }

    /// Ends the writing; the file still goes away with the value.
    pub(crate) fn close(self) -> Leftover {
        self.leftover
    }
}

/// Whether bytes must survive a crash of the machine before anything else is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Synced before they become visible.
    Synced,
    /// May be lost or torn by a crash; whoever reads them checks.
    Hint,
}

impl ObjectStorage {
    /// A name in the staging folder that no other opening has.
    pub(crate) fn staging_name(&self, ending: &str) -> PathBuf {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        self.staging.join(format!("{}-{number}.{ending}", self.opening.name))
    }

    pub(crate) async fn stage(&self) -> Result<Staged, StorageError> {
        let path = self.staging_name("part");
        let file = File::create_new(&path).await.map_err(StorageError::Staging)?;
        Ok(Staged { file, leftover: Leftover { path, kept: false } })
    }

    /// Size of what lies at `location`, if anything does.
    pub(crate) async fn stored_bytes(
        &self,
        location: &object_store::path::Path,
    ) -> Result<Option<u64>, StorageError> {
        match self.objects.head(location).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(StorageError::Store(error)),
        }
    }

    /// Makes staged bytes visible, all of them at once. On a folder, [`Self::sync_folders`] then makes the name durable.
    pub(crate) async fn make_visible(
        &self,
        mut staged: Leftover,
        location: &object_store::path::Path,
        durability: Durability,
    ) -> Result<(), StorageError> {
        let Some(folder) = &self.folder else {
            return self.upload(&staged, location).await;
        };
        let (from, target) = (staged.path.clone(), folder.join(location.as_ref()));
        let moved = tokio::task::spawn_blocking(move || {
            if durability == Durability::Synced {
                std::fs::File::open(&from)?.sync_all()?;
            }
            target.parent().map_or(Ok(()), std::fs::create_dir_all)?;
            std::fs::rename(&from, &target)
        });
        moved.await.map_err(StorageError::join)?.map_err(StorageError::Staging)?;
        staged.kept = true;
        Ok(())
    }

    /// Lets the new directory entries of `locations`, the shards' own included, survive a crash of the machine.
    pub(crate) async fn sync_folders(
        &self,
        locations: impl IntoIterator<Item = object_store::path::Path>,
    ) -> Result<(), StorageError> {
        let Some(folder) = self.folder.clone() else { return Ok(()) };
        let mut folders = BTreeSet::new();
        for location in locations {
            let file = folder.join(location.as_ref());
            folders.extend(file.ancestors().skip(1).take(3).map(Path::to_owned));
        }
        let synced = tokio::task::spawn_blocking(move || {
            folders.iter().try_for_each(|folder| std::fs::File::open(folder)?.sync_all())
        });
        synced.await.map_err(StorageError::join)?.map_err(StorageError::Staging)
    }

    /// Lets removed directory entries stay removed after a crash of the machine; a folder that is not there needs nothing.
    pub(crate) async fn sync_existing_folders(
        &self,
        locations: impl IntoIterator<Item = object_store::path::Path>,
    ) -> Result<(), StorageError> {
        let Some(folder) = self.folder.clone() else { return Ok(()) };
        let parent = |location: object_store::path::Path| {
            folder.join(location.as_ref()).parent().map(Path::to_owned)
        };
        let folders: BTreeSet<PathBuf> = locations.into_iter().filter_map(parent).collect();
        let synced = tokio::task::spawn_blocking(move || {
            let existing = folders.iter().filter(|folder| folder.is_dir());
            existing.map(std::fs::File::open).try_for_each(|folder| folder?.sync_all())
        });
        synced.await.map_err(StorageError::join)?.map_err(StorageError::Staging)
    }

    async fn upload(
        &self,
        staged: &Leftover,
        location: &object_store::path::Path,
    ) -> Result<(), StorageError> {
        const PART_BYTES: usize = 8 << 20;
        let mut file = File::open(staged.path()).await.map_err(StorageError::Staging)?;
        let size = file.metadata().await.map_err(StorageError::Staging)?.len();
        if size <= PART_BYTES as u64 {
            let mut bytes = Vec::with_capacity(size as usize);
            file.read_to_end(&mut bytes).await.map_err(StorageError::Staging)?;
            let put = self.objects.put(location, PutPayload::from(bytes)).await;
            return put.map(drop).map_err(StorageError::Store);
        }
        let upload = self.objects.put_multipart(location).await.map_err(StorageError::Store)?;
        let mut writer = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        let mut piece = vec![0; 1 << 20];
        loop {
            let read = file.read(&mut piece).await.map_err(StorageError::Staging)?;
            if read == 0 {
                return writer.finish().await.map(drop).map_err(StorageError::Store);
            }
            writer.wait_for_capacity(4).await.map_err(StorageError::Store)?;
            writer.write(&piece[..read]);
        }
    }
}
