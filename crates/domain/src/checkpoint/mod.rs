//! Checkpoints: the safetensors header, tensor identity, and binding to a graph. Bytes in, values out.

mod binding;
mod diff;
mod dtype;
mod header;
mod structure;
mod tensor_key;
mod upload_plan;

pub use binding::{Binding, BindingError, GraphTensor, bind};
pub use diff::{ChangeKind, Diff, TensorChange, TensorFact, diff};
pub use dtype::{Dtype, UnknownDtype};
pub use header::{HEADER_BYTES_MAX, Header, HeaderError, TensorEntry};
pub use structure::{Structure, structure};
pub use tensor_key::{TensorKey, TensorKeyHasher};
pub use upload_plan::{PART_BYTES_MAX, UploadPlan, range_in_file};
