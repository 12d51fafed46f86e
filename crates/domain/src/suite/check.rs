//! Rules of a suite beyond the form of single values.

use super::{BatchAxis, Metric, Pool, Suite, SuiteError, Task};
use crate::evaluation::PARAMS;

/// Most cases of a suite.
const ITEMS_MAX: u64 = 10_000_000;
/// Most references beside the first.
const PANEL_MAX: usize = 63;

fn fail<T>(field: impl Into<String>, reason: impl Into<String>) -> Result<T, SuiteError> {
    Err(SuiteError::Field { field: field.into(), reason: reason.into() })
}

fn wanted<T>(value: Option<&T>, field: &str, by: impl std::fmt::Display) -> Result<(), SuiteError> {
    if value.is_some() { Ok(()) } else { fail(field, format!("is missing; {by} needs it")) }
}

fn between(value: f64, field: &str, from: f64, to: f64) -> Result<(), SuiteError> {
    if value >= from && value <= to {
        Ok(())
    } else {
        fail(field, format!("{value} is not between {from} and {to}"))
    }
}

/// Holds a suite to its form.
pub(super) fn check(suite: &Suite) -> Result<(), SuiteError> {
    let letter = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    if !(1..=64).contains(&suite.id.len()) || !suite.id.bytes().all(letter) {
        return fail("id", format!("{:?} is not 1 to 64 of a-z 0-9 -", suite.id));
    }
    for (field, value) in [("version", suite.version), ("epoch", suite.epoch)] {
        if value == 0 {
            return fail(field, "0 is not allowed; it counts from 1");
        }
    }
    if !(1..=ITEMS_MAX).contains(&suite.items) {
        return fail("items", format!("{} is not between 1 and {ITEMS_MAX}", suite.items));
    }
    for (field, text) in [("licence", &suite.licence), ("source", &suite.source)] {
        if text.trim().is_empty() {
            return fail(field, "is empty");
        }
    }
    check_metrics(suite)?;
    check_labels(suite)?;
    check_output(suite)?;
    check_numbers(suite)
}

/// The metrics that each task knows.
const fn metrics_of(task: Task) -> &'static [Metric] {
    use Metric as M;
    match task {
        Task::Classification => &[M::Accuracy, M::TopK, M::F1Macro, M::Auc],
        Task::Detection => &[M::Auc, M::Accuracy, M::F1Macro],
        Task::Regression => &[M::Mse, M::Mae, M::R2, M::Pearson, M::Spearman],
        Task::LanguageModel => &[M::BitsPerByte, M::Perplexity, M::Accuracy],
        Task::Similarity => &[M::Pearson, M::Spearman],
        Task::Retrieval => &[M::RetrievalAt1],
    }
}

fn check_metrics(suite: &Suite) -> Result<(), SuiteError> {
    let known = metrics_of(suite.task);
    let all = std::iter::once(("metric", suite.metric));
    for (field, metric) in all.chain(suite.report.iter().map(|metric| ("report", *metric))) {
        if !known.contains(&metric) {
            let known: Vec<_> = known.iter().map(|m| m.as_str()).collect();
            let known = known.join(", ");
            return fail(field, format!("{} has no metric {metric}; it has {known}", suite.task));
        }
    }
    if suite.metric == Metric::Perplexity {
        return fail("metric", "perplexity is reported only; bits_per_byte gives quality");
    }
    let repeated = (1..suite.report.len()).find(|k| suite.report[..*k].contains(&suite.report[*k]));
    if let Some(k) = repeated {
        return fail("report", format!("{} stands there twice", suite.report[k]));
    }
    Ok(())
}

