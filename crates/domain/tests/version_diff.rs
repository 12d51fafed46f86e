//! The difference of two checkpoints, by cases and by properties.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use domain::checkpoint::{ChangeKind, Dtype, TensorFact, diff, structure};
use proptest::prelude::*;

/// A tensor whose key follows from type, shape and a letter that stands for its bytes.
fn tensor(name: &str, dtype: Dtype, shape: &[u64], letter: char) -> TensorFact {
    TensorFact {
        name: name.to_owned(),
        dtype,
        shape: shape.to_vec(),
        bytes: dtype.tensor_bytes(shape).unwrap(),
        key: format!("{dtype}{shape:?}{letter}"),
    }
}

/// Proves each kind of difference, the order of the answer and the sums of bytes on one example.
#[test]
fn every_kind_is_told() {
    use Dtype::{F16, F32};
    let from = [
        tensor("same", F32, &[2], 'a'),
        tensor("bytes", F32, &[2], 'b'),
        tensor("shape", F32, &[2, 3], 'c'),
        tensor("type", F32, &[4], 'd'),
        tensor("old.name", F32, &[5], 'e'),
        tensor("gone", F32, &[6], 'f'),
    ];
    let to = [
        tensor("type", F16, &[8], 'd'),
        tensor("new.name", F32, &[5], 'e'),
        tensor("more", F32, &[7], 'g'),
        tensor("shape", F32, &[3, 2], 'c'),
        tensor("bytes", F32, &[2], 'z'),
        tensor("same", F32, &[2], 'a'),
    ];
    let found = diff(&from, &to);
    let told: Vec<(&str, ChangeKind)> = found.changes.iter().map(|c| (c.name(), c.kind)).collect();
    use ChangeKind::{Added, Changed, Removed, Renamed, Reshaped, Retyped};
    assert_eq!(
        told,
        [
            ("bytes", Changed),
            ("gone", Removed),
            ("more", Added),
            ("new.name", Renamed),
            ("shape", Reshaped),
            ("type", Retyped),
        ]
    );
    let renamed = &found.changes[3];
    assert_eq!(renamed.from.as_ref().unwrap().name, "old.name");
    assert_eq!((found.unchanged, found.unchanged_bytes, found.renamed_bytes), (1, 8, 20));
    assert_eq!(
        (found.from_bytes, found.to_bytes),
        (8 + 8 + 24 + 16 + 20 + 24, 16 + 20 + 28 + 24 + 8 + 8)
    );
    assert_eq!(found.equal_share(), Some(28.0 / 104.0));
    assert_eq!(diff(&from, &[]).equal_share(), None);
}

/// Proves that a signature follows from names and shapes alone, and that neither can be exchanged for the other.
#[test]
fn signature_is_of_names_and_shapes() {
    let of = |tensors: &[TensorFact]| structure(tensors).signature;
    let a = tensor("a", Dtype::F32, &[2, 3], 'x');
    let b = tensor("b", Dtype::F32, &[4], 'x');
    let whole = structure(&[a.clone(), b.clone()]);
    assert_eq!(whole.parameters, 10);
    assert_eq!(whole.signature, of(&[b.clone(), a.clone()]));
    let converted = tensor("a", Dtype::F16, &[2, 3], 'y');
    assert_eq!(whole.signature, of(&[converted.clone(), b.clone()]));
    assert_eq!(structure(&[converted, b.clone()]).dtypes.len(), 2);
    for other in [
        vec![a.clone()],
        vec![tensor("a", Dtype::F32, &[3, 2], 'x'), b.clone()],
        vec![tensor("a2", Dtype::F32, &[2, 3], 'x'), b],
    ] {
        assert_ne!(whole.signature, of(&other));
    }
    let huge = TensorFact { shape: vec![u64::MAX, 2], bytes: 0, ..a };
    assert_eq!(structure(&[huge.clone(), huge]).parameters, u64::MAX);
}

fn manifests() -> impl Strategy<Value = Vec<TensorFact>> {
    let dtype = prop_oneof![Just(Dtype::F32), Just(Dtype::F16)];
    let entry = (dtype, 1u64..3, prop_oneof![Just('x'), Just('y')]);
    proptest::collection::btree_map("[a-f]", entry, 0..6).prop_map(|map| {
        map.into_iter()
            .map(|(name, (dtype, axis, letter))| tensor(&name, dtype, &[axis], letter))
            .collect()
    })
}

