//! All statistics of one series, and of one beside its benchmark, in one value.

use serde::Serialize;

use super::{
    PERIODS_A_YEAR,
    drawdown::max_drawdown,
    quotient,
    relative::Relative,
    returns::{Returns, ReturnsError, change, growth_a_year},
};
use crate::amount::{PPB_ONE, Ppb};

/// One part in twenty.
const TAIL: Ppb = Ppb::from_ppb(PPB_ONE / 20);

/// Statistics of a series of daily values; null where one does not exist. Simple returns, `n−1`, 252 days, no risk-free rate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Performance {
    /// Returns that were counted.
    pub returns: usize,
    /// Last value over first, less one.
    pub total_return: f64,
    /// Growth a year over `n/252` years, compounded.
    pub cagr: Option<f64>,
    /// Growth a year over calendar days of 365 a year, compounded; null without dates.
    pub cagr_calendar: Option<f64>,
    /// Sample deviation times `√252`.
    pub volatility: Option<f64>,
    /// Mean over sample deviation, times `√252`.
    pub sharpe: Option<f64>,
    /// Root of the mean square of the returns below 0 (over all returns), times `√252`.
    pub downside_deviation: f64,
    /// Mean times 252 over the downside deviation.
    pub sortino: Option<f64>,
    /// The deepest trough over its peak, less one.
    pub max_drawdown: f64,
    /// Place of that peak, from 0.
    pub peak: usize,
    /// Place of that trough, from 0.
    pub trough: usize,
    /// `cagr` over the size of the drawdown.
    pub calmar: Option<f64>,
    /// Historical value at risk of a day at 5 %, linear interpolation; a loss is below 0.
    pub value_at_risk_95: Option<f64>,
    /// Mean of the days at or below it.
    pub expected_shortfall_95: Option<f64>,
}

/// Statistics of a series beside its benchmark; conventions as [`Performance`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Sample deviation of the differences of daily returns, times `√252` (FUND 2.10).
    pub tracking_error: Option<f64>,
    /// Total return less the benchmark's (FUND 2.10).
    pub tracking_difference: f64,
    /// Mean difference over its sample deviation, times `√252`.
    pub information_ratio: Option<f64>,
    /// Sample covariance over the benchmark's sample variance.
    pub beta: Option<f64>,
    /// `(mean − beta·benchmark's mean)·252`, not compounded.
    pub alpha: Option<f64>,
}

/// Computes the statistics of daily values in one unit; `days` are the calendar days from the first to the last.
///
/// # Errors
/// As [`Returns::of`].
pub fn performance(values: &[i128], days: Option<i64>) -> Result<Performance, ReturnsError> {
    let returns = Returns::of(values)?;
    let count = returns.as_slice().len();
    let total_return = change(values[0], values[count]);
    let cagr = growth_a_year(total_return, count as f64 / PERIODS_A_YEAR);
    let fall = max_drawdown(values)?;
    Ok(Performance {
        returns: count,
        total_return,
        cagr,
        cagr_calendar: days.and_then(|days| growth_a_year(total_return, days as f64 / 365.0)),
        volatility: returns.volatility(PERIODS_A_YEAR),
        sharpe: returns.sharpe(PERIODS_A_YEAR),
        downside_deviation: returns.downside_deviation(PERIODS_A_YEAR),
        sortino: returns.sortino(PERIODS_A_YEAR),
        max_drawdown: fall.depth,
        peak: fall.peak,
        trough: fall.trough,
        calmar: cagr.and_then(|cagr| quotient(cagr, -fall.depth)),
        value_at_risk_95: returns.value_at_risk(TAIL),
        expected_shortfall_95: returns.expected_shortfall(TAIL),
    })
}

/// Computes the statistics of daily values beside a benchmark's on the same days.
///
/// # Errors
/// As [`Returns::of`] for both, and for different numbers of days.
pub fn compare(values: &[i128], benchmark: &[i128]) -> Result<Comparison, ReturnsError> {
    let (ours, theirs) = (Returns::of(values)?, Returns::of(benchmark)?);
    let relative = Relative::of(&ours, &theirs)?;
    let total = |values: &[i128]| change(values[0], values[values.len() - 1]);
    Ok(Comparison {
        tracking_error: relative.tracking_error(PERIODS_A_YEAR),
        tracking_difference: total(values) - total(benchmark),
        information_ratio: relative.information_ratio(PERIODS_A_YEAR),
        beta: relative.beta(),
        alpha: relative.alpha(PERIODS_A_YEAR),
    })
}

/// One-way turnover a year, as a part of one: the sum of the rebalances' over the years; nothing unless years are above 0.
///
/// Whoever does not count the first purchase leaves it out.
#[must_use]
pub fn annual_turnover(rebalances: &[Ppb], years: f64) -> Option<f64> {
    let sum: i128 = rebalances.iter().map(|turnover| i128::from(turnover.as_ppb())).sum();
    (years > 0.0).then(|| sum as f64 / PPB_ONE as f64 / years)
}
