//! Looking at a safetensors file on a disk.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use checkpoint::CheckpointVerifier;
use domain::{
    checkpoint::{Header, HeaderError, ShardError},
    digest::Digest,
};
use serde_json::{Value, json};

use crate::nonfinite;

/// Why a file cannot be inspected.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file breaks a rule of safetensors.
    #[error("{path}: {source}")]
    Bad {
        /// The file.
        path: PathBuf,
        /// The rule, with the tensor's name.
        source: HeaderError,
    },
    /// The index of a folder's shards is wrong, or the shards are.
    #[error("{folder}: {source}")]
    BadIndex {
        /// The folder.
        folder: PathBuf,
        /// The rule, with tensor and shard.
        source: ShardError,
    },
}

/// Digest, size, metadata and tensors of a file, as one JSON object.
///
/// # Errors
/// See [`InspectError`].
pub fn inspect(path: &Path) -> Result<Value, InspectError> {
    Ok(look(path, false)?.2)
}

/// As [`inspect`], with `nan` and `infinite` beside every tensor of F16, BF16, F32 or F64.
///
/// # Errors
/// See [`InspectError`].
pub fn inspect_with_nonfinite(path: &Path) -> Result<Value, InspectError> {
    Ok(look(path, true)?.2)
}

pub(crate) fn look(
    path: &Path,
    count_nonfinite: bool,
) -> Result<(Digest, Header, Value), InspectError> {
    let unreadable = |source| InspectError::Unreadable { path: path.to_owned(), source };
    let bad = |source| InspectError::Bad { path: path.to_owned(), source };
    let mut file = std::fs::File::open(path).map_err(unreadable)?;
    let bytes = file.metadata().map_err(unreadable)?.len();
    let mut verifier = CheckpointVerifier::new(Some(bytes));
    let mut hasher = checkpoint::Sha256Stream::default();
    let mut piece = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut piece).map_err(unreadable)?;
        if read == 0 {
            break;
        }
        hasher.update(&piece[..read]);
        verifier.update(&piece[..read]).map_err(bad)?;
    }
    let (header, keys) = verifier.finish().map_err(bad)?;
    let digest: Digest = hasher.finish();
    let mut tensors = Vec::with_capacity(keys.len());
    for (tensor, key) in header.tensors.iter().zip(&keys) {
        let mut row = json!({
            "name": tensor.name, "dtype": tensor.dtype, "shape": tensor.shape,
            "begin": tensor.begin, "end": tensor.end, "key": key.hex(),
        });
        if count_nonfinite
            && let Some(counts) =
                nonfinite::count(&mut file, header.data_offset(), tensor).map_err(unreadable)?
        {
            row["nan"] = counts.nan.into();
            row["infinite"] = counts.infinite.into();
        }
        tensors.push(row);
    }
    let found = json!({
        "digest": digest, "bytes": bytes, "header_bytes": header.json_bytes, "metadata": header.metadata,
        "tensors": tensors,
    });
    Ok((digest, header, found))
}
