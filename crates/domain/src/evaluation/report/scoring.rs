//! Metrics and quality of what was measured, before any cost.

use std::{collections::BTreeMap, f64::consts::LN_2};

use super::{
    Report, ReportError,
    form::{MetricValue, QualityRecord},
};
use crate::{
    evaluation::{
        measurement::{Measurement, SubjectMeasurement},
        metrics::{self, Measured},
        params::PARAMS,
        quality::{
            PairCounts, SuiteState, TaskQuality, difference_variance, is_above_chance, q_choice,
            q_error, quality, shrunk, suite_state,
        },
    },
    suite::{Metric, Suite, Task},
};

/// What quality and metrics are computed by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules<'a> {
    pub suite: &'a Suite,
    /// Share that a blind answer gets right, where the metric is such a share; otherwise that of the suite, if it has one.
    pub chance: Option<f64>,
}

/// Whether quality follows from a share of right answers by the odds rule (SUITE).
pub(super) const fn is_share(metric: Metric) -> bool {
    matches!(metric, Metric::Accuracy | Metric::TopK | Metric::RetrievalAt1)
}

/// One character an item, `1` right and `0` wrong, of a metric that counts items; none for others.
#[must_use]
pub fn outcomes(task: Task, metric: Metric, subject: &SubjectMeasurement) -> Option<&str> {
    match metric {
        Metric::TopK => Some(&subject.answers.top_k),
        // Tokens are counted by document.
        Metric::Accuracy if matches!(task, Task::LanguageModel) => None,
        Metric::Accuracy | Metric::RetrievalAt1 => Some(&subject.right),
        _ => None,
    }
}

/// A metric of one subject; none where its answers do not give one, such as where they are no finite numbers.
fn measure(task: Task, metric: Metric, subject: &SubjectMeasurement) -> Option<Measured> {
    let answers = &subject.answers;
    let numbers = || Some((answers.finite_scores()?, &answers.targets[..]));
    let width = answers.width as usize;
    match metric {
        Metric::Accuracy if task == Task::LanguageModel => {
            metrics::token_accuracy(&answers.documents)
        }
        Metric::Accuracy | Metric::RetrievalAt1 | Metric::TopK => {
            metrics::share(outcomes(task, metric, subject)?)
        }
        Metric::F1Macro => metrics::f1_macro(&answers.classes, &answers.labels),
        Metric::BitsPerByte => metrics::bits_per_byte(&answers.documents),
        Metric::Perplexity => metrics::perplexity(&answers.documents),
        Metric::Auc => numbers().and_then(|(s, t)| metrics::auc(&s, t)),
        Metric::Mse => numbers().and_then(|(s, t)| metrics::mse(&s, t, width)),
        Metric::Mae => numbers().and_then(|(s, t)| metrics::mae(&s, t, width)),
        Metric::R2 => numbers().and_then(|(s, t)| metrics::r2(&s, t, width)),
        Metric::Pearson => numbers().and_then(|(s, t)| metrics::pearson(&s, t)),
        Metric::Spearman => numbers().and_then(|(s, t)| metrics::spearman(&s, t)),
    }
}

/// The metric of quality and those to report, by name.
pub(super) fn metric_values(
    suite: &Suite,
    subject: &SubjectMeasurement,
) -> BTreeMap<String, MetricValue> {
    let all = std::iter::once(&suite.metric).chain(&suite.report);
    let value =
        |metric: &Metric| Some((metric.to_string(), measure(suite.task, *metric, subject)?));
    all.filter_map(value).map(|(name, measured)| (name, measured.value)).collect()
}

/// Signed quality of one subject, and how each item moves it.
#[derive(Clone, Debug)]
pub(super) struct Signed {
    pub q: f64,
    pub se: f64,
    /// Shrunk share, where quality follows from one.
    pub shrunk: Option<f64>,
    /// Value of the metric, where that is a share.
    pub share: Option<f64>,
    /// Bits by which each item, or each document, moves q; 0 on average but for shares, which keep x/(ln 2·a(1 − a)).
    pub influence: Vec<f64>,
}

