//! The hash tree against the vectors of RFC 6962 and of pymerkle, and against a tree written from the RFC's text.
#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

use std::collections::BTreeMap;

use domain::{
    digest::Digest,
    proof::merkle::{
        Frontier, MerkleError, Node, Tree, consistency_path, inclusion_path, leaf_hash, node_hash,
        root, verify_consistency, verify_inclusion,
    },
};
use proptest::prelude::*;
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/merkle_rfc6962.json")).unwrap()
}

fn digest(value: &Value) -> Digest {
    value.as_str().unwrap().parse().unwrap()
}

fn digests(value: &Value) -> Vec<Digest> {
    value.as_array().unwrap().iter().map(digest).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn tree(leaves: &[Digest]) -> Tree {
    let mut tree = Tree::new();
    for leaf in leaves {
        tree.append(*leaf);
    }
    tree
}

fn strikes() -> Vec<Digest> {
    let file = golden();
    let texts = file["strike_leaves_utf8"].as_array().unwrap();
    texts.iter().map(|text| leaf_hash(text.as_str().unwrap().as_bytes())).collect()
}

/// MTH of RFC 6962, 2.1, word by word.
fn by_definition(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Digest::of(b""),
        [one] => *one,
        _ => {
            let left = leaves.len().next_power_of_two() / 2;
            node_hash(&by_definition(&leaves[..left]), &by_definition(&leaves[left..]))
        }
    }
}

/// Proves the roots of the published certificate-transparency leaves and of 34 logs of strikes, grown leaf by leaf.
#[test]
fn roots() {
    let file = golden();
    let mut edge = Frontier::new();
    for (hex, want) in
        file["ct_leaves_hex"].as_array().unwrap().iter().zip(digests(&file["ct_roots"]))
    {
        edge.append(leaf_hash(&bytes(hex.as_str().unwrap())));
        assert_eq!(edge.root(), want);
    }
    let (leaves, wanted) = (strikes(), digests(&file["roots"]));
    assert_eq!(wanted.len(), 34);
    let whole = tree(&leaves);
    for (size, want) in wanted.into_iter().enumerate() {
        assert_eq!(root(&leaves[..size]), want, "{size}");
        assert_eq!(whole.root_at(size as u64), Some(want), "{size}");
    }
    assert_eq!(whole.root_at(34), None);
}

/// Proves the 21 inclusion paths: we make the very same ones, and they verify.
#[test]
fn inclusion() {
    let (file, leaves) = (golden(), strikes());
    let (whole, roots) = (tree(&leaves), digests(&file["roots"]));
    let cases = file["inclusion"].as_array().unwrap();
    assert_eq!(cases.len(), 21);
    for case in cases {
        let (index, size) = (case["index"].as_u64().unwrap(), case["size"].as_u64().unwrap());
        let path = whole.inclusion(index, size).unwrap();
        assert_eq!(path, digests(&case["proof"]), "{index} of {size}");
        let (leaf, root) = (leaves[index as usize], roots[size as usize]);
        assert_eq!(verify_inclusion(leaf, index, size, &path, root), Ok(()));
    }
}

/// Proves the 11 consistency paths, and that all 28 logs with another old leaf are refused.
#[test]
fn consistency() {
    let (file, leaves) = (golden(), strikes());
    let (whole, roots) = (tree(&leaves), digests(&file["roots"]));
    let cases = file["consistency"].as_array().unwrap();
    assert_eq!(cases.len(), 11);
    for case in cases {
        let (old, new) = (case["old"].as_u64().unwrap(), case["new"].as_u64().unwrap());
        let path = whole.consistency(old, new).unwrap();
        assert_eq!(path, digests(&case["proof"]), "{old} to {new}");
        let (before, after) = (roots[old as usize], roots[new as usize]);
        assert_eq!(verify_consistency((old, before), (new, after), &path), Ok(()));
    }
    let mut refused = 0;
    for (old, new) in [(3_usize, 7_usize), (8, 33), (17, 33)] {
        for at in 0..old {
            let mut changed = leaves[..new].to_vec();
            changed[at] = leaf_hash(b"tampered");
            let other = tree(&changed);
            let path = other.consistency(old as u64, new as u64).unwrap();
            let (before, after) = ((old as u64, roots[old]), (new as u64, other.root()));
            assert!(matches!(
                verify_consistency(before, after, &path),
                Err(MerkleError::Root { .. })
            ));
            refused += 1;
        }
    }
    assert_eq!(refused, golden()["tampered_old_entry_rejected"]);
}

