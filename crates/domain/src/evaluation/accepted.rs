//! The accepted price: what a new report, or a round of several evaluators, does to the price of a model (EVALUATION 5.6, DESIGN "Price").
//!
//! In order: consensus (one machine agrees with itself; several do in `committee`) → pooled estimate over the suite epochs of the version → band → breaker.
//! [`PriceState`] goes in, [`PriceDecision`] with the next state comes out; both are records that cite their reports.

mod compare;
mod estimate;
mod round;

use compare::compare;
use serde::{Deserialize, Serialize};

use estimate::Estimate;
pub use round::{EpochConsensus, RoundEvidence, decide_round};

use super::{
    acceptance::{Acceptance, Breaker, Relation, Status, accept, ln_of},
    params::PARAMS,
    price::price_slope,
    report::{CostRound, NoPrice, Report, decimal},
};
use crate::{canonical::CanonicalError, digest::Digest};

/// A new report and the items behind it.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The report.
    pub report: &'a Report,
    /// Right and wrong items of the model in its sample blob, where its metric counts items: [`report::outcomes`].
    ///
    /// [`report::outcomes`]: super::report::outcomes
    pub right: &'a str,
    /// Bits by which each item moves its quality otherwise: [`influence`](super::report::influence). Empty where `right` is given.
    pub influence: &'a [f64],
}

/// What a version is, to a price: its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionKey {
    /// Digest of the safetensors file.
    pub checkpoint: Digest,
    /// Digest of the graph.
    pub graph: Digest,
}

/// What must agree for prices to be comparable (EVALUATION 5.9).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Track {
    /// Suite family.
    pub suite: String,
    /// Digest of the timed reference's checkpoint.
    pub reference: Digest,
    /// `cpu` or `cuda`.
    pub device_class: String,
    /// Whether the cost index is held instead of measured.
    pub cost_held: bool,
}

/// The price of a model and all that the next decision needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceState {
    /// The accepted price; 0 after a collapse.
    pub price_micro: i64,
    /// What the accepted price rests on.
    pub basis: Basis,
    /// What is known of the version that was measured last.
    pub version: VersionEvidence,
    /// A move that waits for a second run.
    pub tripped: Option<Tripped>,
    /// The track.
    pub track: Track,
}

/// What an accepted price rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Basis {
    /// The report that moved the price.
    pub report: Digest,
    /// Its version.
    pub version: VersionKey,
    /// Digests of the suites whose items entered the estimate.
    pub suites: Vec<Digest>,
    /// Right and wrong items of that report.
    pub right: String,
    /// Bits by which each item moves the quality of that report, where items are not right or wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub influence: Vec<f64>,
    /// Shrunk share; none where quality follows from no share.
    pub shrunk: Option<f64>,
    /// d ln P / dQ.
    pub slope: f64,
    /// σ of the estimate, in ln.
    pub sigma: f64,
    /// Its cost part.
    pub sigma_cost: f64,
}

/// All reports of one version, summed up for pooling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionEvidence {
    /// The version.
    pub version: VersionKey,
    /// Reports that entered, in order.
    pub reports: Vec<Digest>,
    /// One entry for every suite epoch, the latest last.
    pub epochs: Vec<EpochEvidence>,
    /// Cost rounds of all reports.
    pub rounds: Vec<CostRound>,
    /// ln of the memory ratio of each pair of children of all reports.
    pub ln_memory: Vec<f64>,
    /// ln of the energy ratio of each pair of blocks of all reports; empty where energy is not measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ln_energy: Vec<f64>,
    /// The cost index where it is held.
    pub cost_held: Option<f64>,
}

/// Quality of a version on one suite epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochEvidence {
    /// Digest of the suite.
    pub suite: Digest,
    /// Anchored quality.
    pub bits: f64,
    /// The anchor.
    pub q_genesis: f64,
    /// Standard error of model minus reference.
    pub se: f64,
    /// What several evaluators agreed on; none where one machine measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreed: Option<EpochConsensus>,
}

/// A move beyond the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tripped {
    /// The report that asked for it.
    pub report: Digest,
    /// Its version.
    pub version: VersionKey,
    /// Seed of its run; a decimal string in JSON.
    #[serde(with = "decimal")]
    pub seed: u64,
    /// Its evaluated price.
    pub price_micro: i64,
    /// Its σ, in ln.
    pub sigma: f64,
}

/// What a report did to a price.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceDecision {
    /// What became of the estimate.
    pub status: Status,
    /// The report.
    pub report: Digest,
    /// Accepted price before; none before the first.
    pub previous_micro: Option<i64>,
    /// Accepted price after; none while there is none.
    pub price_micro: Option<i64>,
    /// The price of this report alone.
    pub evaluated_micro: i64,
    /// The pooled estimate, published beside the accepted price.
    pub est_micro: i64,
    /// σ of the estimate, in ln.
    pub sigma_ln: f64,
    /// How old and new relate; none for a first price.
    pub relation: Option<Relation>,
    /// σ of their difference by noise alone, in ln; none where no logarithm was taken.
    pub sigma_delta: Option<f64>,
    /// Half-width of the band, in ln; none where no logarithm was taken.
    pub band_ln: Option<f64>,
    /// The tripped report that this one confirms.
    pub confirms: Option<Digest>,
    /// What the next decision starts from; none after a refusal.
    pub state: Option<PriceState>,
}

