//! The storage itself: a folder, or any store that object_store speaks to.

use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use domain::digest::Digest;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{
    GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutPayload, WriteMultipart,
    local::LocalFileSystem, memory::InMemory,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::receive::Sha256Stream;

/// Objects under their SHA-256, immutable once visible.
#[derive(Clone, Debug)]
pub struct ObjectStorage {
    objects: Arc<dyn ObjectStore>,
    /// The folder of the folder backend; there a finished object is renamed into place, so that it is never half there.
    folder: Option<PathBuf>,
    staging: PathBuf,
}

/// Why a storage cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address is none that this program speaks.
    #[error("objects address {0:?}: expected a folder, file:///folder or memory:")]
    Address(String),
    /// The folder cannot be made or read.
    #[error("objects folder {path}: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The store refused.
    #[error("objects: {0}")]
    Store(#[from] object_store::Error),
}

/// Our own storage failed, or holds something that it should not.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// No object has this digest.
    #[error("no object {0}")]
    Absent(Digest),
    /// The range lies outside the object.
    #[error("bytes {begin}..{end} lie outside of object {digest}")]
    Range {
        /// The object.
        digest: Digest,
        /// First byte.
        begin: u64,
        /// One past the last byte.
        end: u64,
    },
    /// The stored bytes are not those of the digest any more.
    #[error("object {digest} is damaged: its bytes now have digest {found}")]
    Damaged {
        /// The object.
        digest: Digest,
        /// What its bytes hash to.
        found: Digest,
    },
    /// The staging folder failed.
    #[error("staging folder: {0}")]
    Staging(std::io::Error),
    /// The store failed.
    #[error("object storage: {0}")]
    Store(object_store::Error),
}

impl StorageError {
    pub(crate) const fn staging(error: std::io::Error) -> Self {
        Self::Staging(error)
    }
}

/// A file in the staging folder that goes away unless it is published.
pub(crate) struct Staged {
    file: tokio::fs::File,
    path: PathBuf,
    published: bool,
}

impl Staged {
    pub(crate) const fn file(&mut self) -> &mut tokio::fs::File {
        &mut self.file
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.published {
            // Nothing can be done about a failure here; the sweep at the next start takes what stays.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl ObjectStorage {
    /// Opens the storage at `address` (a folder, `file:///folder` or `memory:`), staging under `staging`.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(address: &str, staging: &Path) -> Result<Self, OpenError> {
        let make = |path: &Path| {
            std::fs::create_dir_all(path)
                .map_err(|source| OpenError::Folder { path: path.to_owned(), source })
        };
        make(staging)?;
        if address == "memory:" {
            return Ok(Self {
                objects: Arc::new(InMemory::new()),
                folder: None,
                staging: staging.to_owned(),
            });
        }
        let folder = address.strip_prefix("file://").unwrap_or(address);
        if folder.is_empty() || folder.contains("://") {
            return Err(OpenError::Address(address.to_owned()));
        }
        let folder = PathBuf::from(folder);
        make(&folder)?;
        // A rename does not cross file systems: objects on a disk of their own are staged there.
        let device = |path: &Path| std::fs::metadata(path).map(|m| m.dev()).ok();
        let staging = if device(staging) == device(&folder) {
            staging.to_owned()
        } else {
            folder.join(".staging")
        };
        make(&staging)?;
        let objects = Arc::new(LocalFileSystem::new_with_prefix(&folder)?);
        Ok(Self { objects, folder: Some(folder), staging })
    }

    /// Removes what dead processes left in the staging folder: the files that nobody has locked. Call it when a server starts.
    ///
    /// # Errors
    /// [`StorageError::Staging`] if the folder cannot be read or a file not be removed.
    pub fn sweep_staging(&self) -> Result<u64, StorageError> {
        let sweep = || {
            let mut swept = 0;
            for entry in std::fs::read_dir(&self.staging)? {
                let path = entry?.path();
                if path.is_file() && std::fs::File::open(&path)?.try_lock().is_ok() {
                    std::fs::remove_file(path)?;
                    swept += 1;
                }
            }
            Ok(swept)
        };
        sweep().map_err(StorageError::Staging)
    }

    /// Whether the object is there.
    ///
    /// # Errors
    /// [`StorageError::Store`] if the store fails.
    pub async fn contains(&self, digest: Digest) -> Result<bool, StorageError> {
        match self.objects.head(&location(digest)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(e) => Err(StorageError::Store(e)),
        }
    }

    /// Size of the object in bytes.
    ///
    /// # Errors
    /// [`StorageError::Absent`], or the store's failure.
    pub async fn size(&self, digest: Digest) -> Result<u64, StorageError> {
        Ok(self.objects.head(&location(digest)).await.map_err(|e| from_store(digest, e))?.size)
    }

    /// Stores a document of our own; storing the same bytes again changes nothing.
    ///
    /// # Errors
    /// The storage's failure.
    pub async fn put(&self, bytes: Bytes) -> Result<Digest, StorageError> {
        let digest = Digest::of(&bytes);
        let mut staged = self.stage().await?;
        staged.file().write_all(&bytes).await.map_err(StorageError::Staging)?;
        self.publish(staged, digest).await?;
        Ok(digest)
    }

    /// The whole object, its digest checked. For documents; use [`Self::stream`] or [`Self::copy_to`] for weights.
    ///
    /// # Errors
    /// [`StorageError::Absent`], [`StorageError::Damaged`], or the store's failure.
    pub async fn read(&self, digest: Digest) -> Result<Bytes, StorageError> {
        let result =
            self.objects.get(&location(digest)).await.map_err(|e| from_store(digest, e))?;
        let bytes = result.bytes().await.map_err(StorageError::Store)?;
        let found = Digest::of(&bytes);
        if found == digest { Ok(bytes) } else { Err(StorageError::Damaged { digest, found }) }
    }

    /// The bytes `range` of an object (all of it without a range), as a stream.
    ///
    /// # Errors
    /// [`StorageError::Absent`], [`StorageError::Range`], or the store's failure.
    pub async fn stream(
        &self,
        digest: Digest,
        range: Option<std::ops::Range<u64>>,
    ) -> Result<BoxStream<'static, Result<Bytes, std::io::Error>>, StorageError> {
        if let Some(range) = &range {
            let size = self.size(digest).await?;
            if range.start > range.end || range.end > size {
                return Err(StorageError::Range { digest, begin: range.start, end: range.end });
            }
            if range.is_empty() {
                return Ok(futures::stream::empty().boxed());
            }
        }
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        let result = self
            .objects
            .get_opts(&location(digest), options)
            .await
            .map_err(|e| from_store(digest, e))?;
        Ok(result.into_stream().map_err(std::io::Error::other).boxed())
    }

