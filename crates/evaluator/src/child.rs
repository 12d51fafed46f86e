//! The child: one job in a process that limits itself and dies with its parent.

mod accuracy;
mod calls;
mod energy;
mod memory;
mod round;
mod sweep;

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    path::Path,
    process::ExitCode,
};

pub use memory::peak_bytes;
use rustix::process::{
    Resource, Rlimit, Signal, getppid, set_parent_process_death_signal, setrlimit,
};

use crate::{
    jail,
    protocol::{Answer, Answered, ChildLimits, FailureKind, INPUTS_FILE, Job, Task, outputs_file},
    runtime,
    session::{InputError, OpenError},
    timing,
};

/// Largest job that is read, in bytes.
const JOB_BYTES_MAX: u64 = 1 << 20;
/// A failure that the child can name.
#[derive(Debug)]
struct Failure(FailureKind, String);

impl From<ort::Error> for Failure {
    fn from(error: ort::Error) -> Self {
        let text = error.to_string();
        let lower = text.to_lowercase();
        let memory = ["failed to allocate memory", "bad_alloc", "cannot allocate memory"];
        let kind = if memory.iter().any(|m| lower.contains(m)) {
            FailureKind::OutOfMemory
        } else {
            FailureKind::Inference
        };
        Self(kind, text)
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Ort(error) => error.into(),
            OpenError::Device(reason) => Self(FailureKind::Device, reason),
        }
    }
}

impl From<InputError> for Failure {
    fn from(error: InputError) -> Self {
        match error {
            InputError::Ort(error) => error.into(),
            other => Self(FailureKind::Job, other.to_string()),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self(FailureKind::Job, error.to_string())
    }
}

/// The hidden subcommand: reads one job from stdin, does it in the working directory, answers on stdout.
///
/// A failure that the child can name is an answer too, and ends with success; anything else ends the process.
#[must_use]
pub fn child_main() -> ExitCode {
    let answer = read_job().and_then(|job| {
        limit(&job)?;
        work(&job)
    });
    let answer = answer.unwrap_or_else(|Failure(kind, message)| Answer::Failed { kind, message });
    let answered = Answered { answer, inside_ns: timing::inside_ns() };
    let mut out = io::stdout().lock();
    let written = serde_json::to_writer(&mut out, &answered).is_ok();
    if written && out.write_all(b"\n").and_then(|()| out.flush()).is_ok() {
        // Closes the answer: the parent has all it wants, and ends this process without waiting for libraries to tidy up.
        let _ = rustix::stdio::dup2_stdout(io::stderr());
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn read_job() -> Result<Job, Failure> {
    let mut text = String::new();
    io::stdin().take(JOB_BYTES_MAX).read_to_string(&mut text)?;
    serde_json::from_str(&text).map_err(|e| Failure(FailureKind::Job, format!("job: {e}")))
}

/// Gives up what the job does not need, before a stranger's graph is loaded.
fn limit(job: &Job) -> Result<(), Failure> {
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(io::Error::from)?;
    // The parent may have died before that line.
    if getppid().map(|p| p.as_raw_nonzero().get()) != Some(job.parent) {
        return Err(Failure(FailureKind::Job, "the parent is gone".to_owned()));
    }
    rustix::thread::set_no_new_privs(true).map_err(io::Error::from)?;
    let ChildLimits { address_space_bytes, cpu_seconds, file_bytes } = job.limits;
    let both = |value| Rlimit { current: Some(value), maximum: Some(value) };
    let set = |resource, value| setrlimit(resource, both(value)).map_err(io::Error::from);
    set(Resource::Core, 0)?;
    set(Resource::Cpu, cpu_seconds)?;
    set(Resource::Fsize, file_bytes)?;
    if let Some(bytes) = address_space_bytes {
        set(Resource::As, bytes)?;
    }
    Ok(())
}

fn work(job: &Job) -> Result<Answer, Failure> {
    let start = timing::now();
    let environment =
        runtime::load(&job.library).map_err(|e| Failure(FailureKind::Library, e.to_string()))?;
    timing::count_inside(timing::since(start));
    let inputs = File::open(INPUTS_FILE)?;
    // Files are made before the jail shuts: one for each output that is scored, or for the one that is compared.
    let files = match &job.task {
        Task::Accuracy { .. } => job.outputs.len(),
        Task::Round { .. } => 1,
        _ => 0,
    };
    let outputs = (0..files).map(|place| File::create(outputs_file(place)));
    let outputs = outputs.collect::<io::Result<Vec<_>>>()?;
    // CUDA opens devices and loads code while it runs; what it needs of a jail is not known yet (decision 0020).
    if job.cuda.is_none() {
        jail::enter(Path::new(".")).map_err(io::Error::from)?;
    }
    match &job.task {
        Task::Accuracy { subject } => {
            accuracy::accuracy(job, &environment, &inputs, subject, outputs)
        }
        Task::Memory { subject, offline_batch_items } => {
            memory::memory(job, &environment, &inputs, subject, *offline_batch_items)
        }
        Task::Sweep { subject, sizes } => sweep::sweep(job, &environment, &inputs, subject, sizes),
        Task::Energy { .. } => energy::energy(job, &environment, &inputs),
        Task::Round { .. } => round::round(job, &environment, &inputs, outputs),
    }
}