/// Why a report decides nothing; the price is held.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecisionError {
    /// It has no price.
    #[error("the report has no price: {0}")]
    NoPrice(NoPrice),
    /// It has been decided on before.
    #[error("report {0} has been counted already")]
    Counted(Digest),
    /// Its price is not comparable with the accepted one.
    #[error("the report is of another track: {field} is {new:?}, the accepted price has {old:?}")]
    OtherTrack {
        /// What differs.
        field: &'static str,
        /// There.
        old: String,
        /// Here.
        new: String,
    },
    /// The items do not belong to the report.
    #[error("{given} results for a report of {items} items, of which {correct} are right")]
    Items {
        /// Length of the results.
        given: usize,
        /// Items of the report.
        items: u64,
        /// Right ones of the report.
        correct: u64,
    },
    /// The report is not complete enough to decide on, or no JSON.
    #[error("the report lacks {0}")]
    Incomplete(&'static str),
    /// The report has no digest.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
}

/// Decides what `new` does to the price that `previous` left; none before the first report of a model.
///
/// Pure: the same records give the same decision anywhere.
///
/// # Errors
/// [`DecisionError`]: the price is held and the state stays.
pub fn decide(
    previous: Option<&PriceState>,
    new: Evidence<'_>,
    breaker: &Breaker,
) -> Result<PriceDecision, DecisionError> {
    decide_run(previous, &Run::read(new)?, new, breaker)
}

fn decide_run(
    previous: Option<&PriceState>,
    run: &Run,
    new: Evidence<'_>,
    breaker: &Breaker,
) -> Result<PriceDecision, DecisionError> {
    if let Some(state) = previous {
        check_track(&state.track, &run.track)?;
        if let Some(known) = run.all().find(|r| state.version.reports.contains(&r.digest)) {
            return Err(DecisionError::Counted(known.digest));
        }
    }
    let version = run.joined(previous);
    let estimate = Estimate::of(&version)?;
    let slope = price_slope(run.epoch.bits, run.epoch.q_genesis, estimate.cost_index);
    let compared =
        previous.map(|state| compare(&state.basis, &version, &estimate, new, slope)).transpose()?;
    let old = previous.map(|state| state.price_micro);
    let Acceptance { mut status, band, mut price_micro } =
        accept(old, estimate.micro, compared.map_or(0.0, |(_, sigma_delta)| sigma_delta));
    let (mut confirms, mut tripped) = (None, None);
    if let (Status::Accepted, Some(state)) = (status, previous)
        && breaker.trips(state.price_micro, estimate.micro, state.basis.version == run.version)
    {
        confirms = state.tripped.filter(|first| run.confirms(first)).map(|first| first.report);
        if confirms.is_none() {
            (status, price_micro) = (Status::Tripped, Some(state.price_micro));
            tripped = Some(run.tripped());
        }
    }
    let moved = matches!(status, Status::Admitted | Status::Accepted);
    if !moved && tripped.is_none() {
        // Measuring another version again answers no open question: what tripped waits on.
        tripped =
            previous.and_then(|state| state.tripped).filter(|first| first.version != run.version);
    }
    let basis = match previous {
        Some(state) if !moved => state.basis.clone(),
        _ => Basis {
            report: run.digest,
            version: run.version,
            suites: version.epochs.iter().map(|epoch| epoch.suite).collect(),
            right: new.right.to_owned(),
            influence: new.influence.to_vec(),
            shrunk: new.report.quality.and_then(|quality| quality.shrunk),
            slope,
            sigma: estimate.sigma,
            sigma_cost: estimate.sigma_cost,
        },
    };
    let state = price_micro.map(|price_micro| PriceState {
        price_micro,
        basis,
        version,
        tripped,
        track: run.track.clone(),
    });
    Ok(PriceDecision {
        status,
        report: run.digest,
        previous_micro: old,
        price_micro,
        evaluated_micro: run.price_micro,
        est_micro: estimate.micro,
        sigma_ln: estimate.sigma,
        relation: compared.map(|(relation, _)| relation),
        sigma_delta: band.and(compared).map(|(_, sigma_delta)| sigma_delta),
        band_ln: band,
        confirms,
        state,
    })
}

fn check_track(old: &Track, new: &Track) -> Result<(), DecisionError> {
    let pairs = [
        ("suite", old.suite.clone(), new.suite.clone()),
        ("reference", old.reference.to_string(), new.reference.to_string()),
        ("device class", old.device_class.clone(), new.device_class.clone()),
        ("held cost", old.cost_held.to_string(), new.cost_held.to_string()),
    ];
    match pairs.into_iter().find(|(_, old, new)| old != new) {
        Some((field, old, new)) => Err(DecisionError::OtherTrack { field, old, new }),
        None => Ok(()),
    }
}