    /// Copies an object into a new file at `path`, its digest checked on the way; a failure leaves no file.
    ///
    /// # Errors
    /// [`StorageError::Absent`], [`StorageError::Damaged`], or the failure of the store or of the file.
    pub async fn copy_to(&self, digest: Digest, path: &Path) -> Result<u64, StorageError> {
        let mut stream = self.stream(digest, None).await?;
        let file = tokio::fs::File::create_new(path).await.map_err(StorageError::Staging)?;
        let mut copy = Staged { file, path: path.to_owned(), published: false };
        let (mut sha, mut bytes) = (Sha256Stream::default(), 0);
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(StorageError::Staging)?;
            sha.update(&chunk);
            bytes += chunk.len() as u64;
            copy.file.write_all(&chunk).await.map_err(StorageError::Staging)?;
        }
        copy.file.flush().await.map_err(StorageError::Staging)?;
        let found = sha.finish();
        if found != digest {
            return Err(StorageError::Damaged { digest, found });
        }
        copy.published = true;
        Ok(bytes)
    }

    /// A new file in the staging folder under a name that nobody has, locked as long as it is being written.
    pub(crate) async fn stage(&self) -> Result<Staged, StorageError> {
        let staging = self.staging.clone();
        let made = tokio::task::spawn_blocking(move || {
            let (file, path) =
                tempfile::Builder::new().suffix(".part").tempfile_in(staging)?.keep()?;
            file.lock()?;
            Ok::<_, std::io::Error>((file, path))
        });
        let made = made.await.map_err(|e| StorageError::Staging(std::io::Error::other(e)))?;
        let (file, path) = made.map_err(StorageError::Staging)?;
        Ok(Staged { file: tokio::fs::File::from_std(file), path, published: false })
    }

    /// Makes staged bytes visible under their digest: synced first, so that a crash leaves the whole object or none.
    pub(crate) async fn publish(
        &self,
        mut staged: Staged,
        digest: Digest,
    ) -> Result<(), StorageError> {
        staged.file.flush().await.map_err(StorageError::Staging)?;
        staged.file.sync_all().await.map_err(StorageError::Staging)?;
        let Some(folder) = &self.folder else {
            return if self.contains(digest).await? {
                Ok(())
            } else {
                self.upload(staged, digest).await
            };
        };
        // Also over an object that is there: the bytes are the same, and a damaged one is healed by sending it again.
        let target = folder.join(location(digest).as_ref());
        let parent = target.parent().unwrap_or(folder).to_owned();
        let from = staged.path.clone();
        let moved = tokio::task::spawn_blocking(move || {
            std::fs::create_dir_all(&parent)?;
            std::fs::rename(&from, &target)?;
            // The new directory entries, the shard's own included, must survive a crash as well as the bytes.
            parent.ancestors().take(3).try_for_each(|dir| std::fs::File::open(dir)?.sync_all())
        });
        moved
            .await
            .map_err(|e| StorageError::Staging(std::io::Error::other(e)))?
            .map_err(StorageError::Staging)?;
        staged.published = true;
        Ok(())
    }

    async fn upload(&self, mut staged: Staged, digest: Digest) -> Result<(), StorageError> {
        const PART_BYTES: usize = 8 << 20;
        let size = staged.file.metadata().await.map_err(StorageError::Staging)?.len();
        tokio::io::AsyncSeekExt::rewind(&mut staged.file).await.map_err(StorageError::Staging)?;
        if size <= PART_BYTES as u64 {
            let mut bytes = Vec::with_capacity(size as usize);
            staged.file.read_to_end(&mut bytes).await.map_err(StorageError::Staging)?;
            let put = self.objects.put(&location(digest), PutPayload::from(bytes)).await;
            return put.map(drop).map_err(StorageError::Store);
        }
        let upload =
            self.objects.put_multipart(&location(digest)).await.map_err(StorageError::Store)?;
        let mut writer = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        let mut piece = vec![0; 1 << 20];
        loop {
            let read = staged.file.read(&mut piece).await.map_err(StorageError::Staging)?;
            if read == 0 {
                return writer.finish().await.map(drop).map_err(StorageError::Store);
            }
            writer.wait_for_capacity(4).await.map_err(StorageError::Store)?;
            writer.write(&piece[..read]);
        }
    }
}

/// `sha256/ab/abcd…`: two digits a folder keep directories small.
fn location(digest: Digest) -> object_store::path::Path {
    let hex = digest.hex();
    object_store::path::Path::from_iter(["sha256", &hex[..2], &hex])
}

fn from_store(digest: Digest, error: object_store::Error) -> StorageError {
    match error {
        object_store::Error::NotFound { .. } => StorageError::Absent(digest),
        other => StorageError::Store(other),
    }
}
