//! Statistics of levels and NAVs, and attribution of returns (FUND 2.14, 2.15).
//!
//! What goes in is integers (levels, NAVs, parts per billion) or exact rationals; what comes out is `f64`, for people to read.
//! Statistics are not money and never flow back into it.
//!
//! Conventions, the same everywhere and said again at each function:
//! simple returns, one a period; sample deviation (`n−1`); [`PERIODS_A_YEAR`] = 252; no risk-free rate.
//! Peers differ: ffn grows over 365.25 calendar days, quantstats' VaR is parametric and its information ratio is not annualised.

mod attribution;
mod drawdown;
mod relative;
mod returns;
mod summary;

pub use attribution::{
    Attribution, AttributionError, Effects, Linked, Segment, brinson_fachler, contributions, link,
};
pub use drawdown::{Drawdown, max_drawdown};
pub use relative::Relative;
pub use returns::{Returns, ReturnsError, growth_a_year};
pub use summary::{Comparison, Performance, annual_turnover, compare, performance};

/// Trading days of a year.
pub const PERIODS_A_YEAR: f64 = 252.0;

/// A sum that does not lose what is small beside what is large (Neumaier).
fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let (mut total, mut lost) = (0.0_f64, 0.0_f64);
    for value in values {
        let next = total + value;
        lost += if total.abs() >= value.abs() {
            (total - next) + value
        } else {
            (value - next) + total
        };
        total = next;
    }
    total + lost
}

/// The mean; nothing of nothing.
fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| sum(values.iter().copied()) / values.len() as f64)
}

/// The sample covariance, `n−1`; nothing below two pairs. A value with itself: the variance.
fn covariance(left: &[f64], right: &[f64]) -> Option<f64> {
    let (a, b) = (mean(left)?, mean(right)?);
    let products = left.iter().zip(right).map(|(x, y)| (x - a) * (y - b));
    (left.len() > 1).then(|| sum(products) / (left.len() - 1) as f64)
}

/// The quotient, where it is a number.
fn quotient(value: f64, by: f64) -> Option<f64> {
    let quotient = value / by;
    (by != 0.0 && quotient.is_finite()).then_some(quotient)
}
