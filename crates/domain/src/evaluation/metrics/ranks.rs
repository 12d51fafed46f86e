//! Correlations, and the area under the receiver operating curve.

use super::{Measured, mean};
use crate::evaluation::{
    report::MetricValue,
    statistics::{Z95, wilson},
};

/// Numbers with their mean taken away, and their standard deviation (divisor n); none where they are constant.
fn standardised(values: &[f64]) -> Option<Vec<f64>> {
    let centre = mean(values)?;
    let squares = values.iter().map(|v| (v - centre) * (v - centre)).collect::<Vec<_>>();
    let deviation = libm::sqrt(mean(&squares)?);
    (deviation > 0.0).then(|| values.iter().map(|v| (v - centre) / deviation).collect())
}

/// Interval of a correlation by Fisher's transformation (Fisher 1921), whose variance is `factor`/(n − 3).
fn fisher(value: f64, factor: f64, n: usize) -> (f64, f64) {
    if n < 4 {
        return (-1.0, 1.0);
    }
    let half = Z95 * libm::sqrt(factor / (n as f64 - 3.0));
    let z = libm::atanh(value.clamp(-1.0, 1.0));
    if z.is_infinite() { (value, value) } else { (libm::tanh(z - half), libm::tanh(z + half)) }
}

fn correlation(value: f64, factor: f64, influence: Vec<f64>) -> Measured {
    let n = influence.len();
    let (low, high) = fisher(value, factor, n);
    Measured { value: MetricValue { value, low, high, n: n as u64 }, influence }
}

/// Pearson's correlation; ψ = xy − r·(x² + y²)/2 of standardised values. None with fewer than two items, or a constant side.
#[must_use]
pub fn pearson(scores: &[f64], targets: &[f64]) -> Option<Measured> {
    if scores.len() != targets.len() || scores.len() < 2 {
        return None;
    }
    let (x, y) = (standardised(scores)?, standardised(targets)?);
    let products: Vec<f64> = x.iter().zip(&y).map(|(x, y)| x * y).collect();
    let r = mean(&products)?.clamp(-1.0, 1.0);
    let psi = |(x, y): (&f64, &f64)| x * y - r * (x * x + y * y) / 2.0;
    Some(correlation(r, 1.0, x.iter().zip(&y).map(psi).collect()))
}

/// Share of items below each, ties by half: (mid-rank − ½)/n.
fn mid_shares(values: &[f64]) -> Vec<f64> {
    let mut order = (0..values.len()).collect::<Vec<_>>();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut shares = vec![0.0; values.len()];
    let mut start = 0;
    while start < order.len() {
        let same = |at: &&usize| values[**at] == values[order[start]];
        let end = start + order[start..].iter().take_while(same).count();
        let share = (start + end) as f64 / 2.0 / values.len() as f64;
        order[start..end].iter().for_each(|at| shares[*at] = share);
        start = end;
    }
    shares
}

/// For each item the mean over all items of `weights` where `values` is larger, half where equal.
fn mean_above(values: &[f64], weights: &[f64]) -> Vec<f64> {
    let n = values.len() as f64;
    let mut order = (0..values.len()).collect::<Vec<_>>();
    order.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
    let (mut above, mut start, mut result) = (0.0, 0, vec![0.0; values.len()]);
    while start < order.len() {
        let same = |at: &&usize| values[**at] == values[order[start]];
        let end = start + order[start..].iter().take_while(same).count();
        let tied = order[start..end].iter().map(|at| weights[*at]).sum::<f64>();
        order[start..end].iter().for_each(|at| result[*at] = (above + tied / 2.0) / n);
        above += tied;
        start = end;
    }
    result
}

/// Spearman's rank correlation, mid-ranks for ties; the variance of Fisher's transformation is (1 + ρ²/2)/(n − 3) (Bonett and Wright
/// 2000). ψ holds, beside an item's own product of ranks, what it does to the ranks of the others (Croux and Dehon 2010).
#[must_use]
pub fn spearman(scores: &[f64], targets: &[f64]) -> Option<Measured> {
    if scores.len() != targets.len() || scores.len() < 2 {
        return None;
    }
    let centred = |values: &[f64]| {
        mid_shares(values).into_iter().map(|share| share - 0.5).collect::<Vec<_>>()
    };
    let (f, g) = (centred(scores), centred(targets));
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let scale = libm::sqrt(product(&f, &f) * product(&g, &g)) / f.len() as f64;
    if scale <= 0.0 {
        return None;
    }
    let rho = (product(&f, &g) / f.len() as f64 / scale).clamp(-1.0, 1.0);
    let (a, b) = (mean_above(scores, &g), mean_above(targets, &f));
    let mut psi: Vec<f64> = (0..f.len()).map(|i| (f[i] * g[i] + a[i] + b[i]) / scale).collect();
    let centre = mean(&psi)?;
    psi.iter_mut().for_each(|value| *value -= centre);
    Some(correlation(rho, 1.0 + rho * rho / 2.0, psi))
}

/// Area under the receiver operating curve: the share of pairs of a yes and a no in which the yes scores higher, ties by half.
///
/// The variance is that of DeLong, DeLong and Clarke-Pearson (1988), on the logit scale; at 0 and 1, where it says nothing, the
/// interval is Wilson's for the smaller side. None without both kinds of items.
#[must_use]
pub fn auc(scores: &[f64], targets: &[f64]) -> Option<Measured> {
    if scores.len() != targets.len() {
        return None;
    }
    let n = scores.len() as f64;
    let yes = targets.iter().filter(|t| **t > 0.5).count() as f64;
    let no = n - yes;
    if yes == 0.0 || no == 0.0 {
        return None;
    }
    let is_yes: Vec<f64> = targets.iter().map(|t| if *t > 0.5 { 1.0 } else { 0.0 }).collect();
    let is_no: Vec<f64> = is_yes.iter().map(|y| 1.0 - y).collect();
    let above_yes = mean_above(scores, &is_yes);
    let above_no = mean_above(scores, &is_no);
    // For a yes: the share of noes below it; for a no: the share of yeses above it.
    let placed = |i: usize| {
        if is_yes[i] > 0.5 { 1.0 - above_no[i] * n / no } else { above_yes[i] * n / yes }
    };
    let places: Vec<f64> = (0..scores.len()).map(placed).collect();
    let value = places.iter().zip(&is_yes).map(|(p, y)| p * y).sum::<f64>() / yes;
    let psi = |i: usize| {
        let side = if is_yes[i] > 0.5 { yes } else { no };
        (places[i] - value) * n / side
    };
    let influence: Vec<f64> = (0..scores.len()).map(psi).collect();
    let (low, high) = if value > 0.0 && value < 1.0 {
        let logit = libm::log(value / (1.0 - value));
        let half = Z95 * super::standard_error(&influence) / (value * (1.0 - value));
        let back = |x: f64| 1.0 / (1.0 + libm::exp(-x));
        (back(logit - half), back(logit + half))
    } else {
        let side = yes.min(no) as u64;
        let interval = wilson(if value > 0.5 { side } else { 0 }, side, Z95);
        (interval.low, interval.high)
    };
    let n = scores.len() as u64;
    Some(Measured { value: MetricValue { value, low, high, n }, influence })
}