/// Proves invariant 35: every leaf of every log up to 70 has a path, and that any other leaf, place, size, root or path is refused.
#[test]
fn inclusion_of_every_leaf() {
    let leaves: Vec<Digest> = (0..70_u32).map(|n| leaf_hash(&n.to_le_bytes())).collect();
    let whole = tree(&leaves);
    let other = Digest::of(b"other");
    for size in 1..=70_u64 {
        let root = whole.root_at(size).unwrap();
        for index in 0..size {
            let path = whole.inclusion(index, size).unwrap();
            assert!(path.len() <= 7);
            let leaf = leaves[index as usize];
            let check = |leaf, index, size, path: &[Digest], root| {
                verify_inclusion(leaf, index, size, path, root)
            };
            assert_eq!(check(leaf, index, size, &path, root), Ok(()));
            assert!(check(other, index, size, &path, root).is_err());
            assert!(check(leaf, index, size, &path, other).is_err());
            assert_eq!(
                check(leaf, size, size, &path, root),
                Err(MerkleError::Index { index: size, size })
            );
            for elsewhere in (0..size).filter(|at| *at != index) {
                assert!(check(leaf, elsewhere, size, &path, root).is_err());
            }
            let mut longer = path.clone();
            longer.push(other);
            assert!(check(leaf, index, size, &longer, root).is_err());
            for at in 0..path.len() {
                let mut changed = path.clone();
                changed[at] = other;
                assert!(check(leaf, index, size, &changed, root).is_err());
                assert!(check(leaf, index, size, &path[..at], root).is_err());
            }
        }
        assert_eq!(whole.inclusion(size, size), None);
    }
}

/// Proves invariant 35: every two sizes up to 70 are consistent, and that another old root, new root or path is not.
#[test]
fn every_two_sizes_are_consistent() {
    let leaves: Vec<Digest> = (0..70_u32).map(|n| leaf_hash(&n.to_le_bytes())).collect();
    let whole = tree(&leaves);
    let other = Digest::of(b"other");
    for new in 0..=70_u64 {
        for old in 0..=new {
            let (before, after) = (whole.root_at(old).unwrap(), whole.root_at(new).unwrap());
            let path = whole.consistency(old, new).unwrap();
            let check = |before, after, path: &[Digest]| {
                verify_consistency((old, before), (new, after), path)
            };
            assert_eq!(check(before, after, &path), Ok(()), "{old} to {new}");
            assert!(check(other, after, &path).is_err(), "{old} to {new}");
            // Any log begins with the empty one, whatever its root.
            assert_eq!(check(before, other, &path).is_err(), old > 0, "{old} to {new}");
            let mut longer = path.clone();
            longer.push(other);
            assert!(check(before, after, &longer).is_err());
            for at in 0..path.len() {
                let mut changed = path.clone();
                changed[at] = other;
                assert!(check(before, after, &changed).is_err());
                assert!(check(before, after, &path[..at]).is_err());
            }
        }
    }
    assert_eq!(whole.consistency(4, 3), None);
    assert_eq!(
        verify_consistency((4, other), (3, other), &[]),
        Err(MerkleError::Shrunk { old: 4, new: 3 })
    );
}

