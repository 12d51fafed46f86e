//! Any ONNX file as a pair that is published: a graph without weights, and the weights as safetensors.
//!
//! Nothing is written before ONNX Runtime, in jailed children, has given bit-identical outputs for the file and for the pair.

mod proof;
mod split;
mod values;

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use domain::checkpoint::{Dtype, Header};
pub use proof::Proof;
use prost::Message as _;
use split::Split;
pub use split::SplitError;
pub use values::ValueError;
use values::Values;

use crate::{
    error::EvaluationError,
    graph::{GRAPH_BYTES_MAX, Graph, GraphError},
    onnx::{self, OnnxError},
};

/// Largest ONNX file, in bytes: what its format can hold.
const MODEL_BYTES_MAX: u64 = 2 << 30;
/// Names of the two files of a pair.
pub const PAIR: [&str; 2] = ["graph.onnx", "model.safetensors"];

/// What is packed, and how it is proven.
pub struct PackRequest<'a> {
    /// The ONNX file; its external data lie beside it.
    pub model: &'a Path,
    /// The folder that is made; absent or empty before.
    pub out: &'a Path,
    /// Inputs to prove with: a safetensors file with one tensor an input. None makes random ones.
    pub inputs: Option<&'a Path>,
    /// Whether a pair is written whose outputs could not be compared, because the file itself does not run on any tried input.
    pub unproven: bool,
    /// The program whose child entry measures.
    pub child: &'a Path,
    /// The ONNX Runtime library.
    pub library: &'a Path,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// Bytes of the graph.
    pub graph_bytes: u64,
    /// Bytes of the weights.
    pub weight_bytes: u64,
    /// Tensors of the weights.
    pub tensors: u64,
    /// What was compared; none where nothing could be, and that was allowed.
    pub proof: Option<Proof>,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum PackError {
    #[error("{what} {path:?}: {source}")]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    #[error("{path:?} has {bytes} bytes; at most {MODEL_BYTES_MAX}")]
    TooLarge { path: PathBuf, bytes: u64 },
    #[error("{path:?} exists already")]
    Exists { path: PathBuf },
    #[error(transparent)]
    Onnx(#[from] OnnxError),
    #[error(transparent)]
    Split(#[from] SplitError),
    #[error(
        "the graph has {bytes} bytes without its weights; at most {GRAPH_BYTES_MAX}: tensor {tensor:?}, {held} bytes, is of a type \
         that safetensors does not have"
    )]
    Stuck { bytes: u64, tensor: String, held: u64 },
    #[error(transparent)]
    Graph(#[from] GraphError),
    #[error("no weight was found in {path:?}")]
    NoWeights { path: PathBuf },
    #[error("inputs {path:?}: {reason}")]
    Inputs { path: PathBuf, reason: String },
    #[error(
        "the file itself ran on none of {tried} tries of inputs, so that nothing could be compared; give inputs that it runs on, or \
         accept a pair without proof. The last try: {last}"
    )]
    Unproven { tried: u32, last: String },
    #[error(
        "output {output:?} of the pair differs from that of the file; this is a defect of ours, please report it"
    )]
    Differs { output: String },
    #[error("the pair does not run where the file does: {source}")]
    PairFails { source: EvaluationError },
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
}

impl PackError {
    /// Whether the machine is at fault and not the input.
    #[must_use]
    pub const fn is_environment(&self) -> bool {
        match self {
            Self::Evaluation(error) | Self::PairFails { source: error } => error.is_environment(),
            _ => false,
        }
    }
}

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> PackError {
    let path = path.to_owned();
    move |source| PackError::Io { what, path, source }
}

