//! Evaluating a folder on a suite folder, without any server; and deriving a report, which server and folder do alike.

use std::{
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use domain::{
    checkpoint::{INDEX_FILE, weights_file},
    digest::Digest,
    evaluation::{
        Report, ReportContext, ReportError, SuiteFacts, VerifyError, read_blob, samples, verify,
    },
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
    /// A report was measured against another reference than the suite's own.
    #[error("{path}: has digest {found}, the report was measured against {measured}")]
    OtherReference {
        /// The file of the suite.
        path: PathBuf,
        /// What it hashes to.
        found: Digest,
        /// What the samples say.
        measured: Digest,
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
    /// A report does not hold.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The report was made with another panel than the suite's.
    #[error(
        "reference.panel: the suite declares {wanted} further references, {measured} were measured"
    )]
    Panel {
        /// By the suite.
        wanted: usize,
        /// By the samples.
        measured: usize,
    },
}

impl FolderError {
    /// Whether library, device or machine are at fault, and not the input.
    #[must_use]
    pub const fn is_environment(&self) -> bool {
        matches!(self, Self::Evaluation(error) if error.is_environment())
    }
}

/// What an evaluation of a folder gives.
#[derive(Clone, Debug)]
pub struct FolderReport {
    /// The report.
    pub report: Report,
    /// The sample blob that it follows from.
    pub samples: Vec<u8>,
}

/// Evaluates a folder. `progress` is told stage, children done, and children in all.
///
/// # Errors
/// See [`FolderError`].
pub fn evaluate_folder(
    request: &FolderEvaluation,
    progress: &dyn Fn(&str, u64, u64),
) -> Result<FolderReport, FolderError> {
    let (suite, text) = read_suite(&request.suite)?;
    let model = subject(&request.model)?;
    let reference = match (&request.reference, &suite.reference) {
        (Some(folder), _) => Some(subject(folder)?),
        (None, Some(_)) => Some(suite_reference(&request.suite.join("reference"))?),
        (None, None) => None,
    };
    let panel = match &suite.reference {
        Some(declared) => panel(&request.suite, &declared.panel)?,
        None => Vec::new(),
    };
    let protocol =
        if request.quick { evaluator::protocols::quick } else { evaluator::protocols::full };
    let cases = request.suite.join("cases.safetensors");
    std::fs::metadata(&cases)
        .map_err(|source| FolderError::File { path: cases.clone(), source })?;
    let evaluation = evaluator::evaluate(&evaluator::Request {
        model: &model,
        reference: reference.as_ref(),
        panel: &panel,
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
    let members = evaluation.measurement.panel.iter();
    let members = members.map(|member| (member.checkpoint, member.graph)).collect::<Vec<_>>();
    let declared = suite.reference.iter().flat_map(|reference| &reference.panel);
    for (number, (declared, (found, _))) in (2..).zip(declared.zip(&members)) {
        if declared != found {
            let path = request.suite.join(format!("reference-{number}")).join("model.safetensors");
            return Err(FolderError::Reference { path, declared: *declared, found: *found });
        }
    }
    let digest = suite_digest(&request.suite, &text, measured, &members)?;
    let name = |path: &Path| {
        path.file_name().map_or_else(|| "model".to_owned(), |n| n.to_string_lossy().into_owned())
    };
    let names = Names { model: &name(&request.model), evaluator: "local" };
    let report = derive(&evaluation, &suite, digest, names)?;
    let samples = samples::to_blob(&evaluation.measurement).map_err(ReportError::Canonical)?;
    Ok(FolderReport { report, samples })
}

/// Checks a report against its sample blob and against the suite's own files, cases and labels included.
///
/// # Errors
/// [`FolderError::Verify`] names the first field that differs; the suite's files can be at fault themselves.
pub fn verify_on_suite(report: &Report, samples: &[u8], folder: &Path) -> Result<(), FolderError> {
    let (suite, text) = read_suite(folder)?;
    let measurement = read_blob(report, samples)?;
    let reference = measurement.reference.as_ref().map(|r| (r.checkpoint, r.graph));
    if let (Some(_), Some((checkpoint, graph))) = (&suite.reference, reference) {
        for (name, measured) in [("model.safetensors", checkpoint), ("graph.onnx", graph)] {
            let path = folder.join("reference").join(name);
            let found = Digest::of(&read(&path)?);
            if found != measured {
                return Err(FolderError::OtherReference { path, found, measured });
            }
        }
    }
    let panel = measurement.panel.iter().map(|member| (member.checkpoint, member.graph));
    let panel = panel.collect::<Vec<_>>();
    for (number, (checkpoint, graph)) in (2..).zip(&panel) {
        for (name, measured) in [("model.safetensors", checkpoint), ("graph.onnx", graph)] {
            let path = folder.join(format!("reference-{number}")).join(name);
            let found = Digest::of(&read(&path)?);
            if found != *measured {
                return Err(FolderError::OtherReference { path, found, measured: *measured });
            }
        }
    }
    let wanted = suite.reference.as_ref().map_or(0, |reference| reference.panel.len());
    if panel.len() != wanted {
        let measured = panel.len();
        return Err(FolderError::Panel { wanted, measured });
    }
    evaluator::check_answers(
        &suite,
        &folder.join("cases.safetensors"),
        &measurement.model.answers,
    )?;
    let classes = report.suite.label_counts.len();
    let facts = SuiteFacts {
        digest: suite_digest(folder, &text, reference, &panel)?,
        label_counts: evaluator::label_counts(&suite, &folder.join("cases.safetensors"), classes)?,
    };
    Ok(verify(report, &measurement, &suite, Some(&facts))?)
}

/// The suite of a folder, with the text of its manifest.
fn read_suite(folder: &Path) -> Result<(Suite, String), FolderError> {
    let path = folder.join("suite.toml");
    let text = String::from_utf8_lossy(&read(&path)?).into_owned();
    let suite = Suite::parse(&text).map_err(|source| FolderError::Manifest { path, source })?;
    Ok((suite, text))
}

/// The digest of a suite folder, whose reference (checkpoint, graph) was measured.
fn suite_digest(
    folder: &Path,
    manifest: &str,
    reference: Option<(Digest, Digest)>,
    panel: &[(Digest, Digest)],
) -> Result<Digest, FolderError> {
    let cases = Digest::of(&read(&folder.join("cases.safetensors"))?);
    let mut files =
        vec![("suite.toml", Digest::of(manifest.as_bytes())), ("cases.safetensors", cases)];
    if let Some((checkpoint, graph)) = reference {
        files
            .extend([("reference/graph.onnx", graph), ("reference/model.safetensors", checkpoint)]);
    }
    let names = (2..).zip(panel).map(|(number, digests)| (format!("reference-{number}"), digests));
    let names = names
        .flat_map(|(folder, (checkpoint, graph))| {
            [
                (format!("{folder}/graph.onnx"), *graph),
                (format!("{folder}/model.safetensors"), *checkpoint),
            ]
        })
        .collect::<Vec<_>>();
    files.extend(names.iter().map(|(name, digest)| (name.as_str(), *digest)));
    Ok(Suite::digest(&files))
}

/// The folders `reference-2`, `reference-3` … of a suite, as many as its manifest declares.
fn panel(suite: &Path, declared: &[Digest]) -> Result<Vec<Subject>, FolderError> {
    (2..)
        .zip(declared)
        .map(|(number, _)| suite_reference(&suite.join(format!("reference-{number}"))))
        .collect()
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
