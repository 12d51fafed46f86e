//! Simple returns of a series of values, and what is said of them alone.

use super::{covariance, mean, quotient, sum};
use crate::amount::{PPB_ONE, Ppb};

/// Simple returns `V_t/V_{t−1} − 1`, one for each period between two values.
#[derive(Clone, Debug, PartialEq)]
pub struct Returns(Vec<f64>);

/// Why there are no returns.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReturnsError {
    /// Fewer than two values.
    #[error("{given} values: at least 2 for a return")]
    Few {
        /// How many there are.
        given: usize,
    },
    /// A period that starts at nothing, or a value below it.
    #[error("value {place} is {value}: expected above 0, or 0 at the end")]
    Value {
        /// Counts from 0.
        place: usize,
        /// What it is.
        value: i128,
    },
    /// A series and its benchmark of different lengths.
    #[error("{given} returns beside {other} of the benchmark")]
    Lengths {
        /// Returns of the series.
        given: usize,
        /// Returns of the benchmark.
        other: usize,
    },
}

/// Refuses values that have no returns.
pub(super) fn check(values: &[i128]) -> Result<(), ReturnsError> {
    if values.len() < 2 {
        return Err(ReturnsError::Few { given: values.len() });
    }
    let last = values.len() - 1;
    let bad = |(place, value): &(usize, &i128)| **value < i128::from(*place < last);
    match values.iter().enumerate().find(bad) {
        Some((place, value)) => Err(ReturnsError::Value { place, value: *value }),
        None => Ok(()),
    }
}

/// `to/from − 1`; the difference is exact before it is a double.
pub(super) fn change(from: i128, to: i128) -> f64 {
    (to - from) as f64 / from as f64
}

/// What a total return is a year, compounded: `(1+R)^(1/years) − 1`; nothing unless years are above 0.
///
/// FUND 2.15: years are `n/252` for n daily returns (quantstats, empyrical); with calendar days over 365.25 it is ffn's.
#[must_use]
pub fn growth_a_year(total_return: f64, years: f64) -> Option<f64> {
    (years > 0.0).then(|| libm::expm1(libm::log1p(total_return) / years)).filter(|g| g.is_finite())
}

impl Returns {
    /// Takes values in one unit (levels in 1e-9, NAVs in 1e-15), in order.
    ///
    /// # Errors
    /// Fewer than two values, or a period that starts at nothing or below.
    pub fn of(values: &[i128]) -> Result<Self, ReturnsError> {
        check(values)?;
        Ok(Self(values.windows(2).map(|pair| change(pair[0], pair[1])).collect()))
    }

    /// The returns, in order.
    #[must_use]
    pub fn as_slice(&self) -> &[f64] {
        &self.0
    }

    /// The arithmetic mean of a period.
    #[must_use]
    pub fn mean(&self) -> f64 {
        mean(&self.0).unwrap_or_default()
    }

    /// The sample standard deviation of a period (`n−1`); nothing for one return.
    #[must_use]
    pub fn deviation(&self) -> Option<f64> {
        covariance(&self.0, &self.0).map(f64::sqrt)
    }

    /// Volatility a year: the deviation times `√periods`.
    #[must_use]
    pub fn volatility(&self, periods: f64) -> Option<f64> {
        self.deviation().map(|deviation| deviation * periods.sqrt())
    }

    /// Downside deviation a year: `√(Σ min(r, 0)²/n) · √periods`, over all n returns, against 0.
    #[must_use]
    pub fn downside_deviation(&self, periods: f64) -> f64 {
        let squares = self.0.iter().map(|r| r.min(0.0).powi(2));
        (sum(squares) / self.0.len() as f64).sqrt() * periods.sqrt()
    }

    /// Sharpe ratio a year without a risk-free rate: mean over deviation, times `√periods`; nothing without a deviation.
    #[must_use]
    pub fn sharpe(&self, periods: f64) -> Option<f64> {
        quotient(self.mean() * periods.sqrt(), self.deviation()?)
    }

    /// Sortino ratio a year: mean over the downside deviation, annualised; nothing where no return is below 0.
    #[must_use]
    pub fn sortino(&self, periods: f64) -> Option<f64> {
        quotient(self.mean() * periods, self.downside_deviation(periods))
    }

    /// Historical value at risk of a period: the `tail` quantile of the returns, with linear interpolation between two (empyrical's,
    /// numpy's default); a loss is below 0. Nothing unless the tail is between 0 and 1.
    #[must_use]
    pub fn value_at_risk(&self, tail: Ppb) -> Option<f64> {
        if !(0..=PPB_ONE).contains(&tail.as_ppb()) {
            return None;
        }
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        // In integers, so that a quantile that is a return is that return.
        let place = u128::from(tail.as_ppb().unsigned_abs()) * (sorted.len() - 1) as u128;
        let one = u128::from(PPB_ONE.unsigned_abs());
        let (below, part) = ((place / one) as usize, (place % one) as f64 / PPB_ONE as f64);
        let above = (below + 1).min(sorted.len() - 1);
        Some(sorted[below] + part * (sorted[above] - sorted[below]))
    }

    /// Expected shortfall of a period (historical CVaR): the mean of the returns at or below the value at risk.
    #[must_use]
    pub fn expected_shortfall(&self, tail: Ppb) -> Option<f64> {
        let limit = self.value_at_risk(tail)?;
        let worst: Vec<f64> = self.0.iter().copied().filter(|r| *r <= limit).collect();
        mean(&worst)
    }
}
