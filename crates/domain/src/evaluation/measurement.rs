//! What an evaluator measured: raw facts, from which every number of a report is derived.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{answers::Answers, report::ExpectedMatch};
use crate::{checkpoint::ShardFile, digest::Digest};

/// Everything that one evaluation run measured, before any derivation.
///
/// Its canonical JSON is the sample blob of a report: with the suite and it, anybody recomputes the price.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measurement {
    /// The protocol that was run.
    pub protocol: Protocol,
    /// The model that is priced.
    pub model: SubjectMeasurement,
    /// The frozen reference, measured in the same rounds; none without a reference.
    pub reference: Option<SubjectMeasurement>,
    /// Further references, whose mean quality anchors; they are not timed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub panel: Vec<SubjectMeasurement>,
    /// How fast each side is in batches of several sizes; none where the plan fixes the size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<Sweep>,
    /// Energy of alternating blocks of both sides; empty where it is not measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub energy: Vec<EnergyPair>,
    /// One entry for every fresh child process in which times were taken.
    pub rounds: Vec<RoundMeasurement>,
    /// The inference runtime.
    pub runtime: Runtime,
    /// The machine, as far as the operating system tells.
    pub machine: Machine,
}

/// The measuring plan of EVALUATION 4, with the numbers it was run with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Protocol {
    /// `quick` or `full`.
    pub name: String,
    /// Rounds, each in a fresh child process; the fewest, where `rounds_max` is given.
    pub rounds: u32,
    /// Rounds go on until the ratios are precise, at most so many; none stops at `rounds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounds_max: Option<u32>,
    /// Interleaved single-stream triples (model, reference, control) in a round, at most.
    pub pairs: u32,
    /// Timed offline batches of each side in a round, at most.
    pub offline_batches: u32,
    /// Items in an offline batch, unless a sweep finds a better size; and in the batches of accuracy and memory.
    pub offline_batch_items: u32,
    /// Batch sizes that are tried before the rounds; empty leaves `offline_batch_items`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sweep: Vec<u32>,
    /// Children a side that tell peak memory; none is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_children: Option<u32>,
    /// Pairs of blocks in which energy is measured, where the device counts it; none measures none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_pairs: Option<u32>,
    /// Threads of one operator inside ONNX Runtime.
    pub threads: u32,
    /// Seed of every random order in the run.
    pub seed: u64,
}

/// Times of single batches by size, before the rounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// The model, sizes ascending.
    pub model: Vec<SweepPoint>,
    /// The reference; empty without one.
    pub reference: Vec<SweepPoint>,
}

/// One batch size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepPoint {
    /// Items in a batch.
    pub items: u32,
    /// Nanoseconds of each batch.
    pub times: Vec<u64>,
}

impl SweepPoint {
    /// Nanoseconds for an item: the median batch; none without times.
    #[must_use]
    pub fn item_ns(&self) -> Option<f64> {
        let times: Vec<f64> = self.times.iter().map(|ns| *ns as f64).collect();
        super::statistics::median(&times).map(|median| median / f64::from(self.items))
    }
}

/// Energy of two neighbouring blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnergyPair {
    /// The model.
    pub model: EnergyBlock,
    /// The reference.
    pub reference: EnergyBlock,
}

/// A block of offline batches of one side, back to back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnergyBlock {
    /// Energy that the device counted, in millijoules.
    pub millijoules: u64,
    /// Items that were run.
    pub items: u64,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
}

/// What was measured of one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectMeasurement {
    /// Digest of the safetensors file; of a checkpoint in shards, that of the set, which covers index and shards.
    pub checkpoint: Digest,
    /// Its shards by name; empty for a checkpoint of one file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<ShardFile>,
    /// Digest of the graph as it was received, before binding.
    pub graph: Digest,
    /// Items that were scored.
    pub items: u64,
    /// One character an item, in order: `1` right, `0` wrong. Empty where items are not right or wrong.
    pub right: String,
    /// What other metrics read.
    #[serde(default, skip_serializing_if = "Answers::is_empty")]
    pub answers: Answers,
    /// Whether every output was a finite number; false makes quality 0.
    pub finite: bool,
    /// SHA-256 of all outputs as little-endian bytes: comparable within one runtime version and processor only.
    pub outputs: Digest,
    /// SHA-256 of the u32 little-endian argmax of every item: comparable across machines.
    pub decisions: Digest,
    /// Largest resident bytes of a child with this session alone, the median child; none where the system does not tell.
    pub peak_bytes: Option<u64>,
    /// The same of every child; empty where there was one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peaks: Vec<u64>,
    /// How outputs compare with the suite's expected ones, by output; empty where it expects none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub expected: BTreeMap<String, ExpectedMatch>,
    /// Nodes run, by execution provider, as ONNX Runtime reports it.
    pub providers: BTreeMap<String, u64>,
}

