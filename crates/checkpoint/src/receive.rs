//! Receiving one object: stream in, checks on the way, visible only when all is well.

use bytes::Bytes;
use domain::{
    checkpoint::{Header, HeaderError, TensorKey},
    digest::Digest,
};
use futures::{Stream, StreamExt};
use sha2::Digest as _;

use crate::{
    CheckpointVerifier, ObjectStorage, StorageError,
    commit::StagedCheckpoint,
    lane::{Batch, Lane},
    split::{Splitter, StagedTensors},
    staging::{Leftover, StagedFile},
};

/// What an object is, and so which rules its bytes must meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// A safetensors file: weights, or the cases of a suite.
    Checkpoint,
    /// A weightless ONNX graph.
    Graph,
    /// Bytes that this program wrote itself, such as a report.
    Document,
}

impl ObjectKind {
    /// Most bytes of an object of this kind: graphs hold no weights (EVALUATION 6), documents are ours.
    #[must_use]
    pub const fn bytes_max(self) -> u64 {
        match self {
            Self::Checkpoint => 1 << 40,
            Self::Graph => 64 << 20,
            Self::Document => 1 << 30,
        }
    }
}

/// An object that was received whole and is stored.
#[derive(Debug)]
pub struct Received {
    /// Its identity.
    pub digest: Digest,
    /// Its size.
    pub bytes: u64,
    /// Bytes that it added to the storage: less than its size where tensors of it were stored already.
    pub new_bytes: u64,
    /// What the header says, for a checkpoint.
    pub checkpoint: Option<ReceivedCheckpoint>,
}

/// The manifest of a received checkpoint.
#[derive(Debug)]
pub struct ReceivedCheckpoint {
    /// The checked header.
    pub header: Header,
    /// One key a tensor, in the order of the header.
    pub keys: Vec<TensorKey>,
}

/// Why an object was not stored. Nothing is left behind in any case.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The sender's file breaks a rule of safetensors.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The bytes are not those that were announced.
    #[error("bytes have digest {found}, announced was {declared}")]
    WrongDigest {
        /// What the sender said.
        declared: Digest,
        /// What arrived.
        found: Digest,
    },
    /// Fewer or more bytes than announced.
    #[error("{found} bytes arrived, announced were {declared}")]
    WrongLength {
        /// What the sender said.
        declared: u64,
        /// What arrived.
        found: u64,
    },
    /// More bytes than an object of the kind may have.
    #[error("object has more than {bytes_max} bytes")]
    TooLarge {
        /// The limit.
        bytes_max: u64,
    },
    /// The sender broke off.
    #[error("transfer broke off after {after} bytes: {reason}")]
    Interrupted {
        /// Bytes that had arrived.
        after: u64,
        /// What the connection said.
        reason: String,
    },
    /// A xorb or a shard breaks a rule of its form.
    #[error(transparent)]
    Xet(#[from] crate::xet::XetError),
    /// Our own storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl ReceiveError {
    /// The closed code of the refusal.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Header(e) => e.code(),
            Self::WrongDigest { .. } => "wrong_digest",
            Self::WrongLength { .. } => "wrong_length",
            Self::TooLarge { .. } => "object_too_large",
            Self::Interrupted { .. } => "transfer_interrupted",
            Self::Xet(e) => e.code(),
            Self::Storage(_) => "storage",
        }
    }
}

/// SHA-256 of bytes that come in pieces.
#[derive(Clone, Debug, Default)]
pub struct Sha256Stream(sha2::Sha256);

impl Sha256Stream {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// As [`Self::update`], as a lane calls it.
    #[expect(clippy::unnecessary_wraps, reason = "the form of work in a lane")]
    fn take(&mut self, bytes: &[u8]) -> Result<(), ReceiveError> {
        self.update(bytes);
        Ok(())
    }

    /// The digest of all bytes.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest::from_bytes(self.0.finalize().into())
    }
}

