//! The evaluation report: the immutable outcome of a run, derived from its measurement (EVALUATION 4, SUITE "The report").

mod derive;
mod form;
mod items;
mod rounds;
mod scoring;
mod timing;
mod verify;
mod void;

use std::collections::BTreeMap;

pub use derive::{ReportContext, ReportError};
pub(super) use form::decimal;
pub use form::{
    Control, CostRecord, CostRound, ExpectedMatch, Latencies, MetricValue, NoPrice, ProtocolRecord,
    QualityRecord, Quantile, RuntimeRecord, Subject, SuiteRecord, TimeRecord,
};
pub use items::ItemPrice;
pub use rounds::wants_round;
pub(super) use scoring::paired_variance;
pub use scoring::{influence, outcomes};
use serde::{Deserialize, Serialize};
pub use timing::fastest;
pub(super) use timing::{CostSamples, ratios_of};
pub(crate) use verify::recorded_suite;
pub use verify::{SuiteFacts, VerifyError, read_blob, verify, verify_blob, verify_price};

use super::measurement::Machine;
use crate::{
    canonical::{self, CanonicalError},
    digest::Digest,
};

/// An evaluation report.
///
/// Every number in it follows from the sample blob and the suite; [`verify`] derives them again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Version of this form: 1.
    pub report_version: u32,
    /// The model that was measured.
    pub model: Subject,
    /// The frozen reference that was timed beside it; none without a reference.
    pub reference: Option<Subject>,
    /// Further references whose mean quality anchors.
    pub panel: Vec<Subject>,
    /// The suite.
    pub suite: SuiteRecord,
    /// Metrics by name.
    pub metrics: BTreeMap<String, MetricValue>,
    /// How outputs compare with the suite's expected ones, by output.
    pub expected: BTreeMap<String, ExpectedMatch>,
    /// How quality came about; null for a language model without a baseline.
    pub quality: Option<QualityRecord>,
    /// Anchored quality in bits; without a reference the signed mean after the chance test. Null where there is none.
    pub quality_bits: Option<f64>,
    /// What was timed; none without rounds.
    pub times: Option<TimeRecord>,
    /// Cost ratios to the reference; none where they were not measured or are void.
    pub cost: Option<CostRecord>,
    /// The value at which the cost index was held instead of being measured; none in every report that counts.
    pub cost_held: Option<f64>,
    /// The cost index.
    pub cost_index: Option<f64>,
    /// The price in micro-credits, as a decimal string.
    #[serde(with = "form::decimal_option")]
    pub price_micro: Option<i64>,
    /// Standard error of ln price.
    pub sigma_ln_price: Option<f64>,
    /// Its part from the items.
    pub sigma_items: Option<f64>,
    /// Its part from the times.
    pub sigma_cost: Option<f64>,
    /// Why there is no price; none where there is one.
    pub no_price: Option<NoPrice>,
    /// Why the run is void: sentences; empty in a run that counts.
    pub void_reasons: Vec<String>,
    /// The inference runtime.
    pub runtime: RuntimeRecord,
    /// The machine.
    pub machine: Machine,
    /// The measuring plan.
    pub protocol: ProtocolRecord,
    /// Digest of the sample blob.
    pub samples: Digest,
    /// Who measured.
    pub evaluator: String,
}

impl Report {
    /// The version of the form that this program writes.
    pub const VERSION: u32 = 1;

    /// The report as canonical JSON: the bytes that are stored and hashed.
    ///
    /// # Errors
    /// [`CanonicalError`] if a number is none of JSON, which a derived report never has.
    pub fn to_canonical(&self) -> Result<String, CanonicalError> {
        canonical::to_string(self)
    }

    /// The digest of the canonical JSON: the report's identity.
    ///
    /// # Errors
    /// As [`Self::to_canonical`].
    pub fn digest(&self) -> Result<Digest, CanonicalError> {
        canonical::digest_of(self)
    }

    /// Whether the run counts for nothing.
    #[must_use]
    pub fn is_void(&self) -> bool {
        !self.void_reasons.is_empty()
    }
}
