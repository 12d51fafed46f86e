//! Bytes at rest: objects under their SHA-256, verified on the way in and on the way out.
//!
//! Laws of this crate:
//! - An object is visible under its digest only when all of its bytes were received, hashed, checked and synced.
//! - Whatever is refused leaves nothing behind.
//! - Memory does not grow with the size of a file (only with a safetensors header, which is bounded).

mod receive;
mod storage;
mod verifier;

pub use receive::{ObjectKind, ReceiveError, Received, ReceivedCheckpoint, Sha256Stream};
pub use storage::{ObjectStorage, OpenError, StorageError};
pub use verifier::CheckpointVerifier;
