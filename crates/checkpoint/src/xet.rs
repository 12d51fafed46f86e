//! The formats in which the stock client sends files in chunks: xorbs of chunks, and shards that say which chunks a file is.
//!
//! Nothing that the client says of bytes is believed: hashes are computed again, and a file is what its chunks make of it.
//! Names and layouts are those of the xet protocol, read off its reference implementation (see ops/decisions/0016).

mod hash;
mod shard;
mod store;
mod xorb;

pub use hash::{XetHash, chunk_hash, xorb_hash};
pub use shard::{ShardFile, ShardTerm, parse_shard};
pub use store::{XorbChunks, xorb_owner_mark};
pub use xorb::{Chunk, XORB_BYTES_MAX, XorbReader};

/// Why a xorb or a shard is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XetError {
    /// The bytes end too early, or go on too long.
    #[error("{what} has not the length that it says")]
    Length {
        /// What was read.
        what: &'static str,
    },
    /// More than is allowed of something.
    #[error("{what}: {found}; at most {most}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        found: u64,
        /// How many there may be.
        most: u64,
    },
    /// A version, a tag or a compression that is not known here.
    #[error("{what} is of no known form")]
    Form {
        /// What was read.
        what: &'static str,
    },
    /// A chunk does not unpack to the length in its header.
    #[error("chunk {number} does not unpack to the {bytes} bytes that it announces")]
    Unpack {
        /// Counts from 0.
        number: usize,
        /// What its header says.
        bytes: u32,
    },
    /// The bytes are not those of the name under which they were sent.
    #[error("the xorb has hash {found}, announced was {declared}")]
    WrongHash {
        /// What the sender said.
        declared: XetHash,
        /// What arrived.
        found: XetHash,
    },
    /// A file of a shard has no SHA-256 beside it.
    #[error("file {0} has no SHA-256; this server stores files under it")]
    NoSha256(XetHash),
}

impl XetError {
    /// The closed code of the refusal.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::WrongHash { .. } => "wrong_digest",
            Self::TooMany { .. } => "object_too_large",
            _ => "xet_malformed",
        }
    }
}
