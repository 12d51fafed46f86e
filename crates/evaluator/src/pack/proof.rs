//! The proof: the file and the pair give the same bits for the same inputs.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
    time::Duration,
};

use domain::checkpoint::Dtype;
use prost::Message as _;
use tempfile::TempDir;

use super::{PAIR, PackError, PackRequest, io_error, parent_of, values::external_path};
use crate::{
    error::{EvaluationError, Side, Stage},
    graph::{Dim, Graph, GraphValue},
    onnx::{GraphProto, ModelProto},
    protocol::{
        Answer, ChildLimits, INPUTS_FILE, Job, JobInput, JobSubject, OutputFacts, Task,
        outputs_file,
    },
    safetensors_file::{FileError, SafetensorsFile},
    spawn::{Watch, run},
    timing::Random,
    widen,
};

/// What was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Sets of inputs that the file ran on.
    pub runs: u32,
    /// Outputs of each.
    pub outputs: u32,
    /// Bytes of outputs that were equal.
    pub bytes: u64,
}

/// Lengths that open axes get, try by try: the first axis of an input, the others.
const LENGTHS: [[u64; 2]; 11] = [
    [1, 1],
    [1, 8],
    [2, 16],
    [1, 64],
    [1, 32],
    [1, 256],
    [1, 288],
    [1, 512],
    [1, 576],
    [1, 4_096],
    [2, 2],
];
/// Sets of inputs that are enough.
const RUNS: u32 = 3;
/// Time of one child, and the address space that it gets beside eight bytes for each byte of weights.
const WALL: Duration = Duration::from_secs(600);
const ADDRESS_SPACE: u64 = 8 << 30;
const OUTPUT_BYTES_MAX: u64 = 4 << 30;
/// Names of the two graphs in the private folder.
const ORIGINAL: &str = "original.onnx";
const PACKED: &str = "packed.onnx";

/// Runs both on inputs that are given or made, until enough sets ran; `staged` holds the pair.
pub(super) fn prove(
    request: &PackRequest<'_>,
    original: &ModelProto,
    staged: &Path,
) -> Result<Option<Proof>, PackError> {
    let bench = Bench::new(request, original, staged)?;
    let (mut proof, mut last) = (Proof { runs: 0, outputs: 0, bytes: 0 }, String::new());
    let sets = bench.sets(request)?;
    let tried = sets.len() as u32;
    for set in sets {
        if proof.runs == RUNS {
            break;
        }
        let given = match bench.run(ORIGINAL, &set) {
            Ok(given) => given,
            Err(error) if error.is_environment() => return Err(error.into()),
            Err(error) => {
                last = error.to_string();
                continue;
            }
        };
        let packed = bench.run(PACKED, &set).map_err(|source| PackError::PairFails { source })?;
        for (name, (left, right)) in bench.outputs.iter().zip(given.iter().zip(&packed)) {
            if left.0.dtype != right.0.dtype || left.0.calls != right.0.calls || left.1 != right.1 {
                return Err(PackError::Differs { output: name.clone() });
            }
            proof.bytes += left.1.len() as u64;
        }
        proof.runs += 1;
        proof.outputs = given.len() as u32;
    }
    match proof.runs {
        0 if request.unproven => Ok(None),
        0 => Err(PackError::Unproven { tried, last }),
        _ => Ok(Some(proof)),
    }
}

/// Inputs of one run: what the child is told, and the bytes.
struct Set {
    inputs: Vec<JobInput>,
    bytes: Vec<u8>,
}

/// Both graphs in one private folder.
struct Bench<'a> {
    request: &'a PackRequest<'a>,
    graph: Graph,
    outputs: Vec<String>,
    folder: TempDir,
    weight_bytes: u64,
}

