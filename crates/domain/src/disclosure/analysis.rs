//! Statistics of a fund over its strikes: NAV per share, and its distance from the index.

use super::{
    DisclosureError,
    attribution::span,
    trail::{StrikePoint, Struck, Trail},
};
use crate::{
    amount::Ppb,
    analytics::{Comparison, Performance, ReturnsError, annual_turnover, compare, performance},
    fund::nav_per_share_nano,
};

/// Statistics from one strike to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Analysis {
    /// The first strike.
    pub from: StrikePoint,
    /// The last.
    pub to: StrikePoint,
    /// Of NAV per share as it is published, one return a strike.
    pub performance: Performance,
    /// Beside the index; none before two strikes have a level.
    pub compared: Option<Compared>,
    /// One-way turnover of all batches between the two strikes, a part of NAV each.
    pub turnover: Ppb,
    /// The same a year of 365 days; none where no day passed.
    pub turnover_annual: Option<f64>,
}

/// Statistics beside the index.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// The first strike of the span that has a level.
    pub from: StrikePoint,
    /// What the index did from there.
    pub level_return: f64,
    /// NAV per share beside it.
    pub comparison: Comparison,
}

/// Why there are no statistics.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnalysisError {
    /// Not two strikes.
    #[error(transparent)]
    Span(#[from] DisclosureError),
    /// NAV per share of a strike beyond the range of a price.
    #[error("NAV per share of strike {number} passes its bound")]
    PerShare {
        /// The strike.
        number: u64,
    },
    /// Values without returns.
    #[error("NAV per share: {0}")]
    Returns(#[from] ReturnsError),
}

/// Analyses strikes `from` to `to`, both included.
///
/// # Errors
/// Strikes that there are not, too many of them, or a NAV per share of nothing on the way.
pub fn analyse(trail: &Trail, from: u64, to: u64) -> Result<Analysis, AnalysisError> {
    let span = span(trail, from, to)?;
    let last = trail.strikes().len() as u64;
    let first = span.from.ok_or(DisclosureError::Range { from, to, last })?;
    let all = || std::iter::once(first).chain(span.way.iter().map(|struck| &**struck));
    let values = all().map(per_share).collect::<Result<Vec<i128>, _>>()?;
    let days = span.to.point.day - first.point.day;
    let performance = performance(&values, Some(days))?;
    // A level never goes once it is there, unless it passed its bound: then there is none to be compared with.
    let levels: Vec<Option<i128>> =
        all().map(|struck| struck.point.level.map(|level| level.as_nano().into())).collect();
    let start = levels.iter().position(Option::is_some);
    let compared = match start {
        Some(start) if levels.len() - start > 1 => {
            let theirs: Option<Vec<i128>> = levels[start..].iter().copied().collect();
            let from = all().nth(start).map(|struck| struck.point);
            theirs.zip(from).map(|(theirs, from)| beside(&values[start..], &theirs, from))
        }
        _ => None,
    };
    let batches: Vec<Ppb> =
        span.way.iter().flat_map(|struck| struck.segment.turnover.iter().copied()).collect();
    let turnover = batches.iter().fold(0_i64, |sum, part| sum.saturating_add(part.as_ppb()));
    Ok(Analysis {
        from: first.point,
        to: span.to.point,
        performance,
        compared: compared.transpose()?,
        turnover: Ppb::from_ppb(turnover),
        turnover_annual: annual_turnover(&batches, days as f64 / 365.0),
    })
}

fn per_share(struck: &Struck) -> Result<i128, AnalysisError> {
    let StrikePoint { number, nav, shares, .. } = struck.point;
    let nano = nav_per_share_nano(nav, shares).ok_or(AnalysisError::PerShare { number })?;
    Ok(nano.as_nano().into())
}

fn beside(ours: &[i128], theirs: &[i128], from: StrikePoint) -> Result<Compared, AnalysisError> {
    let comparison = compare(ours, theirs)?;
    let level_return = performance(theirs, None)?.total_return;
    Ok(Compared { from, level_return, comparison })
}
