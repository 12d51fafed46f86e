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
    value::{DynTensor, Shape, TensorElementType, ValueType},
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

/// The inputs of `count` cases from `first` on, read from the inputs file into tensors of their own.
pub(crate) fn read_inputs(
    file: &File,
    inputs: &[JobInput],
    first: u64,
    count: u64,
) -> Result<Vec<DynTensor>, InputError> {
    let allocator = Allocator::default();
    let read_one = |input: &JobInput| {
        let element = element_type(input.dtype).ok_or(InputError::Dtype(input.dtype))?;
        let mut shape = input.shape.iter().map(|d| *d as i64).collect::<Vec<_>>();
        let mut offset = input.offset;
        if input.batched {
            shape.insert(0, count as i64);
            offset += first * input.bytes;
        }
        let mut tensor = DynTensor::new(&allocator, element, Shape::new(shape))?;
        file.read_exact_at(ort_api::bytes_mut(&mut tensor), offset)?;
        Ok(tensor)
    };
    inputs.iter().map(read_one).collect()
}

/// Why inputs cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    #[error("ONNX Runtime takes no input of type {0}")]
    Dtype(Dtype),
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

/// Binds tensors to the inputs of their names, and the one output that is read.
///
/// In main memory the output is preallocated where the session knows its shape for `items` cases; otherwise ONNX Runtime allocates
/// it in each call, on every side alike. A run on CUDA has ended when it returns: ONNX Runtime waits for its stream.
pub(crate) fn bind_io(
    session: &Session,
    inputs: &[JobInput],
    tensors: &[DynTensor],
    output: &str,
    items: u64,
    residence: Residence,
) -> ort::Result<IoBinding> {
    let mut binding = session.create_binding()?;
    for (input, tensor) in inputs.iter().zip(tensors) {
        match residence {
            Residence::Host => binding.bind_input(input.name.as_str(), tensor)?,
            Residence::Cuda(number) | Residence::CudaToHost(number) => {
                let there = tensor.to(AllocationDevice::CUDA, number as i32)?;
                binding.bind_input(input.name.as_str(), &there)?;
            }
        }
    }
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
    match output_shape(session, inputs, output, items) {
        Some((element, shape)) => {
            let tensor = DynTensor::new(&Allocator::default(), element, shape)?;
            binding.bind_output(output, tensor)?;
        }
        None => {
            let memory = MemoryInfo::new(
                AllocationDevice::CPU,
                0,
                AllocatorType::Device,
                MemoryType::CPUOutput,
            )?;
            binding.bind_output_to_device(output, &memory)?;
        }
    }
    Ok(binding)
}

/// Shape of the output for `items` cases, if every axis is fixed or carries the name of the inputs' batch axis.
fn output_shape(
    session: &Session,
    inputs: &[JobInput],
    output: &str,
    items: u64,
) -> Option<(TensorElementType, Shape)> {
    let batched = inputs.iter().find(|i| i.batched)?;
    let input = session.inputs().iter().find(|i| i.name() == batched.name)?;
    let ValueType::Tensor { dimension_symbols, .. } = input.dtype() else { return None };
    let batch = dimension_symbols.iter().next().filter(|symbol| !symbol.is_empty());
    let output = session.outputs().iter().find(|o| o.name() == output)?;
    let ValueType::Tensor { ty, shape, dimension_symbols } = output.dtype() else { return None };
    let mut dims = Vec::with_capacity(shape.len());
    for (length, symbol) in shape.iter().zip(dimension_symbols.iter()) {
        dims.push(match *length {
            length if length >= 0 => length,
            _ if batch == Some(symbol) => items as i64,
            _ => return None,
        });
    }
    element_is_plain(*ty).then(|| (*ty, Shape::new(dims)))
}

fn element_is_plain(element: TensorElementType) -> bool {
    dtype_of(element).is_some()
}
