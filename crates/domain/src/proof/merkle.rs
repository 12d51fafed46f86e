//! The hash tree of the log: RFC 6962 section 2.1, kept by RFC 9162.
//!
//! ```text
//! leaf(x) = SHA-256(0x00 ‖ x)    node(l, r) = SHA-256(0x01 ‖ l ‖ r)    empty = SHA-256("")
//! ```
//! A tree of `n` leaves splits at the largest power of two below `n`, so a complete subtree never changes again.
//! [`Frontier`] keeps the complete subtrees of the right edge only: one leaf more costs O(log n) hashes.
//! Proofs are put together from complete subtrees, whoever keeps them: [`Tree`] in memory, or rows of [`Node`]s in a database, which
//! [`Frontier::append`] hands out. A caller that has to wait for its rows asks twice: first with a function that notes the nodes and
//! answers anything, then with what it has read.

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use crate::digest::Digest;

/// A complete subtree: `2^level` leaves from `index · 2^level` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// 0 for a leaf.
    pub level: u32,
    /// Which of its level, from the left.
    pub index: u64,
}

/// Why a proof proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MerkleError {
    /// No such leaf in a tree of that size.
    #[error("leaf {index} is not in a log of {size}")]
    Index {
        /// The leaf, from 0.
        index: u64,
        /// Leaves of the tree.
        size: u64,
    },
    /// A log never gets smaller.
    #[error("a log of {new} cannot come after one of {old}")]
    Shrunk {
        /// Leaves before.
        old: u64,
        /// Leaves after.
        new: u64,
    },
    /// Too few or too many hashes for the sizes.
    #[error("a path of {given} hashes does not fit the sizes that it is for")]
    Length {
        /// Hashes that were given.
        given: usize,
    },
    /// The hashes lead to another root.
    #[error("the path leads to root {found}; {tree} has {root}")]
    Root {
        /// Which tree: `the log` or `the older log`.
        tree: &'static str,
        /// Its root.
        root: Digest,
        /// Where the path leads.
        found: Digest,
    },
}

/// Hash of a leaf with the bytes `record`.
#[must_use]
pub fn leaf_hash(record: &[u8]) -> Digest {
    hash(&[&[0], record])
}

/// Hash over two subtrees.
#[must_use]
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    hash(&[&[1], left.as_bytes(), right.as_bytes()])
}

/// Root of a tree without leaves.
#[must_use]
pub fn empty_root() -> Digest {
    hash(&[])
}

fn hash(parts: &[&[u8]]) -> Digest {
    let mut state = sha2::Sha256::new();
    for part in parts {
        state.update(part);
    }
    Digest::from_bytes(state.finalize().into())
}

/// The right edge of a growing tree: the roots of its complete subtrees, the largest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Edge", into = "Edge")]
pub struct Frontier {
    size: u64,
    peaks: Vec<Digest>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Edge {
    size: u64,
    peaks: Vec<Digest>,
}

impl From<Frontier> for Edge {
    fn from(Frontier { size, peaks }: Frontier) -> Self {
        Self { size, peaks }
    }
}

impl TryFrom<Edge> for Frontier {
    type Error = MerkleError;

    fn try_from(Edge { size, peaks }: Edge) -> Result<Self, MerkleError> {
        Self::from_parts(size, peaks)
    }
}

impl Frontier {
    /// The edge of a tree without leaves.
    #[must_use]
    pub const fn new() -> Self {
        Self { size: 0, peaks: Vec::new() }
    }

    /// The edge of a tree of `size` leaves, from the roots of its complete subtrees, the largest first.
    ///
    /// # Errors
    /// [`MerkleError::Length`] where there are not as many as `size` has ones in binary.
    pub fn from_parts(size: u64, peaks: Vec<Digest>) -> Result<Self, MerkleError> {
        if peaks.len() == size.count_ones() as usize {
            Ok(Self { size, peaks })
        } else {
            Err(MerkleError::Length { given: peaks.len() })
        }
    }

    /// Leaves so far.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Roots of the complete subtrees, the largest first.
    #[must_use]
    pub fn peaks(&self) -> &[Digest] {
        &self.peaks
    }

