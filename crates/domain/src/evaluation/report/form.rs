//! The parts of a report.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::scoring::{is_share, outcomes};
use crate::{
    checkpoint::ShardFile,
    digest::Digest,
    evaluation::{
        cost::{CostErrors, CostRatios},
        measurement::{Protocol, SubjectMeasurement},
        quality::SuiteState,
    },
    suite::{Metric, Suite, Task},
};

/// Integers as decimal strings, since JSON numbers are doubles.
pub(in crate::evaluation) mod decimal {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(in crate::evaluation) fn serialize<S: Serializer>(
        value: &u64,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(in crate::evaluation) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<u64, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// The same for prices that may be absent.
pub(super) mod decimal_option {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    pub(in super::super) fn serialize<S: Serializer>(
        value: &Option<i64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.map(|value| value.to_string()).serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<i64>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse()).transpose().map_err(de::Error::custom)
    }
}

/// A model in a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// What it is called; no identity.
    pub name: String,
    /// Digest of the safetensors file; of a checkpoint in shards, that of the set, which covers index and shards.
    pub digest: Digest,
    /// Its shards by name; empty for a checkpoint of one file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<ShardFile>,
    /// Digest of the graph as it was received.
    pub graph: Digest,
    /// Items that it got right, by the metric of quality; null where that counts none.
    pub correct: Option<u64>,
    /// Whether every output was a finite number.
    pub finite: bool,
    /// SHA-256 of all outputs.
    pub outputs: Digest,
    /// SHA-256 of all decisions.
    pub decisions: Digest,
    /// Largest resident bytes of a child with this session alone.
    pub peak_bytes: Option<u64>,
}

impl Subject {
    pub(super) fn of(name: &str, suite: &Suite, measured: &SubjectMeasurement) -> Self {
        let ones = |right: &str| right.bytes().filter(|byte| *byte == b'1').count() as u64;
        let tokens = || measured.answers.documents.iter().map(|document| document.right).sum();
        let correct = match outcomes(suite.task, suite.metric, measured) {
            Some(right) => Some(ones(right)),
            None => is_share(suite.metric).then(tokens),
        };
        Self {
            name: name.to_owned(),
            digest: measured.checkpoint,
            shards: measured.shards.clone(),
            graph: measured.graph,
            correct,
            finite: measured.finite,
            outputs: measured.outputs,
            decisions: measured.decisions,
            peak_bytes: measured.peak_bytes,
        }
    }
}

/// The suite of a report, as far as price depends on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuiteRecord {
    /// Suite family.
    pub id: String,
    /// Its version.
    pub version: u32,
    /// Which re-draw.
    pub epoch: u32,
    /// Digest of the suite's files: equal ones have the same items.
    pub digest: Digest,
    /// What the cases ask for.
    pub task: Task,
    /// The metric that quality is computed from.
    pub metric: Metric,
    /// Cases.
    pub items: u64,
    /// The share that a blind answer gets right, as used: the suite's `chance` or the majority share, whichever is more; null where
    /// neither metric nor suite has one.
    pub chance: Option<f64>,
    /// Bits per byte of the best trivial model; absent where the suite has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<f64>,
    /// Further metrics that are reported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub report: Vec<Metric>,
    /// Items of each right answer; empty where quality follows from no share.
    pub label_counts: Vec<u64>,
    /// t0 of the time ratios.
    pub overhead_ms: f64,
    /// Mean quality of the references on these items, bits; none without a reference.
    pub q_ref: Option<f64>,
    /// Quality that the references had where the price track began.
    pub q_genesis: Option<f64>,
    /// Whether the suite can price this model; none without a reference.
    pub state: Option<SuiteState>,
}

/// A metric with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricValue {
    /// The value.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Items.
    pub n: u64,
}

/// How one output compares with the expected one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedMatch {
    /// Largest absolute difference.
    pub max_abs_error: f64,
    /// Whether every difference is within the suite's tolerances.
    pub within_tolerance: bool,
}

/// How quality came about (EVALUATION 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QualityRecord {
    /// Shrunk share of the model; null where quality follows from no share.
    pub shrunk: Option<f64>,
    /// Signed quality above the baseline, before cap and anchor.
    pub signed_bits: f64,
    /// Standard error of it, for the chance test.
    pub se: f64,
    /// Outcome of the chance test; false where an output was no finite number.
    pub above_chance: bool,
    /// Standard error of model minus reference on the same items: what enters the price's error. None without a reference.
    pub se_difference: Option<f64>,
}