impl<'a> Bench<'a> {
    fn new(
        request: &'a PackRequest<'a>,
        original: &ModelProto,
        staged: &Path,
    ) -> Result<Self, PackError> {
        let folder = tempfile::Builder::new()
            .prefix("modelfolio-")
            .tempdir()
            .map_err(io_error("cannot create a folder in", &std::env::temp_dir()))?;
        let [graph_path, weights_path] = PAIR.map(|name| staged.join(name));
        let place = |from: &Path, name: &str| {
            let to = folder.path().join(name);
            // A copy: ONNX Runtime reads the weights of bodies from a file of a single hard link only.
            fs::copy(from, &to).map(drop).map_err(io_error("cannot write", &to))
        };
        place(&weights_path, PAIR[1])?;
        let packed = fs::read(&graph_path).map_err(io_error("cannot read", &graph_path))?;
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).map_err(io_error("cannot write", &path))
        };
        let graph = Graph::parse(&packed)?;
        // A processor has few kernels for BF16: both run as the evaluator runs them there.
        let packed = crate::onnx::decode(&packed)?;
        write(PACKED, &widen::for_processor(packed).encode_to_vec())?;
        write(ORIGINAL, &widen::for_processor(original.clone()).encode_to_vec())?;
        let beside = parent_of(request.model);
        for location in original.graph.iter().flat_map(locations) {
            let to = folder.path().join(&location);
            let from = external_path(beside, &location);
            if let (Some(from), Some(parent), false) = (from, to.parent(), to.exists()) {
                fs::create_dir_all(parent).map_err(io_error("cannot create", parent))?;
                fs::copy(&from, &to).map(drop).map_err(io_error("cannot write", &to))?;
            }
        }
        let outputs = graph.outputs().iter().map(|output| output.name.clone()).collect();
        let size = fs::metadata(&weights_path).map_err(io_error("cannot read", &weights_path))?;
        Ok(Self { request, graph, outputs, folder, weight_bytes: size.len() })
    }

    /// The sets of inputs that are tried.
    fn sets(&self, request: &PackRequest<'_>) -> Result<Vec<Set>, PackError> {
        match request.inputs {
            Some(path) => Ok(vec![self.given(path)?]),
            None => {
                let tries = (0u64..).zip(LENGTHS);
                Ok(tries.map(|(turn, lengths)| self.random(turn, lengths)).collect())
            }
        }
    }

    /// The tensors of a file, as the graph takes them.
    fn given(&self, path: &Path) -> Result<Set, PackError> {
        let fail = |reason: String| PackError::Inputs { path: path.to_owned(), reason };
        let file = SafetensorsFile::open(path).map_err(|error| match error {
            FileError::Io(source) => io_error("cannot read", path)(source),
            FileError::Header(source) => fail(source.to_string()),
        })?;
        let (mut inputs, mut bytes) = (Vec::new(), Vec::new());
        for value in self.graph.inputs() {
            let name = &value.name;
            let tensor = file.find(name).or_else(|| file.find(&format!("input.{name}")));
            let tensor = tensor.ok_or_else(|| fail(format!("no tensor {name:?}")))?;
            let data = file.read(tensor).map_err(io_error("cannot read", path))?;
            let text = value.dtype.is_none();
            let axis = text.then_some(0);
            let shape = if text { tensor.shape[1..].to_vec() } else { tensor.shape.clone() };
            inputs.push(JobInput {
                name: name.clone(),
                dtype: tensor.dtype,
                shape,
                axis,
                text,
                carried_from: None,
                offset: bytes.len() as u64,
                bytes: data.len() as u64,
            });
            bytes.extend(data);
        }
        Ok(Set { inputs, bytes })
    }

    /// Inputs made up by a seed: floats from −1 to 1, integers 0 or 1, which are indices of nearly everything.
    fn random(&self, turn: u64, lengths: [u64; 2]) -> Set {
        let mut random = Random::new(turn);
        let (mut inputs, mut bytes) = (Vec::new(), Vec::new());
        let mut symbols = Vec::new();
        for value in self.graph.inputs() {
            let shape = lengths_of(value, lengths, &mut symbols);
            let elements = shape.iter().product::<u64>();
            let offset = bytes.len() as u64;
            let text = value.dtype.is_none();
            let dtype = value.dtype.unwrap_or(Dtype::U8);
            for _ in 0..elements {
                bytes.extend(element(dtype, text, &mut random));
            }
            inputs.push(JobInput {
                name: value.name.clone(),
                dtype,
                shape: if text { vec![1] } else { shape },
                axis: text.then_some(0),
                text,
                carried_from: None,
                offset,
                bytes: bytes.len() as u64 - offset,
            });
        }
        Set { inputs, bytes }
    }

    /// Outputs of one graph on one set, from a child of its own.
    fn run(&self, graph: &str, set: &Set) -> Result<Vec<(OutputFacts, Vec<u8>)>, EvaluationError> {
        let folder = self.folder.path();
        let io = |what: &'static str, path: PathBuf| {
            move |source| EvaluationError::Io { what, path, source }
        };
        let inputs = folder.join(INPUTS_FILE);
        fs::write(&inputs, &set.bytes).map_err(io("cannot write", inputs.clone()))?;
        let absolute =
            |path: &Path| std::path::absolute(path).map_err(io("cannot resolve", path.to_owned()));
        let stage = Stage::Accuracy(Side::Model);
        let space = ADDRESS_SPACE.saturating_add(self.weight_bytes.saturating_mul(8));
        let job = Job {
            parent: rustix::process::getpid().as_raw_pid(),
            library: absolute(self.request.library)?,
            limits: ChildLimits {
                address_space_bytes: Some(space),
                cpu_seconds: WALL.as_secs(),
                file_bytes: OUTPUT_BYTES_MAX,
            },
            inputs: set.inputs.clone(),
            output: self.outputs.first().cloned().unwrap_or_default(),
            outputs: self.outputs.clone(),
            items: 1,
            threads: 1,
            cuda: None,
            task: Task::Accuracy {
                subject: JobSubject { graph: graph.to_owned(), call_items: 1, fixed_rows: None },
            },
        };
        let watch = Watch {
            program: &absolute(self.request.child)?,
            folder,
            stage,
            wall: WALL,
            resident_bytes: None,
            cancel: &AtomicBool::new(false),
            heartbeat: &|| (),
        };
        let Answer::Accuracy { outputs, .. } = run(&watch, &job)?.answer else {
            let reason = "it answered another question".to_owned();
            return Err(EvaluationError::BadAnswer { stage, reason, stderr: String::new() });
        };
        let with_bytes = |(place, facts): (usize, OutputFacts)| {
            let path = folder.join(outputs_file(place));
            let bytes = fs::read(&path).map_err(io("cannot read", path.clone()))?;
            Ok((facts, bytes))
        };
        outputs.into_iter().enumerate().map(with_bytes).collect()
    }
}

