//! Parts of a file that the stock client sends one after the other, below `hub-part/` until the file is whole.
//!
//! Nothing is checked of a part but its length: the digest of the whole file tells.

use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use object_store::{ObjectStore as _, ObjectStoreExt as _, path::Path};

use crate::{
    ObjectStorage, ReceiveError, Sha256Stream, StorageError, staging::Durability, stitch::Piece,
};
use domain::digest::Digest;

const PARTS: &str = "hub-part";

fn location(file: &str, number: u64) -> Path {
    Path::from_iter([PARTS, file, &number.to_string()])
}

impl ObjectStorage {
    /// Receives one part in the place of what was there under its number; returns the SHA-256 of its bytes.
    ///
    /// # Errors
    /// [`ReceiveError::WrongLength`] or [`ReceiveError::Interrupted`]; nothing has changed then.
    pub async fn put_hub_part<S, E>(
        &self,
        file: &str,
        number: u64,
        length: u64,
        stream: S,
    ) -> Result<Digest, ReceiveError>
    where
        S: Stream<Item = Result<Bytes, E>>,
        E: std::fmt::Display,
    {
        let mut stream = std::pin::pin!(stream);
        let mut staged = self.stage().await?;
        let (mut sha, mut found) = (Sha256Stream::default(), 0);
        while let Some(piece) = stream.next().await {
            let piece = piece
                .map_err(|e| ReceiveError::Interrupted { after: found, reason: e.to_string() })?;
            found += piece.len() as u64;
            if found > length {
                return Err(ReceiveError::WrongLength { declared: length, found });
            }
            sha.update(&piece);
            staged.write(&piece).await?;
        }
        if found != length {
            return Err(ReceiveError::WrongLength { declared: length, found });
        }
        self.make_visible(staged.close().await?, &location(file, number), Durability::Hint).await?;
        Ok(sha.finish())
    }

    /// The bytes of a file's parts one after the other; a part that is not there ends them in an error.
    pub fn read_hub_parts(
        &self,
        file: &str,
        digest: Digest,
        lengths: Vec<u64>,
    ) -> impl Stream<Item = Result<Bytes, StorageError>> + Send + 'static {
        let file = file.to_owned();
        let pieces = (1u64..).zip(lengths).map(move |(number, length)| {
            let location = location(&file, number);
            Piece::Stored { location, range: 0..length, check: None }
        });
        self.stitch(digest, pieces)
    }

    /// Removes the parts of a file.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn remove_hub_parts(&self, file: &str) -> Result<(), StorageError> {
        self.remove_parts_before(&Path::from_iter([PARTS, file]), i64::MAX).await.map(drop)
    }

    /// Removes parts that came before a time, in milliseconds since 1970: nobody completes them any more. Returns how many.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn sweep_hub_parts(&self, before: i64) -> Result<u64, StorageError> {
        self.remove_parts_before(&Path::from(PARTS), before).await
    }

    async fn remove_parts_before(&self, below: &Path, before: i64) -> Result<u64, StorageError> {
        let mut found = self.objects.list(Some(below)).boxed();
        let mut removed = 0;
        while let Some(meta) = found.try_next().await.map_err(StorageError::Store)? {
            if meta.last_modified.timestamp_millis() >= before {
                continue;
            }
            match self.objects.delete(&meta.location).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => removed += 1,
                Err(error) => return Err(StorageError::Store(error)),
            }
        }
        Ok(removed)
    }
}
