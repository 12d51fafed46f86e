//! From a measurement to its report: a pure function.

use std::collections::BTreeMap;

use super::{
    Report,
    form::{
        CostRecord, MetricValue, NoPrice, ProtocolRecord, QualityRecord, RuntimeRecord, Subject,
        SuiteRecord,
    },
    rounds,
    timing::{self, Cost},
};
use crate::{
    canonical::CanonicalError,
    digest::Digest,
    evaluation::{
        cost::{CostErrors, cost_index},
        measurement::{Measurement, SubjectMeasurement},
        price::{log_sigma, micro, price},
        quality::{
            PairCounts, SuiteState, TaskQuality, difference_variance, is_above_chance, q_choice,
            q_choice_se, quality, shrunk, suite_state,
        },
        samples,
        statistics::{Z95, wilson},
    },
    suite::{NotMeasuredError, Suite},
};

/// What a report needs beside the measurement.
#[derive(Clone, Copy, Debug)]
pub struct ReportContext<'a> {
    /// The suite that was run.
    pub suite: &'a Suite,
    /// [`Suite::digest`] of its files.
    pub suite_digest: Digest,
    /// Items of each class among those that were scored.
    pub label_counts: &'a [u64],
    /// What the model is called.
    pub model: &'a str,
    /// What the reference is called; not read without one.
    pub reference: &'a str,
    /// Who measured.
    pub evaluator: &'a str,
    /// Holds the cost index at this value instead of taking it from the times; the report says so. None measures.
    pub cost_held: Option<f64>,
}

/// Why a measurement gives no report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// The suite asks for what is not measured yet.
    #[error(transparent)]
    NotMeasured(#[from] NotMeasuredError),
    /// The measurement contradicts itself or the suite.
    #[error("measurement, {field}: {reason}")]
    Inconsistent {
        /// Where.
        field: String,
        /// How.
        reason: String,
    },
    /// A number that JSON cannot carry.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
}

impl ReportError {
    pub(super) fn inconsistent<T>(
        field: impl Into<String>,
        reason: impl Into<String>,
    ) -> Result<T, Self> {
        Err(Self::Inconsistent { field: field.into(), reason: reason.into() })
    }
}

impl Report {
    /// Derives the report of a measurement.
    ///
    /// # Errors
    /// [`ReportError`] where measurement, suite and context do not fit together. A failed control is no error: the report is void.
    pub fn derive(
        measurement: &Measurement,
        context: &ReportContext<'_>,
    ) -> Result<Self, ReportError> {
        context.suite.measurable()?;
        check_subjects(measurement, context)?;
        rounds::check(measurement, context.suite.cost.overhead_ms)?;
        let chance = chance(context)?;
        let model = Subject::of(context.model, &measurement.model);
        let reference = measurement.reference.as_ref().map(|r| Subject::of(context.reference, r));
        let scored = score(measurement, context.suite, chance, &model, reference.as_ref());
        let (cost, void_reasons) = match (&reference, context.cost_held) {
            (Some(_), None) => match timing::cost(measurement, context.suite.cost.overhead_ms) {
                Cost::Measured(record) => (Some(*record), Vec::new()),
                Cost::Void(reasons) => (None, reasons),
            },
            _ => (None, Vec::new()),
        };
        let no_price = match scored.state {
            None => Some(NoPrice::NoReference),
            Some(SuiteState::ReferenceOutOfRange) => Some(NoPrice::ReferenceOutOfRange),
            Some(SuiteState::Saturated) => Some(NoPrice::Saturated),
            Some(SuiteState::Prices) if !void_reasons.is_empty() => Some(NoPrice::Void),
            Some(SuiteState::Prices) => None,
        };
        let priced = Priced::of(&scored, cost.as_ref(), context.cost_held, no_price);
        Ok(Self {
            report_version: Self::VERSION,
            metrics: BTreeMap::from([(
                "accuracy".to_owned(),
                accuracy(&measurement.model, &model),
            )]),
            model,
            reference,
            panel: Vec::new(),
            suite: suite_record(context, chance, &scored),
            expected: measurement.model.expected.clone(),
            quality: scored.record,
            quality_bits: scored.bits,
            times: timing::times(measurement),
            cost,
            cost_held: context.cost_held,
            cost_index: priced.cost_index,
            price_micro: priced.price_micro,
            sigma_ln_price: priced.sigma.map(|sigma| sigma.sigma),
            sigma_items: priced.sigma.map(|sigma| sigma.items),
            sigma_cost: priced.sigma.map(|sigma| sigma.cost),
            no_price,
            void_reasons,
            runtime: RuntimeRecord {
                onnxruntime: measurement.runtime.onnxruntime.clone(),
                device: measurement.runtime.device.clone(),
                prepacking: measurement.runtime.prepacking,
                providers: measurement.model.providers.clone(),
            },
            machine: measurement.machine.clone(),
            protocol: ProtocolRecord::from(&measurement.protocol),
            samples: Digest::of(&samples::to_blob(measurement)?),
            evaluator: context.evaluator.to_owned(),
        })
    }
}

