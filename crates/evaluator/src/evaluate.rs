//! One evaluation, from files to a measurement.

mod rounds;

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use domain::{
    evaluation::{
        Machine, Measurement, Protocol, Runtime, SubjectMeasurement, fingerprint::Probes,
    },
    suite::Suite,
};
use tempfile::TempDir;

use crate::{
    device::Device,
    error::{EvaluationError, Side, Stage},
    expected::{Matches, compare},
    gpu,
    labels::Labels,
    machine::{load_milli, machine},
    outputs::{OutputTensor, cases_first, gather},
    plan::Plan,
    protocol::{Answer, Answered, ChildLimits, INPUTS_FILE, Job, JobInput, Task, outputs_file},
    safetensors_file::SafetensorsFile,
    score::{Scored, score},
    spawn::{Started, Watch, start},
    subject::{Prepared, Subject, io_error, link_or_copy},
};

/// Address space of a child beside its weights: library, arenas, activations.
const ADDRESS_SPACE_BASE: u64 = 4 << 30;
/// Address space for each byte of weights: mapped, prepacked, widened to f32, and again for the control.
const ADDRESS_SPACE_FACTOR: u64 = 8;
/// Largest file that a child may write, and the parent reads.
const OUTPUT_BYTES_MAX: u64 = 4 << 30;
/// Where memory ends, a call gets so many times fewer cases.
const SMALLER_CALL: u64 = 8;

/// What one evaluation needs.
pub struct Request<'a> {
    /// The model that is measured.
    pub model: &'a Subject,
    /// The frozen reference; without one there are times, and nothing to compare them with.
    pub reference: Option<&'a Subject>,
    /// Further references, which anchor quality and are not timed.
    pub panel: &'a [Subject],
    /// The suite.
    pub suite: &'a Suite,
    /// `cases.safetensors` of the suite.
    pub cases: &'a Path,
    /// The measuring plan with its seed; see [`crate::protocols`].
    pub protocol: Protocol,
    /// Where to run.
    pub device: Device,
    /// The program whose [`crate::CHILD_ARGUMENT`] calls [`crate::child_main`]; usually this program itself.
    pub child: &'a Path,
    /// The ONNX Runtime library; see [`crate::runtime::find_or_install`].
    pub library: &'a Path,
    /// Where private folders are made; on the file system of the checkpoints it saves a copy. None: the system's place.
    pub scratch: Option<&'a Path>,
    /// Limits of every child.
    pub limits: Limits,
    /// Set to true by another thread, it ends the evaluation within milliseconds.
    pub cancel: &'a AtomicBool,
    /// Called before each child, and about twice a second while one runs.
    pub progress: &'a dyn Fn(Progress),
}

/// Limits of every child process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Time by the clock until a child is killed.
    pub wall: Duration,
    /// Address space in bytes; none gives 4 GiB and 8 bytes for each byte of weights.
    pub memory_bytes: Option<u64>,
}

impl Default for Limits {
    /// Fifteen minutes a child, memory by the size of the weights.
    fn default() -> Self {
        Self { wall: Duration::from_secs(900), memory_bytes: None }
    }
}

/// Where an evaluation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The step that runs now.
    pub stage: Stage,
    /// Children that are done.
    pub done: u32,
    /// Children in all.
    pub total: u32,
}

/// The measurement, and what only the labels tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Everything that was measured.
    pub measurement: Measurement,
    /// The labels of the items that were scored.
    pub labels: LabelFacts,
    /// The model's answers to the first cases, to compare it with others; none where its output is no row of numbers.
    pub probes: Option<Probes>,
    /// Time that all children spent inside ONNX Runtime: loading it, opening sessions, warming up, running.
    pub inside: Duration,
}

/// The labels of the items that were scored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelFacts {
    /// Items of each right answer; of a choice as many as the model's output has classes, none where answers are numbers.
    pub counts: Vec<u64>,
}

impl LabelFacts {
    /// Items of the most frequent class: a price never uses a `chance` below its share (SUITE).
    #[must_use]
    pub fn majority(&self) -> u64 {
        self.counts.iter().copied().max().unwrap_or(0)
    }
}

