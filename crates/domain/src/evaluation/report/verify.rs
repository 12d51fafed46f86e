//! Whether a report says what its samples say.

use super::{
    CostRecord, CostSamples, Report, ReportContext, ReportError, derive::Priced, ratios_of,
};
use crate::{
    canonical::first_difference,
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

/// Checks the price against the report's own fields alone: cost ratios from their rounds, the cost index from the ratios, price and
/// errors from quality and cost index.
///
/// It is what can be checked without the samples; quality and rounds are the report's word.
///
/// # Errors
/// [`VerifyError::Version`]; [`VerifyError::Difference`] names the first field that differs.
pub fn verify_price(report: &Report) -> Result<(), VerifyError> {
    if report.report_version != Report::VERSION {
        let (found, known) = (report.report_version, Report::VERSION);
        return Err(VerifyError::Version { found, known });
    }
    let mut derived = report.clone();
    if let Some(cost) = &mut derived.cost {
        rederive(cost);
    }
    let se = report.quality.and_then(|quality| quality.se_difference);
    let quality = (report.suite.q_genesis, se, report.quality_bits);
    let priced = Priced::of(quality, derived.cost.as_ref(), report.cost_held, report.no_price);
    derived.cost_index = priced.cost_index;
    derived.price_micro = priced.price_micro;
    derived.sigma_ln_price = priced.sigma.map(|sigma| sigma.sigma);
    derived.sigma_items = priced.sigma.map(|sigma| sigma.items);
    derived.sigma_cost = priced.sigma.map(|sigma| sigma.cost);
    compare(report, &derived)
}

/// Ratios and their errors from the replicates that the record keeps; memory is kept only where there were several children.
fn rederive(cost: &mut CostRecord) {
    let memory = [libm::log(cost.ratios.memory)];
    let one_memory = cost.ln_memory.is_empty();
    let samples = CostSamples {
        rounds: &cost.rounds,
        ln_memory: if one_memory { &memory } else { &cost.ln_memory },
        ln_energy: &cost.ln_energy,
    };
    let Some((mut ratios, mut errors)) = ratios_of(samples) else { return };
    if one_memory {
        ratios.memory = cost.ratios.memory;
        errors.memory = cost.se_ln.memory;
    }
    (cost.ratios, cost.se_ln) = (ratios, errors);
}

/// The suite as far as a report records it: all that its numbers depend on.
pub(crate) fn recorded_suite(report: &Report) -> Suite {
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
    compare(report, &Report::derive(measurement, &context)?)
}

fn compare(report: &Report, derived: &Report) -> Result<(), VerifyError> {
    if report == derived {
        return Ok(());
    }
    let json = |report: &Report| serde_json::to_value(report).unwrap_or_default();
    let (reported, derived) = (json(report), json(derived));
    let (field, reported, derived) = first_difference("", &reported, &derived)
        // Unequal structures of equal JSON: a NaN, which JSON writes as null.
        .unwrap_or_else(|| {
            ("report".to_owned(), "a number that is none".to_owned(), String::new())
        });
    Err(VerifyError::Difference { field, reported, derived })
}
