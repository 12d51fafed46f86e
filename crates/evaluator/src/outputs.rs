//! What a child wrote of one output, as one tensor with the cases on its first axis.

use domain::{
    checkpoint::Dtype,
    evaluation::{Apart, fingerprint::Probes},
};

use crate::{
    protocol::{OutputFacts, TimedOutputs},
    score::element_reader,
};

/// Part of a million.
const PPM: f64 = 1e6;

/// One output of all cases.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OutputTensor {
    pub dtype: Dtype,
    /// Cases first.
    pub shape: Vec<u64>,
    /// Row-major, little endian.
    pub bytes: Vec<u8>,
}

impl OutputTensor {
    /// The elements as numbers; integers above 2^53 may round. None where the type is no number.
    pub(crate) fn values(&self) -> Option<Vec<f64>> {
        let (read, width) = (element_reader(self.dtype)?, self.dtype.bits() as usize / 8);
        Some(self.bytes.chunks_exact(width).map(read).collect())
    }

    /// The first cases' answers, for comparing models; none where a case is not a row of numbers that one keeps.
    pub(crate) fn probes(&self) -> Option<Probes> {
        let classes = self.shape.get(1..)?.iter().product::<u64>();
        Probes::of(&self.values()?, usize::try_from(classes).ok()?)
    }
}

/// Puts the calls of an output together; `axis` is that of cases, none where there is one call without them.
///
/// # Errors
/// How the output does not fit: an axis of another length than the call has rows, or forms that differ from case to case.
pub(crate) fn gather(
    facts: &OutputFacts,
    bytes: &[u8],
    axis: Option<usize>,
) -> Result<OutputTensor, String> {
    let width = facts.dtype.bits() as usize / 8;
    let mut row = None::<Vec<u64>>;
    let (mut out, mut at, mut items) = (Vec::with_capacity(bytes.len()), 0, 0);
    for form in &facts.calls {
        let length = form.shape.iter().product::<u64>() as usize * width;
        for _ in 0..form.calls {
            let call = bytes.get(at..at + length).ok_or("the child wrote less than it told")?;
            at += length;
            let Some(axis) = axis else {
                // One call, one case: whatever came out is its row, under an axis of one unless it has one.
                let mut shape = form.shape.clone();
                if shape.first() != Some(&1) {
                    shape.insert(0, 1);
                }
                return Ok(OutputTensor { dtype: facts.dtype, shape, bytes: call.to_vec() });
            };
            let rows = form.shape.get(axis).copied().filter(|rows| *rows >= form.cases);
            let Some(rows) = rows else {
                return Err(format!("{} cases gave shape {:?}", form.cases, form.shape));
            };
            let mut this = form.shape.clone();
            this.remove(axis);
            if row.get_or_insert_with(|| this.clone()) != &this {
                return Err("its shape differs from case to case".to_owned());
            }
            let outer = form.shape[..axis].iter().product::<u64>() as usize;
            take_cases(call, form.cases as usize, rows as usize, outer, &mut out);
            items += form.cases;
        }
    }
    if at != bytes.len() {
        return Err("the child wrote more than it told".to_owned());
    }
    let mut shape = row.ok_or("there are no cases")?;
    shape.insert(0, items);
    Ok(OutputTensor { dtype: facts.dtype, shape, bytes: out })
}

/// Appends the first `cases` of `rows` rows, one after the other; `outer` elements of axes stand before theirs.
fn take_cases(call: &[u8], cases: usize, rows: usize, outer: usize, out: &mut Vec<u8>) {
    let inner = call.len().checked_div(rows * outer).unwrap_or(0);
    if outer == 1 {
        out.extend_from_slice(&call[..cases * inner]);
        return;
    }
    for case in 0..cases {
        for o in 0..outer {
            let from = (o * rows + case) * inner;
            out.extend_from_slice(&call[from..from + inner]);
        }
    }
}

/// The cases of a tensor `[.., items, ..]` that lies in a file, moved to its first axis.
pub(crate) fn cases_first(bytes: &[u8], shape: &[u64], axis: usize) -> Vec<u8> {
    let outer = shape[..axis].iter().product::<u64>() as usize;
    let rows = shape[axis] as usize;
    let mut out = Vec::with_capacity(bytes.len());
    take_cases(bytes, rows, rows, outer, &mut out);
    out
}