/// Measures a model, and its reference beside it, in fresh child processes (EVALUATION 4).
///
/// Blocks until done; everything but times is a function of the request.
///
/// # Errors
/// Everything that can be known before a child runs is an error then, with the field or tensor named.
/// How a child failed otherwise.
pub fn evaluate(request: &Request<'_>) -> Result<Evaluation, EvaluationError> {
    request.device.check()?;
    let load_before = load_milli();
    let gpu_before = request.device.cuda().and_then(gpu::state);
    let evaluator = Evaluator::prepare(request)?;
    let (model, counts, version) = evaluator.score(&evaluator.model)?;
    let reference = match &evaluator.reference {
        Some(reference) => Some(evaluator.score(reference)?.0),
        None => None,
    };
    let mut measurement = Measurement {
        protocol: request.protocol.clone(),
        model,
        reference,
        panel: evaluator
            .panel
            .iter()
            .map(|member| Ok(evaluator.score(member)?.0))
            .collect::<Result<_, EvaluationError>>()?,
        sweep: None,
        energy: Vec::new(),
        rounds: Vec::new(),
        runtime: Runtime {
            onnxruntime: version,
            device: request.device.to_string(),
            prepacking: true,
        },
        machine: machine(load_before),
    };
    evaluator.time(&mut measurement)?;
    measurement.machine = Machine {
        gpu: request.device.cuda().and_then(|number| gpu::facts(number, gpu_before)),
        ..machine(load_before)
    };
    let inside = Duration::from_nanos(evaluator.inside_ns.get());
    let probes = evaluator.scored.borrow().as_ref().and_then(OutputTensor::probes);
    Ok(Evaluation { measurement, labels: LabelFacts { counts }, probes, inside })
}

/// An evaluation whose inputs are checked and laid out.
struct Evaluator<'a> {
    request: &'a Request<'a>,
    plan: Plan,
    labels: Labels,
    cases: SafetensorsFile,
    /// The model's scored output, which timed ones are held against.
    scored: std::cell::RefCell<Option<OutputTensor>>,
    model: Prepared,
    reference: Option<Prepared>,
    panel: Vec<Prepared>,
    folder: TempDir,
    /// The children's program.
    program: PathBuf,
    done: std::cell::Cell<u32>,
    inside_ns: std::cell::Cell<u64>,
}

impl<'a> Evaluator<'a> {
    fn prepare(request: &'a Request<'a>) -> Result<Self, EvaluationError> {
        crate::protocols::check(&request.protocol)?;
        let cases = SafetensorsFile::open_cases(request.cases)?;
        let mut model = Prepared::open(Side::Model, request.model)?;
        let mut reference = request
            .reference
            .map(|reference| Prepared::open(Side::Reference, reference))
            .transpose()?;
        let open = |(number, member)| Prepared::open(Side::Panel(number), member);
        let mut panel =
            (2..).zip(request.panel).map(open).collect::<Result<Vec<_>, EvaluationError>>()?;
        let mut subjects = vec![&mut model];
        subjects.extend(reference.as_mut());
        subjects.extend(&mut panel);
        let batch = u64::from(request.protocol.offline_batch_items);
        let plan = Plan::try_new(request.suite, &cases, &mut subjects, batch)?;
        let labels = Labels::read(request.suite, &cases)?;
        let mut builder = tempfile::Builder::new();
        builder.prefix("modelfolio-");
        let folder = match request.scratch {
            Some(scratch) => builder.tempdir_in(scratch),
            None => builder.tempdir(),
        }
        .map_err(io_error("cannot create a private folder in", &std::env::temp_dir()))?;
        plan.write_inputs(&cases, &folder.path().join(INPUTS_FILE))?;
        for subject in std::iter::once(&model).chain(&reference).chain(&panel) {
            subject.put(folder.path(), request.device)?;
        }
        Ok(Self {
            request,
            plan,
            labels,
            cases,
            scored: std::cell::RefCell::new(None),
            model,
            reference,
            panel,
            folder,
            program: absolute(request.child)?,
            done: std::cell::Cell::new(0),
            inside_ns: std::cell::Cell::new(0),
        })
    }

    fn total(&self) -> u32 {
        let subjects = if self.reference.is_some() { 2 } else { 1 };
        let protocol = &self.request.protocol;
        let sweeps = if self.sweeps() { subjects } else { 0 };
        let energy = u32::from(self.measures_energy());
        let scored = subjects + self.panel.len() as u32;
        let known = scored + subjects * protocol.memory_children.unwrap_or(1) + sweeps + energy;
        // Rounds beyond the fewest show up as they come.
        (known + protocol.rounds).max(self.done.get() + 1)
    }

