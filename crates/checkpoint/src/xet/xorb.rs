//! A xorb: chunks one after the other, each with a header of 8 bytes, and perhaps a footer, which says nothing new.
//!
//! Header: version 0, u24 packed bytes, compression, u24 bytes; numbers little endian.
//! Compression: 0 none, 1 an LZ4 frame, 2 an LZ4 frame of the bytes in four groups (all first bytes of four, all second ones …).

use std::io::Read;

use super::{XetError, XetHash, chunk_hash};

/// Most bytes of a xorb as it is sent: 64 MiB of chunks, their headers, and a footer.
pub const XORB_BYTES_MAX: u64 = (64 << 20) + (1 << 20);
/// Most bytes of all chunks of a xorb.
pub(super) const UNPACKED_BYTES_MAX: u64 = 64 << 20;
/// Most chunks of a xorb.
const CHUNKS_MAX: u64 = 8 * 1024;
/// Most bytes of a chunk.
const CHUNK_BYTES_MAX: u32 = 128 << 10;
const HEADER_BYTES: u64 = 8;
/// Where the chunks end and the footer begins.
const FOOTER: &[u8; 7] = b"XETBLOB";

/// A chunk of a xorb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The hash of its bytes.
    pub hash: XetHash,
    /// How many they are.
    pub bytes: u32,
    /// How many bytes it takes in the xorb, its header included.
    pub packed_bytes: u32,
}

/// Reads the chunks of a xorb one after the other.
#[derive(Debug)]
pub struct XorbReader<R> {
    source: R,
    number: usize,
}

impl<R: Read> XorbReader<R> {
    /// Starts at the first chunk of a xorb, or at the first that is wanted of one.
    #[must_use]
    pub const fn new(source: R) -> Self {
        Self { source, number: 0 }
    }

    /// The next chunk and its bytes; none at the end or where the footer begins.
    ///
    /// # Errors
    /// [`XetError`] with the number of the chunk.
    pub fn next_chunk(&mut self) -> Result<Option<(Chunk, Vec<u8>)>, XetError> {
        let mut header = [0; HEADER_BYTES as usize];
        match self.source.read(&mut header[..1]) {
            Ok(0) => return Ok(None),
            Ok(_) => self.fill(&mut header[1..])?,
            Err(_) => return Err(XetError::Length { what: "xorb" }),
        }
        if header.starts_with(FOOTER) {
            return Ok(None);
        }
        let number = self.number;
        if number as u64 >= CHUNKS_MAX {
            let found = number as u64 + 1;
            return Err(XetError::TooMany { what: "chunks of a xorb", found, most: CHUNKS_MAX });
        }
        let [version, a, b, c, compression, d, e, f] = header;
        let (packed, bytes) = (u32::from_le_bytes([a, b, c, 0]), u32::from_le_bytes([d, e, f, 0]));
        if version != 0 {
            return Err(XetError::Form { what: "chunk header" });
        }
        for (what, found, most) in [
            ("bytes of a chunk", bytes, CHUNK_BYTES_MAX),
            ("packed bytes of a chunk", packed, 2 * CHUNK_BYTES_MAX),
        ] {
            if found > most {
                return Err(XetError::TooMany { what, found: found.into(), most: most.into() });
            }
        }
        let mut content = vec![0; packed as usize];
        self.fill(&mut content)?;
        let content =
            unpack(compression, content, bytes)?.ok_or(XetError::Unpack { number, bytes })?;
        self.number += 1;
        let packed_bytes = packed + HEADER_BYTES as u32;
        Ok(Some((Chunk { hash: chunk_hash(&content), bytes, packed_bytes }, content)))
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), XetError> {
        self.source.read_exact(buffer).map_err(|_| XetError::Length { what: "xorb" })
    }
}

