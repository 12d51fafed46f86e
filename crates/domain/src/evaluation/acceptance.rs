//! From reports to the accepted price: consensus, pooled estimate, band, breaker (EVALUATION 5.6, DESIGN "Price").

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    observation::{AcceptanceRule, ObservedStatus},
    params::PARAMS,
    price::micro,
};
use crate::digest::Digest;

/// What a price of 0 enters the logarithm as: ln of one micro-credit.
pub const LN_ZERO: f64 = -13.815_510_557_964_274;
/// Width of the median absolute deviation of a normal variable in its standard deviations, inverse.
const MAD_SIGMA: f64 = 1.4826;

/// ln of a price in credits; [`LN_ZERO`] for 0.
#[must_use]
pub fn ln_of(price_micro: i64) -> f64 {
    if price_micro > 0 { libm::log(price_micro as f64 / 1e6) } else { LN_ZERO }
}

/// The value at half of the weight, the midpoint of its neighbours where the halves tie; none without values.
///
/// The upper neighbour alone would be biased for an even number. `pairs` holds (value, weight).
#[must_use]
pub fn weighted_median(pairs: &[(f64, f64)]) -> Option<f64> {
    let mut sorted = pairs.to_vec();
    sorted.sort_by(|x, y| x.0.total_cmp(&y.0).then(x.1.total_cmp(&y.1)));
    let half = sorted.iter().map(|pair| pair.1).sum::<f64>() / 2.0;
    let slack = 1e-12 * half;
    let mut below = 0.0;
    for (index, (value, weight)) in sorted.iter().enumerate() {
        below += weight;
        if below > half + slack {
            return Some(*value);
        }
        if below > half - slack {
            return Some(sorted.get(index + 1).map_or(*value, |next| 0.5 * (value + next.0)));
        }
    }
    sorted.last().map(|pair| pair.0)
}

/// What makes a quorum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quorum {
    /// Kept reports.
    pub reports: u32,
    /// Share of all weight that they must hold.
    pub weight: f64,
}

impl Quorum {
    /// Three evaluators and two thirds of the weight.
    pub const SEVERAL: Self = Self { reports: PARAMS.quorum_n, weight: PARAMS.quorum_weight };
    /// A single machine.
    pub const SINGLE: Self = Self { reports: 1, weight: PARAMS.quorum_weight };
}

/// One evaluator's report in a consensus.
#[derive(Clone, Debug, PartialEq)]
pub struct Vote {
    /// Who.
    pub evaluator: String,
    /// Evaluated price.
    pub price_micro: i64,
    /// Weight of the evaluator.
    pub weight: f64,
    /// Standard error of ln price.
    pub sigma: f64,
    /// Digest of the raw samples: nanoseconds never coincide, so equal ones are copied.
    pub samples: Digest,
}

/// What the evaluators say together.
#[derive(Clone, Debug, PartialEq)]
pub struct Consensus {
    /// Weighted median of all own reports, in ln.
    pub first_median: f64,
    /// Scale around it.
    pub scale: f64,
    /// Who copied.
    pub copies: Vec<String>,
    /// Whose report was too far off.
    pub rejected: Vec<String>,
    /// The agreed price; none without a quorum: the price is held.
    pub agreed: Option<Agreed>,
}

/// A price that a quorum agrees on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agreed {
    /// ln of credits, [`LN_ZERO`] for 0.
    pub ln_price: f64,
    /// Micro-credits.
    pub price_micro: i64,
    /// Standard error of ln price, never divided by the number of reports: the items are shared.
    pub sigma: f64,
}