    /// Accuracy of one subject in a child of its own; with the label counts and the runtime's version.
    fn score(
        &self,
        subject: &Prepared,
    ) -> Result<(SubjectMeasurement, Vec<u64>, String), EvaluationError> {
        let stage = Stage::Accuracy(subject.side);
        let (answer, folder) = self.run_cases(stage, subject)?;
        let Answer::Accuracy { outputs: facts, providers, version } = answer else {
            return Err(wrong_answer(stage));
        };
        let (mut scored, mut expected) = (None, Matches::new());
        for (place, (name, facts)) in self.plan.outputs().iter().zip(&facts).enumerate() {
            let bytes = read_outputs(&folder.path().join(outputs_file(place)))?;
            let axis = self.output_axis(subject, name);
            let output = gather(facts, &bytes, axis)
                .map_err(|reason| self.bad_output(stage, name, &reason))?;
            if self.plan.expected.contains(name) {
                let found = compare(self.request.suite, &self.cases, name, &output)?;
                expected.insert(name.clone(), found);
            }
            if *name == self.plan.output {
                scored = Some(output);
            }
        }
        drop(folder);
        let scored = scored.ok_or_else(|| wrong_answer(stage))?;
        let Scored { right, answers, finite, outputs, decisions, label_counts } =
            score(self.request.suite, &self.cases, &self.labels, &scored)?;
        if subject.side == Side::Model {
            *self.scored.borrow_mut() = Some(scored);
        }
        let measurement = SubjectMeasurement {
            checkpoint: subject.weights_digest,
            shards: subject.shards.clone(),
            graph: subject.graph_digest,
            items: self.plan.items,
            right,
            answers,
            finite,
            outputs,
            decisions,
            peak_bytes: None,
            peaks: Vec::new(),
            expected,
            providers,
        };
        Ok((measurement, label_counts, version))
    }

    /// Runs all cases; where memory ends, in smaller calls.
    fn run_cases(
        &self,
        stage: Stage,
        subject: &Prepared,
    ) -> Result<(Answer, TempDir), EvaluationError> {
        let mut job = subject.job();
        loop {
            let ran = self.child(stage, Task::Accuracy { subject: job.clone() }, &[subject]);
            match ran {
                Err(EvaluationError::OutOfMemory { .. })
                    if job.call_items > 1 && job.fixed_rows.is_none() =>
                {
                    job.call_items = (job.call_items / SMALLER_CALL).max(1);
                }
                other => return other,
            }
        }
    }

    /// The axis of cases of an output.
    fn output_axis(&self, subject: &Prepared, name: &str) -> Option<usize> {
        let expected = self.cases.find(&format!("expected.{name}"));
        self.plan.output_axis(subject, name, expected.map(|tensor| &tensor.shape[..]))
    }

    fn bad_output(&self, stage: Stage, name: &str, reason: &str) -> EvaluationError {
        EvaluationError::Inference { stage, message: format!("output {name:?}: {reason}") }
    }

    /// Runs one child in a fresh folder, which lives until the caller has read what it holds.
    fn child(
        &self,
        stage: Stage,
        task: Task,
        subjects: &[&Prepared],
    ) -> Result<(Answer, TempDir), EvaluationError> {
        self.collect(self.launch(stage, task, subjects)?)
    }

    /// Starts one child in a fresh folder.
    fn launch(
        &self,
        stage: Stage,
        task: Task,
        subjects: &[&Prepared],
    ) -> Result<Launched, EvaluationError> {
        let request = self.request;
        if request.cancel.load(Ordering::Relaxed) {
            return Err(EvaluationError::Cancelled);
        }
        self.report(stage);
        let fresh = TempDir::new_in(self.folder.path())
            .map_err(io_error("cannot create a folder in", self.folder.path()))?;
        let names = subjects.iter().flat_map(|s| s.files().into_iter().map(|f| (f, s.is_moved())));
        let mut moved = Moved(Vec::new());
        for (name, is_moved) in names.chain([(INPUTS_FILE.to_owned(), false)]) {
            let (from, to) = (self.folder.path().join(&name), fresh.path().join(&name));
            let put = if is_moved { fs::rename(&from, &to) } else { link_or_copy(&from, &to) };
            put.map_err(io_error("cannot write", &to))?;
            if is_moved {
                moved.0.push((to, from));
            }
        }
        let weights = subjects.iter().map(|s| s.weight_bytes()).sum::<u64>();
        let computed =
            ADDRESS_SPACE_BASE.saturating_add(weights.saturating_mul(ADDRESS_SPACE_FACTOR));
        let memory_bytes = request.limits.memory_bytes.unwrap_or(computed);
        let threads = request.protocol.threads;
        let job = Job {
            parent: rustix::process::getpid().as_raw_pid(),
            library: absolute(request.library)?,
            limits: ChildLimits {
                // CUDA reserves far more addresses than it uses.
                address_space_bytes: (request.device == Device::Cpu).then_some(memory_bytes),
                cpu_seconds: request.limits.wall.as_secs().saturating_add(2) * u64::from(threads),
                file_bytes: OUTPUT_BYTES_MAX,
            },
            inputs: self.plan.inputs.clone(),
            output: self.plan.output.clone(),
            outputs: self.plan.outputs(),
            items: self.plan.items,
            threads,
            cuda: request.device.cuda(),
            task,
        };
        let mut launched = Launched { stage, job, memory_bytes, moved, fresh, started: None };
        launched.started = Some(start(&self.watch(&launched, &|| ()), &launched.job)?);
        Ok(launched)
    }