/// What was timed, in milliseconds, over all rounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeRecord {
    /// Single-item runs of the model.
    pub model: Latencies,
    /// Single-item runs of the reference.
    pub reference: Option<Latencies>,
    /// Offline time for an item of the model: the median batch.
    pub model_offline_ms: f64,
    /// The same of the reference.
    pub reference_offline_ms: Option<f64>,
}

/// Percentiles of single-item runs, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latencies {
    /// Median.
    pub p50: Quantile,
    /// 90th percentile, the one that is priced.
    pub p90: Quantile,
    /// 95th percentile.
    pub p95: Quantile,
    /// 99th percentile.
    pub p99: Quantile,
}

/// A percentile with its 95 % order-statistic interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantile {
    /// The sample at its rank.
    pub ms: f64,
    /// Lower end; none with too few samples.
    pub low: Option<f64>,
    /// Upper end; none with too few samples.
    pub high: Option<f64>,
}

/// Cost ratios to the reference and what they rest on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CostRecord {
    /// Ratios, geometric means over rounds.
    pub ratios: CostRatios,
    /// Standard errors of their logarithms.
    pub se_ln: CostErrors,
    /// Each round, for pooling with later runs of the same version.
    pub rounds: Vec<CostRound>,
    /// Rounds that count for nothing, each with its reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<String>,
    /// ln of the memory ratio of each pair of children; empty where there was one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ln_memory: Vec<f64>,
    /// ln of the energy ratio of each pair of blocks; empty where energy is not measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ln_energy: Vec<f64>,
    /// Items of an offline batch of model and reference, where a sweep chose them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_items: Option<[u32; 2]>,
    /// The A/A control.
    pub control: Control,
}

/// Logarithms of one round's ratios, t0 included.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CostRound {
    /// ln of the offline time ratio.
    pub ln_time: f64,
    /// ln of the single-stream p90 ratio.
    pub ln_latency: f64,
    /// Median over triples of ln control/reference.
    pub ln_control: f64,
}

/// The A/A control over rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// Mean of the rounds' logarithms.
    pub ln_mean: f64,
    /// Lower end of the 99 % t-interval.
    pub ln_low: f64,
    /// Upper end.
    pub ln_high: f64,
}

/// Why a report has no price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoPrice {
    /// There was nothing to compare with.
    NoReference,
    /// The references' quality on the suite is outside 1 to 6 bits.
    ReferenceOutOfRange,
    /// The model's accuracy is above 98 %.
    Saturated,
    /// A language model without the suite's `baseline`.
    NoBaseline,
    /// The run is void; see `void_reasons`.
    Void,
}

impl NoPrice {
    /// The word that stands for it in files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoReference => "no_reference",
            Self::ReferenceOutOfRange => "reference_out_of_range",
            Self::Saturated => "saturated",
            Self::NoBaseline => "no_baseline",
            Self::Void => "void",
        }
    }
}

impl std::fmt::Display for NoPrice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The inference runtime, and which providers ran the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuntimeRecord {
    /// Version of ONNX Runtime.
    pub onnxruntime: String,
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// Whether weights were prepacked in the timed sessions.
    pub prepacking: bool,
    /// Graph nodes of the model by the execution provider that ran them.
    pub providers: BTreeMap<String, u64>,
}

/// The measuring plan, its seed as a decimal string.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProtocolRecord {
    /// `quick` or `full`.
    pub name: String,
    /// Rounds; the fewest, where `rounds_max` is given.
    pub rounds: u32,
    /// Rounds go on until the ratios are precise, at most so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounds_max: Option<u32>,
    /// Single-stream triples in a round, at most.
    pub pairs: u32,
    /// Timed offline batches in a round, at most.
    pub offline_batches: u32,
    /// Items in an offline batch, unless a sweep found a better size.
    pub offline_batch_items: u32,
    /// Batch sizes that were tried before the rounds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sweep: Vec<u32>,
    /// Children a side that tell peak memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_children: Option<u32>,
    /// Pairs of blocks in which energy is measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_pairs: Option<u32>,
    /// Threads of one operator.
    pub threads: u32,
    /// Seed of every random order.
    #[serde(with = "decimal")]
    pub seed: u64,
}

impl From<&Protocol> for ProtocolRecord {
    fn from(protocol: &Protocol) -> Self {
        Self {
            name: protocol.name.clone(),
            rounds: protocol.rounds,
            rounds_max: protocol.rounds_max,
            pairs: protocol.pairs,
            offline_batches: protocol.offline_batches,
            offline_batch_items: protocol.offline_batch_items,
            sweep: protocol.sweep.clone(),
            memory_children: protocol.memory_children,
            energy_pairs: protocol.energy_pairs,
            threads: protocol.threads,
            seed: protocol.seed,
        }
    }
}
