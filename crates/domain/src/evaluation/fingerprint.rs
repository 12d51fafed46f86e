//! What a registry keeps of a measured version, so that a later one can be compared with it without its bytes (EVALUATION 6).

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::similarity::{Logits, Sketch};

/// Most tensors of a fingerprint; the largest are taken, which say nearly all.
pub const TENSORS_MAX: usize = 256;
/// Tensors of fewer elements are left out: their sketches are coarse.
pub const ELEMENTS_MIN: u64 = 1024;
/// Most rows of answers that are kept.
const PROBE_ROWS_MAX: usize = 256;
/// Most numbers of answers that are kept.
const PROBE_VALUES_MAX: usize = 65_536;

/// Sketches of a checkpoint's large tensors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// By elements, the largest first; of equal ones by name.
    pub tensors: Vec<TensorSketch>,
}

/// The sketch of one tensor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TensorSketch {
    /// Its name.
    pub name: String,
    /// Its extents.
    pub shape: Vec<u64>,
    /// What its elements add up to.
    pub sketch: Sketch,
}

impl TensorSketch {
    fn elements(&self) -> f64 {
        self.shape.iter().map(|extent| *extent as f64).product()
    }
}

impl Fingerprint {
    /// How far the sketches of two checkpoints agree, from 0 to 1; half means nothing in common. None where no tensor of one
    /// name and shape is in both.
    ///
    /// Tensors count by their elements. What only one of the two has counts as nothing in common, measured at the smaller of the
    /// two: so whoever adds tensors to a copy hides nothing.
    #[must_use]
    pub fn agreement(&self, other: &Self) -> Option<f64> {
        let theirs: HashMap<(&str, &[u64]), &Sketch> = other
            .tensors
            .iter()
            .map(|tensor| ((tensor.name.as_str(), &tensor.shape[..]), &tensor.sketch))
            .collect();
        let all = |print: &Self| print.tensors.iter().map(TensorSketch::elements).sum::<f64>();
        let (mut weight, mut sum) = (0.0, 0.0);
        for tensor in &self.tensors {
            if let Some(sketch) = theirs.get(&(tensor.name.as_str(), &tensor.shape[..])) {
                weight += tensor.elements();
                sum += tensor.elements() * tensor.sketch.agreement(sketch);
            }
        }
        if weight == 0.0 {
            return None;
        }
        let smaller = all(self).min(all(other)).max(weight);
        Some((sum + 0.5 * (smaller - weight)) / smaller)
    }
}

/// A model's answers to the first cases of a suite: a row a case, as many numbers as the model's output has.
#[derive(Clone, Debug, PartialEq)]
pub struct Probes {
    /// Row after row.
    values: Vec<f64>,
    /// Numbers of a row.
    classes: usize,
}

impl Probes {
    /// Keeps what fits of all answers: 256 rows, 65,536 numbers. None where rows are of fewer than two numbers, or too long.
    #[must_use]
    pub fn of(values: &[f64], classes: usize) -> Option<Self> {
        if classes < 2 || values.is_empty() || !values.len().is_multiple_of(classes) {
            return None;
        }
        let rows = (PROBE_VALUES_MAX / classes).min(PROBE_ROWS_MAX).min(values.len() / classes);
        // As the child wrote them, which is at most single precision for nearly every model.
        let single = |value: &f64| f64::from(*value as f32);
        let values = values[..rows * classes].iter().map(single).collect();
        (rows > 0).then_some(Self { values, classes })
    }

