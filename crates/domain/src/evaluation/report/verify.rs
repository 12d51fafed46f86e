//! Whether a report says what its samples say.

use serde_json::Value;

use super::{Report, ReportContext, ReportError};
use crate::{digest::Digest, evaluation::measurement::Measurement, suite::Suite};

/// What a verifier knows of the suite from the cases themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuiteFacts {
    /// [`Suite::digest`] of the files.
    pub digest: Digest,
    /// Items of each class.
    pub label_counts: Vec<u64>,
}

/// Why a report does not hold.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum VerifyError {
    /// Nothing can be derived from the samples.
    #[error(transparent)]
    Derive(#[from] ReportError),
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
