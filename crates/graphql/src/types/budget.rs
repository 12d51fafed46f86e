//! How far a NAV may be off.

use async_graphql::SimpleObject;
use domain::disclosure::ErrorBudget as BudgetValue;

use crate::scalars::Decimal9;

/// How far NAV per share may be off by the draw of the suites' cases and by measured times: the fund struck again at its holdings on 200
/// seeded draws of the cases, one draw for all names of a suite epoch, since what names share does not diversify. Hidden cases that ask for
/// the wrong thing, and machines that all measure wrongly, are in no number here.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct ErrorBudget {
    /// Draws.
    draws: u64,
    /// NAV per share at the 2.5 % place of the draws.
    low: Decimal9,
    /// At the 16 % place.
    low_sigma: Decimal9,
    /// At the middle.
    median: Decimal9,
    /// At the 84 % place.
    high_sigma: Decimal9,
    /// At the 97.5 % place.
    high: Decimal9,
    /// Standard deviation of the draws over NAV.
    sd: f64,
    /// Of that, what cases do, the same draw for all names.
    sd_cases: f64,
    /// What is left: times, name by name.
    sd_rest: f64,
    /// Standard error of ln NAV by the reports' own errors: items as names share them, times of each name on their own.
    sigma_ln: f64,
    /// The same as if names shared nothing: what it would be if holding many names helped in full.
    sigma_ln_independent: f64,
    /// The same as if times moved together too: no report tells how much of them does.
    sigma_ln_upper: f64,
    /// What the references' own luck with the cases does to all names at once.
    sigma_ln_reference: f64,
    /// The part of the variance of `sigmaLn` that is there because names share cases and references; below 0 where their lucks cancel.
    common_part: f64,
}

impl From<&BudgetValue> for ErrorBudget {
    fn from(value: &BudgetValue) -> Self {
        let [low, low_sigma, median, high_sigma, high] = value.quantiles.map(Decimal9);
        Self {
            draws: value.draws as u64,
            low,
            low_sigma,
            median,
            high_sigma,
            high,
            sd: value.sd,
            sd_cases: value.sd_cases,
            sd_rest: value.sd_rest,
            sigma_ln: value.sigma.sigma,
            sigma_ln_independent: value.sigma.independent,
            sigma_ln_upper: value.sigma.upper,
            sigma_ln_reference: value.sigma.reference,
            common_part: value.sigma.common,
        }
    }
}