/// Signed quality; none where the answers give no metric, or a language model has no baseline.
pub(super) fn signed(rules: Rules<'_>, subject: &SubjectMeasurement) -> Option<Signed> {
    let Suite { task, metric, .. } = *rules.suite;
    let measured = measure(task, metric, subject)?;
    if is_share(metric) {
        return by_odds(rules, subject, &measured);
    }
    let value = measured.value.value;
    if metric == Metric::BitsPerByte {
        let q = crate::evaluation::quality::q_bits_per_byte(value, rules.suite.baseline?);
        return Some(scaled(q, -1.0 / (LN_2 * value), &measured));
    }
    let answers = &subject.answers;
    let width = answers.width as usize;
    let (error, base, sign) = match metric {
        Metric::Pearson | Metric::Spearman => (1.0 - value, 1.0, -1.0),
        Metric::Auc => (1.0 - value, 0.5, -1.0),
        Metric::F1Macro | Metric::R2 => (1.0 - value, 1.0 - rules.chance?, -1.0),
        Metric::Mse => (value, metrics::mean_error_base(&answers.targets, width, false)?, 1.0),
        Metric::Mae => (value, metrics::mean_error_base(&answers.targets, width, true)?, 1.0),
        _ => return None,
    };
    let n = measured.value.n;
    // The floor of EVALUATION 5.2: the reward of the last errors is not without end.
    let counted = error.max(PARAMS.accuracy_cap_items * base / n as f64);
    Some(scaled(q_error(error, base, n), -sign / (LN_2 * counted), &measured))
}

/// Quality whose derivative by the metric is `slope`.
fn scaled(q: f64, slope: f64, measured: &Measured) -> Signed {
    let influence = measured.influence.iter().map(|psi| slope * psi).collect();
    Signed { q, se: slope.abs() * measured.se(), shrunk: None, share: None, influence }
}

fn by_odds(rules: Rules<'_>, subject: &SubjectMeasurement, measured: &Measured) -> Option<Signed> {
    let chance = rules.chance?;
    let (n, value) = (measured.value.n, measured.value.value);
    let Some(right) = outcomes(rules.suite.task, rules.suite.metric, subject) else {
        // Tokens: their number makes the share, their documents the error.
        let k = subject.answers.documents.iter().map(|document| document.right).sum();
        let a = shrunk(k, n, chance);
        let slope = 1.0 / (LN_2 * a * (1.0 - a));
        let signed = scaled(q_choice(k, n, chance), slope, measured);
        return Some(Signed { shrunk: Some(a), share: Some(value), ..signed });
    };
    let k = right.bytes().filter(|byte| *byte == b'1').count() as u64;
    let a = shrunk(k, n, chance);
    let unit = 1.0 / (LN_2 * a * (1.0 - a));
    Some(Signed {
        q: q_choice(k, n, chance),
        se: crate::evaluation::quality::q_choice_se(k, n, chance),
        shrunk: Some(a),
        share: Some(value),
        influence: right.bytes().map(|byte| if byte == b'1' { unit } else { 0.0 }).collect(),
    })
}

/// Bits by which each item, or document, moves the quality of a report's model, where its metric does not count right items; empty
/// where it does, or where there is no quality.
#[must_use]
pub fn influence(report: &Report, measurement: &Measurement, suite: &Suite) -> Vec<f64> {
    if outcomes(suite.task, suite.metric, &measurement.model).is_some() {
        return Vec::new();
    }
    let rules = Rules { suite, chance: report.suite.chance };
    signed(rules, &measurement.model).map_or_else(Vec::new, |signed| signed.influence)
}

/// Population variance of the differences over their number: the squared error of a mean of differences on the same items.
pub(in crate::evaluation) fn paired_variance(new: &[f64], old: &[f64], g: [f64; 2]) -> Option<f64> {
    if new.is_empty() || new.len() != old.len() {
        return None;
    }
    let n = new.len() as f64;
    let difference = |(u, v): (&f64, &f64)| g[0] * u - g[1] * v;
    let mean = new.iter().zip(old).map(difference).sum::<f64>() / n;
    let square = |pair| {
        let apart = difference(pair) - mean;
        apart * apart
    };
    Some(new.iter().zip(old).map(square).sum::<f64>() / n / n)
}

/// Quality of the model, before any cost.
pub(super) struct Scored {
    /// None where a language model has no baseline.
    pub record: Option<QualityRecord>,
    pub bits: Option<f64>,
    pub q_ref: Option<f64>,
    pub q_genesis: Option<f64>,
    pub state: Option<SuiteState>,
}

