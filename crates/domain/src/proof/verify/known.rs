//! What was known when a strike was computed: nobody joined at a price that the log contradicted already (DESIGN 4, Price).
//!
//! The test, exactly. All leaves of the log up to the head are in the bundle, in order, and make the head's root, so that none was left out.
//! Then, for each model of the strike, and of everything before the strike's own leaf, or before the leaf of the commitment where prices
//! were bound to one (what is decided after that gives joiners their money back where it matters, ops/decisions/0039):
//!
//! 1. The decision that the strike cites is the last one on the model, and there are as many as the bundle derives. Its pooled estimate is
//!    what the ask was computed from, so that the ask is at least the price that all reports decided on gave together.
//! 2. No other report on the bytes that the model lists, on a suite that had decided before it, says more: its estimate, pooled as the next
//!    decision would have pooled it, is at most the ask. Where a price needs several evaluators a lone report is no estimate: such are
//!    counted.
//!
//! What this cannot see: leaves that are in the bundle by their hash alone, which are counted; reports of other versions, and on suites
//! that do not price, which are counted too; and what was measured and never became a leaf.

use std::collections::{BTreeMap, BTreeSet};

use super::{prices, prices::Reports, same};
use crate::{
    amount::PriceNano,
    digest::Digest,
    evaluation::{DecisionError, PriceState, decide},
    name::Name,
    proof::{
        bundle::{Bundle, BundleError, LogEntry},
        leaf::LeafRecord,
        merkle::Tree,
        strike::OrderKind,
    },
};

/// The alias whose version prices a model.
const LISTED: &str = "listed";

/// What the whole log showed about a strike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct KnownInformation {
    /// Leaves before the strike's own, or before that of its commitment.
    pub leaves: u64,
    /// Of these, leaves whose text is not in the bundle: what they say was not looked at.
    pub hidden: u64,
    /// Decisions on the strike's models, all of which the bundle derives.
    pub decisions: u64,
    /// Reports on bytes of the strike's models.
    pub reports: u64,
    /// Of these, reports that no decision counted: of other versions, on suites that do not price, without a price, or of too few evaluators.
    pub undecided: u64,
    /// Subscriptions that the strike filled, none of them below what was known.
    pub orders: u64,
}

/// One report before the strike.
struct Told {
    index: u64,
    report: Digest,
    suite: Digest,
    bytes: (Digest, Digest),
}

/// What the log says of the strike's models.
#[derive(Default)]
struct Known {
    versions: BTreeMap<(Digest, Digest), BTreeSet<Name>>,
    listed: BTreeMap<Name, (Digest, Digest)>,
    yanked: BTreeSet<(Digest, Digest)>,
    /// By model: the leaves of its decisions, with their places.
    decisions: BTreeMap<Name, Vec<(u64, Digest, Digest)>>,
    reports: Vec<Told>,
    hidden: u64,
}

/// Holds the strike against the whole log; nothing where the bundle does not have it.
pub(super) fn verify(
    bundle: &Bundle,
    reports: &Reports<'_>,
    states: &BTreeMap<Name, PriceState>,
) -> Result<Option<KnownInformation>, BundleError> {
    let entries = &bundle.log.entries;
    if entries.is_empty() {
        return Ok(None);
    }
    let mut tree = Tree::new();
    for entry in entries {
        tree.append(entry.hash()?);
    }
    let head = &bundle.log.head;
    same("log.entries.length", &(entries.len() as u64), &head.size)?;
    same("log.entries.root", &tree.root(), &head.root)?;
    let facts = &bundle.record.facts;
    let is_strike = |entry: &&LogEntry| {
        matches!(entry, LogEntry::Leaf(LeafRecord::Strike { fund, number, .. })
            if *fund == facts.fund && *number == facts.number)
    };
    // Two people who are shown one record each would both find it in the log.
    same("log.entries.strikes", &entries.iter().filter(is_strike).count(), &1)?;
    let own = last_place(bundle)?;
    if bundle.record.facts.commitment.as_ref().is_some_and(|made| made.revealed.is_none()) {
        // Prices that were bound and not told are none that anybody joined at.
        let orders = joined(bundle).count() as u64;
        same("record.facts.fills", &orders, &0)?;
        let before = entries.iter().zip(0..own);
        let hidden = before.filter(|(entry, _)| matches!(entry, LogEntry::Hash(_))).count() as u64;
        return Ok(Some(KnownInformation { leaves: own, hidden, ..KnownInformation::default() }));
    }
    let known = Known::read(&bundle.record.sources, entries.iter().zip(0..own))?;
    let mut told = KnownInformation { leaves: own, hidden: known.hidden, ..Default::default() };
    for (model, source) in &bundle.record.sources {
        let decided = known.decisions.get(model).map_or(&[][..], Vec::as_slice);
        if let Some((_, last, report)) =
            decided.last().filter(|(_, last, _)| *last != source.decision)
        {
            let says = format!("decision {last} came after it");
            return Err(contradiction(bundle, model, *report, says));
        }
        let derived = bundle.decisions.get(model).map_or(0, Vec::len);
        same(&format!("log.entries.decisions.{model}"), &decided.len(), &derived)?;
        told.decisions += derived as u64;
    }
    let judge = Judge { bundle, reports, states, known: &known };
    for report in &known.reports {
        for model in known.versions.get(&report.bytes).into_iter().flatten() {
            told.reports += 1;
            told.undecided += u64::from(judge.judge(model, report)?);
        }
    }
    told.orders = joined(bundle).count() as u64;
    Ok(Some(told))
}

