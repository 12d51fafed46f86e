//! Sessions and tensors, as every child opens them.

use std::{fs::File, os::unix::fs::FileExt as _, path::Path};

use domain::checkpoint::Dtype;
use ort::{
    environment::Environment,
    memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType},
    session::{
        IoBinding, Session,
        builder::{AutoDevicePolicy, GraphOptimizationLevel},
    },
    value::{DynTensor, Shape, Tensor, TensorElementType, ValueType},
};

use crate::{
    ort_api,
    protocol::JobInput,
    timing::{count_inside, now, since},
};

/// Opens a session on the processor, or on a CUDA device: sequential, every optimisation, no spinning.
///
/// On CUDA, products of f32 are f32 (no TF32), convolutions are chosen by heuristic, which is the same from run to run, and a
/// provider that cannot be had is an error; nodes that CUDA has no kernel for (shapes, mostly) run on the processor, and
/// `ort_api::nodes_by_provider` tells how many.
///
/// Weights are read from external data beside the graph, by `commit_from_file`: every other way copies them (EVALUATION 2).
/// `prepacking` makes private copies of weights in the layout of the kernels; faster to run, slower to load.
///
/// # Errors
/// Whatever ONNX Runtime refuses.
pub fn open(
    environment: &Environment,
    graph: &Path,
    threads: u32,
    prepacking: bool,
    cuda: Option<u32>,
) -> Result<Session, OpenError> {
    let start = now();
    let (record, yes) = ort_api::RECORD_ASSIGNMENT;
    let builder = Session::builder(environment)?.with_no_environment_execution_providers()?;
    let cpu = ort::ep::CPU::default().with_arena_allocator(true).build();
    let builder = match cuda {
        None => builder
            .with_auto_device(AutoDevicePolicy::PreferCPU)?
            .with_execution_providers([cpu])?,
        Some(number) => {
            let cuda = ort::ep::CUDA::default()
                .with_device_id(number as i32)
                .with_tf32(false)
                .with_conv_algorithm_search(ort::ep::cuda::ConvAlgorithmSearch::Heuristic)
                .build()
                .error_on_failure();
            let with_cuda = builder.with_execution_providers([cuda, cpu]);
            with_cuda.map_err(|e| OpenError::Device(e.to_string()))?
        }
    };
    let session = builder
        .with_parallel_execution(false)?
        .with_intra_threads(threads as usize)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_prepacking(prepacking)?
        .with_config_entry(record, yes)?
        .commit_from_file(graph)?;
    count_inside(since(start));
    if cuda.is_some() {
        let nodes = ort_api::nodes_by_provider(&session)?;
        if nodes.get(CUDA_PROVIDER).copied().unwrap_or(0) == 0 {
            return Err(OpenError::Device(format!("it runs no node of the graph: {nodes:?}")));
        }
    }
    Ok(session)
}

/// The name that ONNX Runtime gives to its CUDA provider.
const CUDA_PROVIDER: &str = "CUDAExecutionProvider";

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The device that was asked for cannot be used.
    #[error("{0}")]
    Device(String),
    /// ONNX Runtime refuses the graph.
    #[error(transparent)]
    Ort(ort::Error),
}

impl<T> From<ort::Error<T>> for OpenError
where
    ort::Error: From<ort::Error<T>>,
{
    fn from(error: ort::Error<T>) -> Self {
        Self::Ort(error.into())
    }
}

/// The ONNX Runtime element type of a safetensors one; none where ONNX Runtime takes no such input.
pub(crate) const fn element_type(dtype: Dtype) -> Option<TensorElementType> {
    Some(match dtype {
        Dtype::F32 => TensorElementType::Float32,
        Dtype::F64 => TensorElementType::Float64,
        Dtype::F16 => TensorElementType::Float16,
        Dtype::Bf16 => TensorElementType::Bfloat16,
        Dtype::I8 => TensorElementType::Int8,
        Dtype::I16 => TensorElementType::Int16,
        Dtype::I32 => TensorElementType::Int32,
        Dtype::I64 => TensorElementType::Int64,
        Dtype::U8 => TensorElementType::Uint8,
        Dtype::U16 => TensorElementType::Uint16,
        Dtype::U32 => TensorElementType::Uint32,
        Dtype::U64 => TensorElementType::Uint64,
        Dtype::Bool => TensorElementType::Bool,
        _ => return None,
    })
}

/// The inverse of [`element_type`].
pub(crate) fn dtype_of(element: TensorElementType) -> Option<Dtype> {
    Dtype::ALL.iter().copied().find(|d| element_type(*d) == Some(element))
}