/// Scores the model against its references.
pub(super) fn score(measurement: &Measurement, rules: Rules<'_>) -> Result<Scored, ReportError> {
    let suite = rules.suite;
    if suite.metric == Metric::BitsPerByte && suite.baseline.is_none() {
        let none = Scored { record: None, bits: None, q_ref: None, q_genesis: None, state: None };
        return Ok(none);
    }
    let model = signed(rules, &measurement.model);
    let known = model.as_ref().map_or((0.0, 0.0), |model| (model.q, model.se));
    let finite = measurement.model.finite && model.is_some();
    let shrunk = model.as_ref().and_then(|model| model.shrunk);
    let Some(reference) = &measurement.reference else {
        let above_chance = finite && is_above_chance(known.0, known.1);
        let (signed_bits, se) = known;
        let record = QualityRecord { shrunk, signed_bits, se, above_chance, se_difference: None };
        let bits = if above_chance { signed_bits } else { 0.0 };
        return Ok(Scored {
            record: Some(record),
            bits: Some(bits),
            q_ref: None,
            q_genesis: None,
            state: None,
        });
    };
    let members = References::of(rules, reference, &measurement.panel);
    let same = measurement.panel.is_empty() && is_same(&measurement.model, reference);
    // One model has no difference to itself, whatever two runs gave.
    let q = if same { members.q } else { known.0 };
    let se = known.1;
    let se_difference = match (&model, same) {
        (_, true) | (None, _) => 0.0,
        (Some(model), false) => {
            members.se_difference(rules, &measurement.model, reference, model)?
        }
    };
    let q_genesis = suite.reference.as_ref().and_then(|r| r.q_genesis).unwrap_or(members.q);
    let outcome = quality(&[TaskQuality { weight: 1.0, q, se, q_ref: members.q }], q_genesis);
    let above_chance = finite && outcome.is_some_and(|quality| quality.above_chance);
    let bits = outcome.map_or(0.0, |quality| quality.bits);
    let record = QualityRecord {
        shrunk,
        signed_bits: q,
        se,
        above_chance,
        se_difference: Some(se_difference),
    };
    Ok(Scored {
        record: Some(record),
        bits: Some(if above_chance { bits } else { 0.0 }),
        q_ref: Some(members.q),
        q_genesis: Some(q_genesis),
        state: Some(suite_state(members.q, model.and_then(|model| model.share))),
    })
}

fn is_same(model: &SubjectMeasurement, reference: &SubjectMeasurement) -> bool {
    (model.checkpoint, model.graph) == (reference.checkpoint, reference.graph)
}

/// The reference and its panel as one: the mean of their qualities (EVALUATION 5.3).
struct References {
    q: f64,
    members: Vec<Option<Signed>>,
}

impl References {
    fn of(rules: Rules<'_>, first: &SubjectMeasurement, panel: &[SubjectMeasurement]) -> Self {
        // One without finite outputs has no quality, and so pulls the mean out of range.
        let member =
            |subject: &SubjectMeasurement| signed(rules, subject).filter(|_| subject.finite);
        let members: Vec<_> = std::iter::once(first).chain(panel).map(member).collect();
        let sum: f64 = members.iter().map(|m| m.as_ref().map_or(0.0, |m| m.q)).sum();
        Self { q: sum / members.len() as f64, members }
    }

    /// Standard error of model minus the mean of the references on the same items, bits.
    fn se_difference(
        &self,
        rules: Rules<'_>,
        measured: &SubjectMeasurement,
        reference: &SubjectMeasurement,
        model: &Signed,
    ) -> Result<f64, ReportError> {
        let Suite { task, metric, .. } = *rules.suite;
        let right = |subject| outcomes(task, metric, subject);
        if let ([Some(first)], Some(x), Some(y)) =
            (&self.members[..], right(measured), right(reference))
            && let (Some(a), Some(b)) = (model.shrunk, first.shrunk)
        {
            let counts = PairCounts::of(x, y).unwrap_or_default();
            return Ok(libm::sqrt(difference_variance(counts, [1.0; 2], [a, b]).max(0.0)));
        }
        let mut mean = vec![0.0; model.influence.len()];
        for member in self.members.iter().flatten() {
            if member.influence.len() != mean.len() {
                let reason = format!(
                    "{} items of a reference, {} of the model",
                    member.influence.len(),
                    mean.len()
                );
                return ReportError::inconsistent("reference.answers", reason);
            }
            for (sum, value) in mean.iter_mut().zip(&member.influence) {
                *sum += value / self.members.len() as f64;
            }
        }
        let variance = paired_variance(&model.influence, &mean, [1.0; 2]);
        Ok(libm::sqrt(variance.unwrap_or(0.0)))
    }
}