/// The place of the leaf before which everything was known when prices were set: the commitment's, or the strike's own.
fn last_place(bundle: &Bundle) -> Result<u64, BundleError> {
    let facts = &bundle.record.facts;
    let is_last = |entry: &LogEntry| match (entry, &facts.commitment) {
        (LogEntry::Leaf(LeafRecord::Commitment { commitment, .. }), Some(made)) => {
            *commitment == made.digest
        }
        (LogEntry::Leaf(LeafRecord::Strike { fund, number, .. }), None) => {
            *fund == facts.fund && *number == facts.number
        }
        _ => false,
    };
    let place = bundle.log.entries.iter().position(is_last);
    place.map(|place| place as u64).ok_or_else(|| BundleError::Missing {
        what: format!(
            "the leaf of strike {} of {}, or of its commitment, among log.entries",
            facts.number, facts.fund
        ),
    })
}

impl Known {
    fn read<'a, T>(
        models: &BTreeMap<Name, T>,
        entries: impl Iterator<Item = (&'a LogEntry, u64)>,
    ) -> Result<Self, BundleError> {
        let mut known = Self::default();
        for (entry, index) in entries {
            let leaf = match entry {
                LogEntry::Leaf(leaf) => leaf,
                LogEntry::Hash(_) => {
                    known.hidden += 1;
                    continue;
                }
            };
            match leaf {
                LeafRecord::Publish { model, checkpoint, graph, .. }
                    if models.contains_key(model) =>
                {
                    let owners = known.versions.entry((*checkpoint, *graph)).or_default();
                    owners.insert(model.clone());
                }
                LeafRecord::AliasMove { model, alias, checkpoint, graph, .. }
                    if alias.as_str() == LISTED && models.contains_key(model) =>
                {
                    known.listed.insert(model.clone(), (*checkpoint, *graph));
                }
                LeafRecord::Yank { model, checkpoint, graph, .. } if models.contains_key(model) => {
                    known.yanked.insert((*checkpoint, *graph));
                }
                LeafRecord::AcceptedPrice(accepted) if models.contains_key(&accepted.model) => {
                    let decided = known.decisions.entry(accepted.model.clone()).or_default();
                    decided.push((index, leaf.hash()?, accepted.report));
                }
                LeafRecord::Report { report, checkpoint, graph, suite, .. } => {
                    let bytes = (*checkpoint, *graph);
                    known.reports.push(Told { index, report: *report, suite: *suite, bytes });
                }
                _ => {}
            }
        }
        Ok(known)
    }
}

/// Subscriptions that got shares, by the number of their event.
fn joined(bundle: &Bundle) -> impl Iterator<Item = u64> {
    let facts = &bundle.record.facts;
    let orders = facts.orders.iter().filter(|order| order.kind == OrderKind::Subscription);
    let filled = orders.zip(&facts.fills).filter(|(_, fill)| fill.shares.as_nano() > 0);
    filled.map(|(order, _)| order.sequence)
}

fn contradiction(bundle: &Bundle, model: &Name, report: Digest, says: String) -> BundleError {
    let facts = &bundle.record.facts;
    let ask = facts.prices.get(model).map_or(PriceNano::ZERO, |marked| marked.ask());
    let order = joined(bundle).next();
    let order = order.map_or_else(|| "no order".to_owned(), |sequence| format!("order {sequence}"));
    BundleError::Known { model: model.clone(), report, says, order, ask }
}

/// Holds a report that no decision counted against the ask.
struct Judge<'a> {
    bundle: &'a Bundle,
    reports: &'a Reports<'a>,
    states: &'a BTreeMap<Name, PriceState>,
    known: &'a Known,
}

impl Judge<'_> {
    /// Whether no decision counted the report; an error where it contradicts the ask.
    fn judge(&self, model: &Name, told: &Told) -> Result<bool, BundleError> {
        let Some(steps) = self.bundle.decisions.get(model) else { return Ok(true) };
        let votes = steps.iter().flat_map(|step| &step.round).flat_map(|round| &round.votes);
        let decided = self.known.decisions.get(model).map_or(&[][..], Vec::as_slice);
        let counted = |report: Digest| {
            let leads = decided.iter().any(|(_, _, lead)| *lead == report);
            leads || votes.clone().any(|vote| vote.report == report)
        };
        if counted(told.report) {
            return Ok(false);
        }
        let prices = self.known.listed.get(model) == Some(&told.bytes)
            && !self.known.yanked.contains(&told.bytes)
            && self.bundle.methodology.quorum == 1
            && decided.iter().any(|(place, _, lead)| {
                let suite = self.reports.get(lead).map(|lead| lead.report.suite.digest);
                *place < told.index && suite == Some(told.suite)
            });
        let Some(state) = self.states.get(model).filter(|_| prices) else { return Ok(true) };
        let evidence = self.reports.get(&told.report).ok_or_else(|| BundleError::Missing {
            what: format!(
                "report {} on {model}, which is in the log and in no decision",
                told.report
            ),
        })?;
        let decision = decide(
            Some(state),
            prices::evidence(evidence),
            &prices::breaker(&self.bundle.methodology),
        );
        let estimate = match decision {
            Ok(decision) => decision.est_micro,
            // It has no price, or none that is comparable: it contradicts nothing.
            Err(DecisionError::NoPrice(_) | DecisionError::OtherTrack { .. }) => return Ok(true),
            Err(source) => {
                let (model, index) = (model.clone(), decided.len());
                return Err(BundleError::Decision { model, index, source });
            }
        };
        let facts = &self.bundle.record.facts;
        let ask = facts.prices.get(model).map_or(PriceNano::ZERO, |marked| marked.ask());
        match PriceNano::from_micro(estimate) {
            Some(known) if known <= ask => Ok(true),
            _ => {
                let says = format!("with it the estimate was {estimate} micro-credits");
                Err(contradiction(self.bundle, model, told.report, says))
            }
        }
    }
}
