//! Serving: the ranges that make up a file, one after the other, each whole tensor checked against its key on the way.

use std::{
    io::{Read, Seek, SeekFrom},
    ops::Range,
};

use bytes::Bytes;
use domain::{
    checkpoint::TensorKeyHasher,
    digest::{Digest, to_hex},
};
use futures::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use object_store::{GetOptions, ObjectStore, path::Path};

use crate::{ObjectStorage, StorageError, location::Key, recipe::Layout};

/// Bytes that are read from a file at once.
const READ_BYTES: u64 = 1 << 20;

/// Bytes of an object in pieces, or what went wrong.
pub(crate) type Pieces = BoxStream<'static, Result<Bytes, StorageError>>;

/// A part of what is served.
pub(crate) enum Piece {
    /// Held in memory: the header.
    Inline(Bytes),
    /// A range of a stored object, and what it must hash to if it is a whole tensor.
    Stored { location: Path, range: Range<u64>, check: Option<Box<Check>> },
}

/// The key that the bytes of a tensor must have.
pub(crate) struct Check {
    tensor: String,
    key: Key,
    hasher: TensorKeyHasher,
}

impl Check {
    fn damage(&self, digest: Digest) -> StorageError {
        let (tensor, key) = (self.tensor.clone(), to_hex(&self.key));
        StorageError::DamagedTensor { digest, tensor, key }
    }
}

impl Layout {
    /// What makes up the bytes `range` of the file, in order; each piece is made when its turn comes.
    pub(crate) fn pieces(self, range: Range<u64>) -> impl Iterator<Item = Piece> + Send {
        let data = self.header.data_offset();
        let header = range.start.min(data) as usize..range.end.min(data) as usize;
        let header = (!header.is_empty()).then(|| Piece::Inline(self.prefix.slice(header)));
        let tensors = (0..self.parts.len()).filter_map(move |index| self.tensor(index, &range));
        header.into_iter().chain(tensors)
    }

    /// What `range` takes of one tensor.
    fn tensor(&self, index: usize, range: &Range<u64>) -> Option<Piece> {
        let (tensor, part) = (self.header.tensors.get(index)?, self.parts.get(index)?);
        let data = self.header.data_offset();
        let (begin, end) = (data + tensor.begin, data + tensor.end);
        let (from, to) = (range.start.max(begin), range.end.min(end));
        if from >= to {
            return None;
        }
        let check = ((from, to) == (begin, end)).then(|| {
            let hasher = TensorKeyHasher::new(tensor.dtype, &tensor.shape);
            Box::new(Check { tensor: tensor.name.clone(), key: part.key, hasher })
        });
        let range = part.offset() + (from - begin)..part.offset() + (to - begin);
        Some(Piece::Stored { location: part.location(), range, check })
    }
}

impl ObjectStorage {
    /// The pieces one after the other; one is opened when the one before it has ended.
    pub(crate) fn stitch(
        &self,
        digest: Digest,
        pieces: impl Iterator<Item = Piece> + Send + 'static,
    ) -> Pieces {
        let storage = self.clone();
        let open = move |piece| {
            let storage = storage.clone();
            async move { storage.open_piece(digest, piece).await }
        };
        stream::iter(pieces).then(open).try_flatten().boxed()
    }

    async fn open_piece(&self, digest: Digest, piece: Piece) -> Result<Pieces, StorageError> {
        let (location, range, check) = match piece {
            Piece::Inline(bytes) => return Ok(stream::iter([Ok(bytes)]).boxed()),
            Piece::Stored { location, range, check } => (location, range, check),
        };
        if let Some(folder) = &self.folder {
            let reading =
                FileReading { file: None, path: folder.join(location.as_ref()), range, check };
            return Ok(read_file(reading, location.to_string(), digest));
        }
        let part = location.to_string();
        let failed = move |reason| StorageError::Part { digest, part: part.clone(), reason };
        let options = GetOptions::new().with_range(Some(range));
        let got = self.objects.get_opts(&location, options).await;
        let got = got.map_err(|e| failed(std::io::Error::other(e)))?;
        let bytes = got.into_stream().map_err(move |e| failed(std::io::Error::other(e))).boxed();
        Ok(match check {
            Some(check) => checked(digest, bytes, check),
            None => bytes,
        })
    }
}

/// A range of a file in large reads, hashed where they are read: the store's own reader takes 8 KiB at a time.
fn read_file(reading: FileReading, part: String, digest: Digest) -> Pieces {
    let pieces = stream::try_unfold(Some(reading), move |reading| {
        let part = part.clone();
        async move {
            let Some(reading) = reading.filter(|reading| !reading.range.is_empty()) else {
                return Ok(None);
            };
            let read = tokio::task::spawn_blocking(move || reading.next());
            let failed = |reason| StorageError::Part { digest, part, reason };
            let (bytes, reading) = read.await.map_err(StorageError::join)?.map_err(failed)?;
            match reading.damage(digest) {
                Some(damage) => Err(damage),
                None => Ok(Some((bytes, Some(reading)))),
            }
        }
    });
    pieces.boxed()
}

/// A file on its way out.
struct FileReading {
    file: Option<std::fs::File>,
    path: std::path::PathBuf,
    /// What is still to be read.
    range: Range<u64>,
    check: Option<Box<Check>>,
}

impl FileReading {
    fn next(mut self) -> Result<(Bytes, Self), std::io::Error> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => {
                let mut file = std::fs::File::open(&self.path)?;
                file.seek(SeekFrom::Start(self.range.start))?;
                file
            }
        };
        let length = READ_BYTES.min(self.range.end - self.range.start);
        // Not filled with zeros first, which a plain `read_exact` would need.
        let mut bytes = Vec::with_capacity(length as usize);
        if (&mut file).take(length).read_to_end(&mut bytes)? as u64 != length {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(check) = &mut self.check {
            check.hasher.update(&bytes);
        }
        self.range.start += length;
        self.file = Some(file);
        Ok((Bytes::from(bytes), self))
    }

    /// What is wrong with a whole tensor whose last byte was read; asked before its last piece is passed on.
    fn damage(&self, digest: Digest) -> Option<StorageError> {
        let check = self.check.as_ref().filter(|_| self.range.is_empty())?;
        (check.hasher.clone().finish().as_bytes() != &check.key).then(|| check.damage(digest))
    }
}

/// Passes the bytes of a tensor on, and ends in an error if they do not hash to its key.
///
/// The last piece waits for the check: a reader who got every byte of a file can be sure of all of them.
fn checked(digest: Digest, bytes: Pieces, check: Box<Check>) -> Pieces {
    let start = Some((bytes, check, None::<Bytes>));
    let passed = stream::unfold(start, move |state| async move {
        let (mut bytes, mut check, mut held) = state?;
        loop {
            match bytes.next().await {
                Some(Ok(piece)) => {
                    check.hasher.update(&piece);
                    if let Some(before) = held.replace(piece) {
                        return Some((Ok(before), Some((bytes, check, held))));
                    }
                }
                Some(Err(error)) => return Some((Err(error), None)),
                None if check.hasher.clone().finish().as_bytes() == &check.key => {
                    return held.map(|last| (Ok(last), None));
                }
                None => return Some((Err(check.damage(digest)), None)),
            }
        }
    });
    passed.boxed()
}
