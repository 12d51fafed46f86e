//! A file out of the parts of an upload and of tensors that are stored already, every tensor checked against its key.

use std::collections::HashMap;

use bytes::Bytes;
use domain::{
    checkpoint::{Header, TensorKey, TensorKeyHasher, UploadPlan, range_in_file},
    digest::Digest,
};
use futures::{Stream, StreamExt};

use crate::{
    ObjectStorage, StorageError,
    location::Key,
    parts::part_location,
    recipe::{Layout, Part},
    stitch::Piece,
};

/// Where the bytes of stored tensors lie.
#[derive(Debug, Default)]
pub struct StoredTensors {
    by_key: HashMap<Key, Part>,
}

impl StoredTensors {
    /// Whether the bytes of a key are among them.
    #[must_use]
    pub fn contains(&self, key: &TensorKey) -> bool {
        self.by_key.contains_key(key.as_bytes())
    }
}

/// A file as its sender announced it.
#[derive(Clone, Debug)]
pub struct Announced {
    /// SHA-256 of the whole file.
    pub digest: Digest,
    /// The file's first bytes: length field and header.
    pub prefix: Bytes,
    /// The same, checked.
    pub header: Header,
    /// One key a tensor, in the order of the header.
    pub keys: Vec<TensorKey>,
}

/// Why a file cannot be assembled.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// The parts hold other bytes than the key says.
    #[error("tensor {tensor:?} has not the bytes of the key that was announced for it")]
    WrongKey {
        /// The tensor's name.
        tensor: String,
    },
    /// What it is made of cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl ObjectStorage {
    /// Adds where those tensors of a stored checkpoint lie that `wanted` accepts; `false` if the checkpoint is not stored by tensor.
    ///
    /// # Errors
    /// A damage of the checkpoint's recipe, or the store's failure.
    pub async fn add_stored_tensors(
        &self,
        tensors: &mut StoredTensors,
        checkpoint: Digest,
        wanted: impl Fn(&TensorKey) -> bool + Send,
    ) -> Result<bool, StorageError> {
        let layout = match self.load_layout(checkpoint).await {
            Ok(layout) => layout,
            // A header that went away with its recipe, between the two reads.
            Err(StorageError::Absent(_) | StorageError::Part { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        let Layout { parts, .. } = layout;
        let wanted = parts.into_iter().filter(|part| wanted(&TensorKey::from_bytes(part.key)));
        tensors.by_key.extend(wanted.map(|part| (part.key, part)));
        Ok(true)
    }

    /// The bytes of a file: its header, then tensor by tensor out of the parts of the upload `session` or out of `stored`.
    ///
    /// Parts and tensors that are not there end the stream in [`StorageError::Part`].
    pub fn assemble(
        &self,
        session: &str,
        file: Announced,
        plan: &UploadPlan,
        stored: &StoredTensors,
    ) -> impl Stream<Item = Result<Bytes, AssembleError>> + Send + use<> {
        let covered = plan.covered(&file.header);
        let mut pieces = vec![(0, Piece::Inline(file.prefix.clone()))];
        for (number, range) in (0u64..).zip(plan.parts()) {
            let location = part_location(session, number);
            let bytes = 0..range.end - range.start;
            pieces.push((range.start, Piece::Stored { location, range: bytes, check: None }));
        }
        let tensors = file.header.tensors.iter().zip(&file.keys).zip(&covered);
        for ((tensor, key), _) in tensors.filter(|(_, is_covered)| !**is_covered) {
            let range = range_in_file(&file.header, tensor);
            // What is nowhere is missing bytes: the digest of the file tells, and the caller has asked before.
            let part = stored.by_key.get(key.as_bytes()).filter(|_| !range.is_empty());
            pieces.extend(part.map(|part| {
                let bytes = part.offset()..part.offset() + (range.end - range.start);
                let location = part.location();
                (range.start, Piece::Stored { location, range: bytes, check: None })
            }));
        }
        pieces.sort_by_key(|(begin, _)| *begin);
        let digest = file.digest;
        let mut check = Check { file, covered, tensor: 0, at: 0, hasher: None };
        self.stitch(digest, pieces.into_iter().map(|(_, piece)| piece)).map(move |piece| {
            let piece = piece?;
            check.update(&piece)?;
            Ok(piece)
        })
    }
}

/// Compares each tensor with its key while the file passes by.
struct Check {
    file: Announced,
    /// For each tensor, whether its bytes come from parts.
    covered: Vec<bool>,
    /// The tensor that comes next, or is passing by.
    tensor: usize,
    /// Bytes that have passed by.
    at: u64,
    hasher: Option<Box<TensorKeyHasher>>,
}

impl Check {
    fn update(&mut self, mut bytes: &[u8]) -> Result<(), AssembleError> {
        let in_header = self.file.header.data_offset().saturating_sub(self.at);
        let in_header = in_header.min(bytes.len() as u64);
        self.at += in_header;
        bytes = &bytes[in_header as usize..];
        while !bytes.is_empty() {
            let Some(tensor) = self.file.header.tensors.get(self.tensor) else { return Ok(()) };
            let range = range_in_file(&self.file.header, tensor);
            let take = (range.end - self.at).min(bytes.len() as u64);
            let hasher = self
                .hasher
                .get_or_insert_with(|| Box::new(TensorKeyHasher::new(tensor.dtype, &tensor.shape)));
            hasher.update(&bytes[..take as usize]);
            self.at += take;
            bytes = &bytes[take as usize..];
            if self.at == range.end {
                let found = hasher.finish();
                if let Some(key) = self.file.keys.get(self.tensor).filter(|key| **key != found) {
                    let (tensor, key) = (tensor.name.clone(), key.hex());
                    let ours = !self.covered.get(self.tensor).copied().unwrap_or(false);
                    return Err(if ours {
                        let digest = self.file.digest;
                        StorageError::DamagedTensor { digest, tensor, key }.into()
                    } else {
                        AssembleError::WrongKey { tensor }
                    });
                }
                self.hasher = None;
                self.tensor += 1;
            }
        }
        Ok(())
    }
}