impl ObjectStorage {
    /// Receives an object and stores it, without any account of parts; see [`Self::stage_object`] for the steps.
    ///
    /// # Errors
    /// See [`ReceiveError`]; the staged bytes are removed before it returns.
    pub async fn receive<S, E>(
        &self,
        kind: ObjectKind,
        declared: Option<Digest>,
        length: Option<u64>,
        stream: S,
    ) -> Result<Received, ReceiveError>
    where
        S: Stream<Item = Result<Bytes, E>>,
        E: std::fmt::Display,
    {
        let staged = self.stage_object(kind, declared, length, stream).await?;
        Ok(self.commit_unaccounted(staged).await?)
    }

    /// Receives an object: hashes and checks it while it streams into the staging folder. It is not visible yet: that takes
    /// [`Self::begin_commit`].
    ///
    /// `declared` is the digest and `length` the size that the sender announced, if any.
    ///
    /// # Errors
    /// See [`ReceiveError`]; the staged bytes are removed before it returns.
    pub async fn stage_object<S, E>(
        &self,
        kind: ObjectKind,
        declared: Option<Digest>,
        length: Option<u64>,
        stream: S,
    ) -> Result<StagedObject, ReceiveError>
    where
        S: Stream<Item = Result<Bytes, E>>,
        E: std::fmt::Display,
    {
        let stream = std::pin::pin!(stream);
        let mut hashing = Lane::new(Sha256Stream::default());
        let mut writing = Lane::new(match kind {
            ObjectKind::Checkpoint => Sink::checkpoint(self, length),
            ObjectKind::Graph | ObjectKind::Document => {
                Sink::Whole(StagedFile::create_new(self.staging_name("part"))?)
            }
        });
        let source = Source { stream, bytes: 0, bytes_max: kind.bytes_max(), declared: length };
        let passed = pass(source, &mut hashing, &mut writing).await;
        // Whatever comes out: nobody works on the staged bytes any more when this returns.
        let (digest, whole) = (hashing.end().await, writing.end().await);
        let bytes = passed?;
        let whole = whole?.finish()?;
        let digest = digest?.finish();
        if let Some(declared) = declared.filter(|d| *d != digest) {
            return Err(ReceiveError::WrongDigest { declared, found: digest });
        }
        let content = match whole {
            Finished::Whole(staged) => StagedContent::Whole(staged),
            Finished::Checkpoint { prefix, manifest, staged } => {
                StagedContent::Checkpoint(StagedCheckpoint { digest, prefix, manifest, staged })
            }
        };
        Ok(StagedObject { digest, bytes, content })
    }
}

/// An object that was received whole and passed its rules; its staged bytes go away with it.
pub struct StagedObject {
    pub(crate) digest: Digest,
    pub(crate) bytes: u64,
    pub(crate) content: StagedContent,
}

/// What was staged.
pub(crate) enum StagedContent {
    Whole(Leftover),
    Checkpoint(StagedCheckpoint),
}

impl std::fmt::Debug for StagedObject {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "StagedObject({}, {} bytes)", self.digest, self.bytes)
    }
}

impl StagedObject {
    /// Its identity.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Its size.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What the header says, for a checkpoint.
    #[must_use]
    pub const fn manifest(&self) -> Option<&ReceivedCheckpoint> {
        match &self.content {
            StagedContent::Whole(_) => None,
            StagedContent::Checkpoint(checkpoint) => Some(&checkpoint.manifest),
        }
    }

    /// The manifest of a checkpoint that need not be stored, because it is.
    #[must_use]
    pub fn into_manifest(self) -> Option<ReceivedCheckpoint> {
        match self.content {
            StagedContent::Whole(_) => None,
            StagedContent::Checkpoint(checkpoint) => Some(checkpoint.manifest),
        }
    }
}

/// Bytes that are handed to the lanes at once. Two batches are in memory: the one that comes in, and the one that is worked on.
const BATCH_BYTES: usize = 2 << 20;

/// The sender's stream and what it may hold.
struct Source<S> {
    stream: S,
    /// Bytes that have come in.
    bytes: u64,
    bytes_max: u64,
    declared: Option<u64>,
}

