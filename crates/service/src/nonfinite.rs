//! NaN and infinite values of a checkpoint's tensors, counted from the bits.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
};

use domain::checkpoint::{Dtype, TensorEntry};

/// What is not finite in one tensor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NonFinite {
    /// Values that are no number.
    pub(crate) nan: u64,
    /// Values of infinite size.
    pub(crate) infinite: u64,
}

/// Bytes of a value, and the masks of its exponent and its fraction; none for a type that is not counted.
const fn layout(dtype: Dtype) -> Option<(usize, u64, u64)> {
    match dtype {
        Dtype::F16 => Some((2, 0x7c00, 0x03ff)),
        Dtype::Bf16 => Some((2, 0x7f80, 0x007f)),
        Dtype::F32 => Some((4, 0x7f80_0000, 0x007f_ffff)),
        Dtype::F64 => Some((8, 0x7ff0_0000_0000_0000, 0x000f_ffff_ffff_ffff)),
        _ => None,
    }
}

/// Counts in whole values of little-endian bytes.
fn count_in(bytes: &[u8], (width, exponent, fraction): (usize, u64, u64), counts: &mut NonFinite) {
    for value in bytes.chunks_exact(width) {
        let bits = value.iter().rev().fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
        if bits & exponent == exponent {
            if bits & fraction == 0 {
                counts.infinite += 1;
            } else {
                counts.nan += 1;
            }
        }
    }
}

/// Counts in one tensor of a checked file; none for a type that is not counted (F16, BF16, F32 and F64 are).
///
/// # Errors
/// The file cannot be read.
pub(crate) fn count(
    file: &mut File,
    data_offset: u64,
    tensor: &TensorEntry,
) -> io::Result<Option<NonFinite>> {
    let Some(layout) = layout(tensor.dtype) else { return Ok(None) };
    file.seek(SeekFrom::Start(data_offset + tensor.begin))?;
    let mut counts = NonFinite::default();
    // Pieces of whole values of every width.
    let mut piece = vec![0; 1 << 18];
    let mut left = tensor.end - tensor.begin;
    while left > 0 {
        let take = left.min(piece.len() as u64) as usize;
        file.read_exact(&mut piece[..take])?;
        count_in(&piece[..take], layout, &mut counts);
        left -= take as u64;
    }
    Ok(Some(counts))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that the counts of each type are those of the standard's own classification.
    #[test]
    fn counts_by_the_bits() {
        let of = |dtype, bytes: &[u8]| {
            let mut counts = NonFinite::default();
            count_in(bytes, layout(dtype).unwrap(), &mut counts);
            (counts.nan, counts.infinite)
        };
        let singles =
            [1.0f32, f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, 0.0];
        let bytes: Vec<u8> = singles.iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(of(Dtype::F32, &bytes), (2, 2));
        let bytes: Vec<u8> = singles.iter().flat_map(|v| f64::from(*v).to_le_bytes()).collect();
        assert_eq!(of(Dtype::F64, &bytes), (2, 2));
        let brain: Vec<u8> = singles.iter().flat_map(|v| v.to_le_bytes()[2..].to_vec()).collect();
        assert_eq!(of(Dtype::Bf16, &brain), (2, 2));
        let halves = [0x7c00u16, 0xfc00, 0x7c01, 0x7bff, 0xffff];
        let bytes: Vec<u8> = halves.iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(of(Dtype::F16, &bytes), (2, 2));
        assert_eq!(layout(Dtype::I32), None);
    }
}