/// Raw times of one round. All times in nanoseconds of the monotonic clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoundMeasurement {
    /// Counts from 0.
    pub number: u32,
    /// Single-item runs; the k-th entry of each side belongs to the k-th triple. Sides that do not exist are empty.
    pub single_stream: Sides,
    /// Whole offline batches, each side in its size; there is no control here.
    pub offline: Sides,
    /// Which of these the scheduler broke into; none where the system does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interrupted: Option<Interrupted>,
    /// One input again and again, model only; none where it was not tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeated: Option<Vec<u64>>,
    /// How far the outputs of timed calls lie from those that were scored; none where they were not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apart: Option<Apart>,
    /// The GPU in this round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<GpuRound>,
}

/// Involuntary context switches of the timing thread: one character a draw, `1` if any side of it was switched out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interrupted {
    /// Of the single-stream triples.
    pub single_stream: String,
    /// Of the offline batches.
    pub offline: String,
}

/// Distance between outputs of timed calls and scored outputs of the same cases: |timed − scored|₂ / |scored|₂, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Apart {
    /// Single-item calls.
    pub single_stream_ppm: u64,
    /// An offline batch.
    pub offline_ppm: u64,
}

/// What the driver says of a GPU during one round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GpuRound {
    /// While the model ran offline batches.
    pub model: GpuState,
    /// While the reference did.
    pub reference: Option<GpuState>,
    /// Memory errors that could not be corrected, counted during the round.
    pub ecc_errors: Option<u64>,
}

/// Times of the three sessions of a round, in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sides {
    /// The model.
    pub model: Vec<u64>,
    /// The frozen reference.
    pub reference: Vec<u64>,
    /// A second session of the reference: the A/A control.
    pub control: Vec<u64>,
}

/// The inference runtime of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runtime {
    /// Version of ONNX Runtime.
    pub onnxruntime: String,
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// Whether weights were prepacked in the timed sessions.
    pub prepacking: bool,
}

/// The machine of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Processor model.
    pub processor: String,
    /// Logical processors.
    pub processors: u32,
    /// Kernel release.
    pub kernel: String,
    /// Load average over one minute before and after, in thousandths.
    pub load_milli: [u64; 2],
    /// The GPU that ran the model; none on the processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<Gpu>,
}

/// The GPU of a run, as its driver tells. What it does not tell is none, never zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gpu {
    /// Name of the board.
    pub name: String,
    /// Its identity.
    pub uuid: Option<String>,
    /// Version of the driver.
    pub driver: Option<String>,
    /// Version of CUDA that the driver speaks.
    pub cuda: Option<String>,
    /// Bytes of its memory.
    pub memory_bytes: Option<u64>,
    /// The power that it keeps to, in milliwatts.
    pub power_limit_mw: Option<u32>,
    /// Whether products of f32 may be rounded to TF32.
    pub tf32: bool,
    /// Before the run.
    pub before: Option<GpuState>,
    /// After it.
    pub after: Option<GpuState>,
}

/// A GPU at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GpuState {
    /// Clock of the multiprocessors.
    pub sm_clock_mhz: Option<u32>,
    /// Clock of the memory.
    pub memory_clock_mhz: Option<u32>,
    /// Temperature.
    pub temperature_celsius: Option<u32>,
    /// Energy since the driver was loaded, in millijoules.
    pub energy_mj: Option<u64>,
    /// Why it runs below its clocks, in NVML's words.
    pub throttle_reasons: Option<Vec<String>>,
    /// Processes that compute on it.
    pub processes: Option<u32>,
}
