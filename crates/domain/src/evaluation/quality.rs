//! Quality in bits above the best answer that ignores the input (EVALUATION 5.1 to 5.3).

use std::f64::consts::LN_2;

use serde::{Deserialize, Serialize};

use super::params::PARAMS;

/// Accuracy of the best answer that ignores the input: max(1/classes, majority share); none without items.
#[must_use]
pub fn baseline_choice(counts: &[u64]) -> Option<f64> {
    let items = counts.iter().sum::<u64>();
    let majority = *counts.iter().max()?;
    (items > 0).then(|| (1.0 / counts.len() as f64).max(majority as f64 / items as f64))
}

/// Shrunk accuracy a = (min(k, n − 3) + κ0·b)/(n + κ0), of `k` right out of `n` at baseline `b`.
#[must_use]
pub fn shrunk(k: u64, n: u64, b: f64) -> f64 {
    let n = n as f64;
    // Below three items the cap is 0, not negative: a stays inside 0 to 1.
    let counted = (k as f64).min((n - PARAMS.accuracy_cap_items).max(0.0));
    (counted + PARAMS.kappa0 * b) / (n + PARAMS.kappa0)
}

fn odds(p: f64) -> f64 {
    p / (1.0 - p)
}

/// Signed quality of a choice: log2 of the odds of `a` over those of the baseline.
#[must_use]
pub fn q_choice(k: u64, n: u64, b: f64) -> f64 {
    libm::log2(odds(shrunk(k, n, b)) / odds(b))
}

/// Standard error of [`q_choice`], in bits.
#[must_use]
pub fn q_choice_se(k: u64, n: u64, b: f64) -> f64 {
    let a = shrunk(k, n, b);
    1.0 / (LN_2 * libm::sqrt((n as f64 + PARAMS.kappa0) * a * (1.0 - a)))
}

/// Signed quality of a language model from its bits per byte.
#[must_use]
pub fn q_bits_per_byte(bits_per_byte: f64, baseline: f64) -> f64 {
    libm::log2(baseline / bits_per_byte)
}

/// Signed quality from an error of `n` items; the error counts at least as 3 · baseline/n.
#[must_use]
pub fn q_error(error: f64, baseline: f64, n: u64) -> f64 {
    libm::log2(baseline / error.max(PARAMS.accuracy_cap_items * baseline / n as f64))
}

/// Whether a suite can price a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SuiteState {
    /// It can.
    Prices,
    /// The references' quality on it is outside 1 to 6 bits.
    ReferenceOutOfRange,
    /// The model's accuracy is above 98 %: the suite is too easy for it.
    Saturated,
}

/// The state of a suite for a model of `accuracy`, none where the metric is no accuracy.
#[must_use]
pub fn suite_state(q_ref: f64, accuracy: Option<f64>) -> SuiteState {
    if accuracy.is_some_and(|accuracy| accuracy > PARAMS.accuracy_saturated) {
        return SuiteState::Saturated;
    }
    if (PARAMS.q_ref_min..=PARAMS.q_ref_max).contains(&q_ref) {
        SuiteState::Prices
    } else {
        SuiteState::ReferenceOutOfRange
    }
}

/// One task of a suite, as quality sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TaskQuality {
    /// Weight; need not sum to 1.
    pub weight: f64,
    /// Signed quality of the model, bits.
    pub q: f64,
    /// Its standard error.
    pub se: f64,
    /// Mean signed quality of the references on the same items.
    pub q_ref: f64,
}

/// Quality of a model on a suite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quality {
    /// Weighted mean of the capped tasks, signed.
    pub q_mean: f64,
    /// Its standard error.
    pub se: f64,
    /// The same mean of the references.
    pub q_ref: f64,
    /// Whether `q_mean` is more than three standard errors above chance.
    pub above_chance: bool,
    /// Anchored quality, from 0 to 16 bits; 0 unless above chance.
    pub bits: f64,
}

/// Quality in the stated order: cap each task, weighted mean, chance test, anchor, clip (EVALUATION 5.2).
///
/// None without tasks of positive weight. A number that is not finite gives quality 0.
#[must_use]
pub fn quality(tasks: &[TaskQuality], q_genesis: f64) -> Option<Quality> {
    let weight = tasks.iter().map(|task| task.weight).sum::<f64>();
    if weight.is_nan() || weight <= 0.0 {
        return None;
    }
    let capped = |task: &TaskQuality| task.weight * task.q.min(task.q_ref + PARAMS.q_lead_max);
    let q_mean = tasks.iter().map(capped).sum::<f64>() / weight;
    let q_ref = tasks.iter().map(|task| task.weight * task.q_ref).sum::<f64>() / weight;
    let squares = tasks.iter().map(|task| (task.weight * task.se) * (task.weight * task.se));
    let se = libm::sqrt(squares.sum::<f64>()) / weight;
    // Written so that a NaN fails the test.
    let above_chance = is_above_chance(q_mean, se);
    let anchored = (q_genesis + (q_mean - q_ref)).clamp(0.0, PARAMS.q_max);
    let bits = if above_chance && anchored.is_finite() { anchored } else { 0.0 };
    Some(Quality { q_mean, se, q_ref, above_chance, bits })
}

/// The chance test: Q − 3 · se > 0; false for a NaN.
#[must_use]
pub fn is_above_chance(q: f64, se: f64) -> bool {
    q - PARAMS.z_chance * se > 0.0
}

/// How often two models were right on the same items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PairCounts {
    /// Both right.
    pub both: u64,
    /// Only the first.
    pub first: u64,
    /// Only the second.
    pub second: u64,
    /// Neither.
    pub neither: u64,
}

impl PairCounts {
    /// Counts two strings of `1` (right) and `0`, one character an item; none if their lengths differ.
    #[must_use]
    pub fn of(first: &str, second: &str) -> Option<Self> {
        if first.len() != second.len() {
            return None;
        }
        let mut counts = Self::default();
        for pair in first.bytes().zip(second.bytes()) {
            match pair {
                (b'1', b'1') => counts.both += 1,
                (b'1', _) => counts.first += 1,
                (_, b'1') => counts.second += 1,
                _ => counts.neither += 1,
            }
        }
        Some(counts)
    }

    fn items(&self) -> u64 {
        self.both + self.first + self.second + self.neither
    }
}

/// Variance of `g_x·x/(ln2·a_x(1 − a_x)) − g_y·y/(ln2·a_y(1 − a_y))` over the items, divided by their number (EVALUATION 5.6).
///
/// `x` and `y` are 1 where the first and the second model were right, `a` their shrunk accuracies.
/// With g = 1 the unit is bits², with g = the price slope it is (ln price)².
#[must_use]
pub fn difference_variance(counts: PairCounts, g: [f64; 2], a: [f64; 2]) -> f64 {
    let n = counts.items() as f64;
    if n <= 0.0 {
        return 0.0;
    }
    let [u, v] = [0, 1].map(|side| g[side] / (LN_2 * a[side] * (1.0 - a[side])));
    let [both, first, second, neither] =
        [counts.both, counts.first, counts.second, counts.neither].map(|count| count as f64);
    let mean = (both * (u - v) + first * u - second * v) / n;
    let square = |count: f64, value: f64| count * (value - mean) * (value - mean);
    (square(both, u - v) + square(first, u) + square(second, -v) + square(neither, 0.0)) / n / n
}
