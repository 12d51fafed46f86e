//! A shard: which chunks of which xorbs make up each of some files.
//!
//! Layout: tag (32), u64 version 2, u64 size of the footer ‖ files, each a header of 48 bytes with its terms, perhaps as many
//! verifications, perhaps its SHA-256, until a header of ones ‖ xorbs, which are known from their own bytes and not read here.

use domain::digest::Digest;

use super::{XetError, XetHash};

/// Most bytes of a shard.
pub(super) const SHARD_BYTES_MAX: u64 = 64 << 20;
/// Most terms of all files of a shard.
const TERMS_MAX: u64 = 200_000;
const TAG: [u8; 32] = [
    b'H', b'F', b'R', b'e', b'p', b'o', b'M', b'e', b't', b'a', b'D', b'a', b't', b'a', 0, 85, 105,
    103, 69, 106, 123, 129, 87, 131, 165, 189, 217, 92, 205, 209, 74, 169,
];
const VERSION: u64 = 2;
const ENTRY_BYTES: usize = 48;
const WITH_VERIFICATION: u32 = 1 << 31;
const WITH_SHA256: u32 = 1 << 30;

/// A run of chunks of one xorb, as a part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardTerm {
    /// The xorb.
    pub xorb: XetHash,
    /// Its first chunk of the run.
    pub first: u32,
    /// One past the last.
    pub end: u32,
    /// Bytes of the run.
    pub bytes: u32,
}

/// A file of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardFile {
    /// The SHA-256 that the sender says it has.
    pub digest: Digest,
    /// Its parts in order.
    pub terms: Vec<ShardTerm>,
}

impl ShardFile {
    /// Bytes of all terms.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.terms.iter().map(|term| u64::from(term.bytes)).sum()
    }
}

/// The files of a shard.
///
/// # Errors
/// [`XetError`]: no shard of the known version, a broken length, or a file without a SHA-256.
pub fn parse_shard(bytes: &[u8]) -> Result<Vec<ShardFile>, XetError> {
    let (found, most) = (bytes.len() as u64, SHARD_BYTES_MAX);
    if found > most {
        return Err(XetError::TooMany { what: "bytes of a shard", found, most });
    }
    let form = || XetError::Form { what: "shard" };
    let entries = bytes.strip_prefix(&TAG).ok_or_else(form)?;
    let (version, entries) = entries.split_first_chunk().ok_or_else(form)?;
    if u64::from_le_bytes(*version) != VERSION {
        return Err(form());
    }
    let mut entries = Entries(entries.get(8..).ok_or_else(form)?);
    let (mut files, mut terms) = (Vec::new(), 0);
    loop {
        let header = entries.next()?;
        if header.hash.is_bookend() {
            return Ok(files);
        }
        terms += u64::from(header.numbers[1]);
        if terms > TERMS_MAX {
            let (what, found, most) = ("terms of a shard", terms, TERMS_MAX);
            return Err(XetError::TooMany { what, found, most });
        }
        files.push(file(&header, &mut entries)?);
    }
}

fn file(header: &Entry, entries: &mut Entries<'_>) -> Result<ShardFile, XetError> {
    let [flags, count, ..] = header.numbers;
    let mut terms = Vec::new();
    for _ in 0..count {
        let Entry { hash: xorb, numbers: [_, bytes, first, end] } = entries.next()?;
        if first >= end {
            return Err(XetError::Form { what: "term of a file" });
        }
        terms.push(ShardTerm { xorb, first, end, bytes });
    }
    if flags & WITH_VERIFICATION != 0 {
        for _ in 0..count {
            // A proof towards servers that do not read the bytes; this one does.
            entries.next()?;
        }
    }
    if flags & WITH_SHA256 == 0 {
        return Err(XetError::NoSha256(header.hash));
    }
    // Kept as a hash of the protocol is: its digits are those of the SHA-256.
    let digest = entries.next()?.hash.hex().parse();
    let digest = digest.map_err(|_| XetError::NoSha256(header.hash))?;
    Ok(ShardFile { digest, terms })
}

/// A hash and four numbers: the common form of what a shard lists.
struct Entry {
    hash: XetHash,
    numbers: [u32; 4],
}

struct Entries<'a>(&'a [u8]);

impl Entries<'_> {
    fn next(&mut self) -> Result<Entry, XetError> {
        let (entry, rest) =
            self.0.split_first_chunk::<ENTRY_BYTES>().ok_or(XetError::Length { what: "shard" })?;
        self.0 = rest;
        let (hash, numbers) =
            entry.split_first_chunk::<32>().ok_or(XetError::Length { what: "shard" })?;
        let mut four = [0; 4];
        for (number, bytes) in four.iter_mut().zip(numbers.chunks_exact(4)) {
            *number = bytes.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        }
        Ok(Entry { hash: XetHash::from_bytes(*hash), numbers: four })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(hash: [u8; 32], numbers: [u32; 4]) -> Vec<u8> {
        let numbers = numbers.iter().flat_map(|n| n.to_le_bytes());
        hash.into_iter().chain(numbers).collect()
    }

    fn shard(files: &[Vec<u8>]) -> Vec<u8> {
        let head = [&TAG[..], &2u64.to_le_bytes(), &0u64.to_le_bytes()].concat();
        [head, files.concat(), entry([0xff; 32], [0; 4])].concat()
    }

    /// Proves that terms and SHA-256 are read, with and without verifications, and that every cut is refused.
    #[test]
    fn files() {
        let digest = Digest::of(b"file");
        let hash: XetHash = digest.hex().parse().unwrap();
        let one = |flags: u32| {
            let mut parts = vec![
                entry([1; 32], [flags, 2, 0, 0]),
                entry([7; 32], [0, 100, 0, 3]),
                entry([8; 32], [0, 50, 5, 6]),
            ];
            if flags & WITH_VERIFICATION != 0 {
                parts.extend([entry([9; 32], [0; 4]), entry([9; 32], [0; 4])]);
            }
            if flags & WITH_SHA256 != 0 {
                parts.push(entry(*hash.as_bytes(), [0; 4]));
            }
            parts.concat()
        };
        let bytes = shard(&[one(WITH_SHA256), one(WITH_SHA256 | WITH_VERIFICATION)]);
        let files = parse_shard(&bytes).unwrap();
        assert_eq!(files.len(), 2);
        assert_eq!((files[1].digest, files[1].bytes()), (digest, 150));
        assert_eq!((files[1].terms[1].first, files[1].terms[1].end), (5, 6));
        for cut in 0..bytes.len() {
            assert!(parse_shard(&bytes[..cut]).is_err(), "{cut}");
        }
        assert!(matches!(parse_shard(&shard(&[one(0)])), Err(XetError::NoSha256(_))));
        let many = shard(&[entry([1; 32], [WITH_SHA256, u32::MAX, 0, 0])]);
        assert!(parse_shard(&many).is_err(), "terms without end");
        let empty =
            shard(&[
                [entry([1; 32], [WITH_SHA256, 1, 0, 0]), entry([7; 32], [0, 1, 3, 3])].concat()
            ]);
        assert_eq!(parse_shard(&empty), Err(XetError::Form { what: "term of a file" }));
    }
}
