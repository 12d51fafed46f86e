//! What changed between two checkpoints, from their manifests alone: equal keys are equal tensors, so no byte is read.
//!
//! A tensor is matched by its name first. Of what is left on both sides, equal keys are renames; the rest is removed or added.

use std::collections::BTreeMap;

use super::Dtype;

/// A tensor as a manifest tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorFact {
    /// Name; unique in its checkpoint.
    pub name: String,
    /// Element type.
    pub dtype: Dtype,
    /// Lengths of the axes.
    pub shape: Vec<u64>,
    /// Bytes.
    pub bytes: u64,
    /// Key over type, shape and bytes ([`super::TensorKey`]), in hexadecimal digits.
    pub key: String,
}

/// How a tensor differs; of several ways the first in this order that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// Only the new checkpoint has it.
    Added,
    /// Only the old checkpoint has it.
    Removed,
    /// The same type, shape and bytes under another name.
    Renamed,
    /// The same name with another element type.
    Retyped,
    /// The same name and type with another shape.
    Reshaped,
    /// The same name, type and shape with other bytes.
    Changed,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorChange {
    /// How.
    pub kind: ChangeKind,
    /// The tensor of the old checkpoint; none for an added one.
    pub from: Option<TensorFact>,
    /// The tensor of the new checkpoint; none for a removed one.
    pub to: Option<TensorFact>,
}

impl TensorChange {
    /// The name in the new checkpoint, or in the old one where the new one has none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.to.as_ref().or(self.from.as_ref()).map_or("", |tensor| &tensor.name)
    }
}

/// Everything that differs between two checkpoints, and how much does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// The differences by name, then by kind.
    pub changes: Vec<TensorChange>,
    /// Tensors with the same name and key.
    pub unchanged: u64,
    /// Their bytes.
    pub unchanged_bytes: u64,
    /// Bytes of renamed tensors, which are equal too.
    pub renamed_bytes: u64,
    /// Bytes of all tensors of the old checkpoint.
    pub from_bytes: u64,
    /// Bytes of all tensors of the new checkpoint.
    pub to_bytes: u64,
}

impl Diff {
    /// Bytes of the new checkpoint that stand in the old one, over all bytes of the new one; none if it has no bytes.
    #[must_use]
    pub fn equal_share(&self) -> Option<f64> {
        let equal = self.unchanged_bytes + self.renamed_bytes;
        (self.to_bytes > 0).then(|| equal as f64 / self.to_bytes as f64)
    }
}

/// Compares two manifests; the order of their rows does not matter.
#[must_use]
pub fn diff(from: &[TensorFact], to: &[TensorFact]) -> Diff {
    let mut old: BTreeMap<&str, &TensorFact> =
        from.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
    let mut result = Diff {
        from_bytes: from.iter().map(|tensor| tensor.bytes).sum(),
        to_bytes: to.iter().map(|tensor| tensor.bytes).sum(),
        ..Diff::default()
    };
    let mut new = BTreeMap::new();
    for tensor in to {
        match old.remove(tensor.name.as_str()) {
            Some(before) if before.key == tensor.key => {
                result.unchanged += 1;
                result.unchanged_bytes += tensor.bytes;
            }
            Some(before) => result.changes.push(TensorChange {
                kind: kind_of(before, tensor),
                from: Some(before.clone()),
                to: Some(tensor.clone()),
            }),
            None => {
                new.insert(tensor.name.as_str(), tensor);
            }
        }
    }
    match_by_key(old, new, &mut result);
    result.changes.sort_by(|a, b| (a.name(), a.kind).cmp(&(b.name(), b.kind)));
    result
}

fn kind_of(from: &TensorFact, to: &TensorFact) -> ChangeKind {
    if from.dtype != to.dtype {
        ChangeKind::Retyped
    } else if from.shape != to.shape {
        ChangeKind::Reshaped
    } else {
        ChangeKind::Changed
    }
}

/// Pairs tensors of one key in the order of their names, so that the outcome does not depend on the order of the rows.
fn match_by_key(
    old: BTreeMap<&str, &TensorFact>,
    new: BTreeMap<&str, &TensorFact>,
    result: &mut Diff,
) {
    let mut by_key: BTreeMap<&str, Vec<&TensorFact>> = BTreeMap::new();
    // Backwards, because the last of each list is taken first.
    for tensor in old.into_values().rev() {
        by_key.entry(&tensor.key).or_default().push(tensor);
    }
    for tensor in new.into_values() {
        let before = by_key.get_mut(tensor.key.as_str()).and_then(Vec::pop);
        if before.is_some() {
            result.renamed_bytes += tensor.bytes;
        }
        let kind = if before.is_some() { ChangeKind::Renamed } else { ChangeKind::Added };
        let change = TensorChange { kind, from: before.cloned(), to: Some(tensor.clone()) };
        result.changes.push(change);
    }
    result.changes.extend(by_key.into_values().flatten().map(|tensor| TensorChange {
        kind: ChangeKind::Removed,
        from: Some(tensor.clone()),
        to: None,
    }));
}