    /// Waits for a child's answer.
    fn collect(&self, mut launched: Launched) -> Result<(Answer, TempDir), EvaluationError> {
        let stage = launched.stage;
        let Some(started) = launched.started.take() else { return Err(wrong_answer(stage)) };
        let beat = || self.report(stage);
        let answered = started.finish(&self.watch(&launched, &beat), &launched.job);
        let Launched { moved, fresh, .. } = launched;
        drop(moved);
        let Answered { answer, inside_ns } = answered?;
        self.done.set(self.done.get() + 1);
        self.inside_ns.set(self.inside_ns.get().saturating_add(inside_ns));
        Ok((answer, fresh))
    }

    fn watch<'w>(&'w self, launched: &'w Launched, heartbeat: &'w dyn Fn()) -> Watch<'w> {
        Watch {
            program: &self.program,
            folder: launched.fresh.path(),
            stage: launched.stage,
            wall: self.request.limits.wall,
            // On CUDA the limit of addresses says nothing, and this one stands in for it.
            resident_bytes: self.request.device.cuda().map(|_| launched.memory_bytes),
            cancel: self.request.cancel,
            heartbeat,
        }
    }

    fn report(&self, stage: Stage) {
        (self.request.progress)(Progress { stage, done: self.done.get(), total: self.total() });
    }
}

/// A child at work, and what it works in.
struct Launched {
    stage: Stage,
    job: Job,
    memory_bytes: u64,
    // In the order of dropping: the child dies, its files go back, its folder goes.
    started: Option<Started>,
    moved: Moved,
    fresh: TempDir,
}

/// Files that are lent to a child, and go back when it has ended: (where it is, where it was).
struct Moved(Vec<(PathBuf, PathBuf)>);

impl Drop for Moved {
    fn drop(&mut self) {
        for (now, before) in &self.0 {
            // What cannot go back is missed by the next child, which says so.
            let _ = fs::rename(now, before);
        }
    }
}

/// The child has another working directory.
fn absolute(path: &Path) -> Result<PathBuf, EvaluationError> {
    std::path::absolute(path).map_err(io_error("cannot resolve", path))
}

fn read_outputs(path: &Path) -> Result<Vec<u8>, EvaluationError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(OUTPUT_BYTES_MAX).read_to_end(&mut bytes))
        .map_err(io_error("cannot read", path))?;
    Ok(bytes)
}

fn wrong_answer(stage: Stage) -> EvaluationError {
    EvaluationError::BadAnswer {
        stage,
        reason: "it answered another question".to_owned(),
        stderr: String::new(),
    }
}

impl Plan {
    /// Writes the inputs of all cases, each case of an input in one piece, and nothing else of the suite, into one file for the children.
    fn write_inputs(&self, cases: &SafetensorsFile, path: &Path) -> Result<(), EvaluationError> {
        let write = || -> io::Result<()> {
            let mut file = io::BufWriter::new(File::create_new(path)?);
            for JobInput { name, axis, .. } in &self.inputs {
                let Some(tensor) = cases.find(&format!("input.{name}")) else { continue };
                let bytes = cases.read(tensor)?;
                match axis {
                    None | Some(0) => file.write_all(&bytes)?,
                    Some(axis) => {
                        file.write_all(&cases_first(&bytes, &tensor.shape, *axis as usize))?;
                    }
                }
            }
            file.flush()?;
            let mut permissions = fs::metadata(path)?.permissions();
            permissions.set_readonly(true);
            fs::set_permissions(path, permissions)
        };
        write().map_err(io_error("cannot write", path))
    }
}