    /// Adds a leaf by its hash; the complete subtrees that it finishes come back, itself first.
    pub fn append(&mut self, leaf: Digest) -> Vec<(Node, Digest)> {
        let mut done = vec![(Node { level: 0, index: self.size }, leaf)];
        let (mut node, mut index, mut level) = (leaf, self.size, 0);
        // Every one at the end of the size in binary is a subtree of the same height beside the new one.
        while index & 1 == 1 {
            let Some(left) = self.peaks.pop() else { break };
            node = node_hash(&left, &node);
            (index, level) = (index >> 1, level + 1);
            done.push((Node { level, index }, node));
        }
        self.peaks.push(node);
        self.size = self.size.saturating_add(1);
        done
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Digest {
        let mut peaks = self.peaks.iter().rev().copied();
        let Some(last) = peaks.next() else { return empty_root() };
        peaks.fold(last, |right, left| node_hash(&left, &right))
    }
}

/// The root over leaf hashes.
#[must_use]
pub fn root(leaves: &[Digest]) -> Digest {
    let mut edge = Frontier::new();
    for leaf in leaves {
        edge.append(*leaf);
    }
    edge.root()
}

/// The largest power of two below `n`; `n` is at least 2.
const fn split(n: u64) -> u64 {
    1 << (63 - (n - 1).leading_zeros())
}

/// The root of the leaves `start..start + len`; `start` is a multiple of the largest power of two in `len`.
fn range<F: FnMut(Node) -> Option<Digest>>(read: &mut F, start: u64, len: u64) -> Option<Digest> {
    if len.is_power_of_two() {
        let level = len.trailing_zeros();
        return read(Node { level, index: start >> level });
    }
    let left = split(len);
    let (left_root, right) = (range(read, start, left)?, range(read, start + left, len - left)?);
    Some(node_hash(&left_root, &right))
}

/// The path from leaf `index` to the root of a tree of `size` leaves; `read` knows the complete subtrees.
///
/// None where the leaf is not in the tree, or `read` lacks a subtree.
pub fn inclusion_path<F: FnMut(Node) -> Option<Digest>>(
    index: u64,
    size: u64,
    mut read: F,
) -> Option<Vec<Digest>> {
    if index >= size {
        return None;
    }
    let (mut start, mut len, mut path) = (0, size, Vec::new());
    while len > 1 {
        let left = split(len);
        if index - start < left {
            path.push(range(&mut read, start + left, len - left)?);
            len = left;
        } else {
            path.push(range(&mut read, start, left)?);
            (start, len) = (start + left, len - left);
        }
    }
    path.reverse();
    Some(path)
}

/// The path that shows the tree of `old` leaves inside that of `new`; `read` knows the complete subtrees.
///
/// It is empty for `old` 0 and for equal sizes. None where `old` is the larger, or `read` lacks a subtree.
pub fn consistency_path<F: FnMut(Node) -> Option<Digest>>(
    old: u64,
    new: u64,
    mut read: F,
) -> Option<Vec<Digest>> {
    if old > new {
        return None;
    }
    if old == 0 || old == new {
        return Some(Vec::new());
    }
    // `whole`: the part of the older tree that is left is one whole subtree from its first leaf on, so its root is known already.
    let (mut start, mut len, mut left_over, mut whole) = (0, new, old, true);
    let mut path = Vec::new();
    while left_over != len {
        let left = split(len);
        if left_over <= left {
            path.push(range(&mut read, start + left, len - left)?);
            len = left;
        } else {
            path.push(range(&mut read, start, left)?);
            (start, len, left_over, whole) = (start + left, len - left, left_over - left, false);
        }
    }
    if !whole {
        path.push(range(&mut read, start, len)?);
    }
    path.reverse();
    Some(path)
}

/// Checks that `leaf` is number `index` (from 0) of the `size` leaves under `root` (RFC 9162, 2.1.3.2).
///
/// # Errors
/// [`MerkleError`] says what does not fit.
pub fn verify_inclusion(
    leaf: Digest,
    index: u64,
    size: u64,
    path: &[Digest],
    root: Digest,
) -> Result<(), MerkleError> {
    if index >= size {
        return Err(MerkleError::Index { index, size });
    }
    let wrong_length = MerkleError::Length { given: path.len() };
    let (mut at, mut last, mut found) = (index, size - 1, leaf);
    for sibling in path {
        if last == 0 {
            return Err(wrong_length);
        }
        if at & 1 == 1 || at == last {
            found = node_hash(sibling, &found);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            found = node_hash(&found, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    if last != 0 {
        return Err(wrong_length);
    }
    same("the log", root, found)
}

fn same(tree: &'static str, root: Digest, found: Digest) -> Result<(), MerkleError> {
    if root == found { Ok(()) } else { Err(MerkleError::Root { tree, root, found }) }
}

/// Checks that the tree of `new_root` begins with the leaves of `old_root` (RFC 9162, 2.1.4.2).
///
/// Every log begins with the one of no leaves; the path is empty then.
///
/// # Errors
/// [`MerkleError`] says what does not fit.
pub fn verify_consistency(
    (old_size, old_root): (u64, Digest),
    (new_size, new_root): (u64, Digest),
    path: &[Digest],
) -> Result<(), MerkleError> {
    if old_size > new_size {
        return Err(MerkleError::Shrunk { old: old_size, new: new_size });
    }
    let wrong_length = MerkleError::Length { given: path.len() };
    if old_size == 0 || old_size == new_size {
        let known = if old_size == 0 { empty_root() } else { new_root };
        return if path.is_empty() {
            same("the older log", old_root, known)
        } else {
            Err(wrong_length)
        };
    }
    // A complete older tree is itself the first step, and stays unsaid.
    let (first, rest) = if old_size.is_power_of_two() {
        (old_root, path)
    } else {
        let (first, rest) = path.split_first().ok_or_else(|| wrong_length.clone())?;
        (*first, rest)
    };
    let (mut at, mut last) = (old_size - 1, new_size - 1);
    while at & 1 == 1 {
        (at, last) = (at >> 1, last >> 1);
    }
    let (mut old_found, mut new_found) = (first, first);
    for sibling in rest {
        if last == 0 {
            return Err(wrong_length);
        }
        if at & 1 == 1 || at == last {
            old_found = node_hash(sibling, &old_found);
            new_found = node_hash(sibling, &new_found);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            new_found = node_hash(&new_found, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    if last != 0 {
        return Err(wrong_length);
    }
    same("the older log", old_root, old_found)?;
    same("the log", new_root, new_found)
}

/// A whole tree in memory: every complete subtree, level by level.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    levels: Vec<Vec<Digest>>,
    edge: Frontier,
}

impl Tree {
    /// A tree without leaves.
    #[must_use]
    pub const fn new() -> Self {
        Self { levels: Vec::new(), edge: Frontier::new() }
    }

    /// Adds a leaf by its hash; its number, from 0, comes back.
    pub fn append(&mut self, leaf: Digest) -> u64 {
        let index = self.size();
        for (node, hash) in self.edge.append(leaf) {
            let level = node.level as usize;
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            self.levels[level].push(hash);
        }
        index
    }

    /// Leaves so far.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.edge.size()
    }

    /// The root of all leaves.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.edge.root()
    }

    /// A complete subtree, where there is one.
    #[must_use]
    pub fn node(&self, node: Node) -> Option<Digest> {
        let index = usize::try_from(node.index).ok()?;
        self.levels.get(node.level as usize)?.get(index).copied()
    }

    /// The root of the first `size` leaves; none where there are fewer.
    #[must_use]
    pub fn root_at(&self, size: u64) -> Option<Digest> {
        if size == 0 {
            return Some(empty_root());
        }
        (size <= self.size()).then(|| range(&mut |node| self.node(node), 0, size))?
    }

    /// The path of leaf `index` in the tree of the first `size` leaves.
    #[must_use]
    pub fn inclusion(&self, index: u64, size: u64) -> Option<Vec<Digest>> {
        (size <= self.size()).then(|| inclusion_path(index, size, |node| self.node(node)))?
    }

    /// The path from the first `old` leaves to the first `new`.
    #[must_use]
    pub fn consistency(&self, old: u64, new: u64) -> Option<Vec<Digest>> {
        (new <= self.size()).then(|| consistency_path(old, new, |node| self.node(node)))?
    }
}