impl<S, B> Source<S>
where
    S: Stream<Item = Result<Bytes, B>> + Unpin,
    B: std::fmt::Display,
{
    /// The next batch, and how the stream ended if it did.
    async fn next_batch(&mut self) -> (Vec<Bytes>, Option<Result<(), ReceiveError>>) {
        let (mut batch, mut batch_bytes) = (Vec::new(), 0);
        while batch_bytes < BATCH_BYTES {
            let piece = match self.stream.next().await {
                None => return (batch, Some(self.check_end())),
                Some(Ok(piece)) => piece,
                Some(Err(error)) => {
                    let (after, reason) = (self.bytes, error.to_string());
                    return (batch, Some(Err(ReceiveError::Interrupted { after, reason })));
                }
            };
            self.bytes += piece.len() as u64;
            if let Err(error) = self.check_size() {
                return (batch, Some(Err(error)));
            }
            batch_bytes += piece.len();
            batch.push(piece);
        }
        (batch, None)
    }

    fn check_size(&self) -> Result<(), ReceiveError> {
        let (found, bytes_max) = (self.bytes, self.bytes_max);
        if found > bytes_max {
            return Err(ReceiveError::TooLarge { bytes_max });
        }
        match self.declared {
            Some(declared) if found > declared => {
                Err(ReceiveError::WrongLength { declared, found })
            }
            _ => Ok(()),
        }
    }

    fn check_end(&self) -> Result<(), ReceiveError> {
        let found = self.bytes;
        match self.declared {
            Some(declared) if found != declared => {
                Err(ReceiveError::WrongLength { declared, found })
            }
            _ => Ok(()),
        }
    }
}

/// Passes a stream through both lanes; returns its bytes. Rules that its bytes break come before its end is told.
async fn pass<S, B>(
    mut source: Source<S>,
    hashing: &mut Lane<Sha256Stream>,
    writing: &mut Lane<Sink>,
) -> Result<u64, ReceiveError>
where
    S: Stream<Item = Result<Bytes, B>> + Unpin,
    B: std::fmt::Display,
{
    loop {
        let (batch, end) = tokio::select! {
            next = source.next_batch() => next,
            error = writing.failure() => return Err(error),
        };
        let batch = Batch::from(batch);
        writing.start(batch.clone(), Sink::write).await?;
        hashing.start(batch, Sha256Stream::take).await?;
        if let Some(end) = end {
            writing.settle().await?;
            return end.map(|()| source.bytes);
        }
    }
}

/// Where the bytes of an upload go.
enum Sink {
    /// Into one staged file.
    Whole(StagedFile),
    /// Through the rules of safetensors, and then into one staged file a tensor.
    Checkpoint { verifier: CheckpointVerifier, splitter: Box<Splitter> },
}

/// An upload that has ended and passed its own rules; it is not visible yet.
enum Finished {
    Whole(Leftover),
    Checkpoint { prefix: Bytes, manifest: ReceivedCheckpoint, staged: StagedTensors },
}

impl Sink {
    fn checkpoint(storage: &ObjectStorage, length: Option<u64>) -> Self {
        let splitter = Box::new(Splitter::new(storage.clone()));
        Self::Checkpoint { verifier: CheckpointVerifier::new(length), splitter }
    }

    fn write(&mut self, chunk: &[u8]) -> Result<(), ReceiveError> {
        match self {
            Self::Whole(staged) => staged.write(chunk)?,
            Self::Checkpoint { verifier, splitter } => {
                let before = verifier.seen();
                verifier.update(chunk)?;
                if let Some(header) = verifier.header() {
                    let of_header = header.data_offset().saturating_sub(before) as usize;
                    splitter.write(header, &chunk[of_header.min(chunk.len())..])?;
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Finished, ReceiveError> {
        match self {
            Self::Whole(staged) => Ok(Finished::Whole(staged.close())),
            Self::Checkpoint { mut verifier, splitter } => {
                let prefix = Bytes::from(verifier.take_prefix());
                let (header, keys) = verifier.finish()?;
                let staged = splitter.finish(&header);
                let manifest = ReceivedCheckpoint { header, keys };
                Ok(Finished::Checkpoint { prefix, manifest, staged })
            }
        }
    }
}
