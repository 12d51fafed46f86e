//! Why an evaluation has no measurement.

use std::{fmt, io, path::PathBuf};

use domain::checkpoint::{HeaderError, ShardError};

use crate::{graph::GraphError, runtime::RuntimeError};

/// The model that is priced, the frozen reference, or one of those that anchor beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The model that is priced.
    Model,
    /// The frozen reference, which is timed.
    Reference,
    /// A further reference by its number, from 2.
    Panel(u32),
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model => f.write_str("model"),
            Self::Reference => f.write_str("reference"),
            Self::Panel(number) => write!(f, "reference-{number}"),
        }
    }
}

/// A step of an evaluation; each but the first is a child process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Reading, checking and binding, in the parent.
    Prepare,
    /// All cases once.
    Accuracy(Side),
    /// One offline batch, for its peak memory.
    Memory(Side),
    /// Batches of several sizes.
    Sweep(Side),
    /// One timed round, counted from 0.
    Round(u32),
    /// Blocks of both sides for their energy.
    Energy,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prepare => f.write_str("preparation"),
            Self::Accuracy(side) => write!(f, "accuracy of the {side}"),
            Self::Memory(side) => write!(f, "memory of the {side}"),
            Self::Sweep(side) => write!(f, "batch sizes of the {side}"),
            Self::Round(number) => write!(f, "round {number}"),
            Self::Energy => f.write_str("energy"),
        }
    }
}

/// Why an evaluation has no measurement. A failure of the model under a child is an outcome, not a fault of ours.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum EvaluationError {
    #[error("{text:?} is no device: expected cpu or cuda:N")]
    BadDevice { text: String },
    #[error("device {device} cannot be used: {reason}")]
    DeviceUnusable { device: String, reason: String },
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error("protocol {field}: {reason}")]
    Protocol { field: &'static str, reason: String },
    #[error("suite {field}: {reason}")]
    Suite { field: String, reason: String },
    #[error("cases: {source}")]
    Cases { source: HeaderError },
    #[error("{side} checkpoint: {source}")]
    Checkpoint { side: Side, source: HeaderError },
    #[error("{side} checkpoint: {file}: {source}")]
    Shard { side: Side, file: String, source: HeaderError },
    #[error("{side} checkpoint: {source}")]
    Shards { side: Side, source: ShardError },
    #[error("{side} graph: {source}")]
    Graph { side: Side, source: GraphError },
    #[error("{what} {path:?}: {source}")]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    #[error("{stage}: the child process cannot be started or spoken to: {source}")]
    Spawn { stage: Stage, source: io::Error },
    #[error("{stage}: ONNX Runtime refused: {message}")]
    Inference { stage: Stage, message: String },
    #[error("{stage}: memory ran out; the child may use {limit:?} bytes: {message}")]
    OutOfMemory { stage: Stage, limit: Option<u64>, message: String },
    #[error("{stage}: stopped after {seconds} seconds, the limit")]
    TimedOut { stage: Stage, seconds: u64 },
    #[error("{stage}: the child process died of signal {signal}{}", Tail(.stderr))]
    Crashed { stage: Stage, signal: i32, stderr: String },
    #[error("{stage}: the child process broke its protocol: {reason}{}", Tail(.stderr))]
    BadAnswer { stage: Stage, reason: String, stderr: String },
    #[error("cancelled")]
    Cancelled,
}

impl EvaluationError {
    /// Whether the machine is at fault and not the input: the commands end with 3 then, with 1 otherwise.
    #[must_use]
    pub const fn is_environment(&self) -> bool {
        matches!(
            self,
            Self::DeviceUnusable { .. }
                | Self::Runtime(_)
                | Self::Io { .. }
                | Self::Spawn { .. }
                | Self::Cancelled
        )
    }

    /// Whether the same job may succeed when it is tried again.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Io { .. } | Self::Spawn { .. } | Self::Crashed { .. } | Self::Cancelled
        )
    }

    /// The closed code of the outcome, for rows and clients.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::BadDevice { .. } => "bad_device",
            Self::DeviceUnusable { .. } => "device_unusable",
            Self::Runtime(_) => "runtime_missing",
            Self::Protocol { .. } => "protocol_invalid",
            Self::Suite { .. } => "suite_mismatch",
            Self::Cases { .. } => "cases_invalid",
            Self::Checkpoint { .. } | Self::Shard { .. } => "checkpoint_invalid",
            Self::Shards { source, .. } => source.code(),
            Self::Graph { source: GraphError::Binding(e), .. } => e.code(),
            Self::Graph { .. } => "graph_refused",
            Self::Io { .. } => "io",
            Self::Spawn { .. } => "child_not_started",
            Self::Inference { .. } => "inference_failed",
            Self::OutOfMemory { .. } => "out_of_memory",
            Self::TimedOut { .. } => "timed_out",
            Self::Crashed { .. } => "crashed",
            Self::BadAnswer { .. } => "bad_answer",
            Self::Cancelled => "cancelled",
        }
    }
}

/// The end of what a child said, in a message.
struct Tail<'a>(&'a str);

impl fmt::Display for Tail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.trim();
        if text.is_empty() { Ok(()) } else { write!(f, "; it said: {text}") }
    }
}
