//! Uploads under way: parts of files that are not whole yet, below `upload/` in the object storage itself, so that several
//! servers on one storage share them.
//!
//! A part lies in `upload/<session>/part/<number>`: its bytes, then their SHA-256. It is there whole or not at all, but it may be
//! lost or torn by a crash of the machine, because it is not synced: whoever takes it checks its size, and its bytes where the
//! file turns out wrong. A note, `upload/<session>/<SHA-256 of it>`, is synced.

use std::collections::BTreeMap;

use bytes::Bytes;
use domain::digest::Digest;
use futures::{Stream, StreamExt, TryStreamExt};
use object_store::{ObjectStore, ObjectStoreExt, path::Path};

use crate::{ObjectStorage, ReceiveError, Sha256Stream, StorageError, staging::Durability};

/// Where uploads under way lie.
const UPLOADS: &str = "upload";
const PARTS: &str = "part";
/// Bytes of the SHA-256 after those of a part.
const CHECK_BYTES: u64 = 32;

fn session_folder(session: &str) -> Path {
    Path::from_iter([UPLOADS, session])
}

/// Where a part lies.
pub(crate) fn part_location(session: &str, number: u64) -> Path {
    Path::from_iter([UPLOADS, session, PARTS, &number.to_string()])
}

impl ObjectStorage {
    /// Receives one part, in the place of what was there under its number.
    ///
    /// # Errors
    /// [`ReceiveError::WrongDigest`], [`ReceiveError::WrongLength`] or [`ReceiveError::Interrupted`]; nothing has changed then.
    pub async fn put_part<S, E>(
        &self,
        session: &str,
        number: u64,
        length: u64,
        declared: Digest,
        stream: S,
    ) -> Result<(), ReceiveError>
    where
        S: Stream<Item = Result<Bytes, E>>,
        E: std::fmt::Display,
    {
        let mut stream = std::pin::pin!(stream);
        let mut staged = self.stage().await?;
        let (mut sha, mut found) = (Sha256Stream::default(), 0);
        while let Some(chunk) = stream.next().await {
            let chunk = chunk
                .map_err(|e| ReceiveError::Interrupted { after: found, reason: e.to_string() })?;
            found += chunk.len() as u64;
            if found > length {
                return Err(ReceiveError::WrongLength { declared: length, found });
            }
            sha.update(&chunk);
            staged.write(&chunk).await?;
        }
        if found != length {
            return Err(ReceiveError::WrongLength { declared: length, found });
        }
        let digest = sha.finish();
        if digest != declared {
            return Err(ReceiveError::WrongDigest { declared, found: digest });
        }
        staged.write(digest.as_bytes()).await?;
        let location = part_location(session, number);
        Ok(self.make_visible(staged.close().await?, &location, Durability::Hint).await?)
    }

    /// The parts that are there, by number, each with the bytes that it holds.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn list_parts(&self, session: &str) -> Result<BTreeMap<u64, u64>, StorageError> {
        let folder = Path::from_iter([UPLOADS, session, PARTS]);
        let mut found = self.objects.list(Some(&folder)).boxed();
        let mut parts = BTreeMap::new();
        while let Some(meta) = found.try_next().await.map_err(StorageError::Store)? {
            let number = meta.location.filename().and_then(|name| name.parse().ok());
            parts.extend(number.zip(meta.size.checked_sub(CHECK_BYTES)));
        }
        Ok(parts)
    }

    /// Removes the parts whose bytes are not those that were received any more; returns how many these were.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn remove_damaged_parts(&self, session: &str) -> Result<u64, StorageError> {
        let mut removed = 0;
        for number in self.list_parts(session).await?.into_keys() {
            let location = part_location(session, number);
            let bytes = match self.objects.get(&location).await {
                Ok(found) => found.bytes().await.map_err(StorageError::Store)?,
                Err(object_store::Error::NotFound { .. }) => continue,
                Err(error) => return Err(StorageError::Store(error)),
            };
            let whole = bytes.split_last_chunk::<{ CHECK_BYTES as usize }>();
            if whole.is_none_or(|(body, check)| Digest::of(body).as_bytes() != check) {
                self.remove_part(session, number).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Removes a part, if it is there.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn remove_part(&self, session: &str, number: u64) -> Result<(), StorageError> {
        self.delete(&part_location(session, number)).await
    }

    /// Keeps what a session needs besides its parts.
    ///
    /// # Errors
    /// The storage's failure.
    pub async fn put_note(&self, session: &str, bytes: &[u8]) -> Result<Digest, StorageError> {
        let digest = Digest::of(bytes);
        let location = Path::from_iter([UPLOADS, session, &digest.hex()]);
        self.publish_bytes(bytes, &location, Durability::Synced).await?;
        self.sync_folders([location]).await?;
        Ok(digest)
    }

    /// What [`Self::put_note`] kept; none if it is not there, or not whole.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn find_note(
        &self,
        session: &str,
        digest: Digest,
    ) -> Result<Option<Bytes>, StorageError> {
        let location = Path::from_iter([UPLOADS, session, &digest.hex()]);
        match self.objects.get(&location).await {
            Ok(found) => {
                let bytes = found.bytes().await.map_err(StorageError::Store)?;
                Ok((Digest::of(&bytes) == digest).then_some(bytes))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(StorageError::Store(error)),
        }
    }

    /// Removes everything of a session.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn remove_upload(&self, session: &str) -> Result<(), StorageError> {
        let location = session_folder(session);
        if let Some(folder) = &self.folder {
            // The folders too, which no object store has.
            return match tokio::fs::remove_dir_all(folder.join(location.as_ref())).await {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(StorageError::Staging(error))
                }
                _ => Ok(()),
            };
        }
        let mut found = self.objects.list(Some(&location)).boxed();
        while let Some(meta) = found.try_next().await.map_err(StorageError::Store)? {
            self.delete(&meta.location).await?;
        }
        Ok(())
    }

    /// The sessions of which anything is there.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn list_uploads(&self) -> Result<Vec<String>, StorageError> {
        let found = self.objects.list_with_delimiter(Some(&Path::from(UPLOADS))).await;
        let found = found.map_err(StorageError::Store)?.common_prefixes;
        Ok(found.iter().filter_map(|path| path.filename().map(str::to_owned)).collect())
    }

    async fn delete(&self, location: &Path) -> Result<(), StorageError> {
        match self.objects.delete(location).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(StorageError::Store(error)),
        }
    }
}