/// The bytes of a chunk; none if they are not as many as announced. Never unpacks more than that.
fn unpack(compression: u8, packed: Vec<u8>, bytes: u32) -> Result<Option<Vec<u8>>, XetError> {
    let content = match compression {
        0 => packed,
        1 => unpack_frame(&packed, bytes),
        2 => regroup(&unpack_frame(&packed, bytes)),
        _ => return Err(XetError::Form { what: "compression of a chunk" }),
    };
    Ok((content.len() == bytes as usize).then_some(content))
}

fn unpack_frame(packed: &[u8], bytes: u32) -> Vec<u8> {
    let mut content = Vec::with_capacity(bytes as usize);
    let decoder = lz4_flex::frame::FrameDecoder::new(packed);
    // What does not unpack has another length than announced, and is refused by that.
    match decoder.take(u64::from(bytes) + 1).read_to_end(&mut content) {
        Ok(_) => content,
        Err(_) => Vec::new(),
    }
}

/// Brings four groups of bytes back into turns.
fn regroup(groups: &[u8]) -> Vec<u8> {
    let length = groups.len();
    let mut bytes = vec![0; length];
    let mut from = 0;
    for group in 0..4 {
        let size = (length + 3 - group) / 4;
        for (turn, byte) in groups[from..from + size].iter().enumerate() {
            bytes[4 * turn + group] = *byte;
        }
        from += size;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn header(packed: usize, compression: u8, bytes: usize) -> Vec<u8> {
        let [a, b, c, _] = (packed as u32).to_le_bytes();
        let [d, e, f, _] = (bytes as u32).to_le_bytes();
        vec![0, a, b, c, compression, d, e, f]
    }

    fn frame(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn chunk(compression: u8, content: &[u8]) -> Vec<u8> {
        let grouped: Vec<u8> =
            (0..4).flat_map(|g| content.iter().skip(g).step_by(4).copied()).collect();
        let packed = match compression {
            0 => content.to_vec(),
            1 => frame(content),
            _ => frame(&grouped),
        };
        [header(packed.len(), compression, content.len()), packed].concat()
    }

    /// Proves that all three compressions come back, at every remainder of four, and that the footer ends the chunks.
    #[test]
    fn round_trip() {
        for compression in 0..3 {
            for length in [0, 1, 2, 3, 4, 5, 1000, 1001, 1002, 1003] {
                let content: Vec<u8> = (0..length).map(|n| (n * 7 % 251) as u8).collect();
                let file = [chunk(compression, &content), b"XETBLOB\x01 footer".to_vec()].concat();
                let mut reader = XorbReader::new(file.as_slice());
                let (found, bytes) = reader.next_chunk().unwrap().unwrap();
                assert_eq!((bytes, found.hash), (content.clone(), chunk_hash(&content)));
                assert_eq!(found.packed_bytes as usize, chunk(compression, &content).len());
                assert_eq!(reader.next_chunk(), Ok(None));
            }
        }
    }

    /// Proves that a chunk which unpacks to more than it announces is refused without being unpacked, and so is every other lie.
    #[test]
    fn lies() {
        let zeros = vec![0; 100 << 20];
        let bomb = frame(&zeros);
        let read = |file: &[u8]| XorbReader::new(file).next_chunk();
        let small = frame(&zeros[..100_000]);
        let file = [header(small.len(), 1, 1000), small].concat();
        assert_eq!(read(&file), Err(XetError::Unpack { number: 0, bytes: 1000 }));
        for (file, error) in [
            ([header(bomb.len(), 1, 1 << 20), bomb.clone()].concat(), "object_too_large"),
            (header(0, 0, 200 << 10), "object_too_large"),
            (header(10, 0, 10), "xet_malformed"),
            ([header(4, 3, 4), vec![1; 4]].concat(), "xet_malformed"),
            ([header(4, 1, 4), vec![1; 4]].concat(), "xet_malformed"),
            ([vec![1], header(4, 0, 4), vec![1; 4]].concat(), "xet_malformed"),
            (vec![0, 0], "xet_malformed"),
        ] {
            assert_eq!(read(&file).unwrap_err().code(), error);
        }
    }
}
