//! The storage itself: a folder, or any store that object_store speaks to.

use std::{
    ops::Range,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use domain::digest::Digest;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{ObjectStore, local::LocalFileSystem, memory::InMemory};

use crate::{
    OpenError, StorageError,
    bucket::Bucket,
    location,
    lock::Locks,
    receive::Sha256Stream,
    staging::{Durability, Leftover, Opening, Staged},
    stitch::{Piece, Pieces},
};

/// Objects under their SHA-256, immutable once visible.
#[derive(Clone, Debug)]
pub struct ObjectStorage {
    pub(crate) objects: Arc<dyn ObjectStore>,
    /// The bucket of a cloud, if it is one.
    pub(crate) bucket: Option<Arc<Bucket>>,
    /// The folder of the folder backend; there a finished object is renamed into place, so that it is never half there.
    pub(crate) folder: Option<PathBuf>,
    pub(crate) staging: PathBuf,
    pub(crate) opening: Arc<Opening>,
    pub(crate) locks: Locks,
}

/// How an object is stored.
pub(crate) enum Form {
    /// In one piece, of so many bytes.
    Whole(u64),
    /// By tensor.
    Recipe,
}

impl ObjectStorage {
    /// Opens the storage at `address` (a folder, `file:///folder`, `memory:`, or a bucket as `s3://`, `gs://` or `az://`), staging
    /// under `staging`. Credentials of a bucket come from the usual variables of its cloud in the environment.
    ///
    /// Nothing is sent to a bucket yet: see [`Self::check`].
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(address: &str, staging: &Path) -> Result<Self, OpenError> {
        Self::open_with(address, staging, std::env::vars())
    }

    /// As [`Self::open`], with these variables in the place of the environment.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_with(
        address: &str,
        staging: &Path,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, OpenError> {
        let make = |path: &Path| {
            std::fs::create_dir_all(path)
                .map_err(|source| OpenError::Folder { path: path.to_owned(), source })
        };
        make(staging)?;
        let locks = Locks::default();
        let open = |staging: &Path| {
            let opening = Opening::new(staging);
            opening
                .map(Arc::new)
                .map_err(|source| OpenError::Folder { path: staging.to_owned(), source })
        };
        let apart = if address == "memory:" {
            let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
            Some((objects, None))
        } else {
            let bucket = Bucket::open(address, variables)?;
            bucket.map(|bucket| (bucket.objects.clone(), Some(Arc::new(bucket))))
        };
        if let Some((objects, bucket)) = apart {
            let (staging, opening) = (staging.to_owned(), open(staging)?);
            return Ok(Self { objects, bucket, folder: None, staging, opening, locks });
        }
        let folder = address.strip_prefix("file://").unwrap_or(address);
        if folder.is_empty() || folder.contains("://") {
            return Err(OpenError::Address(address.to_owned()));
        }
        let folder = PathBuf::from(folder);
        make(&folder)?;
        // A rename does not cross file systems: objects on a disk of their own are staged there.
        let device = |path: &Path| std::fs::metadata(path).map(|m| m.dev()).ok();
        let apart = device(staging) != device(&folder);
        let staging = if apart { folder.join(".staging") } else { staging.to_owned() };
        make(&staging)?;
        let opening = open(&staging)?;
        let objects = Arc::new(LocalFileSystem::new_with_prefix(&folder)?);
        Ok(Self { objects, bucket: None, folder: Some(folder), staging, opening, locks })
    }

    /// The same store with a staging folder and locks of its own, as another process or machine has.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_beside(&self, staging: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Folder { path: staging.to_owned(), source };
        std::fs::create_dir_all(staging).map_err(failed)?;
        let opening = Opening::new(staging).map(Arc::new).map_err(failed)?;
        let (staging, locks) = (staging.to_owned(), Locks::default());
        Ok(Self { staging, opening, locks, ..self.clone() })
    }

    /// Whether the object is there.
    ///
    /// # Errors
    /// [`StorageError::Store`] if the store fails.
    pub async fn contains(&self, digest: Digest) -> Result<bool, StorageError> {
        Ok(self.form(digest).await?.is_some())
    }

    /// Size of the object in bytes.
    ///
    /// # Errors
    /// [`StorageError::Absent`], or the store's failure.
    pub async fn size(&self, digest: Digest) -> Result<u64, StorageError> {
        match self.form(digest).await?.ok_or(StorageError::Absent(digest))? {
            Form::Whole(bytes) => Ok(bytes),
            Form::Recipe => self.recipe_file_bytes(digest).await,
        }
    }

    /// Stores a document of our own; storing the same bytes again changes nothing.
    ///
    /// # Errors
    /// The storage's failure.
    pub async fn put(&self, bytes: Bytes) -> Result<Digest, StorageError> {
        let digest = Digest::of(&bytes);
        let mut staged = self.stage().await?;
        staged.write(&bytes).await?;
        self.publish(staged.close().await?, digest).await?;
        Ok(digest)
    }

    /// The whole object, its digest checked. For documents; use [`Self::stream`] or [`Self::copy_to`] for weights.
    ///
    /// # Errors
    /// [`StorageError::Absent`], a damage, or the store's failure.
    pub async fn read(&self, digest: Digest) -> Result<Bytes, StorageError> {
        let pieces: Vec<Bytes> = self.pieces(digest, None).await?.try_collect().await?;
        let bytes = Bytes::from(pieces.concat());
        let found = Digest::of(&bytes);
        if found == digest { Ok(bytes) } else { Err(StorageError::Damaged { digest, found }) }
    }

    /// The bytes `range` of an object (all of it without a range), as a stream.
    ///
    /// Of a checkpoint, each tensor that lies wholly in the range is checked before its last bytes are passed on.
    ///
    /// # Errors
    /// [`StorageError::Absent`], [`StorageError::Range`], or the store's failure.
    pub async fn stream(
        &self,
        digest: Digest,
        range: Option<Range<u64>>,
    ) -> Result<BoxStream<'static, Result<Bytes, std::io::Error>>, StorageError> {
        Ok(self.pieces(digest, range).await?.map_err(std::io::Error::other).boxed())
    }

    async fn pieces(
        &self,
        digest: Digest,
        range: Option<Range<u64>>,
    ) -> Result<Pieces, StorageError> {
        let within = |size: u64| {
            let range = range.unwrap_or(0..size);
            let (begin, end) = (range.start, range.end);
            let fits = begin <= end && end <= size;
            if fits { Ok(range) } else { Err(StorageError::Range { digest, begin, end }) }
        };
        match self.form(digest).await?.ok_or(StorageError::Absent(digest))? {
            Form::Whole(size) => {
                let (range, location) = (within(size)?, location::whole(digest));
                let some = !range.is_empty();
                let whole = Piece::Stored { location, range, check: None };
                Ok(self.stitch(digest, some.then_some(whole).into_iter()))
            }
            Form::Recipe => {
                let layout = self.load_layout(digest).await?;
                let range = within(layout.header.file_bytes())?;
                Ok(self.stitch(digest, layout.pieces(range)))
            }
        }
    }

    /// Copies an object into a new file at `path`, its digest checked on the way; a failure leaves no file.
    ///
    /// # Errors
    /// [`StorageError::Absent`], a damage, or the failure of the store or of the file.
    pub async fn copy_to(&self, digest: Digest, path: &Path) -> Result<u64, StorageError> {
        let mut pieces = self.pieces(digest, None).await?;
        let mut copy = Staged::create_new(path).await?;
        let (mut sha, mut bytes) = (Sha256Stream::default(), 0);
        while let Some(piece) = pieces.try_next().await? {
            sha.update(&piece);
            bytes += piece.len() as u64;
            copy.write(&piece).await?;
        }
        let found = sha.finish();
        if found != digest {
            return Err(StorageError::Damaged { digest, found });
        }
        copy.keep().await?;
        Ok(bytes)
    }

    pub(crate) async fn form(&self, digest: Digest) -> Result<Option<Form>, StorageError> {
        if let Some(bytes) = self.stored_bytes(&location::whole(digest)).await? {
            return Ok(Some(Form::Whole(bytes)));
        }
        Ok(self.stored_bytes(&location::recipe(digest)).await?.map(|_| Form::Recipe))
    }

    /// Makes staged bytes visible as a whole object, unless they are there; returns the bytes that this added.
    pub(crate) async fn publish(
        &self,
        staged: Leftover,
        digest: Digest,
    ) -> Result<u64, StorageError> {
        // On a folder also over an object that is there: the bytes are the same, and a damaged one is healed by sending it again.
        let known = self.contains(digest).await?;
        if known && self.folder.is_none() {
            return Ok(0);
        }
        let bytes = tokio::fs::metadata(staged.path()).await.map_err(StorageError::Staging)?.len();
        let location = location::whole(digest);
        self.make_visible(staged, &location, Durability::Synced).await?;
        self.sync_folders([location]).await?;
        Ok(if known { 0 } else { bytes })
    }
}
