//! Whether a report says what its samples say.

use serde_json::Value;

use super::{Report, ReportContext, ReportError};
use crate::{
    digest::Digest,
    evaluation::{measurement::Measurement, samples},
    suite::{Cost, Labels, Output, Pool, Reference, Suite},
};

/// What a verifier knows of the suite from the cases themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuiteFacts {
    /// [`Suite::digest`] of the files.
    pub digest: Digest,
    /// Items of each right answer.
    pub label_counts: Vec<u64>,
}

/// Why a report does not hold.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum VerifyError {
    /// Nothing can be derived from the samples.
    #[error(transparent)]
    Derive(#[from] ReportError),
    /// A report of another form.
    #[error("report_version: {found}; this program reads version {known}")]
    Version {
        /// What the report says.
        found: u32,
        /// What this program reads.
        known: u32,
    },
    /// Other samples than those that the report names.
    #[error("samples: the blob has digest {found}, the report names {named}")]
    OtherSamples {
        /// What the report says.
        named: Digest,
        /// What the blob hashes to.
        found: Digest,
    },
    /// The blob is no measurement.
    #[error("samples: {reason}")]
    NoSamples {
        /// What is wrong with it.
        reason: String,
    },
    /// The report says something else than its samples.
    #[error("{field}: the report says {reported}, its samples say {derived}")]
    Difference {
        /// Path of the first field that differs, such as `metrics.accuracy.value`.
        field: String,
        /// JSON of the report there.
        reported: String,
        /// JSON of what follows from the samples.
        derived: String,
    },
}

/// Derives the report again from its sample blob alone, without a database, and compares every field, bit for bit.
///
/// The suite's rules are those that the report records; [`verify`] with the suite itself checks them too.
///
/// # Errors
/// [`VerifyError::OtherSamples`] where the report names another blob; [`VerifyError::Difference`] names the first field that differs.
pub fn verify_blob(report: &Report, blob: &[u8]) -> Result<(), VerifyError> {
    let measurement = read_blob(report, blob)?;
    verify(report, &measurement, &recorded_suite(report), None)
}

/// The measurement in a blob, if it is the blob that the report names.
///
/// # Errors
/// [`VerifyError::Version`], [`VerifyError::OtherSamples`], [`VerifyError::NoSamples`].
pub fn read_blob(report: &Report, blob: &[u8]) -> Result<Measurement, VerifyError> {
    if report.report_version != Report::VERSION {
        let (found, known) = (report.report_version, Report::VERSION);
        return Err(VerifyError::Version { found, known });
    }
    let found = Digest::of(blob);
    if found != report.samples {
        return Err(VerifyError::OtherSamples { named: report.samples, found });
    }
    samples::from_blob(blob).map_err(|e| VerifyError::NoSamples { reason: e.to_string() })
}

/// The suite as far as a report records it: all that its numbers depend on.
fn recorded_suite(report: &Report) -> Suite {
    let record = &report.suite;
    let reference = report.reference.as_ref().map(|reference| Reference {
        digest: reference.digest,
        panel: report.panel.iter().map(|subject| subject.digest).collect(),
        q_genesis: record.q_genesis,
    });
    Suite {
        id: record.id.clone(),
        version: record.version,
        task: record.task,
        metric: record.metric,
        report: record.report.clone(),
        chance: record.chance,
        baseline: record.baseline,
        epoch: record.epoch,
        items: record.items,
        licence: String::new(),
        source: String::new(),
        input: std::collections::BTreeMap::new(),
        output: Output {
            name: String::new(),
            column: None,
            pool: Pool::None,
            mask: None,
            normalize: false,
        },
        labels: Labels::default(),
        reference,
        cost: Cost { overhead_ms: record.overhead_ms },
        expected: None,
    }
}

/// Derives the report again and compares every field, bit for bit.
///
/// `facts` come from the suite's files; without them the report's own word is taken for the digest of the suite and its label counts.
/// The names of model, reference and evaluator are nothing that samples could contradict.
///
/// # Errors
/// [`VerifyError::Difference`] names the first field that differs.
pub fn verify(
    report: &Report,
    measurement: &Measurement,
    suite: &Suite,
    facts: Option<&SuiteFacts>,
) -> Result<(), VerifyError> {
    let reference = report.reference.as_ref().map_or("", |reference| &reference.name);
    let context = ReportContext {
        suite,
        suite_digest: facts.map_or(report.suite.digest, |facts| facts.digest),
        label_counts: facts.map_or(&report.suite.label_counts, |facts| &facts.label_counts),
        model: &report.model.name,
        reference,
        evaluator: &report.evaluator,
        cost_held: report.cost_held,
    };
    let derived = Report::derive(measurement, &context)?;
    if *report == derived {
        return Ok(());
    }
    let json = |report: &Report| serde_json::to_value(report).unwrap_or_default();
    let (reported, derived) = (json(report), json(&derived));
    let (field, reported, derived) = first_difference("", &reported, &derived)
        // Unequal structures of equal JSON: a NaN, which JSON writes as null.
        .unwrap_or_else(|| {
            ("report".to_owned(), "a number that is none".to_owned(), String::new())
        });
    Err(VerifyError::Difference { field, reported, derived })
}

fn first_difference(path: &str, left: &Value, right: &Value) -> Option<(String, String, String)> {
    let join = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (left, right) {
        (Value::Object(a), Value::Object(b)) => {
            let keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
            keys.into_iter().find_map(|key| {
                let side = |object: &serde_json::Map<String, Value>| {
                    object.get(key).cloned().unwrap_or_default()
                };
                first_difference(&join(key), &side(a), &side(b))
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .find_map(|(index, (x, y))| first_difference(&format!("{path}[{index}]"), x, y)),
        _ if left == right => None,
        _ => Some((path.to_owned(), left.to_string(), right.to_string())),
    }
}
