//! Statistics of a fund over its strikes, and of an index over prices.

use async_graphql::SimpleObject;
use domain::{
    amount::PriceNano,
    analytics::{Comparison as ComparisonValue, Performance as PerformanceValue},
    disclosure::Analysis,
};

use super::attribution::FrozenStrike;
use crate::scalars::Decimal9;

/// Statistics of a fund from one strike to another. They are computed from the numbers that strikes publish, so that anybody gets the same.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct Analytics {
    /// The first strike.
    from: FrozenStrike,
    /// The last.
    to: FrozenStrike,
    /// Of NAV per share, rounded down as it is published; one return a strike.
    performance: Performance,
    /// NAV per share beside the index level, from the first strike that has a level; null before there are two.
    compared: Option<Comparison>,
    /// One-way turnover of all batches between the strikes: of each the larger of purchases and sales at the mark over NAV at its start,
    /// rounded down; the first purchase counts.
    turnover: Decimal9,
    /// The same a year of 365 calendar days; null where no day passed.
    turnover_annual: Option<f64>,
}

impl From<Analysis> for Analytics {
    fn from(value: Analysis) -> Self {
        Self {
            from: value.from.into(),
            to: value.to.into(),
            performance: value.performance.into(),
            compared: value.compared.map(|compared| Comparison {
                from: compared.from.into(),
                ..Comparison::of(compared.comparison, compared.level_return, value.from.into())
            }),
            turnover: Decimal9(PriceNano::from_nano(value.turnover.as_ppb())),
            turnover_annual: value.turnover_annual,
        }
    }
}

/// Statistics of a series of values. Simple returns, one a period; sample deviation (n−1); 252 periods a year whatever time passed between
/// them; no risk-free rate.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct Performance {
    /// Returns that were counted.
    returns: u64,
    /// Last value over first, less one.
    total_return: f64,
    /// Growth a year over n/252 years, compounded: what quantstats and empyrical call CAGR.
    cagr: Option<f64>,
    /// Growth a year over calendar days of 365 a year, compounded; null where no day passed.
    cagr_calendar: Option<f64>,
    /// Sample deviation (n−1) times √252.
    volatility: Option<f64>,
    /// Mean over sample deviation, times √252; no risk-free rate.
    sharpe: Option<f64>,
    /// Root of the mean square of the returns below 0, over all returns, times √252.
    downside_deviation: f64,
    /// Mean times 252 over the downside deviation.
    sortino: Option<f64>,
    /// The deepest trough over the peak before it, less one.
    max_drawdown: f64,
    /// `cagr` over the size of the drawdown.
    calmar: Option<f64>,
    /// Historical value at risk of a period at 5 %, linear interpolation; a loss is below 0.
    value_at_risk95: Option<f64>,
    /// Mean of the periods at or below it.
    expected_shortfall95: Option<f64>,
}

impl From<PerformanceValue> for Performance {
    fn from(value: PerformanceValue) -> Self {
        Self {
            returns: value.returns as u64,
            total_return: value.total_return,
            cagr: value.cagr,
            cagr_calendar: value.cagr_calendar,
            volatility: value.volatility,
            sharpe: value.sharpe,
            downside_deviation: value.downside_deviation,
            sortino: value.sortino,
            max_drawdown: value.max_drawdown,
            calmar: value.calmar,
            value_at_risk95: value.value_at_risk_95,
            expected_shortfall95: value.expected_shortfall_95,
        }
    }
}

/// NAV per share beside the index level. Simple returns, sample deviation (n−1), 252 periods a year.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct Comparison {
    /// The first strike that has a level.
    from: FrozenStrike,
    /// What the index did from there.
    level_return: f64,
    /// Sample deviation of the differences of returns, times √252.
    tracking_error: Option<f64>,
    /// Total return less that of the index.
    tracking_difference: f64,
    /// Mean difference over its sample deviation, times √252; quantstats does not annualise it.
    information_ratio: Option<f64>,
    /// Sample covariance with the index over its sample variance.
    beta: Option<f64>,
    /// (mean − beta · mean of the index) · 252, not compounded.
    alpha: Option<f64>,
}

impl Comparison {
    fn of(value: ComparisonValue, level_return: f64, from: FrozenStrike) -> Self {
        Self {
            from,
            level_return,
            tracking_error: value.tracking_error,
            tracking_difference: value.tracking_difference,
            information_ratio: value.information_ratio,
            beta: value.beta,
            alpha: value.alpha,
        }
    }
}
