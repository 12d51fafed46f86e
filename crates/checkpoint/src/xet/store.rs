//! Xorbs at rest: received under their hash, read a run of chunks at a time, removed when their chunks lie in stored files.

use std::io::Cursor;

use bytes::Bytes;
use domain::digest::Digest;
use futures::{Stream, StreamExt as _};
use object_store::{ObjectStore as _, ObjectStoreExt as _, path::Path};

use super::{
    Chunk, XORB_BYTES_MAX, XetError, XetHash, XorbReader, xorb::UNPACKED_BYTES_MAX, xorb_hash,
};
use crate::{ObjectStorage, ReceiveError, StorageError, staging::Durability};

/// Where xorbs lie.
const XORBS: &str = "xorb";

/// The chunks of a stored xorb, as they were found in its bytes.
pub type XorbChunks = Vec<Chunk>;

impl ObjectStorage {
    /// Receives a xorb of an owner: every chunk unpacked and hashed, the hash of the whole compared, then visible.
    ///
    /// # Errors
    /// [`ReceiveError::Xet`] with the rule; nothing is stored then.
    pub async fn receive_xorb<S, E>(
        &self,
        owner: &str,
        declared: XetHash,
        stream: S,
    ) -> Result<XorbChunks, ReceiveError>
    where
        S: Stream<Item = Result<Bytes, E>>,
        E: std::fmt::Display,
    {
        let mut stream = std::pin::pin!(stream);
        let (mut staged, mut bytes) = (self.stage().await?, 0);
        while let Some(piece) = stream.next().await {
            let piece = piece
                .map_err(|e| ReceiveError::Interrupted { after: bytes, reason: e.to_string() })?;
            bytes += piece.len() as u64;
            if bytes > XORB_BYTES_MAX {
                return Err(ReceiveError::TooLarge { bytes_max: XORB_BYTES_MAX });
            }
            staged.write(&piece).await?;
        }
        let staged = staged.close().await?;
        let path = staged.path().to_owned();
        let chunks = tokio::task::spawn_blocking(move || {
            let file = std::fs::File::open(path).map_err(StorageError::Staging)?;
            Ok::<_, ReceiveError>(chunks_of(std::io::BufReader::with_capacity(1 << 20, file))?)
        });
        let chunks = chunks.await.map_err(StorageError::join)??;
        let listed: Vec<_> = chunks.iter().map(|c| (c.hash, u64::from(c.bytes))).collect();
        let found = xorb_hash(&listed);
        if found != declared {
            return Err(XetError::WrongHash { declared, found }.into());
        }
        let location = location(owner, &declared);
        self.make_visible(staged, &location, Durability::Synced).await?;
        self.sync_folders([location]).await?;
        Ok(chunks)
    }

    /// The bytes of the chunks `first..end` of a stored xorb whose chunks have these (packed bytes, bytes); none if it is stored no more.
    ///
    /// # Errors
    /// The store's failure, or a damage.
    pub async fn read_xorb(
        &self,
        owner: &str,
        xorb: XetHash,
        chunks: &[(u32, u32)],
        first: usize,
        end: usize,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        let packed = |run: &[(u32, u32)]| run.iter().map(|(packed, _)| u64::from(*packed)).sum();
        let damaged = || StorageError::DamagedXorb(xorb);
        let run = chunks.get(first..end).ok_or_else(damaged)?;
        let from: u64 = packed(&chunks[..first]);
        let range = from..from + packed(run);
        let bytes = match self.objects.get_range(&location(owner, &xorb), range).await {
            Ok(bytes) => bytes,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(StorageError::Store(error)),
        };
        let wanted: usize = run.iter().map(|(_, bytes)| *bytes as usize).sum();
        let unpacked = tokio::task::spawn_blocking(move || {
            let (mut reader, mut all) = (XorbReader::new(Cursor::new(bytes)), Vec::new());
            while let Some((_, content)) = reader.next_chunk()? {
                all.extend_from_slice(&content);
            }
            Ok::<_, XetError>(all)
        });
        let all = unpacked.await.map_err(StorageError::join)?.map_err(|_| damaged())?;
        if all.len() == wanted { Ok(Some(all)) } else { Err(damaged()) }
    }

    /// Whether a xorb of an owner is stored.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn has_xorb(&self, owner: &str, xorb: XetHash) -> Result<bool, StorageError> {
        Ok(self.stored_bytes(&location(owner, &xorb)).await?.is_some())
    }

    /// Removes stored xorbs that `is_known` does not know (by the owner's mark in their names, see [`xorb_owner_mark`], and
    /// their hash) and that have lain there since before a time, in milliseconds since 1970. Returns how many.
    ///
    /// # Errors
    /// The store's failure, or what `is_known` answers.
    pub async fn sweep_xorbs<F, E>(
        &self,
        before: i64,
        mut is_known: impl FnMut(String, XetHash) -> F,
    ) -> Result<u64, E>
    where
        F: Future<Output = Result<bool, E>>,
        E: From<StorageError>,
    {
        let mut stored = self.objects.list(Some(&Path::from(XORBS)));
        let mut swept = 0;
        while let Some(meta) = stored.next().await {
            let meta = meta.map_err(StorageError::Store)?;
            let name: Vec<String> = meta.location.parts().map(|p| p.as_ref().to_owned()).collect();
            let [_, mark, hash] = name.as_slice() else { continue };
            let Ok(hash) = hash.parse() else { continue };
            if meta.last_modified.timestamp_millis() >= before
                || is_known(mark.clone(), hash).await?
            {
                continue;
            }
            match self.objects.delete(&meta.location).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => swept += 1,
                Err(error) => return Err(StorageError::Store(error).into()),
            }
        }
        Ok(swept)
    }

    /// Removes a xorb; one that is not there is no failure.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn remove_xorb(&self, owner: &str, xorb: XetHash) -> Result<(), StorageError> {
        match self.objects.delete(&location(owner, &xorb)).await {
            Err(error) if !matches!(error, object_store::Error::NotFound { .. }) => {
                Err(StorageError::Store(error))
            }
            _ => Ok(()),
        }
    }
}

fn chunks_of(source: impl std::io::Read) -> Result<XorbChunks, XetError> {
    let (mut reader, mut chunks) = (XorbReader::new(source), Vec::new());
    let mut bytes = 0;
    while let Some((chunk, _)) = reader.next_chunk()? {
        bytes += u64::from(chunk.bytes);
        if bytes > UNPACKED_BYTES_MAX {
            let (what, found, most) = ("bytes of a xorb", bytes, UNPACKED_BYTES_MAX);
            return Err(XetError::TooMany { what, found, most });
        }
        chunks.push(chunk);
    }
    Ok(chunks)
}

/// Owners do not share xorbs: one that is removed for one of them stays for the other.
fn location(owner: &str, xorb: &XetHash) -> Path {
    Path::from_iter([XORBS, &xorb_owner_mark(owner), &xorb.hex()])
}

/// What stands for an owner in the names of his xorbs.
#[must_use]
pub fn xorb_owner_mark(owner: &str) -> String {
    Digest::of(owner.as_bytes()).hex()[..16].to_owned()
}
