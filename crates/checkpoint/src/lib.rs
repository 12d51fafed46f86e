//! Bytes at rest: objects verified on the way in and on the way out, checkpoints stored tensor by tensor.
//!
//! Laws of this crate:
//! - An object is visible under its digest only when all of its bytes were received, hashed, checked and synced.
//! - Whatever is refused leaves nothing behind; what a crash leaves, [`ObjectStorage::sweep_staging`] removes.
//! - A tensor is stored once, whatever files it stands in; a file is its header and a recipe, and is served byte for byte.
//! - Memory does not grow with the size of a file (only with a safetensors header, which is bounded).
//!
//! Where things lie: `sha256/` whole objects, `recipe/` checkpoints, `header/` their headers, `tensor/` large tensors,
//! `pack/` small ones together, `place/` in which pack a small tensor lies, `upload/` parts of files that are still being sent.
//! To read a file takes its recipe and what that names; `place/` only saves storing twice.

mod account;
mod receive;
mod storage;
mod verifier;

pub mod xet;

mod assemble;
mod bucket;
mod commit;
mod error;
mod hub_parts;
mod intent;
mod lane;
mod location;
mod lock;
mod parts;
mod recipe;
mod split;
mod staging;
mod stitch;

pub use account::{Commit, PartPlace, StoredPart};
pub use assemble::{Announced, AssembleError, StoredTensors};
pub use error::{OpenError, StorageError};
pub use receive::{
    ObjectKind, ReceiveError, Received, ReceivedCheckpoint, Sha256Stream, StagedObject,
};
pub use storage::ObjectStorage;
pub use verifier::CheckpointVerifier;
