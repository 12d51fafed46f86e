//! A hash tree whose nodes carry sums: what is under a root adds up to what the root says, and no part of it is below nothing.
//!
//! ```text
//! node(l, r) = SHA-256 of "mf.sum.v1", hash of l, sum of l, hash of r, sum of r, each: u32 length, little endian ‖ bytes
//! ```
//! Sums are 8 bytes, little endian. Its shape is that of RFC 6962: neighbours are paired from the left, and the last of an odd row goes up
//! as it is. A node binds the sums of both children and not only their total: with the total alone whoever makes the tree could give
//! each holder a path on which the other side is nothing, and promise the same shares to all of them.

use serde::{Deserialize, Serialize};

use super::{length_prefixed, steps};
use crate::{amount::Shares, digest::Digest};

const TAG: &[u8] = b"mf.sum.v1";

/// A subtree: its hash, and the shares under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SumNode {
    /// Its hash.
    pub hash: Digest,
    /// All shares under it.
    #[serde(rename = "shares_nano", with = "steps")]
    pub shares: Shares,
}

/// Why shares are not under a root.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SumError {
    /// A sum below nothing would make room for shares that there are not.
    #[error("{what} has {shares} shares; expected at least 0")]
    Negative {
        /// Which node.
        what: String,
        /// What it says.
        shares: Shares,
    },
    /// More than there can be.
    #[error("the sum at {what} passes {max} nano-shares", max = i64::MAX)]
    Overflow {
        /// Which node.
        what: String,
    },
    /// No such leaf.
    #[error("leaf {index} is not among {size}")]
    Index {
        /// The leaf, from 0.
        index: u64,
        /// Leaves.
        size: u64,
    },
    /// A path of another length than the tree has at that leaf.
    #[error("a path of {given} steps; leaf {index} of {size} has {wanted}")]
    Length {
        /// Steps that were given.
        given: usize,
        /// Steps that there are.
        wanted: usize,
        /// The leaf.
        index: u64,
        /// Leaves.
        size: u64,
    },
}

fn join(left: &SumNode, right: &SumNode, what: &dyn Fn() -> String) -> Result<SumNode, SumError> {
    for node in [left, right] {
        if node.shares < Shares::ZERO {
            return Err(SumError::Negative { what: what(), shares: node.shares });
        }
    }
    let sums = [left, right].map(|node| node.shares.as_nano().to_le_bytes());
    let sum = left.shares.as_nano().checked_add(right.shares.as_nano());
    let sum = sum.ok_or_else(|| SumError::Overflow { what: what() })?;
    let fields: [&[u8]; 5] = [TAG, left.hash.as_bytes(), &sums[0], right.hash.as_bytes(), &sums[1]];
    let hash = Digest::of(&length_prefixed(&fields));
    Ok(SumNode { hash, shares: Shares::from_nano(sum) })
}

/// All rows of a tree, the leaves first.
#[derive(Clone, Debug)]
pub(super) struct SumTree {
    rows: Vec<Vec<SumNode>>,
}

impl SumTree {
    /// The tree over leaves, one at least.
    ///
    /// # Errors
    /// [`SumError`] for a leaf below nothing, a sum beyond the range, and for no leaf at all.
    pub(super) fn of(leaves: Vec<SumNode>) -> Result<Self, SumError> {
        if leaves.is_empty() {
            return Err(SumError::Index { index: 0, size: 0 });
        }
        let mut rows = vec![leaves];
        while let Some(row) = rows.last().filter(|row| row.len() > 1) {
            let level = rows.len();
            let mut next = Vec::with_capacity(row.len().div_ceil(2));
            for (index, pair) in row.chunks(2).enumerate() {
                next.push(match pair {
                    [left, right] => join(left, right, &|| format!("node {index} of row {level}"))?,
                    [last, ..] => *last,
                    [] => continue,
                });
            }
            rows.push(next);
        }
        Ok(Self { rows })
    }

    /// The root and the sum of all.
    pub(super) fn root(&self) -> Option<SumNode> {
        self.rows.last().and_then(|row| row.first()).copied()
    }

