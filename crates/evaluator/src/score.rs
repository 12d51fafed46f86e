//! Outputs of all cases, scored in the parent against labels that no child has seen.

use domain::{checkpoint::Dtype, digest::Digest};
use sha2::Digest as _;

/// What the outputs say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scored {
    /// `1` right, `0` wrong, one a case.
    pub right: String,
    /// Whether every output was a finite number.
    pub finite: bool,
    /// SHA-256 of the outputs as little-endian bytes.
    pub outputs: Digest,
    /// SHA-256 of the u32 little-endian choice of every case.
    pub decisions: Digest,
}

/// Scores a choice among classes: `outputs` holds one row of `classes` elements for each label.
///
/// The largest element decides, the first of equals; no NaN is ever larger (EVALUATION 4, rule 11).
/// None if the element type is no number or the bytes do not fill the rows.
pub(crate) fn choice(
    outputs: &[u8],
    dtype: Dtype,
    classes: usize,
    labels: &[u64],
) -> Option<Scored> {
    let element = element_reader(dtype)?;
    let width = usize::try_from(dtype.bits() / 8).ok()?;
    let row_bytes = classes.checked_mul(width).filter(|bytes| *bytes > 0)?;
    if outputs.len() != row_bytes.checked_mul(labels.len())? {
        return None;
    }
    let mut right = String::with_capacity(labels.len());
    let mut finite = true;
    let mut decisions = sha2::Sha256::new();
    for (row, label) in outputs.chunks_exact(row_bytes).zip(labels) {
        let mut best = (0u32, f64::NEG_INFINITY);
        for (index, bytes) in (0u32..).zip(row.chunks_exact(width)) {
            let value = element(bytes);
            finite &= value.is_finite();
            if value > best.1 {
                best = (index, value);
            }
        }
        decisions.update(best.0.to_le_bytes());
        right.push(if u64::from(best.0) == *label { '1' } else { '0' });
    }
    let decisions = Digest::from_bytes(decisions.finalize().into());
    Some(Scored { right, finite, outputs: Digest::of(outputs), decisions })
}

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
        Dtype::U8 => |b| f64::from(u8::from_le_bytes(array(b))),
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

    /// Proves that scoring meets the golden vector `output_digest`: little-endian bytes, and the first of equals wins.
    #[test]
    fn choice_meets_the_golden_vector() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../domain/tests/golden/pricing.json");
        let golden: serde_json::Value =
            serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let vector = &golden["vectors"]["output_digest"];
        let rows = vector["f32"].as_array().unwrap();
        let values = rows.iter().flat_map(|row| row.as_array().unwrap());
        let outputs =
            values.flat_map(|v| (v.as_f64().unwrap() as f32).to_le_bytes()).collect::<Vec<_>>();
        let scored = choice(&outputs, Dtype::F32, 3, &[2, 0]).unwrap();
        assert_eq!(scored.outputs.hex(), vector["exact_sha256"].as_str().unwrap());
        assert_eq!(scored.decisions.hex(), vector["decisions_sha256"].as_str().unwrap());
        assert_eq!((scored.right.as_str(), scored.finite), ("10", true));
    }

    /// Proves that ties go to the lowest index, that a NaN is never chosen, and that it is reported.
    #[test]
    fn ties_and_nans() {
        let bytes = |v: &[f32]| v.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>();
        let tie = choice(&bytes(&[1.0, 2.0, 2.0]), Dtype::F32, 3, &[1]).unwrap();
        assert_eq!((tie.right.as_str(), tie.finite), ("1", true));
        let nan = choice(&bytes(&[f32::NAN, -1.0, 0.5]), Dtype::F32, 3, &[2]).unwrap();
        assert_eq!((nan.right.as_str(), nan.finite), ("1", false));
        let none = choice(&bytes(&[f32::NAN; 3]), Dtype::F32, 3, &[0]).unwrap();
        assert_eq!((none.right.as_str(), none.finite), ("1", false));
        assert_eq!(choice(&[0; 8], Dtype::F32, 3, &[0]), None);
    }

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
