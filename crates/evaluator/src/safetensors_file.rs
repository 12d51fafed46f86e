//! A safetensors file on disk: its checked header, digest and bytes.

use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use domain::{
    checkpoint::{Header, HeaderError, TensorEntry},
    digest::Digest,
};

use crate::{error::EvaluationError, file_digest::file_digest, subject::io_error};

/// An open file whose header passed every rule.
#[derive(Debug)]
pub(crate) struct SafetensorsFile {
    pub path: PathBuf,
    pub header: Header,
    file: File,
}

/// Why a file is not read as safetensors.
pub(crate) enum FileError {
    Io(io::Error),
    Header(HeaderError),
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<HeaderError> for FileError {
    fn from(error: HeaderError) -> Self {
        Self::Header(error)
    }
}

impl SafetensorsFile {
    /// Opens the cases of a suite.
    pub(crate) fn open_cases(path: &Path) -> Result<Self, EvaluationError> {
        Self::open(path).map_err(|error| match error {
            FileError::Io(source) => io_error("cannot read", path)(source),
            FileError::Header(source) => EvaluationError::Cases { source },
        })
    }

    /// Opens a file and checks its header against its size.
    pub(crate) fn open(path: &Path) -> Result<Self, FileError> {
        let mut file = File::open(path)?;
        let file_bytes = file.metadata()?.len();
        let mut prefix = Vec::new();
        file.by_ref().take(8).read_to_end(&mut prefix)?;
        if let Some(first) = prefix.first_chunk::<8>() {
            let length = Header::length(*first)?;
            file.by_ref().take(length).read_to_end(&mut prefix)?;
        }
        let header = Header::parse(&prefix, Some(file_bytes))?;
        Ok(Self { path: path.to_owned(), header, file })
    }

    /// A tensor of this name.
    pub(crate) fn find(&self, name: &str) -> Option<&TensorEntry> {
        self.header.tensors.iter().find(|t| t.name == name)
    }

    /// All bytes of a tensor.
    pub(crate) fn read(&self, tensor: &TensorEntry) -> io::Result<Vec<u8>> {
        let length = usize::try_from(tensor.end - tensor.begin)
            .map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        let mut bytes = vec![0; length];
        self.read_part(tensor, 0, &mut bytes)?;
        Ok(bytes)
    }

    /// Fills `bytes` with those of a tensor from its byte `offset` on.
    pub(crate) fn read_part(
        &self,
        tensor: &TensorEntry,
        offset: u64,
        bytes: &mut [u8],
    ) -> io::Result<()> {
        self.file.read_exact_at(bytes, self.header.data_offset() + tensor.begin + offset)
    }

    /// SHA-256 of the whole file.
    pub(crate) fn digest(&self) -> io::Result<Digest> {
        file_digest(&self.path)
    }
}