fn check_subjects(
    measurement: &Measurement,
    context: &ReportContext<'_>,
) -> Result<(), ReportError> {
    let items = context.suite.items;
    let subjects =
        [("model", Some(&measurement.model)), ("reference", measurement.reference.as_ref())];
    for (name, subject) in subjects {
        let Some(subject) = subject else { continue };
        if subject.items != items || subject.right.len() as u64 != items {
            let (scored, letters) = (subject.items, subject.right.len());
            let reason = format!("{scored} items and {letters} results; the suite has {items}");
            return ReportError::inconsistent(format!("{name}.items"), reason);
        }
        if let Some(letter) = subject.right.chars().find(|letter| !matches!(letter, '0' | '1')) {
            let reason = format!("{letter:?} is neither 0 nor 1");
            return ReportError::inconsistent(format!("{name}.right"), reason);
        }
    }
    let labelled =
        context.label_counts.iter().fold(0, |sum: u64, count| sum.saturating_add(*count));
    if labelled != items {
        let reason = format!("labels of {labelled} items; the suite has {items}");
        return ReportError::inconsistent("label_counts", reason);
    }
    if measurement.protocol.offline_batch_items == 0 {
        return ReportError::inconsistent("protocol.offline_batch_items", "0; at least 1");
    }
    match context.cost_held {
        Some(held) if !(held.is_finite() && held > 0.0) => {
            ReportError::inconsistent("cost_held", format!("{held} is no cost index"))
        }
        _ => Ok(()),
    }
}

/// The suite's `chance`, but never less than the majority share of the items that were scored.
fn chance(context: &ReportContext<'_>) -> Result<f64, ReportError> {
    let majority = context.label_counts.iter().copied().max().unwrap_or(0);
    let share = majority as f64 / context.suite.items as f64;
    let chance = context.suite.chance.unwrap_or(0.0).max(share);
    if chance > 0.0 && chance < 1.0 {
        return Ok(chance);
    }
    let reason =
        format!("a blind answer is right on a share of {chance}; the odds need 0 < share < 1");
    ReportError::inconsistent("label_counts", reason)
}

fn accuracy(measured: &SubjectMeasurement, model: &Subject) -> MetricValue {
    let (k, n) = (model.correct, measured.items);
    let interval = wilson(k, n, Z95);
    MetricValue { value: k as f64 / n as f64, low: interval.low, high: interval.high, n }
}

/// Quality of the model, before any cost.
struct Scored {
    record: QualityRecord,
    bits: f64,
    q_ref: Option<f64>,
    q_genesis: Option<f64>,
    state: Option<SuiteState>,
}

