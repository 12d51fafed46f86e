//! Elements of tensors as numbers.

use domain::checkpoint::Dtype;

/// Reads one element; integers above 2^53 may round, which no score of a model needs.
pub(crate) fn element_reader(dtype: Dtype) -> Option<fn(&[u8]) -> f64> {
    fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
        bytes.first_chunk().copied().unwrap_or([0; N])
    }
    Some(match dtype {
        Dtype::F32 => |b| f64::from(f32::from_le_bytes(array(b))),
        Dtype::F64 => |b| f64::from_le_bytes(array(b)),
        Dtype::F16 => |b| half(u16::from_le_bytes(array(b))),
        Dtype::Bf16 => |b| f64::from(f32::from_bits(u32::from(u16::from_le_bytes(array(b))) << 16)),
        Dtype::I8 => |b| f64::from(i8::from_le_bytes(array(b))),
        Dtype::I16 => |b| f64::from(i16::from_le_bytes(array(b))),
        Dtype::I32 => |b| f64::from(i32::from_le_bytes(array(b))),
        Dtype::I64 => |b| i64::from_le_bytes(array(b)) as f64,
        Dtype::U8 | Dtype::Bool => |b| f64::from(u8::from_le_bytes(array(b))),
        Dtype::U16 => |b| f64::from(u16::from_le_bytes(array(b))),
        Dtype::U32 => |b| f64::from(u32::from_le_bytes(array(b))),
        Dtype::U64 => |b| u64::from_le_bytes(array(b)) as f64,
        _ => return None,
    })
}

/// IEEE 754 binary16.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that half precision is read by its definition: a subnormal, one, the largest, infinity, NaN.
    #[test]
    fn half_precision() {
        let cases = [(0x0001, 2f64.powi(-24)), (0x3c00, 1.0), (0x7bff, 65504.0), (0xc000, -2.0)];
        for (bits, value) in cases {
            assert_eq!(half(bits), value);
        }
        assert_eq!(half(0xfc00), f64::NEG_INFINITY);
        assert!(half(0x7e00).is_nan());
    }
}