/// The inputs of `count` cases from `first` on, read from the inputs file into tensors of their own, for `rows` rows of a call: rows
/// beyond the cases repeat the last one. A carried input has its first value.
pub(crate) fn read_inputs(
    file: &File,
    inputs: &[JobInput],
    first: u64,
    count: u64,
    rows: u64,
) -> Result<Vec<DynTensor>, InputError> {
    inputs.iter().map(|input| read_input(file, input, first, count, rows)).collect()
}

fn read_input(
    file: &File,
    input: &JobInput,
    first: u64,
    count: u64,
    rows: u64,
) -> Result<DynTensor, InputError> {
    let element = element_type(input.dtype).ok_or(InputError::Dtype(input.dtype))?;
    let mut shape = input.shape.iter().map(|d| *d as i64).collect::<Vec<_>>();
    let Some(axis) = input.axis else {
        let mut tensor = DynTensor::new(&Allocator::default(), element, Shape::new(shape))?;
        file.read_exact_at(ort_api::bytes_mut(&mut tensor), input.offset)?;
        return Ok(tensor);
    };
    let first = if input.carried_from.is_some() { 0 } else { first };
    let offset = input.offset + first * input.bytes;
    let mut cases = vec![0; usize_of(input.bytes)? * usize_of(rows)?];
    let given = usize_of(input.bytes)? * usize_of(count)?;
    file.read_exact_at(&mut cases[..given], offset)?;
    let last = given.saturating_sub(usize_of(input.bytes)?)..given;
    for row in given / last.len().max(1)..usize_of(rows)? {
        cases.copy_within(last.clone(), row * last.len());
    }
    if input.text {
        return strings(&input.name, &cases, usize_of(rows)?);
    }
    let axis = usize_of(u64::from(axis))?.min(shape.len());
    let outer = input.shape[..axis].iter().product::<u64>();
    shape.insert(axis, rows as i64);
    let mut tensor = DynTensor::new(&Allocator::default(), element, Shape::new(shape))?;
    let place = ort_api::bytes_mut(&mut tensor);
    interleave_cases(&cases, place, usize_of(rows)?, usize_of(outer)?);
    Ok(tensor)
}

fn usize_of(value: u64) -> Result<usize, InputError> {
    usize::try_from(value)
        .map_err(|_| std::io::Error::from(std::io::ErrorKind::FileTooLarge).into())
}

/// Puts `rows` cases that lie one after the other into a tensor whose batch axis has `outer` elements of axes before it.
fn interleave_cases(cases: &[u8], tensor: &mut [u8], rows: usize, outer: usize) {
    let inner = cases.len() / (rows * outer).max(1);
    if outer == 1 || inner == 0 {
        tensor.copy_from_slice(cases);
        return;
    }
    for (k, piece) in tensor.chunks_exact_mut(inner).enumerate() {
        let (o, row) = (k / rows, k % rows);
        let from = (row * outer + o) * inner;
        piece.copy_from_slice(&cases[from..from + inner]);
    }
}

/// Rows of UTF-8 padded with zeros as strings `[rows, 1]`.
fn strings(name: &str, bytes: &[u8], rows: usize) -> Result<DynTensor, InputError> {
    let width = bytes.len() / rows.max(1);
    let read = |row: &[u8]| {
        let end = row.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let text = std::str::from_utf8(&row[..end]).ok().filter(|text| !text.contains('\0'));
        text.map(str::to_owned).ok_or_else(|| InputError::Text(name.to_owned()))
    };
    let texts = bytes.chunks_exact(width.max(1)).map(read).collect::<Result<Vec<_>, _>>()?;
    Ok(Tensor::from_string_array(([rows, 1], &texts[..]))?.upcast())
}

/// Why inputs cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    #[error("ONNX Runtime takes no input of type {0}")]
    Dtype(Dtype),
    #[error("input {0:?}: a case is no UTF-8 text without zero bytes inside")]
    Text(String),
    #[error("cannot read the inputs: {0}")]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Ort(#[from] ort::Error),
}

/// Where a bound call finds its inputs and leaves its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Residence {
    /// In main memory.
    Host,
    /// On this CUDA device: nothing is copied while a call is timed.
    Cuda(u32),
    /// Inputs on this CUDA device, the output in main memory, where it is read.
    CudaToHost(u32),
}

impl Residence {
    /// Of calls that are timed.
    pub(crate) const fn timed(cuda: Option<u32>) -> Self {
        match cuda {
            None => Self::Host,
            Some(number) => Self::Cuda(number),
        }
    }

    /// Of calls whose output is read.
    pub(crate) const fn read(cuda: Option<u32>) -> Self {
        match cuda {
            None => Self::Host,
            Some(number) => Self::CudaToHost(number),
        }
    }
}