/// How far the outputs of timed calls lie from those that were scored; none where they cannot be compared.
pub(crate) fn apart(
    scored: &OutputTensor,
    timed: &TimedOutputs,
    bytes: &[u8],
    axis: Option<usize>,
) -> Option<Apart> {
    let timed_values = gather(&timed.output, bytes, axis).ok()?;
    if timed_values.shape[1..] != scored.shape[1..] {
        return Some(Apart { single_stream_ppm: u64::MAX >> 12, offline_ppm: u64::MAX >> 12 });
    }
    let (scored_all, timed_all) = (scored.values()?, timed_values.values()?);
    let width = scored_all.len().checked_div(scored.shape[0] as usize)?;
    let case =
        |values: &[f64], at: usize| values.get(at * width..(at + 1) * width).map(<[f64]>::to_vec);
    let distance = |pairs: &mut dyn Iterator<Item = (usize, usize)>| {
        let (mut difference, mut scale) = (0.0, 0.0);
        for (scored_case, timed_case) in pairs {
            let pair = case(&scored_all, scored_case).zip(case(&timed_all, timed_case))?;
            for (s, t) in pair.0.iter().zip(&pair.1) {
                // What is no number on both sides is the same; what is on one side only is as far as can be.
                if s.is_nan() && t.is_nan() || s == t {
                    scale += if s.is_finite() { s * s } else { 0.0 };
                } else {
                    difference += (s - t) * (s - t);
                    scale += s * s;
                }
            }
        }
        Some(ppm(difference, scale))
    };
    let singles = timed.single.len();
    let mut single = timed.single.iter().enumerate().map(|(k, first)| (*first as usize, k));
    let offline = 0..timed.offline_cases as usize;
    let mut offline = offline.map(|k| (timed.offline_first as usize + k, singles + k));
    Some(Apart { single_stream_ppm: distance(&mut single)?, offline_ppm: distance(&mut offline)? })
}

/// √(difference / scale) in millionths, within what JSON carries exactly.
fn ppm(difference: f64, scale: f64) -> u64 {
    const MOST: u64 = u64::MAX >> 12;
    if difference == 0.0 {
        return 0;
    }
    let ratio = (difference / scale).sqrt() * PPM;
    // An infinite or undefined ratio is the largest; the cast stops there.
    if ratio.is_nan() { MOST } else { (ratio.round() as u64).min(MOST) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::CallFacts;

    fn facts(calls: Vec<CallFacts>) -> OutputFacts {
        OutputFacts { dtype: Dtype::U8, calls }
    }

    /// Proves that calls are put together with cases first, whatever their axis, and that filling is cut.
    #[test]
    fn calls_become_one_tensor() {
        let call = |calls, cases, shape: &[u64]| CallFacts { calls, cases, shape: shape.to_vec() };
        // Axis 1: two calls of two cases, the last holds one case and one row of filling.
        let calls = vec![call(1, 2, &[2, 2]), call(1, 1, &[2, 2])];
        let gathered = gather(&facts(calls), &[1, 2, 11, 12, 3, 99, 13, 99], Some(1)).unwrap();
        assert_eq!(gathered.shape, [3, 2]);
        assert_eq!(gathered.bytes, [1, 11, 2, 12, 3, 13]);
        let flat = gather(&facts(vec![call(3, 1, &[1])]), &[7, 8, 9], Some(0)).unwrap();
        assert_eq!((flat.shape.as_slice(), flat.bytes.as_slice()), (&[3][..], &[7, 8, 9][..]));
        let whole = gather(&facts(vec![call(1, 1, &[2, 2])]), &[1, 2, 3, 4], None).unwrap();
        assert_eq!(whole.shape, [1, 2, 2]);
        let ragged = vec![call(1, 1, &[1, 2]), call(1, 1, &[1, 3])];
        let error = gather(&facts(ragged), &[0; 5], Some(0)).unwrap_err();
        assert!(error.contains("differs from case to case"), "{error}");
        let short = gather(&facts(vec![call(1, 2, &[1, 2])]), &[0; 2], Some(0)).unwrap_err();
        assert!(short.contains("2 cases gave shape"), "{short}");
        assert!(gather(&facts(vec![call(1, 1, &[1, 2])]), &[0; 3], Some(0)).is_err());
    }

    /// Proves the distance of timed outputs: none for equal ones, by the norm otherwise, the largest for numbers that are none on one side.
    #[test]
    fn distance_of_timed_outputs() {
        let bytes = |v: &[f32]| v.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>();
        let scored = OutputTensor {
            dtype: Dtype::F32,
            shape: vec![3, 2],
            bytes: bytes(&[3.0, 4.0, 1.0, 0.0, 0.0, 2.0]),
        };
        let timed = |v: &[f32]| {
            let call = CallFacts { calls: 3, cases: 1, shape: vec![1, 2] };
            let output = OutputFacts { dtype: Dtype::F32, calls: vec![call] };
            let timed =
                TimedOutputs { single: vec![0], offline_first: 1, offline_cases: 2, output };
            apart(&scored, &timed, &bytes(v), Some(0)).unwrap()
        };
        let same = timed(&[3.0, 4.0, 1.0, 0.0, 0.0, 2.0]);
        assert_eq!((same.single_stream_ppm, same.offline_ppm), (0, 0));
        let far = timed(&[3.0, 4.5, 1.0, 0.0, 0.0, 0.0]);
        assert_eq!(far.single_stream_ppm, 100_000);
        assert_eq!(far.offline_ppm, 894_427);
        assert_eq!(timed(&[f32::NAN, 4.0, 1.0, 0.0, 0.0, 2.0]).single_stream_ppm, u64::MAX >> 12);
    }
}
