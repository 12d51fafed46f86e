//! From a measurement to its report: a pure function.

use super::{
    Report,
    form::{CostRecord, NoPrice, ProtocolRecord, RuntimeRecord, Subject, SuiteRecord},
    rounds,
    scoring::{Rules, Scored, is_share, metric_values, outcomes, score},
    timing::{self, Cost},
};
use crate::{
    canonical::CanonicalError,
    digest::Digest,
    evaluation::{
        cost::{CostErrors, cost_index},
        measurement::{Measurement, SubjectMeasurement},
        params::PARAMS,
        price::{log_sigma, micro, price},
        quality::SuiteState,
        samples,
    },
    suite::{Metric, Suite, Task},
};

/// What a report needs beside the measurement.
#[derive(Clone, Copy, Debug)]
pub struct ReportContext<'a> {
    /// The suite that was run.
    pub suite: &'a Suite,
    /// [`Suite::digest`] of its files.
    pub suite_digest: Digest,
    /// Items of each right answer among those that were scored; empty where quality follows from no share.
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
        check_subjects(measurement, context)?;
        rounds::check(measurement, context.suite.cost.overhead_ms)?;
        let chance = chance(context)?;
        let rules = Rules { suite: context.suite, chance };
        let scored = score(measurement, rules)?;
        let subject = |name: &str, measured| Subject::of(name, context.suite, measured);
        let model = subject(context.model, &measurement.model);
        let reference = measurement.reference.as_ref().map(|r| subject(context.reference, r));
        let member =
            |(place, measured)| subject(&format!("{}-{}", context.reference, place + 2), measured);
        let panel = measurement.panel.iter().enumerate().map(member).collect();
        let (cost, void_reasons) = match (&reference, context.cost_held) {
            (Some(_), None) => match timing::cost(measurement, context.suite.cost.overhead_ms) {
                Cost::Measured(record) => (Some(*record), Vec::new()),
                Cost::Void(reasons) => (None, reasons),
            },
            _ => (None, Vec::new()),
        };
        let no_price = match scored.state {
            _ if scored.record.is_none() => Some(NoPrice::NoBaseline),
            None => Some(NoPrice::NoReference),
            Some(SuiteState::ReferenceOutOfRange) => Some(NoPrice::ReferenceOutOfRange),
            Some(SuiteState::Saturated) => Some(NoPrice::Saturated),
            Some(SuiteState::Prices) if !void_reasons.is_empty() => Some(NoPrice::Void),
            Some(SuiteState::Prices) => None,
        };
        let se = scored.record.as_ref().and_then(|record| record.se_difference);
        let quality = (scored.q_genesis, se, scored.bits);
        let priced = Priced::of(quality, cost.as_ref(), context.cost_held, no_price);
        Ok(Self {
            report_version: Self::VERSION,
            metrics: metric_values(context.suite, &measurement.model),
            model,
            reference,
            panel,
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
    let suite = context.suite;
    let labelled =
        context.label_counts.iter().fold(0, |sum: u64, count| sum.saturating_add(*count));
    let one_a_case = matches!(suite.task, Task::Classification | Task::Detection);
    if one_a_case && is_share(suite.metric) && labelled != suite.items {
        let reason = format!("labels of {labelled} items; the suite has {}", suite.items);
        return ReportError::inconsistent("label_counts", reason);
    }
    let subjects = std::iter::once(("model", &measurement.model))
        .chain(measurement.reference.iter().map(|reference| ("reference", reference)))
        .chain(measurement.panel.iter().map(|member| ("panel", member)));
    for (name, subject) in subjects {
        if subject.items != suite.items {
            let (scored, items) = (subject.items, suite.items);
            let reason = format!("{scored} items; the suite has {items}");
            return ReportError::inconsistent(format!("{name}.items"), reason);
        }
        let counted = [("right", &subject.right), ("answers.top_k", &subject.answers.top_k)];
        for (field, letters) in counted {
            if let Some(letter) = letters.chars().find(|letter| !matches!(letter, '0' | '1')) {
                let reason = format!("{letter:?} is neither 0 nor 1");
                return ReportError::inconsistent(format!("{name}.{field}"), reason);
            }
        }
        for metric in std::iter::once(&suite.metric).chain(&suite.report) {
            if let Some(reason) = lacks_answers(*metric, subject) {
                return ReportError::inconsistent(format!("{name}.answers"), reason);
            }
        }
        let tokens = subject.answers.documents.iter().map(|document| document.tokens).sum::<u64>();
        let scored = match outcomes(suite.task, suite.metric, subject) {
            Some(right) => right.len() as u64,
            None if is_share(suite.metric) => tokens,
            None => continue,
        };
        if scored != labelled {
            let reason = format!("{scored} results; the labels are those of {labelled} items");
            return ReportError::inconsistent(format!("{name}.right"), reason);
        }
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

/// What a metric reads and a measurement does not hold, in words.
fn lacks_answers(metric: Metric, subject: &SubjectMeasurement) -> Option<String> {
    let answers = &subject.answers;
    let (scores, targets, width) = (answers.scores.len(), answers.targets.len(), answers.width);
    let holds = match metric {
        Metric::Accuracy | Metric::RetrievalAt1 => true,
        Metric::TopK => !answers.top_k.is_empty(),
        Metric::F1Macro => {
            !answers.classes.is_empty() && answers.classes.len() == answers.labels.len()
        }
        Metric::BitsPerByte | Metric::Perplexity => !answers.documents.is_empty(),
        Metric::Auc
        | Metric::Mse
        | Metric::Mae
        | Metric::R2
        | Metric::Pearson
        | Metric::Spearman => {
            scores > 0 && scores == targets && width > 0 && scores.is_multiple_of(width as usize)
        }
    };
    (!holds).then(|| format!("they are not those that {metric} reads"))
}

/// The share that a blind answer gets right: the suite's `chance`, but never less than what the best constant answer gets of the items
/// that were scored. Where quality does not follow from a share, what the suite says.
fn chance(context: &ReportContext<'_>) -> Result<Option<f64>, ReportError> {
    let suite = context.suite;
    if !is_share(suite.metric) {
        return Ok(suite.chance);
    }
    let mut counts = context.label_counts.to_vec();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let places = if suite.metric == Metric::TopK { PARAMS.top_k } else { 1 };
    let (best, all) = (counts.iter().take(places).sum::<u64>(), counts.iter().sum::<u64>());
    let share = best as f64 / all as f64;
    let chance = suite.chance.unwrap_or(0.0).max(share);
    if chance > 0.0 && chance < 1.0 {
        return Ok(Some(chance));
    }
    let reason =
        format!("a blind answer is right on a share of {chance}; the odds need 0 < share < 1");
    ReportError::inconsistent("label_counts", reason)
}

/// What follows from quality and cost.
#[derive(Default)]
pub(super) struct Priced {
    pub(super) cost_index: Option<f64>,
    pub(super) price_micro: Option<i64>,
    pub(super) sigma: Option<crate::evaluation::price::LogSigma>,
}

impl Priced {
    /// `quality` is the anchor, the standard error of model minus reference, and the bits.
    pub(super) fn of(
        quality: (Option<f64>, Option<f64>, Option<f64>),
        cost: Option<&CostRecord>,
        held: Option<f64>,
        no_price: Option<NoPrice>,
    ) -> Self {
        let (Some(q_genesis), Some(se), Some(bits)) = quality else {
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
            price_micro: Some(micro(price(bits, q_genesis, index))),
            sigma: Some(log_sigma(bits, q_genesis, index, se, &errors)),
        }
    }
}

fn suite_record(context: &ReportContext<'_>, chance: Option<f64>, scored: &Scored) -> SuiteRecord {
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
        baseline: suite.baseline,
        report: suite.report.clone(),
        label_counts: context.label_counts.to_vec(),
        overhead_ms: suite.cost.overhead_ms,
        q_ref: scored.q_ref,
        q_genesis: scored.q_genesis,
        state: scored.state,
    }
}
