//! What can go wrong with bytes at rest.

use std::path::PathBuf;

use domain::digest::Digest;

/// Why a storage cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address is none that this program speaks.
    #[error(
        "objects address {0:?}: expected a folder, file:///folder, memory:, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix"
    )]
    Address(String),
    /// The bucket of an address does not answer.
    #[error(
        "objects address {address:?}: {reason}; credentials, region and endpoint are read from {variables}"
    )]
    Bucket {
        /// The address.
        address: String,
        /// What the store said.
        reason: object_store::Error,
        /// The names of the environment variables that it goes by.
        variables: &'static str,
    },
    /// The folder cannot be made or read.
    #[error("objects folder {path}: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The store refused.
    #[error("objects: {0}")]
    Store(#[from] object_store::Error),
}

/// Our own storage failed, or holds something that it should not.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// No object has this digest.
    #[error("no object {0}")]
    Absent(Digest),
    /// The range lies outside the object.
    #[error("bytes {begin}..{end} lie outside of object {digest}")]
    Range {
        /// The object.
        digest: Digest,
        /// First byte.
        begin: u64,
        /// One past the last byte.
        end: u64,
    },
    /// The stored bytes are not those of the digest any more.
    #[error("object {digest} is damaged: its bytes now have digest {found}")]
    Damaged {
        /// The object.
        digest: Digest,
        /// What its bytes hash to.
        found: Digest,
    },
    /// A stored tensor's bytes are not those of its key any more.
    #[error("object {digest} is damaged: tensor {tensor:?} has not the bytes of its key {key}")]
    DamagedTensor {
        /// The checkpoint that was read.
        digest: Digest,
        /// The tensor's name in it.
        tensor: String,
        /// The key that its bytes should have, in hexadecimal digits.
        key: String,
    },
    /// The recipe of a checkpoint is not what was written.
    #[error("object {digest} is damaged: its recipe {reason}")]
    DamagedRecipe {
        /// The checkpoint.
        digest: Digest,
        /// What is wrong with the recipe.
        reason: &'static str,
    },
    /// A stored xorb does not unpack to the chunks that were found in it when it came.
    #[error("xorb {0} is damaged")]
    DamagedXorb(crate::xet::XetHash),
    /// Bytes that an object stands on cannot be read.
    #[error("object {digest}: its part {part} cannot be read: {reason}")]
    Part {
        /// The object.
        digest: Digest,
        /// Where the part should lie.
        part: String,
        /// What the store said.
        reason: std::io::Error,
    },
    /// The staging folder, or a file that is written for the caller, failed.
    #[error("staging folder: {0}")]
    Staging(std::io::Error),
    /// The store failed.
    #[error("object storage: {0}")]
    Store(object_store::Error),
}

impl StorageError {
    pub(crate) fn join(error: tokio::task::JoinError) -> Self {
        Self::Staging(std::io::Error::other(error))
    }

    pub(crate) fn from_store(digest: Digest, error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::Absent(digest),
            other => Self::Store(other),
        }
    }
}
