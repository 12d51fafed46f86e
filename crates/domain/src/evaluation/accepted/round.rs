//! A round of several evaluators as one evidence.

use serde::{Deserialize, Serialize};

use super::{
    super::acceptance::{Agreed, Breaker},
    DecisionError, Evidence, PriceDecision, PriceState, Run, check_track, decide_run,
};

/// A round of several evaluators that a quorum agrees in, and the items behind it.
#[derive(Clone, Copy, Debug)]
pub struct RoundEvidence<'a> {
    /// The kept report that stands for the round's quality: all kept ones scored the same items.
    pub lead: Evidence<'a>,
    /// The other kept reports, in the order of their commitments.
    pub others: &'a [Evidence<'a>],
    /// What they agree on.
    pub agreed: Agreed,
}

/// The consensus of one suite epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochConsensus {
    /// The weighted median, ln of credits.
    pub ln_price: f64,
    /// The same in micro-credits.
    pub price_micro: i64,
    /// The part of its σ that the items have.
    pub sigma_items: f64,
    /// What its σ has beyond that: cost, and how far the evaluators lie apart.
    pub sigma_cost: f64,
}

/// Decides what a round of several evaluators does to the price.
///
/// The epoch's price is their consensus, so that a minority moves it no further than the others lie apart; cost rounds of all kept
/// reports are pooled for the slope, and quality is the lead's.
/// Pure, like [`decide`](super::decide).
///
/// # Errors
/// [`DecisionError`]: the price is held and the state stays.
pub fn decide_round(
    previous: Option<&PriceState>,
    round: RoundEvidence<'_>,
    breaker: &Breaker,
) -> Result<PriceDecision, DecisionError> {
    let mut run = Run::read(round.lead)?;
    for other in round.others {
        let other = Run::read(*other)?;
        check_track(&run.track, &other.track)?;
        run.others.push(other);
    }
    let items = round.lead.report.sigma_items.unwrap_or(0.0);
    let Agreed { ln_price, price_micro, sigma } = round.agreed;
    let cost = libm::sqrt((sigma * sigma - items * items).max(0.0));
    (run.price_micro, run.sigma) = (price_micro, sigma);
    run.epoch.agreed =
        Some(EpochConsensus { ln_price, price_micro, sigma_items: items, sigma_cost: cost });
    decide_run(previous, &run, round.lead, breaker)
}
