//! Bytes that compress nowhere and repeat nowhere, the same for the same seed.

/// So many bytes of the xorshift generator.
pub(crate) fn noise(seed: u64, bytes: u64) -> Vec<u8> {
    let mut state = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut noise = Vec::with_capacity(bytes as usize + 8);
    while (noise.len() as u64) < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend_from_slice(&state.to_le_bytes());
    }
    noise.truncate(bytes as usize);
    noise
}
