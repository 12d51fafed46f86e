//! Suites: versioned sets of cases and the metric that scores them; the form of `suite.toml`.
//!
//! [`Suite::parse`] reads everything that the form allows, and all of it is measured.

mod check;
mod form;

use std::collections::BTreeMap;

pub use form::{
    BatchAxis, Cost, Expected, InputRule, Labels, Metric, Output, Pool, Reference, Task,
};
use serde::Deserialize;

use crate::{canonical, digest::Digest};

/// A suite, as its `suite.toml` describes it; valid once parsed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// Name of the suite family: `[a-z0-9-]{1,64}`. Prices of one family are comparable.
    pub id: String,
    /// Version of the suite, from 1.
    pub version: u32,
    /// What the cases ask for.
    pub task: Task,
    /// The one metric that quality is computed from.
    pub metric: Metric,
    /// Further metrics to report.
    #[serde(default)]
    pub report: Vec<Metric>,
    /// Value of the metric for the best answer that ignores the input; wanted by the odds rule, `f1_macro` and `r2`.
    pub chance: Option<f64>,
    /// Bits per byte of the best trivial model on these items; for language models.
    pub baseline: Option<f64>,
    /// Counts re-draws of one suite; prices pool over epochs.
    #[serde(default = "one")]
    pub epoch: u32,
    /// Cases; every batched tensor has this length on its batch axis.
    pub items: u64,
    /// Licence of the cases.
    pub licence: String,
    /// Where the cases come from.
    pub source: String,
    /// Rules of graph inputs that are not simply batched along axis 0.
    #[serde(default)]
    pub input: BTreeMap<String, InputRule>,
    /// What the metrics read.
    pub output: Output,
    /// Names of label tensors.
    #[serde(default)]
    pub labels: Labels,
    /// The frozen reference model; without it there are metrics and no price.
    pub reference: Option<Reference>,
    /// Parameters of the cost index.
    #[serde(default)]
    pub cost: Cost,
    /// How outputs are compared with expected ones.
    pub expected: Option<Expected>,
}

fn one() -> u32 {
    1
}

/// Why a text is no suite.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SuiteError {
    /// No TOML, an unknown key, or a value of the wrong type.
    #[error("suite.toml, line {line}: {reason}")]
    Form {
        /// Counts from 1.
        line: usize,
        /// What is wrong there; names the key.
        reason: String,
    },
    /// A value that is not allowed.
    #[error("suite.toml, {field}: {reason}")]
    Field {
        /// The key, as `table.key`.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Suite {
    /// Reads and checks `suite.toml`.
    ///
    /// # Errors
    /// [`SuiteError::Form`] names the line and an unknown key, [`SuiteError::Field`] the key and the rule it breaks.
    pub fn parse(text: &str) -> Result<Self, SuiteError> {
        let suite: Self = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let before = text.bytes().take(start);
            SuiteError::Form {
                line: 1 + before.filter(|byte| *byte == b'\n').count(),
                reason: error.message().to_owned(),
            }
        })?;
        check::check(&suite)?;
        Ok(suite)
    }

    /// Names of the graph inputs that are given whole with every call.
    pub fn whole_inputs(&self) -> impl Iterator<Item = &str> {
        let whole = self.input.iter().filter(|(_, rule)| rule.batch_axis == BatchAxis::None);
        whole.map(|(name, _)| name.as_str())
    }

    /// The identity of a suite folder: the digest over the sorted list of its files, as (path in the folder, digest).
    ///
    /// The order of `files` does not matter.
    #[must_use]
    pub fn digest(files: &[(&str, Digest)]) -> Digest {
        let files: BTreeMap<&str, String> =
            files.iter().map(|(path, digest)| (*path, digest.to_string())).collect();
        // Two texts a file, so that nothing here can fail to be JSON.
        let listed: Vec<(&str, &str)> = files.iter().map(|(p, d)| (*p, d.as_str())).collect();
        let bytes = canonical::to_vec(&listed).unwrap_or_default();
        Digest::of(&bytes)
    }
}