    /// What stands beside the way from a leaf to the root.
    pub(super) fn path(&self, index: usize) -> Vec<SumNode> {
        let beside = |(level, row): (usize, &Vec<SumNode>)| row.get((index >> level) ^ 1).copied();
        self.rows.iter().enumerate().filter_map(beside).collect()
    }
}

/// The root that a path leads to from a leaf, number `index` from 0 of `size`.
///
/// # Errors
/// [`SumError`] for a path of another length, a sum below nothing and one beyond the range.
pub(super) fn climb(
    leaf: SumNode,
    (index, size): (u64, u64),
    path: &[SumNode],
) -> Result<SumNode, SumError> {
    if index >= size {
        return Err(SumError::Index { index, size });
    }
    let (mut at, mut last, mut steps) = (index, size - 1, 0);
    let mut ways = Vec::new();
    while last > 0 {
        // The last of an odd row has nobody beside it and goes up as it is.
        if at & 1 == 1 || at < last {
            ways.push(at & 1 == 1);
        }
        (at, last) = (at >> 1, last >> 1);
        steps += 1;
        debug_assert!(steps <= u64::BITS);
    }
    if ways.len() != path.len() {
        let (given, wanted) = (path.len(), ways.len());
        return Err(SumError::Length { given, wanted, index, size });
    }
    let mut found = leaf;
    for (step, (sibling, is_right)) in path.iter().zip(ways).enumerate() {
        let (left, right) = if is_right { (sibling, &found) } else { (&found, sibling) };
        found = join(left, right, &|| format!("step {step} of the path"))?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(number: u8, nano: i64) -> SumNode {
        SumNode { hash: Digest::of(&[number]), shares: Shares::from_nano(nano) }
    }

    /// Proves that at every size each leaf's path leads to the one root and the whole sum, and a path of another place, another leaf or
    /// one step more or less does not.
    #[test]
    fn every_path_leads_to_the_root() {
        for size in 1..=40_u8 {
            let leaves: Vec<SumNode> = (0..size).map(|k| leaf(k, i64::from(k) * 7)).collect();
            let tree = SumTree::of(leaves.clone()).unwrap();
            let root = tree.root().unwrap();
            let all: i64 = leaves.iter().map(|leaf| leaf.shares.as_nano()).sum();
            assert_eq!(root.shares.as_nano(), all);
            for (index, leaf) in leaves.iter().enumerate() {
                let (place, path) = ((index as u64, u64::from(size)), tree.path(index));
                assert_eq!(climb(*leaf, place, &path), Ok(root), "{index} of {size}");
                let other = leaves[(index + 1) % leaves.len()];
                assert!(size == 1 || climb(other, place, &path) != Ok(root));
                let more = [path.clone(), vec![other]].concat();
                assert!(matches!(climb(*leaf, place, &more), Err(SumError::Length { .. })));
                if let Some((_, less)) = path.split_last() {
                    assert!(matches!(climb(*leaf, place, less), Err(SumError::Length { .. })));
                }
                for place in 0..u64::from(size) {
                    let there = climb(*leaf, (place, u64::from(size)), &path) == Ok(root);
                    assert_eq!(there, place == index as u64, "{index} of {size} at {place}");
                }
            }
            let beyond = climb(leaves[0], (u64::from(size), u64::from(size)), &[]);
            assert!(matches!(beyond, Err(SumError::Index { .. })));
        }
    }

    /// Proves that sums below nothing and beyond the range are refused where the tree is made and where a path is climbed, and that no
    /// tree is made of nothing.
    #[test]
    fn sums_have_a_range() {
        for (one, other, negative) in
            [(1, -1, true), (-1, 1, true), (i64::MAX, 1, false), (i64::MAX, i64::MAX, false)]
        {
            let (one, other) = (leaf(1, one), leaf(2, other));
            for found in
                [SumTree::of(vec![one, other]).map(drop), climb(one, (0, 2), &[other]).map(drop)]
            {
                assert_eq!(matches!(found, Err(SumError::Negative { .. })), negative, "{found:?}");
                assert_eq!(matches!(found, Err(SumError::Overflow { .. })), !negative);
            }
        }
        assert!(matches!(SumTree::of(Vec::new()), Err(SumError::Index { .. })));
    }
}
