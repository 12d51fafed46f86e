//! Evaluating a folder on a suite folder, without any server; and deriving a report, which server and folder do alike.

use std::{
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use domain::{
    checkpoint::{INDEX_FILE, weights_file},
    digest::Digest,
    evaluation::{Report, ReportContext, ReportError},
    suite::{Suite, SuiteError},
};
use evaluator::{Device, Evaluation, EvaluationError, Subject};

/// What is evaluated, and how.
#[derive(Clone, Debug)]
pub struct FolderEvaluation {
    /// Folder with `model.safetensors`, or shards and their index, and `graph.onnx`.
    pub model: PathBuf,
    /// Suite folder.
    pub suite: PathBuf,
    /// Reference folder instead of the suite's own.
    pub reference: Option<PathBuf>,
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// Whether the quick protocol is run.
    pub quick: bool,
    /// Seed of every random order.
    pub seed: u64,
    /// The ONNX Runtime library.
    pub library: PathBuf,
    /// The program whose hidden command runs the inference.
    pub program: PathBuf,
}

/// Why a folder gives no report.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The suite's manifest is wrong.
    #[error("{path}: {source}")]
    Manifest {
        /// The file.
        path: PathBuf,
        /// Field and reason.
        source: SuiteError,
    },
    /// The suite's own reference is not the one that its manifest declares.
    #[error("{path}: has digest {found}, suite.toml declares {declared}")]
    Reference {
        /// The file.
        path: PathBuf,
        /// What the manifest says.
        declared: Digest,
        /// What the file hashes to.
        found: Digest,
    },
    /// The suite's own reference is in shards.
    #[error("{path}: is in shards; the reference of a suite is one file")]
    ShardedReference {
        /// The index.
        path: PathBuf,
    },
    /// The evaluation failed.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// The measurement gives no report.
    #[error(transparent)]
    Report(#[from] ReportError),
}

impl FolderError {
    /// Whether library, device or machine are at fault, and not the input.
    #[must_use]
    pub const fn is_environment(&self) -> bool {
        matches!(self, Self::Evaluation(error) if error.is_environment())
    }
}

/// Evaluates a folder. `progress` is told stage, children done, and children in all.
///
/// # Errors
/// See [`FolderError`].
pub fn evaluate_folder(
    request: &FolderEvaluation,
    progress: &dyn Fn(&str, u64, u64),
) -> Result<Report, FolderError> {
    let manifest = request.suite.join("suite.toml");
    let text = String::from_utf8_lossy(&read(&manifest)?).into_owned();
    let suite =
        Suite::parse(&text).map_err(|source| FolderError::Manifest { path: manifest, source })?;
    let model = subject(&request.model)?;
    let reference = match (&request.reference, &suite.reference) {
        (Some(folder), _) => Some(subject(folder)?),
        (None, Some(_)) => Some(suite_reference(&request.suite.join("reference"))?),
        (None, None) => None,
    };
    let protocol =
        if request.quick { evaluator::protocols::quick } else { evaluator::protocols::full };
    let cases = request.suite.join("cases.safetensors");
    std::fs::metadata(&cases)
        .map_err(|source| FolderError::File { path: cases.clone(), source })?;
    let evaluation = evaluator::evaluate(&evaluator::Request {
        model: &model,
        reference: reference.as_ref(),
        suite: &suite,
        cases: &cases,
        protocol: protocol(request.seed),
        device: request.device.parse()?,
        child: &request.program,
        library: &request.library,
        scratch: None,
        limits: evaluator::Limits::default(),
        cancel: &AtomicBool::new(false),
        progress: &|p| progress(&p.stage.to_string(), u64::from(p.done), u64::from(p.total)),
    })?;
    let measured = evaluation.measurement.reference.as_ref().map(|r| (r.checkpoint, r.graph));
    if let (None, Some(declared), Some((found, _))) =
        (&request.reference, &suite.reference, measured)
        && declared.digest != found
    {
        let path = request.suite.join("reference").join("model.safetensors");
        return Err(FolderError::Reference { path, declared: declared.digest, found });
    }
    let mut files = vec![
        ("suite.toml", Digest::of(text.as_bytes())),
        ("cases.safetensors", Digest::of(&read(&cases)?)),
    ];
    if let Some((checkpoint, graph)) = measured {
        files
            .extend([("reference/graph.onnx", graph), ("reference/model.safetensors", checkpoint)]);
    }
    let name = |path: &Path| {
        path.file_name().map_or_else(|| "model".to_owned(), |n| n.to_string_lossy().into_owned())
    };
    let names = Names { model: &name(&request.model), evaluator: "local" };
    Ok(derive(&evaluation, &suite, Suite::digest(&files), names)?)
}

/// What model and evaluator are called in a report.
#[derive(Clone, Copy)]
pub(crate) struct Names<'a> {
    pub(crate) model: &'a str,
    pub(crate) evaluator: &'a str,
}

/// The report of a run.
pub(crate) fn derive(
    evaluation: &Evaluation,
    suite: &Suite,
    suite_digest: Digest,
    names: Names<'_>,
) -> Result<Report, ReportError> {
    let context = ReportContext {
        suite,
        suite_digest,
        label_counts: &evaluation.labels.counts,
        model: names.model,
        reference: "reference",
        evaluator: names.evaluator,
        cost_held: None,
    };
    Report::derive(&evaluation.measurement, &context)
}

/// Whether a device can be used at all.
///
/// # Errors
/// The evaluator's refusal: a text that names no device, or a device that this program cannot use.
pub fn check_device(device: &str) -> Result<(), EvaluationError> {
    device.parse::<Device>()?.check()
}

fn subject(folder: &Path) -> Result<Subject, FolderError> {
    let weights = weights_file(|name| folder.join(name).exists());
    let subject = Subject { checkpoint: folder.join(weights), graph: folder.join("graph.onnx") };
    for path in [&subject.checkpoint, &subject.graph] {
        std::fs::metadata(path)
            .map_err(|source| FolderError::File { path: path.clone(), source })?;
    }
    Ok(subject)
}

/// The reference of a suite is one file, whose digest the manifest declares and the suite's own digest covers.
fn suite_reference(folder: &Path) -> Result<Subject, FolderError> {
    let subject = subject(folder)?;
    if subject.checkpoint.ends_with(INDEX_FILE) {
        return Err(FolderError::ShardedReference { path: subject.checkpoint });
    }
    Ok(subject)
}

fn read(path: &Path) -> Result<Vec<u8>, FolderError> {
    std::fs::read(path).map_err(|source| FolderError::File { path: path.to_owned(), source })
}