fn check_numbers(suite: &Suite) -> Result<(), SuiteError> {
    use Metric as M;
    if let M::Accuracy | M::TopK | M::RetrievalAt1 | M::F1Macro | M::R2 = suite.metric {
        wanted(suite.chance.as_ref(), "chance", suite.metric)?;
    }
    if let Some(chance) = suite.chance {
        let odds = matches!(suite.metric, M::Accuracy | M::TopK | M::RetrievalAt1);
        if odds && !(chance > 0.0 && chance < 1.0) {
            return fail("chance", format!("{chance} is not above 0 and below 1"));
        }
        if !odds && !(0.0..1.0).contains(&chance) {
            return fail("chance", format!("{chance} is not from 0 to below 1"));
        }
    }
    if let Some(baseline) = suite.baseline {
        if suite.task != Task::LanguageModel {
            return fail("baseline", format!("is of a language model; the task is {}", suite.task));
        }
        between(baseline, "baseline", 1e-3, 64.0)?;
    }
    if let Some(reference) = &suite.reference {
        if reference.panel.len() > PANEL_MAX {
            let count = reference.panel.len();
            return fail("reference.panel", format!("{count} references; at most {PANEL_MAX}"));
        }
        if let Some(q_genesis) = reference.q_genesis {
            between(q_genesis, "reference.q_genesis", PARAMS.q_ref_min, PARAMS.q_ref_max)?;
        }
    }
    between(suite.cost.overhead_ms, "cost.overhead_ms", 0.0, 60_000.0)?;
    if let Some(expected) = &suite.expected {
        between(expected.atol, "expected.atol", 0.0, f64::MAX)?;
        between(expected.rtol, "expected.rtol", 0.0, f64::MAX)?;
    }
    let by_threshold = [M::Accuracy, M::F1Macro];
    let yes_or_no = |metric: &M| by_threshold.contains(metric);
    if suite.task == Task::Detection
        && (yes_or_no(&suite.metric) || suite.report.iter().any(yes_or_no))
    {
        wanted(suite.labels.threshold.as_ref(), "labels.threshold", "a share of right answers")?;
    }
    if let Some(threshold) = suite.labels.threshold {
        between(threshold, "labels.threshold", f64::MIN, f64::MAX)?;
    }
    Ok(())
}

fn check_labels(suite: &Suite) -> Result<(), SuiteError> {
    let (labels, task) = (&suite.labels, suite.task);
    match task {
        Task::Classification | Task::Detection | Task::Regression => {
            wanted(labels.target.as_ref(), "labels.target", task)?;
        }
        Task::LanguageModel => {
            wanted(labels.target.as_ref(), "labels.target", task)?;
            wanted(labels.documents.as_ref(), "labels.documents", task)?;
            wanted(labels.utf8_bytes.as_ref(), "labels.utf8_bytes", task)?;
        }
        Task::Similarity => {
            wanted(labels.pairs.as_ref(), "labels.pairs", task)?;
            wanted(labels.score.as_ref(), "labels.score", task)?;
        }
        Task::Retrieval => {
            wanted(labels.nearest.as_ref(), "labels.nearest", task)?;
            wanted(labels.queries.as_ref(), "labels.queries", task)?;
        }
    }
    match labels.queries {
        Some([0, to]) if to == suite.items => fail(
            "labels.queries",
            format!("[0, {to}] covers all rows; nothing is left to be found"),
        ),
        Some([from, to]) if from >= to || to > suite.items => {
            let items = suite.items;
            fail("labels.queries", format!("[{from}, {to}] is no half-open range of {items} rows"))
        }
        _ => Ok(()),
    }
}

fn check_output(suite: &Suite) -> Result<(), SuiteError> {
    if suite.output.name.is_empty() {
        return fail("output.name", "is empty");
    }
    if suite.output.pool == Pool::MaskedMean {
        wanted(suite.output.mask.as_ref(), "output.mask", Pool::MaskedMean)?;
    }
    for (name, rule) in &suite.input {
        if rule.carried_from.is_some() && rule.batch_axis == BatchAxis::None {
            return fail(format!("input.{name}"), "is given whole and carried at once");
        }
    }
    Ok(())
}
