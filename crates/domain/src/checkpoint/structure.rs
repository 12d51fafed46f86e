//! Structure of a checkpoint: what it is made of, whatever its numbers are.

use std::collections::BTreeSet;

use sha2::Digest as _;

use super::{Dtype, TensorFact};
use crate::digest::Digest;

/// What a checkpoint is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure {
    /// Elements of all tensors; the greatest number of 64 bits if there are more.
    pub parameters: u64,
    /// Element types, each once.
    pub dtypes: BTreeSet<Dtype>,
    /// SHA-256 of `mf.arch.v1\0` and, for each tensor by name: length of the name as u32 ‖ name ‖ rank as u32 ‖ axes as u64, all
    /// little endian. Types do not enter: a converted model keeps its signature.
    pub signature: Digest,
}

/// The structure of a manifest; the order of its rows does not matter.
#[must_use]
pub fn structure(tensors: &[TensorFact]) -> Structure {
    let mut sorted: Vec<&TensorFact> = tensors.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let mut hasher = sha2::Sha256::new();
    hasher.update(b"mf.arch.v1\0");
    for tensor in &sorted {
        hasher.update((tensor.name.len() as u32).to_le_bytes());
        hasher.update(tensor.name.as_bytes());
        hasher.update((tensor.shape.len() as u32).to_le_bytes());
        for axis in &tensor.shape {
            hasher.update(axis.to_le_bytes());
        }
    }
    let elements =
        |t: &&TensorFact| t.shape.iter().fold(1u64, |product, axis| product.saturating_mul(*axis));
    Structure {
        parameters: sorted.iter().map(elements).fold(0, u64::saturating_add),
        dtypes: sorted.iter().map(|tensor| tensor.dtype).collect(),
        signature: Digest::from_bytes(hasher.finalize().into()),
    }
}
