//! Prices: from reports to decisions to what the strike was computed at.

use std::collections::BTreeMap;

use super::{Leaves, same};
use crate::{
    amount::PriceNano,
    digest::Digest,
    evaluation::{
        Breaker, DecisionError, Evidence, PriceDecision, PriceState, RoundEvidence,
        acceptance::{Agreed, Vote},
        committee::{Fate, count, quorum_of},
        decide, decide_round, read_blob,
        report::{influence, outcomes, recorded_suite},
        verify_blob, verify_price,
    },
    fund::Methodology,
    name::Name,
    proof::{
        bundle::{Bundle, BundleError, PriceStep, ReportEvidence, RoundVotes},
        leaf::{AcceptedPrice, LeafRecord},
        strike::MarkedPrice,
    },
};

/// What a weight, or the sum of those that are absent, may be.
const WEIGHTS: std::ops::RangeInclusive<f64> = 0.0..=1000.0;

/// Reports of the bundle by digest.
pub(super) type Reports<'a> = BTreeMap<Digest, &'a ReportEvidence>;

/// Derives every report again as far as the bundle allows: from its samples where they are there, otherwise its price from its own fields.
pub(super) fn verify_reports(bundle: &Bundle) -> Result<Reports<'_>, BundleError> {
    let mut reports = BTreeMap::new();
    for (index, evidence) in bundle.reports.iter().enumerate() {
        let report = &evidence.report;
        let digest = report.digest()?;
        let wrong = |source| BundleError::Report { report: digest, source };
        verify_price(report).map_err(wrong)?;
        if let Some(samples) = &evidence.samples {
            verify_blob(report, samples.as_bytes()).map_err(wrong)?;
            let measured = read_blob(report, samples.as_bytes()).map_err(wrong)?;
            let suite = recorded_suite(report);
            let right = outcomes(suite.task, suite.metric, &measured.model).unwrap_or_default();
            let field = |name: &str| format!("reports[{index}].{name}");
            same(&field("right"), &evidence.right.as_str(), &right)?;
            let derived = influence(report, &measured, &suite);
            same(&field("influence"), &evidence.influence, &derived)?;
        }
        if let Some(signed) = &evidence.attestation {
            signed
                .verify(digest, &report.evaluator)
                .map_err(|source| BundleError::Attestation { report: digest, source })?;
        }
        reports.insert(digest, evidence);
    }
    Ok(reports)
}

pub(super) fn breaker(rules: &Methodology) -> Breaker {
    Breaker {
        re_evaluation_ppb: rules.breaker_reevaluation_ppb.unsigned_abs(),
        new_version_ppb: rules.breaker_new_version_ppb.unsigned_abs(),
    }
}

/// Decides every price again, and compares it with what the strike was computed at; the number of decisions comes back with
/// what the next decision on each model would start from.
pub(super) fn verify_prices(
    bundle: &Bundle,
    reports: &Reports<'_>,
    leaves: &Leaves<'_>,
) -> Result<(u64, BTreeMap<Name, PriceState>), BundleError> {
    let record = &bundle.record;
    let (stated, derived): (Vec<&Name>, Vec<&Name>) =
        (record.sources.keys().collect(), record.facts.prices.keys().collect());
    same("record.sources", &stated, &derived)?;
    let (mut decided, mut states) = (0, BTreeMap::new());
    for (model, source) in &record.sources {
        let steps = bundle.decisions.get(model).filter(|steps| !steps.is_empty());
        let steps =
            steps.ok_or_else(|| BundleError::Missing { what: format!("decisions.{model}") })?;
        let mut chain = Chain { bundle, reports, leaves, model, state: None };
        let mut last = None;
        for (index, step) in steps.iter().enumerate() {
            last = Some((step, chain.verify(index, step)?));
            decided += 1;
        }
        let Some((step, leaf)) = last else { continue };
        states.extend(chain.state.map(|state| (model.clone(), state)));
        let field = |name: &str| format!("record.sources.{model}.{name}");
        same(&field("decision"), &source.decision, &step.decision)?;
        same(&field("report"), &source.report, &leaf.report)?;
        let nano = |micro: Option<i64>| micro.and_then(PriceNano::from_micro);
        let price = nano(leaf.price_micro).ok_or_else(|| BundleError::Missing {
            what: format!("an accepted price of {model}"),
        })?;
        let derived = MarkedPrice { price, estimate: nano(Some(leaf.est_micro)) };
        let stated = record.facts.prices.get(model).copied().unwrap_or(derived);
        let estimate =
            derived.estimate.filter(|_| stated.estimate.is_some() || bears(bundle, model));
        let derived = MarkedPrice { estimate, ..derived };
        same(&format!("record.facts.prices.{model}"), &stated, &derived)?;
    }
    let (stated, derived): (Vec<&Name>, Vec<&Name>) =
        (bundle.decisions.keys().collect(), record.sources.keys().collect());
    same("decisions", &stated, &derived)?;
    Ok((decided, states))
}