/// Lengths of an input's axes: fixed ones as they are, a name the same wherever it stands.
fn lengths_of(value: &GraphValue, lengths: [u64; 2], symbols: &mut Vec<(String, u64)>) -> Vec<u64> {
    let dims = value.dims.as_deref().unwrap_or(&[]);
    let length = |(at, dim): (usize, &Dim)| {
        let open = lengths[usize::from(at > 0)];
        match dim {
            Dim::Fixed(length) => *length,
            Dim::Unknown => open,
            Dim::Symbol(name) => match symbols.iter().find(|(known, _)| known == name) {
                Some((_, length)) => *length,
                None => {
                    symbols.push((name.clone(), open));
                    open
                }
            },
        }
    };
    dims.iter().enumerate().map(length).collect()
}

/// One element, little endian.
fn element(dtype: Dtype, text: bool, random: &mut Random) -> Vec<u8> {
    let draw = random.next();
    let unit = (draw >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
    match dtype {
        Dtype::F32 => unit.to_le_bytes().to_vec(),
        Dtype::F64 => f64::from(unit).to_le_bytes().to_vec(),
        // Sign, exponents of 2^-8 to 2^-1, any fraction.
        Dtype::F16 => {
            (((draw as u16) & 0x83ff) | (7 + (draw >> 20) as u16 % 8) << 10).to_le_bytes().to_vec()
        }
        Dtype::Bf16 => ((unit.to_bits() >> 16) as u16).to_le_bytes().to_vec(),
        _ if text => vec![b'a' + (draw % 26) as u8],
        other => {
            let mut bytes = vec![0; (other.bits() / 8).max(1) as usize];
            bytes[0] = (draw & 1) as u8;
            bytes
        }
    }
}

/// Places of external data that a graph names, its bodies included.
fn locations(graph: &GraphProto) -> Vec<String> {
    let entry = |tensor: &crate::onnx::TensorProto| {
        let found = tensor.external_data.iter().find(|e| e.key.as_deref() == Some("location"));
        found.and_then(|e| e.value.clone())
    };
    let mut all = graph.initializer.iter().filter_map(entry).collect::<Vec<_>>();
    for attribute in graph.node.iter().flat_map(|node| &node.attribute) {
        all.extend(attribute.t.iter().filter_map(entry));
        all.extend(attribute.g.iter().chain(&attribute.graphs).flat_map(locations));
    }
    all
}
