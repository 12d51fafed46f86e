//! Statistics of small samples: intervals, ranks, medians, replicated ratios.

use std::f64::consts::PI;

/// z of a two-sided 95 % interval.
pub const Z95: f64 = 1.959_963_984_540_054;

/// An interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Wilson score interval of `k` successes in `n` trials; all of 0 to 1 without trials.
#[must_use]
pub fn wilson(k: u64, n: u64, z: f64) -> Interval {
    if n == 0 {
        return Interval { low: 0.0, high: 1.0 };
    }
    let (p, n) = (k as f64 / n as f64, n as f64);
    let scale = 1.0 + z * z / n;
    let centre = (p + z * z / (2.0 * n)) / scale;
    let half = z * libm::sqrt(p * (1.0 - p) / n + z * z / (4.0 * n * n)) / scale;
    Interval { low: (centre - half).max(0.0), high: (centre + half).min(1.0) }
}

/// Ranks, from 1, of the order statistics that enclose quantile `q` of `n` samples with at least `confidence`.
///
/// Each tail is bounded by itself. None where `n` is too small (EVALUATION 4, rule 3).
#[must_use]
pub fn order_statistic_ranks(n: u64, q: f64, confidence: f64) -> Option<(u64, u64)> {
    let tail = (1.0 - confidence) / 2.0;
    let mut cumulative = Binomial::new(n, q);
    let mut low = 0;
    while cumulative.at_most(low) <= tail {
        low += 1;
    }
    let mut high = low;
    while high == 0 || 1.0 - cumulative.at_most(high - 1) > tail {
        high += 1;
    }
    (low >= 1 && high <= n).then_some((low, high))
}

/// Running sums of a binomial distribution, asked at counts that never decrease by more than one.
struct Binomial {
    n: u64,
    ln_p: f64,
    ln_q: f64,
    sums: Vec<f64>,
}

impl Binomial {
    fn new(n: u64, p: f64) -> Self {
        Self { n, ln_p: libm::log(p), ln_q: libm::log1p(-p), sums: Vec::new() }
    }

    fn at_most(&mut self, k: u64) -> f64 {
        if k >= self.n {
            return 1.0;
        }
        while (self.sums.len() as u64) <= k {
            let (i, n) = (self.sums.len() as f64, self.n as f64);
            let ways = libm::lgamma(n + 1.0) - libm::lgamma(i + 1.0) - libm::lgamma(n - i + 1.0);
            let mass = libm::exp(ways + i * self.ln_p + (n - i) * self.ln_q);
            let before = self.sums.last().copied().unwrap_or(0.0);
            self.sums.push((before + mass).min(1.0));
        }
        self.sums[k as usize]
    }
}

/// The probability of at most `k` successes in `n` trials of probability `p`, which is neither 0 nor 1.
pub(super) fn binomial_at_most(k: u64, n: u64, p: f64) -> f64 {
    Binomial::new(n, p).at_most(k)
}

/// The value at rank ⌈q·n⌉ of the sorted samples, at least the first; none without samples.
#[must_use]
pub fn nearest_rank(samples: &[u64], q: f64) -> Option<u64> {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    nearest_rank_of(&sorted, q).copied()
}

/// As [`nearest_rank`], of what is sorted already.
pub(super) fn nearest_rank_of<T>(sorted: &[T], q: f64) -> Option<&T> {
    let rank = libm::ceil(q * sorted.len() as f64) as usize;
    sorted.get(rank.saturating_sub(1))
}

/// The middle of the samples, the mean of the middle two where their number is even; none without samples.
#[must_use]
pub fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let high = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(high);
    }
    Some(0.5 * (sorted[sorted.len() / 2 - 1] + high))
}

/// The generator SplitMix64, for resampling that anybody can repeat.
#[derive(Clone, Debug)]
pub struct SplitMix64 {
    state: u64,
}

impl SplitMix64 {
    /// Starts at `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    pub const fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, by the high half of the product; 0 if `bound` is 0.
    pub const fn below(&mut self, bound: u64) -> u64 {
        ((self.next_u64() as u128 * bound as u128) >> 64) as u64
    }
}

