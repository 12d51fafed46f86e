//! Where a return came from (FUND 2.14): contributions, linked over periods by Carino, and Brinson-Fachler beside a benchmark.
//!
//! One period is exact rationals. Linking needs logarithms, so what it gives is `f64`.

use num_rational::BigRational;
use num_traits::{One, Signed, ToPrimitive};

use super::sum;

/// Contributions over several periods that sum to the return over all of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Linked {
    /// `Π(1+R_t) − 1`, exact.
    pub total: BigRational,
    /// Each name's part of it.
    pub names: Vec<f64>,
}

/// Why there is no attribution.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttributionError {
    /// A period that lost everything, or more: no logarithm.
    #[error("the return of period {period} is {value}: expected above -1")]
    Lost {
        /// Counts from 0.
        period: usize,
        /// Its return.
        value: String,
    },
    /// Periods of different numbers of names.
    #[error("period {period} has {given} names, the first has {first}")]
    Names {
        /// Counts from 0.
        period: usize,
        /// Names that it has.
        given: usize,
        /// Names of the first period.
        first: usize,
    },
}

/// Contributions of one period, `c_i = w_i·r_i` with weights at its start; they sum to its return. Exact.
#[must_use]
pub fn contributions(weights: &[BigRational], returns: &[BigRational]) -> Vec<BigRational> {
    weights.iter().zip(returns).map(|(weight, r)| weight * r).collect()
}

/// Links contributions over periods (Carino): `Σ_t (k_t/k)·c_t`, `k_t = ln(1+R_t)/R_t` with `R_t = Σ c_t`, `k` the same of the total.
///
/// # Errors
/// A period with a return of -1 or less, or with another number of names.
pub fn link(periods: &[Vec<BigRational>]) -> Result<Linked, AttributionError> {
    let first = periods.first().map_or(0, Vec::len);
    let (mut factor, mut weights) = (BigRational::one(), Vec::new());
    for (period, parts) in periods.iter().enumerate() {
        if parts.len() != first {
            return Err(AttributionError::Names { period, given: parts.len(), first });
        }
        let change: BigRational = parts.iter().sum();
        let growth = BigRational::one() + &change;
        if !growth.is_positive() {
            return Err(AttributionError::Lost { period, value: change.to_string() });
        }
        factor *= growth;
        weights.push(log_over(&change));
    }
    let total = factor - BigRational::one();
    let scale = log_over(&total);
    let part = |name: usize| {
        sum(periods.iter().zip(&weights).map(|(parts, weight)| double(&parts[name]) * weight))
            / scale
    };
    let names = (0..first).map(part).collect();
    Ok(Linked { total, names })
}

/// `ln(1+R)/R`, and its limit of 1 at 0.
fn log_over(change: &BigRational) -> f64 {
    let value = double(change);
    if value == 0.0 { 1.0 } else { libm::log1p(value) / value }
}

fn double(value: &BigRational) -> f64 {
    value.to_f64().unwrap_or(f64::NAN)
}

/// A group of names (a family, a publisher) in a portfolio and in its benchmark, over one period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its weight in the portfolio at the start.
    pub weight: BigRational,
    /// Its weight in the benchmark at the start.
    pub benchmark_weight: BigRational,
    /// Its return in the portfolio.
    pub change: BigRational,
    /// Its return in the benchmark.
    pub benchmark_change: BigRational,
}

/// What one segment did to the difference of returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effects {
    /// `(wp−wb)·(rb−Rb)`: being in the right segments.
    pub allocation: BigRational,
    /// `wb·(rp−rb)`: having the right names in it.
    pub selection: BigRational,
    /// `(wp−wb)·(rp−rb)`: having more of it where the names were right.
    pub interaction: BigRational,
}

/// A difference of returns and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribution {
    /// In the order of the segments; all effects sum to `active` where both sets of weights sum to the same.
    pub segments: Vec<Effects>,
    /// The portfolio's return less the benchmark's.
    pub active: BigRational,
}

/// Brinson-Fachler for one period, exact; segments are all of both portfolios.
#[must_use]
pub fn brinson_fachler(segments: &[Segment]) -> Attribution {
    let own: BigRational = segments.iter().map(|s| &s.weight * &s.change).sum();
    let benchmark: BigRational =
        segments.iter().map(|s| &s.benchmark_weight * &s.benchmark_change).sum();
    let effects = |s: &Segment| {
        let (more, better) = (&s.weight - &s.benchmark_weight, &s.change - &s.benchmark_change);
        Effects {
            allocation: &more * (&s.benchmark_change - &benchmark),
            selection: &s.benchmark_weight * &better,
            interaction: more * better,
        }
    };
    let segments = segments.iter().map(effects).collect();
    Attribution { segments, active: own - benchmark }
}
