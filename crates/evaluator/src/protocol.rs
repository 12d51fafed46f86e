//! What parent and child say to each other: one [`Job`] as JSON on the child's stdin, one [`Answer`] as JSON on its stdout.
//!
//! Everything else goes through files of a private folder, which is the child's working directory.
//! Labels and expected values have no place here: a child never sees what is right.

use std::{collections::BTreeMap, path::PathBuf};

use domain::{
    checkpoint::Dtype,
    evaluation::{EnergyPair, RoundMeasurement, SweepPoint},
};
use serde::{Deserialize, Serialize};

/// Name of the hidden subcommand.
pub const CHILD_ARGUMENT: &str = "__child";
/// File with the inputs of all cases, one tensor after the other.
pub(crate) const INPUTS_FILE: &str = "inputs.bin";

/// Everything that a child is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    /// Process id of the parent: a child whose parent is another one ends at once.
    pub parent: i32,
    /// The ONNX Runtime library.
    pub library: PathBuf,
    /// What the child allows itself before it loads anything.
    pub limits: ChildLimits,
    /// The inputs of the suite.
    pub inputs: Vec<JobInput>,
    /// The graph output that timed calls compute.
    pub output: String,
    /// The outputs that are read, that one first.
    pub outputs: Vec<String>,
    /// Cases.
    pub items: u64,
    /// Threads of one operator.
    pub threads: u32,
    /// The CUDA device to run on; none for the processor.
    pub cuda: Option<u32>,
    /// What to do.
    pub task: Task,
}

/// Limits that a child sets for itself.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct ChildLimits {
    /// Bytes of address space; none where the device driver reserves more than it uses.
    pub address_space_bytes: Option<u64>,
    /// Seconds of processor time.
    pub cpu_seconds: u64,
    /// Bytes of any file it writes.
    pub file_bytes: u64,
}

/// One graph input, as it stands in [`INPUTS_FILE`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct JobInput {
    /// Name in the graph.
    pub name: String,
    /// Element type.
    pub dtype: Dtype,
    /// Shape of one case without the batch axis, or of the whole where there is none.
    pub shape: Vec<u64>,
    /// The axis of cases in the tensor that the graph gets; none: the whole tensor goes into every call.
    pub axis: Option<u32>,
    /// Rows of UTF-8 padded with zeros, which the graph gets as strings `[cases, 1]`.
    pub text: bool,
    /// The output that the next case receives here; the file holds the first value.
    pub carried_from: Option<String>,
    /// First byte in the file.
    pub offset: u64,
    /// Bytes of one case, or of the whole.
    pub bytes: u64,
}

/// The kinds of children.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Task {
    /// Runs every case once and writes the outputs.
    Accuracy { subject: JobSubject },
    /// Times the sides against each other.
    Round {
        number: u32,
        seed: u64,
        pairs: u32,
        offline_batches: u32,
        /// Items of an offline batch of model and reference.
        offline_items: [u64; 2],
        model: JobSubject,
        reference: Option<JobSubject>,
    },
    /// Times offline batches of several sizes, ascending.
    Sweep { subject: JobSubject, sizes: Vec<u32> },
    /// Measures the energy of alternating blocks of both sides, on a device that counts it.
    Energy {
        seed: u64,
        pairs: u32,
        offline_items: [u64; 2],
        model: JobSubject,
        reference: JobSubject,
    },
    /// Runs one offline batch and reports the largest resident size.
    Memory { subject: JobSubject, offline_batch_items: u64 },
}

/// A bound graph in the folder; its weights lie beside it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct JobSubject {
    /// File name of the graph.
    pub graph: String,
    /// Items of one call at most.
    pub call_items: u64,
    /// Cases of every call, where the graph fixes its batch axis: a call of fewer is filled up with its last case.
    pub fixed_rows: Option<u64>,
}

/// The line that a child prints.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Answered {
    /// The answer.
    pub answer: Answer,
    /// Time that this child spent inside ONNX Runtime.
    pub inside_ns: u64,
}

/// What a child answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    Accuracy {
        /// What was written to the files of outputs, in the order of `Job::outputs`.
        outputs: Vec<OutputFacts>,
        providers: BTreeMap<String, u64>,
        /// Version of ONNX Runtime.
        version: String,
    },
    Round {
        round: Box<RoundMeasurement>,
        /// Outputs of timed sessions, one call after the other in the first file of outputs.
        timed: Option<TimedOutputs>,
    },
    Sweep {
        points: Vec<SweepPoint>,
    },
    Energy {
        /// Empty where the device does not count.
        pairs: Vec<EnergyPair>,
    },
    Memory {
        peak_bytes: Option<u64>,
    },
    Failed {
        kind: FailureKind,
        message: String,
    },
}

/// One output of all calls, as it was written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OutputFacts {
    /// Element type.
    pub dtype: Dtype,
    /// Calls in order; neighbours of one form together.
    pub calls: Vec<CallFacts>,
}

impl OutputFacts {
    /// Counts a call.
    pub(crate) fn push(&mut self, cases: u64, shape: Vec<u64>) {
        match self.calls.last_mut() {
            Some(last) if last.cases == cases && last.shape == shape => last.calls += 1,
            _ => self.calls.push(CallFacts { calls: 1, cases, shape }),
        }
    }
}

/// Calls of one form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CallFacts {
    /// How many.
    pub calls: u64,
    /// Cases of each; rows beyond them are filling.
    pub cases: u64,
    /// Shape of the output.
    pub shape: Vec<u64>,
}

/// Outputs of the model in the sessions that were timed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TimedOutputs {
    /// First cases of the single calls.
    pub single: Vec<u64>,
    /// First case of the offline batch.
    pub offline_first: u64,
    /// Cases of the offline batch.
    pub offline_cases: u64,
    /// What was written: the single calls, then those of the batch.
    pub output: OutputFacts,
}

/// Name of a file of outputs; outputs are counted as in `Job::outputs`.
pub(crate) fn outputs_file(place: usize) -> String {
    format!("outputs-{place}.bin")
}

/// Why a child could not do its job, as far as it can tell itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FailureKind {
    /// The library cannot be loaded.
    Library,
    /// ONNX Runtime refuses to load or run the graph.
    Inference,
    /// The device that was asked for cannot be used.
    Device,
    /// Memory ran out under the limit.
    OutOfMemory,
    /// Something in the folder or the job is not as the parent promised.
    Job,
}