/// Consensus of one suite epoch over `votes` in the order of their commitments; none without votes.
#[must_use]
pub fn consensus(votes: &[Vote], quorum: Quorum) -> Option<Consensus> {
    let mut seen = BTreeSet::new();
    let (own, copied): (Vec<&Vote>, Vec<&Vote>) =
        votes.iter().partition(|vote| seen.insert(vote.samples));
    let ln = |vote: &Vote| ln_of(vote.price_micro);
    let median_by = |votes: &[&Vote], value: &dyn Fn(&Vote) -> f64| {
        let pairs: Vec<_> = votes.iter().map(|vote| (value(vote), vote.weight)).collect();
        weighted_median(&pairs)
    };
    let first_median = median_by(&own, &ln)?;
    let spread = median_by(&own, &|vote| (ln(vote) - first_median).abs())?;
    let scale = (MAD_SIGMA * spread).max(PARAMS.mad_floor);
    let (kept, rejected): (Vec<&Vote>, Vec<&Vote>) =
        own.iter().partition(|vote| (ln(vote) - first_median).abs() <= PARAMS.mad_k * scale);
    // A discarded report's weight still counts against the quorum.
    let total = votes.iter().map(|vote| vote.weight).sum::<f64>();
    let held = kept.iter().map(|vote| vote.weight).sum::<f64>();
    let enough = kept.len() >= quorum.reports as usize && held >= quorum.weight * total - 1e-12;
    let agreed = if enough { agree(&kept, &median_by) } else { None };
    let names = |votes: &[&Vote]| votes.iter().map(|vote| vote.evaluator.clone()).collect();
    let (copies, rejected) = (names(&copied), names(&rejected));
    Some(Consensus { first_median, scale, copies, rejected, agreed })
}

type MedianBy<'a> = dyn Fn(&[&Vote], &dyn Fn(&Vote) -> f64) -> Option<f64> + 'a;

fn agree(kept: &[&Vote], median_by: &MedianBy<'_>) -> Option<Agreed> {
    let ln_price = median_by(kept, &|vote| ln_of(vote.price_micro))?;
    let spread = median_by(kept, &|vote| (ln_of(vote.price_micro) - ln_price).abs())?;
    let sigma = median_by(kept, &|vote| vote.sigma)?.max(MAD_SIGMA * spread);
    let price_micro = if ln_price <= LN_ZERO + 1e-12 { 0 } else { micro(libm::exp(ln_price)) };
    Some(Agreed { ln_price, price_micro, sigma })
}

/// The pooled estimate of one version in one track.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pooled {
    /// Mean ln price.
    pub ln_price: f64,
    /// Its standard error.
    pub sigma: f64,
}

/// Mean of `epochs`, each (ln price, item σ), by weights 1/σ²; none without epochs.
///
/// All are at the cost ratios pooled over all rounds, so `sigma_cost` is common and added once. Epochs of quality 0 are left out by the caller.
#[must_use]
pub fn pooled(epochs: &[(f64, f64)], sigma_cost: f64) -> Option<Pooled> {
    let weight = |sigma: f64| {
        let sigma = sigma.max(PARAMS.sigma_floor);
        1.0 / (sigma * sigma)
    };
    if epochs.is_empty() {
        return None;
    }
    let total = epochs.iter().map(|epoch| weight(epoch.1)).sum::<f64>();
    let sum = epochs.iter().map(|epoch| weight(epoch.1) * epoch.0).sum::<f64>();
    Some(Pooled { ln_price: sum / total, sigma: libm::sqrt(1.0 / total + sigma_cost * sigma_cost) })
}

/// How an old and a new price relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// Both scored the same items.
    SameItems,
    /// Other items, one more epoch of one version.
    SameVersion,
    /// Other items, another version.
    OtherItems,
}

/// The errors of an old and a new price.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// σ of the old price.
    pub old: f64,
    /// σ of the new price.
    pub new: f64,
    /// Variance of the paired difference over the items; 0 for a further run of one version.
    pub paired_items: f64,
    /// Cost part of the old σ.
    pub cost_old: f64,
    /// Cost part of the new σ.
    pub cost_new: f64,
}

/// σ_Δ: how far old and new may lie apart by noise alone.
#[must_use]
pub fn sigma_delta(relation: Relation, spread: &Spread) -> f64 {
    let square = |x: f64| x * x;
    match relation {
        Relation::SameItems => {
            let items = spread.paired_items.max(0.0);
            libm::sqrt(items + square(spread.cost_old) + square(spread.cost_new))
        }
        // The new mean contains the old one: the question is how well the new one is known.
        Relation::SameVersion => spread.new,
        // A collapse is not hidden by its own uncertainty.
        Relation::OtherItems => libm::sqrt(square(spread.old) + square(spread.new.min(spread.old))),
    }
}

/// What became of a new estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// The first price.
    Admitted,
    /// The price moved.
    Accepted,
    /// The price stays: the move is within the band.
    Deadband,
    /// The price stays: the move is beyond the breaker and waits for a second run.
    Tripped,
    /// There is no price: the first one would be 0.
    Refused,
}

