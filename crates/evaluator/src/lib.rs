//! The one place where models run.
//!
//! A publisher's checkpoint is a safetensors file, and a graph without weights gives its tensors meaning.
//! [`graph`] reads such a graph, holds it to limits and binds it to the very file by tensor name; ONNX Runtime, which checks
//! none of that, then reads the weights where they lie.
//! [`evaluate`] runs model and frozen reference in fresh child processes, which shut themselves in, see no labels and die with
//! their parent, and returns raw facts: which items were right, nanoseconds, bytes. No price is made here.
//!
//! Laws of this crate: a graph or checkpoint is refused, with the field or tensor named, before ONNX Runtime sees it;
//! ONNX Runtime is never called in the parent; the monotonic clock is read in [`timing`] alone.

pub mod graph;
pub mod onnx;
pub mod pack;
pub mod protocols;
pub mod runtime;
pub mod session;
pub mod timing;

mod child;
mod device;
mod error;
mod evaluate;
mod expected;
mod file_digest;
mod fingerprint;
mod gpu;
mod jail;
mod labels;
mod machine;
mod ort_api;
mod outputs;
mod plan;
mod protocol;
mod safetensors_file;
mod score;
mod shards;
mod spawn;
mod subject;
mod widen;

pub use child::{child_main, peak_bytes};
pub use device::Device;
pub use error::{EvaluationError, Side, Stage};
pub use evaluate::{Evaluation, LabelFacts, Limits, Progress, Request, evaluate};
pub use fingerprint::fingerprint;
pub use labels::{check_answers, check_labels, label_counts};
pub use machine::{load_milli, machine};
pub use plan::check_graph;
pub use protocol::CHILD_ARGUMENT;
pub use subject::Subject;
