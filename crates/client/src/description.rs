//! What a checkpoint on this side is: digest, header and tensor keys, out of one pass over the file.

use std::{fs::File, io::Read as _, path::Path};

use bytes::Bytes;
use domain::{
    checkpoint::{Header, HeaderError, TensorKey, TensorKeyHasher},
    digest::Digest,
};
use sha2::Digest as _;

use crate::ClientError;

/// Bytes that are read at once.
const PIECE_BYTES: usize = 1 << 20;

/// A safetensors file that keeps every rule of its header.
#[derive(Clone, Debug)]
pub struct Description {
    /// SHA-256 of the whole file.
    pub digest: Digest,
    /// Its size.
    pub bytes: u64,
    /// Its first bytes: length field and header.
    pub prefix: Bytes,
    /// The same, checked.
    pub header: Header,
    /// One key a tensor, in the order of the header.
    pub keys: Vec<TensorKey>,
}

impl Description {
    /// Reads a file once, from its first byte to its last.
    ///
    /// # Errors
    /// [`ClientError::Checkpoint`] with the rule that it breaks, or [`ClientError::File`].
    pub async fn of_checkpoint(path: &Path) -> Result<Self, ClientError> {
        let owned = path.to_owned();
        let read = tokio::task::spawn_blocking(move || read(&owned)).await;
        let read = read.unwrap_or_else(|error| Err(Failed::File(std::io::Error::other(error))));
        read.map_err(|failed| match failed {
            Failed::Header(source) => ClientError::Checkpoint { path: path.to_owned(), source },
            Failed::File(source) => ClientError::File { path: path.to_owned(), source },
        })
    }
}

enum Failed {
    Header(HeaderError),
    File(std::io::Error),
}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        Self::File(error)
    }
}

impl From<HeaderError> for Failed {
    fn from(error: HeaderError) -> Self {
        Self::Header(error)
    }
}

fn read(path: &Path) -> Result<Description, Failed> {
    let mut file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let mut prefix = Vec::new();
    (&mut file).take(8).read_to_end(&mut prefix)?;
    let first = *prefix.first_chunk::<8>().ok_or(HeaderError::TooShort { bytes })?;
    let (length, left) = (Header::length(first)?, bytes.saturating_sub(8));
    if length > left {
        return Err(HeaderError::HeaderBeyondFile { length, left }.into());
    }
    (&mut file).take(length).read_to_end(&mut prefix)?;
    let header = Header::parse(&prefix, Some(bytes))?;
    let mut sha = sha2::Sha256::new();
    sha.update(&prefix);
    let mut keys = Vec::with_capacity(header.tensors.len());
    let mut piece = vec![0; PIECE_BYTES];
    for tensor in &header.tensors {
        let mut hasher = TensorKeyHasher::new(tensor.dtype, &tensor.shape);
        let mut left = tensor.end - tensor.begin;
        while left > 0 {
            let take = left.min(PIECE_BYTES as u64) as usize;
            file.read_exact(&mut piece[..take])?;
            sha.update(&piece[..take]);
            hasher.update(&piece[..take]);
            left -= take as u64;
        }
        keys.push(hasher.finish());
    }
    let digest = Digest::from_bytes(sha.finalize().into());
    Ok(Description { digest, bytes, prefix: prefix.into(), header, keys })
}