/// Proves that a frontier survives JSON, and that one with another number of subtrees than its size has is refused.
#[test]
fn frontier_json() {
    let mut edge = Frontier::new();
    for leaf in strikes().iter().take(11) {
        edge.append(*leaf);
    }
    assert_eq!((edge.size(), edge.peaks().len()), (11, 3));
    let text = serde_json::to_string(&edge).unwrap();
    assert_eq!(serde_json::from_str::<Frontier>(&text).unwrap(), edge);
    let wrong = text.replace("\"size\":11", "\"size\":12");
    assert!(serde_json::from_str::<Frontier>(&wrong).is_err());
    assert!(Frontier::from_parts(u64::MAX, vec![Digest::of(b""); 64]).is_ok());
}

/// Proves that paths in a log of any size read a few dozen subtrees, each complete, and that the same nodes are asked for whatever they
/// hold, so that they can be read beforehand.
#[test]
fn paths_read_few_nodes() {
    let anything = Digest::of(b"anything");
    for size in [1_u64 << 40, (1 << 40) - 1, (1 << 40) + 12_345, u64::MAX] {
        for index in [0, 1, size / 3, size - 1] {
            let mut nodes = Vec::new();
            let mut note = |node: Node| {
                nodes.push(node);
                Some(anything)
            };
            inclusion_path(index, size, &mut note).unwrap();
            consistency_path(index, size, &mut note).unwrap();
            assert!(nodes.len() <= 4 * 64, "{} nodes", nodes.len());
            for Node { level, index } in nodes {
                let end = (u128::from(index) + 1) << level;
                assert!(end <= u128::from(size), "{index} of level {level} in {size}");
            }
        }
    }
    // Rows of the nodes that each leaf finishes serve the same paths as the tree.
    let leaves = strikes();
    let (mut edge, mut rows, whole) = (Frontier::new(), BTreeMap::new(), tree(&leaves));
    for leaf in &leaves {
        rows.extend(edge.append(*leaf));
    }
    assert_eq!(rows.len(), 33 + 16 + 8 + 4 + 2 + 1);
    let read = |node| rows.get(&node).copied();
    for index in 0..33 {
        assert_eq!(inclusion_path(index, 33, read), whole.inclusion(index, 33));
        assert_eq!(consistency_path(index, 33, read), whole.consistency(index, 33));
    }
    assert_eq!(inclusion_path(3, 33, |_| None), None);
}

proptest! {
    /// Proves invariant 35, that history cannot change: whichever old leaf is another, no path of the new log fits the old root.
    #[test]
    fn changed_history_fails(new in 2_u64..200, old in 1_u64..200, at in 0_usize..200) {
        let old = old.min(new);
        let at = at % old as usize;
        let mut leaves: Vec<Digest> = (0..new).map(|n| leaf_hash(&n.to_be_bytes())).collect();
        let honest = tree(&leaves);
        leaves[at] = leaf_hash(b"rewritten");
        let forged = tree(&leaves);
        let before = (old, honest.root_at(old).unwrap());
        for path in [honest.consistency(old, new).unwrap(), forged.consistency(old, new).unwrap()] {
            prop_assert!(verify_consistency(before, (new, forged.root()), &path).is_err());
        }
        let honest_leaf = leaf_hash(&(at as u64).to_be_bytes());
        let path = forged.inclusion(at as u64, new).unwrap();
        prop_assert!(verify_inclusion(honest_leaf, at as u64, new, &path, forged.root()).is_err());
    }

    /// Proves that growing leaf by leaf gives the root of the definition.
    #[test]
    fn root_is_the_definition(contents in proptest::collection::vec(any::<[u8; 4]>(), 0..150)) {
        let leaves: Vec<Digest> = contents.iter().map(|bytes| leaf_hash(bytes)).collect();
        prop_assert_eq!(root(&leaves), by_definition(&leaves));
        prop_assert_eq!(tree(&leaves).root(), by_definition(&leaves));
    }
}
