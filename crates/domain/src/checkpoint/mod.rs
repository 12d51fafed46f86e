//! Checkpoints: the safetensors header, tensor identity, and binding to a graph. Bytes in, values out.

mod binding;
mod dtype;
mod header;
mod tensor_key;

pub use binding::{Binding, BindingError, GraphTensor, bind};
pub use dtype::{Dtype, UnknownDtype};
pub use header::{HEADER_BYTES_MAX, Header, HeaderError, TensorEntry};
pub use tensor_key::{TensorKey, TensorKeyHasher};