/// Mean of logarithms over rounds, which are the independent unit (EVALUATION 4, rule 1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Replicated {
    /// Number of rounds.
    pub rounds: usize,
    /// Mean of the logarithms.
    pub log_mean: f64,
    /// Their standard deviation.
    pub log_sd: f64,
    /// Standard error of the mean.
    pub log_se: f64,
}

impl Replicated {
    /// Sums up one logarithm a round; none with fewer than two, or if one is no finite number.
    #[must_use]
    pub fn of(logs: &[f64]) -> Option<Self> {
        if logs.len() < 2 || logs.iter().any(|log| !log.is_finite()) {
            return None;
        }
        let n = logs.len() as f64;
        let mean = logs.iter().sum::<f64>() / n;
        let squares = logs.iter().map(|log| (log - mean) * (log - mean)).sum::<f64>();
        let sd = libm::sqrt(squares / (n - 1.0));
        Some(Self { rounds: logs.len(), log_mean: mean, log_sd: sd, log_se: sd / libm::sqrt(n) })
    }

    /// The geometric mean of the ratios.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        libm::exp(self.log_mean)
    }

    /// Student's t interval of the mean logarithm, two-sided.
    #[must_use]
    pub fn log_interval(&self, confidence: f64) -> Interval {
        let half = student_t(self.rounds - 1, confidence) * self.log_se;
        Interval { low: self.log_mean - half, high: self.log_mean + half }
    }
}

/// The t that a Student variable of `freedom` ≥ 1 degrees stays within, both sides, with probability `confidence`.
///
/// By halving: the distribution function is a finite sum (Abramowitz and Stegun 26.7.3 and 26.7.4), so no table ends.
#[must_use]
pub fn student_t(freedom: usize, confidence: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while student_within(freedom, high) < confidence && high < 1e12 {
        high *= 2.0;
    }
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if student_within(freedom, middle) < confidence {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// P(|T| ≤ t) for `freedom` degrees.
fn student_within(freedom: usize, t: f64) -> f64 {
    let angle = libm::atan2(t, libm::sqrt(freedom as f64));
    let (sine, cosine) = (libm::sin(angle), libm::cos(angle));
    let odd = freedom % 2 == 1;
    // The terms are cosine powers from 1 or 0, each by a factor of (k − 1)/k for odd, (k − 1)/k shifted by one for even degrees.
    let mut term = if odd { cosine } else { 1.0 };
    let mut sum = 0.0;
    let mut k = if odd { 1 } else { 0 };
    while k + 2 <= freedom {
        sum += term;
        term *= cosine * cosine * (k + 1) as f64 / (k + 2) as f64;
        k += 2;
    }
    if odd { 2.0 / PI * (angle + sine * sum) } else { sine * sum }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves Student's quantiles against published tables, one degree and many, odd and even.
    #[test]
    fn student_quantiles() {
        for (freedom, confidence, t) in [
            (1, 0.95, 12.706_204_7),
            (2, 0.95, 4.302_652_7),
            (3, 0.95, 3.182_446_3),
            (7, 0.99, 3.499_483_3),
            (8, 0.99, 3.355_387_3),
            (15, 0.95, 2.131_449_5),
            (63, 0.95, 1.998_340_5),
            (1000, 0.95, 1.962_339_1),
        ] {
            assert!((student_t(freedom, confidence) / t - 1.0).abs() < 3e-8, "{freedom}");
        }
    }

    /// Proves what the small functions give at their edges.
    #[test]
    fn edges() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(nearest_rank(&[], 0.9), None);
        assert_eq!(nearest_rank(&[5, 1, 4, 2, 3], 0.9), Some(5));
        assert_eq!(nearest_rank(&[5, 1, 4, 2, 3], 0.5), Some(3));
        assert_eq!(nearest_rank(&[7], 0.0), Some(7));
        assert_eq!(Replicated::of(&[0.1]), None);
        assert_eq!(Replicated::of(&[0.1, f64::NAN]), None);
        assert_eq!(wilson(0, 0, Z95), Interval { low: 0.0, high: 1.0 });
        assert_eq!(order_statistic_ranks(0, 0.5, 0.95), None);
    }
}