/// Packs an ONNX file. The folder is there whole, or not at all.
///
/// # Errors
/// The tensor, node or file at fault, or what the proof found.
pub fn pack(request: &PackRequest<'_>) -> Result<Packed, PackError> {
    let out = request.out;
    let empty = |path: &Path| fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    if out.symlink_metadata().is_ok() && !empty(out) {
        return Err(PackError::Exists { path: out.to_owned() });
    }
    let bytes = read_model(request.model)?;
    let folder = parent_of(request.model);
    let model = onnx::decode(&bytes)?;
    drop(bytes);
    let original = model.clone();
    let Split { model, tensors } = split::split(model, folder)?;
    if tensors.is_empty() {
        return Err(PackError::NoWeights { path: request.model.to_owned() });
    }
    let parent = parent_of(out);
    fs::create_dir_all(parent).map_err(io_error("cannot create", parent))?;
    let staged = tempfile::Builder::new()
        .prefix(".pack-")
        .tempdir_in(parent)
        .map_err(io_error("cannot create a folder in", parent))?;
    let [graph_path, weights_path] = PAIR.map(|name| staged.path().join(name));
    let header = write_weights(&weights_path, &tensors)?;
    let (count, weight_bytes) = (tensors.len() as u64, header.data_offset() + header.data_bytes());
    drop(tensors);
    let encoded = model.encode_to_vec();
    if encoded.len() as u64 > GRAPH_BYTES_MAX {
        return Err(stuck(&model, encoded.len() as u64));
    }
    // Every rule that a published graph is held to, before ONNX Runtime sees anything of it.
    let bound = Graph::parse(&encoded)?.bind(&header, PAIR[1])?;
    fs::write(&graph_path, &bound).map_err(io_error("cannot write", &graph_path))?;
    let proof = proof::prove(request, &original, staged.path())?;
    for path in [&graph_path, &weights_path] {
        let file = File::open(path).map_err(io_error("cannot open", path))?;
        file.sync_all().map_err(io_error("cannot write", path))?;
    }
    if empty(out) {
        fs::remove_dir(out).map_err(io_error("cannot replace", out))?;
    }
    // From here on the folder has its name, or it is swept.
    let staged = staged.keep();
    if let Err(source) = make_readable(&staged).and_then(|()| fs::rename(&staged, out)) {
        let _ = fs::remove_dir_all(&staged);
        return Err(io_error("cannot write", out)(source));
    }
    Ok(Packed { graph_bytes: bound.len() as u64, weight_bytes, tensors: count, proof })
}

/// A folder as any other: a staging folder is its owner's alone.
fn make_readable(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
}

fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn read_model(path: &Path) -> Result<Vec<u8>, PackError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(io_error("cannot read", path))?;
    let size = file.metadata().map_err(io_error("cannot read", path))?.len();
    if size > MODEL_BYTES_MAX {
        return Err(PackError::TooLarge { path: path.to_owned(), bytes: size });
    }
    file.take(MODEL_BYTES_MAX).read_to_end(&mut bytes).map_err(io_error("cannot read", path))?;
    Ok(bytes)
}

/// Writes a safetensors file: widest elements first, then by name, data at a multiple of 8, as the stock writer does.
fn write_weights(
    path: &Path,
    tensors: &std::collections::BTreeMap<String, Values>,
) -> Result<Header, PackError> {
    let mut order = tensors.iter().collect::<Vec<_>>();
    let width = |dtype: Dtype| std::cmp::Reverse(dtype.bits());
    order.sort_by_key(|(name, values)| (width(values.dtype), *name));
    let mut entries = serde_json::Map::new();
    let mut begin = 0;
    for (name, values) in &order {
        let end = begin + values.bytes.len() as u64;
        let entry = serde_json::json!({
            "dtype": values.dtype.as_str(), "shape": values.shape, "data_offsets": [begin, end],
        });
        entries.insert((*name).clone(), entry);
        begin = end;
    }
    let mut json = serde_json::Value::Object(entries).to_string().into_bytes();
    json.resize(json.len().next_multiple_of(8), b' ');
    let write = || -> io::Result<()> {
        let mut file = io::BufWriter::new(File::create_new(path)?);
        file.write_all(&(json.len() as u64).to_le_bytes())?;
        file.write_all(&json)?;
        for (_, values) in &order {
            file.write_all(&values.bytes)?;
        }
        file.flush()
    };
    write().map_err(io_error("cannot write", path))?;
    Header::parse_json(&json).map_err(|error| PackError::Io {
        what: "cannot read back",
        path: path.to_owned(),
        source: io::Error::other(error.to_string()),
    })
}

/// Names the largest tensor that stayed in a graph which is too large.
fn stuck(model: &onnx::ModelProto, bytes: u64) -> PackError {
    let tensors = model.graph.iter().flat_map(|graph| &graph.initializer);
    let sized = tensors.map(|tensor| (tensor.encoded_len() as u64, tensor.name().to_owned()));
    let (held, tensor) = sized.max().unwrap_or_default();
    PackError::Stuck { bytes, tensor, held }
}
