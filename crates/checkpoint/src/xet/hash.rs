//! Hashes of the xet protocol: keyed blake3 of a chunk, and of the tree over the chunks of a xorb.

use std::{fmt, fmt::Write as _, str::FromStr};

/// The key of chunk hashes.
const CHUNK_KEY: [u8; 32] = [
    102, 151, 245, 119, 91, 149, 80, 222, 49, 53, 203, 172, 165, 151, 24, 28, 157, 228, 33, 16,
    155, 235, 43, 88, 180, 208, 176, 75, 147, 173, 242, 41,
];
/// The key of hashes inside the tree.
const NODE_KEY: [u8; 32] = [
    1, 126, 197, 199, 165, 71, 41, 150, 253, 148, 102, 102, 180, 138, 2, 230, 93, 221, 83, 111, 55,
    199, 109, 210, 248, 99, 82, 230, 74, 83, 113, 63,
];

/// A hash, written as four numbers of 64 bits, each little endian in bytes and big endian in digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct XetHash([u8; 32]);

impl XetHash {
    /// The hash of these bytes as they lie in files.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes as they lie in files.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The last of the four numbers, by which the tree is cut.
    fn last(&self) -> u64 {
        self.0.last_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    /// Whether all bits are set: the end of a list in a shard.
    pub(super) fn is_bookend(&self) -> bool {
        self.0 == [0xff; 32]
    }

    /// The 64 digits.
    #[must_use]
    pub fn hex(&self) -> String {
        let mut text = String::with_capacity(64);
        for number in self.0.chunks_exact(8) {
            for byte in number.iter().rev() {
                let _ = write!(text, "{byte:02x}");
            }
        }
        text
    }
}

impl fmt::Display for XetHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

impl fmt::Debug for XetHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "XetHash({self})")
    }
}

/// A text that is no hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 hexadecimal digits in lower case")]
pub struct ParseXetHashError;

impl FromStr for XetHash {
    type Err = ParseXetHashError;

    fn from_str(text: &str) -> Result<Self, ParseXetHashError> {
        let digits = |c: u8| matches!(c, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 64 || !text.bytes().all(digits) {
            return Err(ParseXetHashError);
        }
        let mut bytes = [0; 32];
        for (number, place) in bytes.chunks_exact_mut(8).enumerate() {
            let digits = &text[16 * number..16 * number + 16];
            let value = u64::from_str_radix(digits, 16).map_err(|_| ParseXetHashError)?;
            place.copy_from_slice(&value.to_le_bytes());
        }
        Ok(Self(bytes))
    }
}

/// The hash of a chunk's bytes.
#[must_use]
pub fn chunk_hash(bytes: &[u8]) -> XetHash {
    XetHash(*blake3::keyed_hash(&CHUNK_KEY, bytes).as_bytes())
}

/// The hash of a xorb: of the tree over its chunks, each with the number of its bytes. All zeros without chunks.
///
/// A node has two to nine children and ends after the third or a later one whose last number divides by four.
#[must_use]
pub fn xorb_hash(chunks: &[(XetHash, u64)]) -> XetHash {
    let mut level = chunks.to_vec();
    while level.len() > 1 {
        let mut above = Vec::with_capacity(level.len() / 2);
        let mut rest = level.as_slice();
        while !rest.is_empty() {
            let (children, behind) = rest.split_at(children_of_next_node(rest));
            above.push(node(children));
            rest = behind;
        }
        level = above;
    }
    level.first().map_or(XetHash([0; 32]), |(hash, _)| *hash)
}

fn children_of_next_node(nodes: &[(XetHash, u64)]) -> usize {
    const CHILDREN_MAX: usize = 9;
    let most = nodes.len().min(CHILDREN_MAX);
    let cut = (2..most).find(|at| nodes[*at].0.last().is_multiple_of(4));
    cut.map_or(most, |at| at + 1)
}

fn node(children: &[(XetHash, u64)]) -> (XetHash, u64) {
    let mut text = String::new();
    for (hash, bytes) in children {
        let _ = writeln!(text, "{hash} : {bytes}");
    }
    let bytes = children.iter().map(|(_, bytes)| bytes).sum();
    (XetHash(*blake3::keyed_hash(&NODE_KEY, text.as_bytes()).as_bytes()), bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a hash is read as it is written, that the digits of each number run the other way than its bytes, and that
    /// nothing else is taken for one.
    #[test]
    fn digits() {
        let bytes: [u8; 32] = std::array::from_fn(|at| at as u8);
        let text = XetHash(bytes).hex();
        assert!(text.starts_with("07060504030201000f0e"), "{text}");
        assert_eq!(text.parse(), Ok(XetHash(bytes)));
        for bad in ["", &text[1..], &text.to_uppercase(), &format!("{text}0"), &"é".repeat(32)] {
            assert!(bad.parse::<XetHash>().is_err(), "{bad}");
        }
    }

    /// Proves that a tree of one chunk is the chunk, that order and lengths count, and that long lists come to one root.
    #[test]
    fn trees() {
        let chunks: Vec<_> = (0..1000u64).map(|n| (chunk_hash(&n.to_le_bytes()), n)).collect();
        assert_eq!(xorb_hash(&chunks[..1]), chunks[0].0);
        assert_eq!(xorb_hash(&[]), XetHash([0; 32]));
        let root = xorb_hash(&chunks);
        let mut other = chunks.clone();
        other.swap(3, 4);
        assert_ne!(xorb_hash(&other), root);
        other = chunks;
        other[999].1 += 1;
        assert_ne!(xorb_hash(&other), root);
    }
}
