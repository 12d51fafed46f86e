//! Identity of a tensor: the same type, shape and bytes give the same key, whatever file and name they stand under.

use std::fmt;

use super::Dtype;

/// blake3 of `mf.tensor.v1\0` ‖ dtype ‖ `\0` ‖ rank as u32 ‖ axes as u64, all little endian, ‖ bytes (DESIGN 4, Objects).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TensorKey([u8; 32]);

impl TensorKey {
    /// Takes 32 bytes that somebody says are a key.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// 64 hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> String {
        crate::digest::to_hex(&self.0)
    }
}

impl fmt::Debug for TensorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blake3:{}", self.hex())
    }
}

/// Takes the bytes of one tensor in pieces.
#[derive(Debug, Clone)]
pub struct TensorKeyHasher(blake3::Hasher);

impl TensorKeyHasher {
    /// Starts the key of a tensor of this type and shape.
    #[must_use]
    pub fn new(dtype: Dtype, shape: &[u64]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"mf.tensor.v1\0").update(dtype.as_str().as_bytes()).update(b"\0");
        hasher.update(&(shape.len() as u32).to_le_bytes());
        for dim in shape {
            hasher.update(&dim.to_le_bytes());
        }
        Self(hasher)
    }

    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The key of all bytes so far.
    #[must_use]
    pub fn finish(&self) -> TensorKey {
        TensorKey(*self.0.finalize().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that type, shape and bytes each enter the key, that pieces do not, and that the layout is the stated one.
    #[test]
    fn tensor_key_layout() {
        let key = |dtype, shape: &[u64], pieces: &[&[u8]]| {
            let mut hasher = TensorKeyHasher::new(dtype, shape);
            pieces.iter().for_each(|p| hasher.update(p));
            hasher.finish()
        };
        let whole = key(Dtype::F32, &[1, 2], &[b"abcdefgh"]);
        assert_eq!(whole, key(Dtype::F32, &[1, 2], &[b"abc", b"", b"defgh"]));
        assert_ne!(whole, key(Dtype::I32, &[1, 2], &[b"abcdefgh"]));
        assert_ne!(whole, key(Dtype::F32, &[2, 1], &[b"abcdefgh"]));
        assert_ne!(whole, key(Dtype::F32, &[1, 2], &[b"abcdefgi"]));
        let by_hand = b"mf.tensor.v1\0F32\0\x02\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0abcdefgh";
        assert_eq!(whole.hex(), blake3::hash(by_hand).to_string());
    }
}