/// Binds tensors to the inputs of their names, as far as the graph has them, and the one output that is read.
///
/// In main memory the output is preallocated where the session knows its shape for `rows` cases; otherwise ONNX Runtime allocates
/// it in each call, on every side alike. A run on CUDA has ended when it returns: ONNX Runtime waits for its stream.
pub(crate) fn bind_io(
    session: &Session,
    inputs: &[JobInput],
    tensors: &[DynTensor],
    output: &str,
    rows: u64,
    residence: Residence,
) -> ort::Result<IoBinding> {
    let start = now();
    let binding = bind_call(session, inputs, tensors, output, rows, residence);
    count_inside(since(start));
    binding
}

fn bind_call(
    session: &Session,
    inputs: &[JobInput],
    tensors: &[DynTensor],
    output: &str,
    rows: u64,
    residence: Residence,
) -> ort::Result<IoBinding> {
    let mut binding = bind_inputs(session, inputs, tensors, residence)?;
    if let Residence::Cuda(number) = residence {
        let memory = MemoryInfo::new(
            AllocationDevice::CUDA,
            number as i32,
            AllocatorType::Device,
            MemoryType::Default,
        )?;
        binding.bind_output_to_device(output, &memory)?;
        return Ok(binding);
    }
    match output_shape(session, inputs, output, rows) {
        Some((element, shape)) => {
            let tensor = DynTensor::new(&Allocator::default(), element, shape)?;
            binding.bind_output(output, tensor)?;
        }
        None => binding.bind_output_to_device(output, &host_memory()?)?,
    }
    Ok(binding)
}

/// Binds tensors to the inputs, and several outputs in main memory, where they are read.
pub(crate) fn bind_outputs(
    session: &Session,
    inputs: &[JobInput],
    tensors: &[DynTensor],
    outputs: &[String],
    residence: Residence,
) -> ort::Result<IoBinding> {
    let mut binding = bind_inputs(session, inputs, tensors, residence)?;
    for output in outputs {
        binding.bind_output_to_device(output, &host_memory()?)?;
    }
    Ok(binding)
}

fn host_memory() -> ort::Result<MemoryInfo<'static>> {
    MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Device, MemoryType::CPUOutput)
}

fn bind_inputs(
    session: &Session,
    inputs: &[JobInput],
    tensors: &[DynTensor],
    residence: Residence,
) -> ort::Result<IoBinding> {
    let mut binding = session.create_binding()?;
    for (input, tensor) in inputs.iter().zip(tensors) {
        // Model and reference may take different ones.
        if !session.inputs().iter().any(|taken| taken.name() == input.name) {
            continue;
        }
        match residence {
            Residence::Cuda(number) | Residence::CudaToHost(number) if !input.text => {
                let there = tensor.to(AllocationDevice::CUDA, number as i32)?;
                binding.bind_input(input.name.as_str(), &there)?;
            }
            _ => binding.bind_input(input.name.as_str(), tensor)?,
        }
    }
    Ok(binding)
}

/// Shape of the output for `rows` cases, if every axis is fixed or carries the name of the inputs' batch axis.
fn output_shape(
    session: &Session,
    inputs: &[JobInput],
    output: &str,
    rows: u64,
) -> Option<(TensorElementType, Shape)> {
    let batched = inputs.iter().find(|i| i.axis.is_some())?;
    let input = session.inputs().iter().find(|i| i.name() == batched.name)?;
    let ValueType::Tensor { dimension_symbols, .. } = input.dtype() else { return None };
    let axis = batched.axis? as usize;
    let batch = dimension_symbols.get(axis).filter(|symbol| !symbol.is_empty());
    let output = session.outputs().iter().find(|o| o.name() == output)?;
    let ValueType::Tensor { ty, shape, dimension_symbols } = output.dtype() else { return None };
    let mut dims = Vec::with_capacity(shape.len());
    for (length, symbol) in shape.iter().zip(dimension_symbols.iter()) {
        dims.push(match *length {
            length if length >= 0 => length,
            _ if batch == Some(symbol) => rows as i64,
            _ => return None,
        });
    }
    element_is_plain(*ty).then(|| (*ty, Shape::new(dims)))
}

fn element_is_plain(element: TensorElementType) -> bool {
    dtype_of(element).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that cases meet their places for a batch axis in the middle: case c of element o stands at `[o, c]`.
    #[test]
    fn cases_meet_their_places() {
        // Two axes before, three cases, two bytes behind.
        let cases: Vec<u8> =
            (0..3).flat_map(|c| (0..2).flat_map(move |o| [10 * c + o, 100])).collect();
        let mut tensor = vec![0; 12];
        interleave_cases(&cases, &mut tensor, 3, 2);
        let first = tensor.chunks(2).map(|pair| pair[0]).collect::<Vec<_>>();
        assert_eq!(first, [0, 10, 20, 1, 11, 21]);
    }
}
