//! A checkpoint on its way in, cut into tensors: large ones each into a staged file, small ones together into one.

use domain::checkpoint::Header;

use crate::{
    ObjectStorage, StorageError,
    staging::{Leftover, StagedFile},
};

/// Tensors of fewer bytes share a pack. From here on a request for one tensor costs little more than its bytes,
/// and a large tensor is written once: its staged file becomes the object.
pub(crate) const PACKED_BELOW: u64 = 1 << 20;

/// The bytes of one tensor, staged.
pub(crate) enum StagedTensor {
    /// There are none.
    Empty,
    /// In the file of the small ones, from this byte on.
    Small { at: u64 },
    /// In a file of its own.
    Large(Leftover),
}

/// All tensors of a file, staged.
pub(crate) struct StagedTensors {
    /// The bytes of the small ones, one after the other.
    pub(crate) small: Option<Leftover>,
    /// One a tensor, in the order of the header.
    pub(crate) tensors: Vec<StagedTensor>,
}

/// Takes the data of a file in pieces of any size.
pub(crate) struct Splitter {
    storage: ObjectStorage,
    small: Option<StagedFile>,
    small_bytes: u64,
    large: Option<StagedFile>,
    done: Vec<StagedTensor>,
    at: u64,
}

impl Splitter {
    pub(crate) const fn new(storage: ObjectStorage) -> Self {
        Self { storage, small: None, small_bytes: 0, large: None, done: Vec::new(), at: 0 }
    }

    /// Takes the next bytes after the header. Those after the last tensor are left: the verifier refuses them.
    pub(crate) fn write(&mut self, header: &Header, mut data: &[u8]) -> Result<(), StorageError> {
        self.skip_empty(header);
        while let Some(tensor) = header.tensors.get(self.done.len()).filter(|_| !data.is_empty()) {
            let take = data.len().min((tensor.end - self.at) as usize);
            let length = tensor.end - tensor.begin;
            let (storage, small) = (&self.storage, length < PACKED_BELOW);
            let file = if small { &mut self.small } else { &mut self.large };
            let file = match file {
                Some(file) => file,
                none => none.insert(StagedFile::create_new(storage.staging_name("part"))?),
            };
            file.write(&data[..take])?;
            self.at += take as u64;
            data = &data[take..];
            if self.at < tensor.end {
                continue;
            }
            if small {
                self.done.push(StagedTensor::Small { at: self.small_bytes });
                self.small_bytes += length;
            } else if let Some(file) = self.large.take() {
                // Closed at once: a file may have more tensors than a process may have open files.
                self.done.push(StagedTensor::Large(file.close()));
            }
            self.skip_empty(header);
        }
        Ok(())
    }

    fn skip_empty(&mut self, header: &Header) {
        while header.tensors.get(self.done.len()).is_some_and(|t| t.begin == t.end) {
            self.done.push(StagedTensor::Empty);
        }
    }

    /// Ends the file, which the verifier has found whole.
    pub(crate) fn finish(mut self, header: &Header) -> StagedTensors {
        self.skip_empty(header);
        StagedTensors { small: self.small.map(StagedFile::close), tensors: self.done }
    }
}