impl Status {
    /// The word that stands for it in files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admitted => "ADMITTED",
            Self::Accepted => "ACCEPTED",
            Self::Deadband => "DEADBAND",
            Self::Tripped => "TRIPPED",
            Self::Refused => "REFUSED",
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An outcome of the band.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Acceptance {
    /// What became of the estimate.
    pub status: Status,
    /// Half-width of the band in ln; none where no logarithm was taken.
    pub band: Option<f64>,
    /// The price after it; none while there is none.
    pub price_micro: Option<i64>,
}

/// The acceptance rule before the breaker: integers in, integer out, so that a held price is the stored one.
///
/// `old` is none before the first price. A price of 0 on either side has no logarithm and no band.
#[must_use]
pub fn accept(old: Option<i64>, new: i64, sigma_delta: f64) -> Acceptance {
    let Some(old) = old else {
        return match new {
            0 => Acceptance { status: Status::Refused, band: None, price_micro: None },
            _ => Acceptance { status: Status::Admitted, band: None, price_micro: Some(new) },
        };
    };
    if new == 0 || old == 0 {
        let status = if new == old { Status::Deadband } else { Status::Accepted };
        return Acceptance { status, band: None, price_micro: Some(new) };
    }
    let band = PARAMS.band_floor.max(PARAMS.z_band * sigma_delta);
    if (ln_of(new) - ln_of(old)).abs() <= band {
        Acceptance { status: Status::Deadband, band: Some(band), price_micro: Some(old) }
    } else {
        Acceptance { status: Status::Accepted, band: Some(band), price_micro: Some(new) }
    }
}

/// The breaker of a methodology: larger moves wait for a second run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Breaker {
    /// Largest move of one version, in parts per billion of the old price.
    pub re_evaluation_ppb: u64,
    /// Largest move from one version to another.
    pub new_version_ppb: u64,
}

impl Breaker {
    /// The demo's: 20 % and 100 %.
    pub const DEMO: Self = Self { re_evaluation_ppb: 200_000_000, new_version_ppb: 1_000_000_000 };

    /// Whether |new − old| · 10⁹ > limit · old. A move to 0 or away from it always trips: a price that falls to nothing falls by
    /// 100 %, which no limit of 100 % would hold, and one broken file must not take a fund down without a second look.
    #[must_use]
    pub fn trips(&self, old: i64, new: i64, same_version: bool) -> bool {
        let limit = if same_version { self.re_evaluation_ppb } else { self.new_version_ppb };
        let observed = AcceptanceRule::of_consensus(limit).observe(old, &[new]);
        new == 0 && old != 0 || observed.status == ObservedStatus::Tripped
    }
}

/// Whether a price is young enough (EVALUATION 5.8); a mark never decays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Staleness {
    /// Young enough.
    Fresh,
    /// Due to be measured again.
    Requeue,
    /// Too old to deal on.
    Stale,
}

/// The staleness of a price of this age in days.
#[must_use]
pub fn staleness(age_days: f64) -> Staleness {
    if age_days >= PARAMS.stale_days {
        Staleness::Stale
    } else if age_days >= PARAMS.requeue_days {
        Staleness::Requeue
    } else {
        Staleness::Fresh
    }
}

/// The optional haircut of funds that want one: 2^(−(age − 7 days)/half-life); 1 without a half-life.
#[must_use]
pub fn haircut(age_days: f64, half_life_days: Option<f64>) -> f64 {
    half_life_days
        .map_or(1.0, |half_life| libm::exp2(-(age_days - PARAMS.stale_days).max(0.0) / half_life))
}

/// The commitment to a report before the reveal: SHA-256 over length-prefixed fields (EVALUATION 5.7).
///
/// `salt` is fresh for each (fund, strike, evaluator), so that equal reports do not look equal.
#[must_use]
pub fn commitment(
    fund: &str,
    strike: u64,
    evaluator: &str,
    salt: &[u8; 32],
    report: Digest,
) -> Digest {
    let strike = strike.to_le_bytes();
    let fields: [&[u8]; 6] =
        [b"mf.commit.v1", fund.as_bytes(), &strike, evaluator.as_bytes(), salt, report.as_bytes()];
    let mut bytes = Vec::new();
    for field in fields {
        bytes.extend_from_slice(&(field.len() as u32).to_le_bytes());
        bytes.extend_from_slice(field);
    }
    Digest::of(&bytes)
}
