//! How alike two models are, and what that does to fees. It bears on eligibility, flags and fee share, never on the mark
//! (EVALUATION 6).

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{PARAMS, statistics::SplitMix64};

/// A model that was listed earlier, by another publisher.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prior {
    /// How alike it is, from 0 to 1.
    pub similarity: f64,
    /// Its price in credits.
    pub price: f64,
}

/// The credits of a price on which its publisher earns fees: only value that nobody has listed before, and only what exceeds
/// the noise.
///
/// `sigma` is the standard error of ln(price / prior price). So n identical clones earn the fees of one.
#[must_use]
pub fn fee_share(price: f64, priors: &[Prior], sigma: f64) -> f64 {
    let tau = PARAMS.similarity_tau;
    let novel = priors.iter().filter_map(|prior| {
        let share = (prior.similarity - tau) / (1.0 - tau);
        (share > 0.0).then(|| price - share * prior.price * libm::exp(PARAMS.z_novelty * sigma))
    });
    novel.fold(price, f64::min).max(0.0)
}

/// Bits of a sketch.
const SKETCH_BITS: usize = 256;

/// A sketch of a tensor: 256 signs of sums that every element enters by its place (a count sketch of signs; Charikar 2002).
///
/// Two tensors of one shape agree in a share of 1 − θ/π of the bits, θ the angle between them; half of them if they have nothing in
/// common. Casts, noise and fine-tuning keep the angle small; a permutation does not. Sums of few elements are coarse: tensors
/// below some thousand say little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sketch([u64; SKETCH_BITS / 64]);

impl Sketch {
    /// Sketches a tensor in one pass, element after element.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sums = [0.0; SKETCH_BITS];
        let mut random = SplitMix64::new(SKETCH_SEED);
        for value in values {
            let draw = random.next_u64();
            let place = (draw >> 56) as usize;
            sums[place] += if draw & 1 == 1 { value } else { -value };
        }
        let mut words = [0; SKETCH_BITS / 64];
        for (place, sum) in sums.iter().enumerate() {
            words[place / 64] |= u64::from(*sum > 0.0) << (place % 64);
        }
        Self(words)
    }

    /// The share of bits that agree.
    #[must_use]
    pub fn agreement(&self, other: &Self) -> f64 {
        let differ: u32 = self.0.iter().zip(&other.0).map(|(a, b)| (a ^ b).count_ones()).sum();
        1.0 - f64::from(differ) / SKETCH_BITS as f64
    }

    /// 64 hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> String {
        self.0.iter().map(|word| format!("{word:016x}")).collect()
    }

    /// Reads [`hex`](Self::hex); none for another text.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = text.len() == SKETCH_BITS / 4 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let word = |at: usize| u64::from_str_radix(text.get(at * 16..(at + 1) * 16)?, 16).ok();
        if !digits {
            return None;
        }
        Some(Self([word(0)?, word(1)?, word(2)?, word(3)?]))
    }
}

/// 64 hexadecimal digits: four words, the first first.
impl Serialize for Sketch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.hex())
    }
}

impl<'de> Deserialize<'de> for Sketch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_hex(&text).ok_or_else(|| D::Error::custom("expected 64 hexadecimal digits"))
    }
}

/// Where the signs of all sketches start: sketches are comparable because it is one number for all.
const SKETCH_SEED: u64 = 0x6d66_2e73_6b65_7463;

/// How alike two models are by what is known of them (EVALUATION 6): sketches of tensors of one name and shape, neurons that were aligned,
/// logits on the same probes. From 0 to 1; what is not known adds nothing.
#[must_use]
pub fn score(sketches: Option<f64>, aligned: Option<f64>, logits: Option<f64>) -> f64 {
    let by = |value: Option<f64>, from: f64, width: f64| {
        value.map_or(0.0, |value| ((value - from) / width).clamp(0.0, 1.0))
    };
    let same = logits.is_some_and(|correlation| correlation >= PARAMS.logits_same);
    by(sketches, 0.5, 0.45).max(by(aligned, 0.6, 0.35)).max(if same { 1.0 } else { 0.0 })
}

/// What is known of two models side by side; none where it could not be compared.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Likeness {
    /// Agreement of their weights, by sketches.
    pub sketches: Option<f64>,
    /// Correlation of their answers to the same cases.
    pub logits: Option<f64>,
    /// The same beyond what unrelated models say too.
    pub residual: Option<f64>,
}

impl Likeness {
    /// As [`score`].
    #[must_use]
    pub fn score(&self) -> f64 {
        score(self.sketches, None, self.logits)
    }

    /// Whether it is so close that, undeclared, a person must look.
    #[must_use]
    pub fn is_close(&self) -> bool {
        self.score() >= UNDECLARED_MAX || self.residual.is_some_and(wants_review)
    }