/// What a decision reads out of a report.
struct Run {
    digest: Digest,
    version: VersionKey,
    track: Track,
    seed: u64,
    price_micro: i64,
    sigma: f64,
    epoch: EpochEvidence,
    rounds: Vec<CostRound>,
    ln_memory: Vec<f64>,
    ln_energy: Vec<f64>,
    cost_held: Option<f64>,
    /// The other kept reports of a round of several evaluators.
    others: Vec<Run>,
}

impl Run {
    /// This one and the others.
    fn all(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.others)
    }

    fn read(new: Evidence<'_>) -> Result<Self, DecisionError> {
        let report = new.report;
        if let Some(reason) = report.no_price {
            return Err(DecisionError::NoPrice(reason));
        }
        let lacks = DecisionError::Incomplete;
        let quality = report.quality.ok_or(lacks("quality"))?;
        match report.model.correct.filter(|_| new.influence.is_empty()) {
            Some(correct) => {
                let right = new.right.bytes().filter(|byte| *byte == b'1').count() as u64;
                // Somebody else's report may say anything; a sum must not end the program.
                let counts = report.suite.label_counts.iter();
                let items = counts.fold(0_u64, |sum, count| sum.saturating_add(*count));
                if new.right.len() as u64 != items || right != correct {
                    return Err(DecisionError::Items { given: new.right.len(), items, correct });
                }
            }
            None if new.influence.is_empty() => return Err(lacks("its items")),
            None => {}
        }
        let reference = report.reference.as_ref().ok_or(lacks("a reference"))?;
        if report.cost.is_none() && report.cost_held.is_none() {
            return Err(lacks("its cost"));
        }
        let device = report.runtime.device.as_str();
        Ok(Self {
            digest: report.digest()?,
            version: VersionKey { checkpoint: report.model.digest, graph: report.model.graph },
            track: Track {
                suite: report.suite.id.clone(),
                reference: reference.digest,
                device_class: device.split(':').next().unwrap_or(device).to_owned(),
                cost_held: report.cost_held.is_some(),
            },
            seed: report.protocol.seed,
            price_micro: report.price_micro.ok_or(lacks("a price"))?,
            sigma: report.sigma_ln_price.ok_or(lacks("sigma_ln_price"))?,
            epoch: EpochEvidence {
                suite: report.suite.digest,
                bits: report.quality_bits.ok_or(lacks("quality_bits"))?,
                q_genesis: report.suite.q_genesis.ok_or(lacks("q_genesis"))?,
                se: quality.se_difference.ok_or(lacks("se_difference"))?,
                agreed: None,
            },
            rounds: report.cost.as_ref().map_or_else(Vec::new, |cost| cost.rounds.clone()),
            ln_memory: report.cost.as_ref().map_or_else(
                Vec::new,
                |cost| match &cost.ln_memory[..] {
                    [] => vec![libm::log(cost.ratios.memory)],
                    several => several.to_vec(),
                },
            ),
            ln_energy: report.cost.as_ref().map_or_else(Vec::new, |cost| cost.ln_energy.clone()),
            cost_held: report.cost_held,
            others: Vec::new(),
        })
    }

    /// The evidence of this run's version with this run in it; a new version starts a new mean.
    fn joined(&self, previous: Option<&PriceState>) -> VersionEvidence {
        let known = previous.map(|state| &state.version);
        let mut joined = known
            .filter(|known| known.version == self.version)
            .cloned()
            .unwrap_or_else(|| VersionEvidence {
                version: self.version,
                reports: Vec::new(),
                epochs: Vec::new(),
                rounds: Vec::new(),
                ln_memory: Vec::new(),
                ln_energy: Vec::new(),
                cost_held: None,
            });
        joined.epochs.retain(|epoch| epoch.suite != self.epoch.suite);
        joined.epochs.push(self.epoch);
        for run in self.all() {
            joined.reports.push(run.digest);
            joined.rounds.extend_from_slice(&run.rounds);
            joined.ln_memory.extend_from_slice(&run.ln_memory);
            joined.ln_energy.extend_from_slice(&run.ln_energy);
        }
        joined.cost_held = self.cost_held;
        joined
    }

    /// Whether this is the second run that a tripped price waits for.
    fn confirms(&self, first: &Tripped) -> bool {
        let apart = (ln_of(self.price_micro) - ln_of(first.price_micro)).abs();
        self.version == first.version
            && self.seed != first.seed
            && apart <= PARAMS.z_confirm * first.sigma.max(PARAMS.sigma_floor)
    }

    fn tripped(&self) -> Tripped {
        let Self { digest: report, version, seed, price_micro, sigma, .. } = *self;
        Tripped { report, version, seed, price_micro, sigma }
    }
}
