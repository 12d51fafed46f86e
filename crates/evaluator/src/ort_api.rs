//! What the `ort` crate does not offer in safe form. The one file of this workspace with `unsafe` in it.

#![expect(
    unsafe_code,
    reason = "calls into the C interface of ONNX Runtime; DESIGN 4 allows it in this file"
)]

use std::{
    collections::BTreeMap,
    ffi::{CStr, c_char},
    path::Path,
    ptr,
};

use ort::{AsPointer as _, session::Session, value::DynTensor};

/// Session entry that makes ONNX Runtime remember which provider took which node.
pub(crate) const RECORD_ASSIGNMENT: (&str, &str) = ("session.record_ep_graph_assignment_info", "1");

/// Counts the nodes of a session by the execution provider that runs them.
///
/// The session must have been opened with [`RECORD_ASSIGNMENT`].
///
/// # Errors
/// Whatever ONNX Runtime reports, among them that nothing was recorded.
pub(crate) fn nodes_by_provider(session: &Session) -> ort::Result<BTreeMap<String, u64>> {
    let api = ort::api();
    let mut counts = BTreeMap::new();
    let mut subgraphs = ptr::null();
    let mut length = 0;
    // SAFETY: the session is alive for the whole function, and both out-pointers are valid for writes.
    unsafe {
        ort::Error::result_from_status((api.Session_GetEpGraphAssignmentInfo)(
            session.ptr(),
            &mut subgraphs,
            &mut length,
        ))?;
    }
    for index in 0..length {
        let mut name: *const c_char = ptr::null();
        let mut nodes = ptr::null();
        let mut count = 0;
        // SAFETY: `subgraphs` has `length` entries that the session owns; the out-pointers are valid for writes;
        // the name is a C string that the session owns, and it is copied before the session can go away.
        let name = unsafe {
            let subgraph = *subgraphs.add(index);
            ort::Error::result_from_status((api.EpAssignedSubgraph_GetEpName)(
                subgraph, &mut name,
            ))?;
            ort::Error::result_from_status((api.EpAssignedSubgraph_GetNodes)(
                subgraph, &mut nodes, &mut count,
            ))?;
            CStr::from_ptr(name).to_string_lossy().into_owned()
        };
        *counts.entry(name).or_insert(0) += count as u64;
    }
    Ok(counts)
}

/// The bytes of a tensor in main memory.
pub(crate) fn bytes(tensor: &DynTensor) -> &[u8] {
    let length = byte_length(tensor);
    if length == 0 {
        return &[];
    }
    // SAFETY: the tensor is in main memory and holds `length` bytes for as long as it is borrowed.
    unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast(), length) }
}

/// The bytes of a tensor in main memory, for writing. Only elements of which every bit pattern is a value are written
/// by callers; bytes of a boolean are checked before.
pub(crate) fn bytes_mut(tensor: &mut DynTensor) -> &mut [u8] {
    let length = byte_length(tensor);
    if length == 0 {
        return &mut [];
    }
    // SAFETY: as in `bytes`, and the tensor is borrowed mutably.
    unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr_mut().cast(), length) }
}

/// Zero for tensors that are not plain numbers in main memory.
fn byte_length(tensor: &DynTensor) -> usize {
    let plain = tensor.memory_info().is_cpu_accessible()
        && *tensor.data_type() != ort::value::TensorElementType::String;
    if plain { tensor.size().unwrap_or(0) } else { 0 }
}

/// Version of a loaded library, such as `1.31.1`; none if it is no ONNX Runtime.
pub(crate) fn version(path: &Path) -> Option<String> {
    type Getter = unsafe extern "C" fn() -> *const ort::sys::OrtApiBase;
    // SAFETY: the library is loaded already, so its initialisers do not run again; `OrtGetApiBase` has had this signature
    // in every release, and returns a static whose version string is static too.
    unsafe {
        let library = libloading::Library::new(path).ok()?;
        let base = library.get::<Getter>(b"OrtGetApiBase").ok()?();
        let text = CStr::from_ptr((base.as_ref()?.GetVersionString)());
        Some(text.to_str().ok()?.to_owned())
    }
}