/// Whether the estimate of a model bears on anybody: not where prices were withheld, because nobody is filled at the ask; nor, beside a
/// commitment, for a model that the fund has nothing of, because it was admitted when the prices were bound already.
fn bears(bundle: &Bundle, model: &Name) -> bool {
    let facts = &bundle.record.facts;
    let Some(made) = &facts.commitment else { return true };
    let holds = facts.units.get(model).is_some_and(|units| units.as_micro() != 0);
    made.revealed.is_some() && holds
}

/// The decisions on one model, one after the other.
struct Chain<'a> {
    bundle: &'a Bundle,
    reports: &'a Reports<'a>,
    leaves: &'a Leaves<'a>,
    model: &'a Name,
    state: Option<PriceState>,
}

impl<'a> Chain<'a> {
    fn report(&self, digest: Digest) -> Result<&'a ReportEvidence, BundleError> {
        let found = self.reports.get(&digest).copied();
        found.ok_or_else(|| BundleError::Missing { what: format!("report {digest}") })
    }

    /// Derives decision number `index` and compares it with its leaf.
    fn verify(&mut self, index: usize, step: &PriceStep) -> Result<&'a AcceptedPrice, BundleError> {
        let place = format!("decisions.{}[{index}]", self.model);
        let Some((_, proof)) = self.leaves.get(&step.decision) else {
            let what = format!("the leaf {} of {place}", step.decision);
            return Err(BundleError::Missing { what });
        };
        let LeafRecord::AcceptedPrice(leaf) = &proof.leaf else {
            let (stated, derived) = (proof.leaf.kind().to_owned(), "accepted_price".to_owned());
            return Err(BundleError::Difference { field: place, stated, derived });
        };
        let wanted = step.round.as_ref().map_or(1, |round| i64::from(round.wanted));
        let quorum = self.bundle.methodology.quorum;
        same(&format!("{place}.round.wanted"), &wanted, &wanted.max(quorum))?;
        let decision = match &step.round {
            None => {
                let breaker = breaker(&self.bundle.methodology);
                decide(self.state.as_ref(), evidence(self.report(leaf.report)?), &breaker)
            }
            Some(round) => self.decide_round(leaf.report, round, &place)?,
        };
        let model = self.model.clone();
        let wrong = |source| BundleError::Decision { model: self.model.clone(), index, source };
        let decision: PriceDecision = decision.map_err(wrong)?;
        let derived =
            AcceptedPrice::of(leaf.at, model, index as u64 + 1, &decision, step.round.as_ref())?;
        same(&place, leaf, &derived)?;
        self.state = decision.state;
        Ok(leaf)
    }

    /// Counts the votes of a round again.
    fn decide_round(
        &self,
        lead: Digest,
        round: &RoundVotes,
        place: &str,
    ) -> Result<Result<PriceDecision, DecisionError>, BundleError> {
        let mut votes = Vec::new();
        let weights = round.votes.iter().map(|vote| vote.weight);
        if let Some(weight) = weights.chain([round.absent]).find(|weight| !WEIGHTS.contains(weight))
        {
            return Err(BundleError::Difference {
                field: format!("{place}.round"),
                stated: format!("a weight of {weight}"),
                derived: format!("at least {}, at most {}", WEIGHTS.start(), WEIGHTS.end()),
            });
        }
        for vote in &round.votes {
            let report = &self.report(vote.report)?.report;
            let (Some(price_micro), Some(sigma)) = (report.price_micro, report.sigma_ln_price)
            else {
                return Err(BundleError::Missing { what: format!("the price of {}", vote.report) });
            };
            votes.push(Vote {
                evaluator: report.evaluator.clone(),
                price_micro,
                weight: vote.weight,
                sigma,
                samples: report.samples,
            });
        }
        let verdict = count(&votes, round.absent, quorum_of(round.wanted));
        let agreed: Agreed = verdict
            .agreed
            .ok_or_else(|| BundleError::Missing { what: format!("the quorum of {place}") })?;
        let fates = round.votes.iter().zip(&verdict.fates);
        let kept: Vec<Digest> = fates
            .filter(|(_, (fate, _))| *fate == Fate::Kept)
            .map(|(vote, _)| vote.report)
            .collect();
        if !kept.contains(&lead) {
            let what = format!("the lead {lead} among the kept votes of {place}");
            return Err(BundleError::Missing { what });
        }
        // Who decided other cases otherwise measured another quality: kept, and not pooled with the lead.
        let cases = self.report(lead)?.report.model.decisions;
        let same_cases = |report: &Digest| {
            let found = self.reports.get(report);
            found.is_some_and(|other| other.report.model.decisions == cases)
        };
        let others = kept.iter().filter(|report| **report != lead && same_cases(report));
        let others: Vec<Evidence<'_>> =
            others.map(|report| self.report(*report).map(evidence)).collect::<Result<_, _>>()?;
        let evidence =
            RoundEvidence { lead: evidence(self.report(lead)?), others: &others, agreed };
        Ok(decide_round(self.state.as_ref(), evidence, &breaker(&self.bundle.methodology)))
    }
}

pub(super) fn evidence(from: &ReportEvidence) -> Evidence<'_> {
    Evidence { report: &from.report, right: &from.right, influence: &from.influence }
}
