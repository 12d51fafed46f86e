//! Errors of numbers, and F1 of classes.

use std::collections::{BTreeMap, BTreeSet};

use super::{Measured, mean};

/// Mean over the numbers of each item of what `error` makes of answer and target.
fn item_errors(
    scores: &[f64],
    targets: &[f64],
    width: usize,
    error: fn(f64, f64) -> f64,
) -> Option<Vec<f64>> {
    let whole = width > 0 && scores.len() == targets.len() && scores.len().is_multiple_of(width);
    if !whole || scores.is_empty() {
        return None;
    }
    let items = scores.chunks_exact(width).zip(targets.chunks_exact(width));
    let one = |(s, t): (&[f64], &[f64])| {
        s.iter().zip(t).map(|(s, t)| error(*s, *t)).sum::<f64>() / width as f64
    };
    Some(items.map(one).collect())
}

fn mean_of_errors(errors: &[f64]) -> Option<Measured> {
    let value = mean(errors)?;
    let influence = errors.iter().map(|error| error - value).collect();
    Some(Measured::symmetric(value, influence, errors.len() as u64, 0.0, f64::INFINITY))
}

/// Mean squared error, `width` numbers an item; none if the lengths do not fit.
#[must_use]
pub fn mse(scores: &[f64], targets: &[f64], width: usize) -> Option<Measured> {
    mean_of_errors(&item_errors(scores, targets, width, |s, t| (s - t) * (s - t))?)
}

/// Mean absolute error, `width` numbers an item; none if the lengths do not fit.
#[must_use]
pub fn mae(scores: &[f64], targets: &[f64], width: usize) -> Option<Measured> {
    mean_of_errors(&item_errors(scores, targets, width, |s, t| (s - t).abs())?)
}

/// Error of the best constant answer: the mean for squares, a median for absolute values, of each number by itself; none without
/// targets.
#[must_use]
pub fn mean_error_base(targets: &[f64], width: usize, absolute: bool) -> Option<f64> {
    if width == 0 || targets.is_empty() || !targets.len().is_multiple_of(width) {
        return None;
    }
    let column = |at: usize| targets.iter().skip(at).step_by(width).copied().collect::<Vec<_>>();
    let base = |values: Vec<f64>| {
        let centre =
            if absolute { crate::evaluation::statistics::median(&values)? } else { mean(&values)? };
        let error =
            |v: &f64| if absolute { (v - centre).abs() } else { (v - centre) * (v - centre) };
        mean(&values.iter().map(error).collect::<Vec<_>>())
    };
    let bases = (0..width).map(|at| base(column(at))).collect::<Option<Vec<_>>>()?;
    mean(&bases)
}

/// Coefficient of determination 1 − SSE/SST, the mean over the numbers of an item; none where a target is constant.
#[must_use]
pub fn r2(scores: &[f64], targets: &[f64], width: usize) -> Option<Measured> {
    let whole = width > 0 && scores.len() == targets.len() && scores.len().is_multiple_of(width);
    if !whole || scores.is_empty() {
        return None;
    }
    let items = scores.len() / width;
    let (mut value, mut influence) = (0.0, vec![0.0; items]);
    for at in 0..width {
        let column = |all: &[f64]| all.iter().skip(at).step_by(width).copied().collect::<Vec<_>>();
        let (s, t) = (column(scores), column(targets));
        let centre = mean(&t)?;
        let errors: Vec<f64> = s.iter().zip(&t).map(|(s, t)| (s - t) * (s - t)).collect();
        let spreads: Vec<f64> = t.iter().map(|t| (t - centre) * (t - centre)).collect();
        let (error, spread) = (mean(&errors)?, mean(&spreads)?);
        if spread <= 0.0 {
            return None;
        }
        let ratio = error / spread;
        value += (1.0 - ratio) / width as f64;
        for ((psi, e), q) in influence.iter_mut().zip(&errors).zip(&spreads) {
            *psi -= (e - ratio * q) / spread / width as f64;
        }
    }
    Some(Measured::symmetric(value, influence, items as u64, f64::NEG_INFINITY, 1.0))
}

/// Mean F1 score 2·tp/(chosen + labelled) of the classes that are chosen or labelled at all; none if the lengths differ or are 0.
///
/// An item moves the score of its class and of the one that was chosen: ψ is the mean over classes of
/// (2·hit − F1·(chosen + labelled))/(share chosen + share labelled).
#[must_use]
pub fn f1_macro(classes: &[u32], labels: &[u32]) -> Option<Measured> {
    if classes.is_empty() || classes.len() != labels.len() {
        return None;
    }
    let n = classes.len() as f64;
    let known: BTreeSet<u32> = classes.iter().chain(labels).copied().collect();
    // hits, and chosen plus labelled, of each class
    let mut counts: BTreeMap<u32, (f64, f64)> = known.iter().map(|c| (*c, (0.0, 0.0))).collect();
    for (class, label) in classes.iter().zip(labels) {
        let mut add = |class: &u32, hit: f64| {
            if let Some(count) = counts.get_mut(class) {
                count.0 += hit;
                count.1 += 1.0;
            }
        };
        add(class, if class == label { 1.0 } else { 0.0 });
        add(label, 0.0);
    }
    let score = |(hits, both): &(f64, f64)| 2.0 * hits / both;
    let value = counts.values().map(score).sum::<f64>() / counts.len() as f64;
    let part = |class: &u32, hits: f64, marks: f64| {
        counts.get(class).map_or(0.0, |count| (2.0 * hits - score(count) * marks) / (count.1 / n))
    };
    let one = |(class, label): (&u32, &u32)| {
        let sum = if class == label {
            part(class, 1.0, 2.0)
        } else {
            part(class, 0.0, 1.0) + part(label, 0.0, 1.0)
        };
        sum / counts.len() as f64
    };
    let influence = classes.iter().zip(labels).map(one).collect();
    Some(Measured::symmetric(value, influence, classes.len() as u64, 0.0, 1.0))
}