fn score(
    measurement: &Measurement,
    suite: &Suite,
    chance: f64,
    model: &Subject,
    reference: Option<&Subject>,
) -> Scored {
    let n = suite.items;
    let a = shrunk(model.correct, n, chance);
    let (mut q, se) = (q_choice(model.correct, n, chance), q_choice_se(model.correct, n, chance));
    let (Some(reference), Some(measured)) = (reference, &measurement.reference) else {
        let above_chance = model.finite && is_above_chance(q, se);
        let record =
            QualityRecord { shrunk: a, signed_bits: q, se, above_chance, se_difference: None };
        let bits = if above_chance { q } else { 0.0 };
        return Scored { record, bits, q_ref: None, q_genesis: None, state: None };
    };
    // A reference without finite outputs has no quality, and so is out of range.
    let k_ref = if reference.finite { reference.correct } else { 0 };
    let q_ref = if reference.finite { q_choice(k_ref, n, chance) } else { 0.0 };
    let same = (model.digest, model.graph) == (reference.digest, reference.graph);
    let se_difference = if same {
        q = q_ref; // one model has no difference to itself, whatever two runs gave
        0.0
    } else {
        let counts = PairCounts::of(&measurement.model.right, &measured.right).unwrap_or_default();
        let shrunk_both = [a, shrunk(reference.correct, n, chance)];
        libm::sqrt(difference_variance(counts, [1.0; 2], shrunk_both).max(0.0))
    };
    let q_genesis = suite.reference.as_ref().and_then(|r| r.q_genesis).unwrap_or(q_ref);
    let outcome = quality(&[TaskQuality { weight: 1.0, q, se, q_ref }], q_genesis);
    let above_chance = model.finite && outcome.is_some_and(|quality| quality.above_chance);
    let bits = outcome.map_or(0.0, |quality| quality.bits);
    Scored {
        record: QualityRecord {
            shrunk: a,
            signed_bits: q,
            se,
            above_chance,
            se_difference: Some(se_difference),
        },
        bits: if above_chance { bits } else { 0.0 },
        q_ref: Some(q_ref),
        q_genesis: Some(q_genesis),
        state: Some(suite_state(q_ref, Some(model.correct as f64 / n as f64))),
    }
}

/// What follows from quality and cost.
#[derive(Default)]
struct Priced {
    cost_index: Option<f64>,
    price_micro: Option<i64>,
    sigma: Option<crate::evaluation::price::LogSigma>,
}

impl Priced {
    fn of(
        scored: &Scored,
        cost: Option<&CostRecord>,
        held: Option<f64>,
        no_price: Option<NoPrice>,
    ) -> Self {
        let (Some(q_genesis), Some(se)) = (scored.q_genesis, scored.record.se_difference) else {
            return Self::default();
        };
        let (index, errors) = match (held, cost) {
            (Some(held), _) => (held, CostErrors::default()),
            (None, Some(cost)) => (cost_index(&cost.ratios), cost.se_ln),
            (None, None) => return Self::default(),
        };
        if no_price.is_some() {
            return Self { cost_index: Some(index), ..Self::default() };
        }
        Self {
            cost_index: Some(index),
            price_micro: Some(micro(price(scored.bits, q_genesis, index))),
            sigma: Some(log_sigma(scored.bits, q_genesis, index, se, &errors)),
        }
    }
}

fn suite_record(context: &ReportContext<'_>, chance: f64, scored: &Scored) -> SuiteRecord {
    let suite = context.suite;
    SuiteRecord {
        id: suite.id.clone(),
        version: suite.version,
        epoch: suite.epoch,
        digest: context.suite_digest,
        task: suite.task,
        metric: suite.metric,
        items: suite.items,
        chance,
        label_counts: context.label_counts.to_vec(),
        overhead_ms: suite.cost.overhead_ms,
        q_ref: scored.q_ref,
        q_genesis: scored.q_genesis,
        state: scored.state,
    }
}
