//! Checkpoints: the safetensors header, tensor identity, and binding to a graph. Bytes in, values out.

mod binding;
mod diff;
mod dtype;
mod header;
mod set;
mod shard_index;
mod structure;
mod tensor_key;
mod upload_plan;

pub use binding::{Binding, BindingError, GraphTensor, bind, bind_files};
pub use diff::{ChangeKind, Diff, TensorChange, TensorFact, diff};
pub use dtype::{Dtype, UnknownDtype};
pub use header::{HEADER_BYTES_MAX, Header, HeaderError, TensorEntry};
pub use set::{SET_DOCUMENT_BYTES_MAX, SetDocument, ShardFile, weights_file};
pub use shard_index::{
    INDEX_BYTES_MAX, INDEX_FILE, ONE_FILE, SET_HEADER_BYTES_MAX, SHARDS_MAX, ShardError,
    ShardIndex, check_index_bytes, check_set_header_bytes,
};
pub use structure::{Structure, structure};
pub use tensor_key::{TensorKey, TensorKeyHasher};
pub use upload_plan::{PART_BYTES_MAX, UploadPlan, range_in_file};
