//! Uncertainty without a formula: resampled means, and how many queries a percentile needs.

use super::statistics::{Interval, SplitMix64, binomial_at_most, nearest_rank_of};

/// Most queries that [`queries_min`] looks for.
const QUERIES_MAX: u64 = 1 << 24;

/// The 95 % interval of the mean of a series whose neighbours depend on each other: `resamples` series of ⌈n/block⌉ blocks
/// that start anywhere and wrap around, each cut to n, by nearest rank (EVALUATION 4).
///
/// None without values, without resamples, or with blocks of nothing. The same seed gives the same bits everywhere.
#[must_use]
pub fn moving_block_mean(
    series: &[f64],
    block: usize,
    resamples: usize,
    seed: u64,
) -> Option<Interval> {
    let length = series.len();
    if length == 0 || block == 0 || resamples == 0 {
        return None;
    }
    let mut random = SplitMix64::new(seed);
    let mut means = Vec::with_capacity(resamples);
    for _ in 0..resamples {
        let (mut sum, mut taken) = (0.0, 0);
        while taken < length {
            let start = random.below(length as u64) as usize;
            let here = block.min(length - taken);
            sum += (0..here).map(|step| series[(start + step) % length]).sum::<f64>();
            taken += here;
        }
        means.push(sum / length as f64);
    }
    means.sort_by(f64::total_cmp);
    let at = |q| nearest_rank_of(&means, q).copied();
    Some(Interval { low: at(0.025)?, high: at(0.975)? })
}

/// The least number of queries at which `over` of them above the latency bound still prove, with `confidence`, that the share
/// `percentile` of all queries keeps it (the early stopping of MLPerf's load generator, with tolerance 0).
///
/// None for shares outside 0 to 1, and where more than 2^24 queries would be wanted.
#[must_use]
pub fn queries_min(percentile: f64, over: u64, confidence: f64) -> Option<u64> {
    let share = |x: f64| x > 0.0 && x < 1.0;
    if !share(percentile) || !share(confidence) {
        return None;
    }
    let proves =
        |within: u64| binomial_at_most(over, within + over, 1.0 - percentile) <= 1.0 - confidence;
    let (mut low, mut high) = (0, QUERIES_MAX);
    while low < high {
        let middle = (low + high) / 2;
        if proves(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    proves(low).then_some(low + over)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a constant series has no width, and that nothing is told of what cannot be resampled.
    #[test]
    fn edges() {
        let constant = Interval { low: 2.0, high: 2.0 };
        assert_eq!(moving_block_mean(&[2.0; 9], 4, 50, 1), Some(constant));
        // A block longer than the series is the series, wherever it starts.
        assert_eq!(moving_block_mean(&[1.0, 3.0], 99, 50, 1), Some(constant));
        for (series, block, resamples) in [(&[][..], 1, 1), (&[1.0], 0, 1), (&[1.0], 1, 0)] {
            assert_eq!(moving_block_mean(series, block, resamples, 1), None);
        }
        for percentile in [0.0, 1.0, -0.5, f64::NAN] {
            assert_eq!(queries_min(percentile, 0, 0.99), None);
        }
        assert_eq!(queries_min(0.999_999_9, 0, 0.99), None);
    }
}