fn counts(changes: &[domain::checkpoint::TensorChange], kind: ChangeKind) -> usize {
    changes.iter().filter(|change| change.kind == kind).count()
}

proptest! {
    /// Proves that nothing differs from itself, and that the order of the rows does not matter.
    #[test]
    fn equal_manifests_have_no_difference(manifest in manifests()) {
        let mut turned = manifest.clone();
        turned.reverse();
        let found = diff(&manifest, &turned);
        prop_assert!(found.changes.is_empty());
        prop_assert_eq!(found.unchanged, manifest.len() as u64);
        prop_assert_eq!(found.unchanged_bytes, found.to_bytes);
    }

    /// Proves that old checkpoint and differences give back the new one, tensor by tensor, and that the sums of bytes agree.
    #[test]
    fn a_difference_applied_gives_the_new_manifest(from in manifests(), to in manifests()) {
        let found = diff(&from, &to);
        let mut rebuilt: Vec<TensorFact> = from
            .iter()
            .filter(|t| !found.changes.iter().any(|c| c.from.as_ref() == Some(*t)))
            .cloned()
            .collect();
        prop_assert_eq!(rebuilt.len() as u64, found.unchanged);
        prop_assert_eq!(rebuilt.iter().map(|t| t.bytes).sum::<u64>(), found.unchanged_bytes);
        rebuilt.extend(found.changes.iter().filter_map(|c| c.to.clone()));
        rebuilt.sort_by(|a, b| a.name.cmp(&b.name));
        prop_assert_eq!(&rebuilt, &to);
        let brought: u64 = found.changes.iter().filter_map(|c| c.to.as_ref()).map(|t| t.bytes).sum();
        prop_assert_eq!(found.unchanged_bytes + brought, found.to_bytes);
    }

    /// Proves that the way back has the opposite differences and the same equal bytes.
    #[test]
    fn the_way_back_is_the_opposite(from in manifests(), to in manifests()) {
        let (there, back) = (diff(&from, &to), diff(&to, &from));
        prop_assert_eq!((there.unchanged_bytes, there.renamed_bytes), (back.unchanged_bytes, back.renamed_bytes));
        for (kind, opposite) in [
            (ChangeKind::Added, ChangeKind::Removed),
            (ChangeKind::Removed, ChangeKind::Added),
            (ChangeKind::Renamed, ChangeKind::Renamed),
            (ChangeKind::Retyped, ChangeKind::Retyped),
            (ChangeKind::Reshaped, ChangeKind::Reshaped),
            (ChangeKind::Changed, ChangeKind::Changed),
        ] {
            prop_assert_eq!(counts(&there.changes, kind), counts(&back.changes, opposite));
        }
    }

    /// Proves that every pair says truly how it differs, and that no key is both removed and added.
    #[test]
    fn every_pair_says_how_it_differs(from in manifests(), to in manifests()) {
        let found = diff(&from, &to);
        for change in &found.changes {
            let true_kind = match (&change.from, &change.to) {
                (None, Some(_)) => ChangeKind::Added,
                (Some(_), None) => ChangeKind::Removed,
                (Some(a), Some(b)) if a.name != b.name => {
                    prop_assert_eq!(&a.key, &b.key);
                    ChangeKind::Renamed
                }
                (Some(a), Some(b)) if a.dtype != b.dtype => ChangeKind::Retyped,
                (Some(a), Some(b)) if a.shape != b.shape => ChangeKind::Reshaped,
                (Some(a), Some(b)) => {
                    prop_assert_ne!(&a.key, &b.key);
                    ChangeKind::Changed
                }
                (None, None) => return Err(TestCaseError::fail("neither side")),
            };
            prop_assert_eq!(change.kind, true_kind);
        }
        let keys = |kind: ChangeKind| -> Vec<String> {
            let of = found.changes.iter().filter(|c| c.kind == kind);
            of.filter_map(|c| c.to.as_ref().or(c.from.as_ref())).map(|t| t.key.clone()).collect()
        };
        let removed = keys(ChangeKind::Removed);
        prop_assert!(keys(ChangeKind::Added).iter().all(|key| !removed.contains(key)));
    }
}