    /// Whether it bears on anything: fees, or a review.
    #[must_use]
    pub fn is_notable(&self) -> bool {
        self.score() > PARAMS.similarity_tau || self.is_close()
    }
}

/// The correlation of two models' logits, each row centred.
///
/// None if the forms differ, a value is no finite number, or one of them says the same of every class.
#[must_use]
pub fn logit_correlation(a: Logits<'_>, b: Logits<'_>) -> Option<f64> {
    if (a.classes, a.values.len()) != (b.classes, b.values.len()) {
        return None;
    }
    let (x, y) = (a.centred()?, b.centred()?);
    let scale = libm::sqrt(product(&x, &x) * product(&y, &y));
    (scale > 0.0).then(|| product(&x, &y) / scale)
}

/// Logits of a model on the same probes: one row an item, all rows of one length.
#[derive(Clone, Copy, Debug)]
pub struct Logits<'a> {
    /// Row after row.
    pub values: &'a [f64],
    /// Elements of a row.
    pub classes: usize,
}

impl Logits<'_> {
    /// The values with the mean of their row taken away; none if they are no whole rows of finite numbers.
    pub(super) fn centred(&self) -> Option<Vec<f64>> {
        let whole = self.classes > 0 && self.values.len().is_multiple_of(self.classes);
        if !whole || self.values.iter().any(|value| !value.is_finite()) {
            return None;
        }
        let rows = self.values.chunks_exact(self.classes);
        Some(
            rows.flat_map(|row| {
                let mean = row.iter().sum::<f64>() / row.len() as f64;
                row.iter().map(move |value| value - mean)
            })
            .collect(),
        )
    }
}

/// The correlation of what two models say beyond what a panel of unrelated models says too: rows centred, the least-squares
/// multiple of the panel's mean taken away, the rest correlated.
///
/// None if the forms differ, a value is no finite number, the panel is empty or says nothing, or nothing is left of a model.
#[must_use]
pub fn residual_correlation(a: Logits<'_>, b: Logits<'_>, panel: &[Logits<'_>]) -> Option<f64> {
    let same =
        |other: &Logits<'_>| other.classes == a.classes && other.values.len() == a.values.len();
    if !same(&b) || !panel.iter().all(same) {
        return None;
    }
    let mut common = vec![0.0; a.values.len()];
    for member in panel {
        for (sum, value) in common.iter_mut().zip(member.centred()?) {
            *sum += value / panel.len() as f64;
        }
    }
    let power = product(&common, &common);
    if power <= 0.0 {
        return None;
    }
    let residual = |logits: Logits<'_>| {
        let centred = logits.centred()?;
        let multiple = product(&centred, &common) / power;
        Some(centred.iter().zip(&common).map(|(v, c)| v - multiple * c).collect::<Vec<_>>())
    };
    let (x, y) = (residual(a)?, residual(b)?);
    let scale = libm::sqrt(product(&x, &x) * product(&y, &y));
    (scale > 0.0).then(|| product(&x, &y) / scale)
}

/// Whether residuals are so alike that a person must look.
#[must_use]
pub fn wants_review(residual_correlation: f64) -> bool {
    residual_correlation >= PARAMS.residual_review
}

/// From this similarity on, a model that declares no lineage is not eligible until a person has looked (EVALUATION 6).
pub const UNDECLARED_MAX: f64 = 0.8;

fn product(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that n identical clones earn the fees of one, in whatever order they are listed.
    #[test]
    fn clones_earn_the_fees_of_one() {
        let clone = Prior { similarity: 1.0, price: 100.0 };
        let fees: f64 = (0..10).map(|n| fee_share(100.0, &vec![clone; n], 0.0)).sum();
        assert!((fees - 100.0).abs() < 1e-12, "{fees}");
        let unlike = Prior { similarity: 0.5, price: 1e9 };
        assert_eq!(fee_share(80.0, &[unlike], 0.3), 80.0);
    }

    /// Proves that nothing is said of logits that cannot be compared.
    #[test]
    fn what_cannot_be_compared() {
        let rows = |values: &'static [f64], classes| Logits { values, classes };
        let (a, panel) = (rows(&[1.0, 2.0, 0.0, 5.0], 2), rows(&[1.0, 0.0, 2.0, 2.5], 2));
        assert!(residual_correlation(a, a, &[panel]).is_some_and(|r| (r - 1.0).abs() < 1e-12));
        for other in [
            rows(&[1.0, 2.0], 2),
            rows(&[1.0, 2.0, 0.0, 5.0], 4),
            rows(&[1.0, 2.0, f64::NAN, 5.0], 2),
            rows(&[3.0, 3.0, 3.0, 3.0], 2),
        ] {
            assert_eq!(residual_correlation(a, other, &[panel]), None);
        }
        assert_eq!(residual_correlation(a, a, &[]), None);
        assert_eq!(residual_correlation(panel, panel, &[panel]), None, "nothing is left");
    }
}