    /// The answers for [`super::similarity`].
    #[must_use]
    pub fn logits(&self) -> Logits<'_> {
        Logits { values: &self.values, classes: self.classes }
    }

    /// A sketch of the rows, each centred: two models of one correlation near 1 agree in nearly all bits. None where a value is no
    /// finite number.
    #[must_use]
    pub fn sketch(&self) -> Option<Sketch> {
        self.logits().centred().map(Sketch::of)
    }

    /// Numbers of a row.
    #[must_use]
    pub const fn classes(&self) -> usize {
        self.classes
    }

    /// The values as hexadecimal digits of single-precision bits, eight a value.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.values.iter().map(|value| format!("{:08x}", (*value as f32).to_bits())).collect()
    }

    /// Reads [`to_hex`](Self::to_hex); none where the text is no such thing.
    #[must_use]
    pub fn from_hex(text: &str, classes: usize) -> Option<Self> {
        if !text.is_ascii() || !text.len().is_multiple_of(8) {
            return None;
        }
        let value = |at: usize| u32::from_str_radix(text.get(at..at + 8)?, 16).ok();
        let bits = (0..text.len()).step_by(8).map(value).collect::<Option<Vec<u32>>>()?;
        let values: Vec<f64> = bits.into_iter().map(|b| f64::from(f32::from_bits(b))).collect();
        Self::of(&values, classes)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::statistics::SplitMix64, *};

    fn tensor(name: &str, elements: u64, seed: u64) -> TensorSketch {
        let mut random = SplitMix64::new(seed);
        let values = (0..elements).map(|_| random.next_u64() as f64 / u64::MAX as f64 - 0.5);
        TensorSketch { name: name.to_owned(), shape: vec![elements], sketch: Sketch::of(values) }
    }

    /// Proves that whoever pads a copy, renames a part of it or leaves a part out hides nothing but that part.
    #[test]
    fn padding_hides_nothing() {
        let print = |tensors: &[TensorSketch]| Fingerprint { tensors: tensors.to_vec() };
        let (a, b) = (tensor("a", 4000, 1), tensor("b", 1000, 2));
        let original = print(&[a.clone(), b.clone()]);
        assert_eq!(original.agreement(&original), Some(1.0));
        let padded = print(&[tensor("pad", 90_000, 3), a.clone(), b.clone()]);
        assert_eq!(padded.agreement(&original), Some(1.0));
        assert_eq!(original.agreement(&padded), Some(1.0));
        let renamed = print(&[a.clone(), TensorSketch { name: "c".to_owned(), ..b }]);
        let agreement = renamed.agreement(&original).unwrap();
        assert!((agreement - 0.9).abs() < 1e-12, "{agreement}");
        assert_eq!(print(&[a]).agreement(&original), Some(1.0), "what is left is a copy");
        let stranger = print(&[tensor("a", 4000, 7), tensor("b", 1000, 8)]);
        let agreement = stranger.agreement(&original).unwrap();
        assert!((0.4..0.6).contains(&agreement), "{agreement}");
        assert_eq!(print(&[tensor("x", 4000, 1)]).agreement(&original), None);
    }

    /// Proves that a fingerprint and answers come back from their text as they were, and that other texts are refused.
    #[test]
    fn texts() {
        let print = Fingerprint { tensors: vec![tensor("a", 2000, 1)] };
        let text = serde_json::to_string(&print).unwrap();
        assert_eq!(serde_json::from_str::<Fingerprint>(&text).unwrap(), print);
        let short = text.replace(&text[text.len() - 8..text.len() - 5], "");
        assert!(serde_json::from_str::<Fingerprint>(&short).is_err());
        let probes = Probes::of(&[1.0, 0.1, -2.5, 3.0], 2).unwrap();
        assert_eq!(Probes::from_hex(&probes.to_hex(), 2), Some(probes.clone()));
        assert_eq!(probes.to_hex().len(), 32);
        for (text, classes) in [("3f80000", 2), ("zzzzzzzz", 1), ("3f8000003f800000", 3), ("", 2)] {
            assert_eq!(Probes::from_hex(text, classes), None, "{text}");
        }
        assert_eq!(Probes::of(&[1.0, 2.0], 1), None, "one number a row cannot be centred");
        let long = Probes::of(&vec![1.0; 40_000 * 3], 40_000).unwrap();
        assert_eq!(long.logits().values.len(), 40_000);
        assert_eq!(Probes::of(&vec![1.0; 70_000], 70_000), None);
    }
}
