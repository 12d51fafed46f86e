//! The child: one job in a process that limits itself and dies with its parent.

use std::{
    fs::File,
    io::{self, BufWriter, Read as _, Write as _},
    path::Path,
    process::ExitCode,
};

use domain::evaluation::{RoundMeasurement, Sides};
use ort::{environment::Environment, value::DynTensor};
use rustix::process::{
    Resource, Rlimit, Signal, getppid, set_parent_process_death_signal, setrlimit,
};

use crate::{
    gpu, jail, ort_api,
    protocol::{
        Answer, ChildLimits, FailureKind, INPUTS_FILE, Job, JobSubject, OUTPUTS_FILE, Task,
    },
    runtime,
    session::{InputError, OpenError, Residence, bind_io, dtype_of, open, read_inputs},
    timing::{Random, Timed, interleave},
};

/// Largest job that is read, in bytes.
const JOB_BYTES_MAX: u64 = 1 << 20;
/// Most bytes of inputs that a side keeps bound, and most calls: distinct inputs defeat caches of results.
const BOUND_BYTES_MAX: u64 = 64 << 20;
const BOUND_CALLS_MAX: u64 = 1024;

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
    let mut out = io::stdout().lock();
    let written = serde_json::to_writer(&mut out, &answer).is_ok();
    if written && out.write_all(b"\n").and_then(|()| out.flush()).is_ok() {
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
    let environment =
        runtime::load(&job.library).map_err(|e| Failure(FailureKind::Library, e.to_string()))?;
    let inputs = File::open(INPUTS_FILE)?;
    let outputs = match &job.task {
        Task::Accuracy { .. } => Some(File::create(OUTPUTS_FILE)?),
        _ => None,
    };
    // CUDA opens devices and loads code while it runs; what it needs of a jail is not known yet (decision 0020).
    if job.cuda.is_none() {
        jail::enter(Path::new(".")).map_err(io::Error::from)?;
    }
    match (&job.task, outputs) {
        (Task::Accuracy { subject }, Some(outputs)) => {
            accuracy(job, &environment, &inputs, subject, outputs)
        }
        (Task::Memory { subject, offline_batch_items }, _) => {
            let before = job.cuda.and_then(gpu::used_bytes);
            let mut side =
                offline(job, &environment, &inputs, subject, *offline_batch_items, 1, false)?;
            side.sample(0)?;
            // On a GPU it is the device's memory that counts: what is in use more than before, while everything is held.
            let peak_bytes = match job.cuda {
                None => peak_bytes(),
                Some(number) => {
                    let after = gpu::used_bytes(number);
                    after.zip(before).map(|(after, before)| after.saturating_sub(before))
                }
            };
            Ok(Answer::Memory { peak_bytes })
        }
        _ => round(job, &environment, &inputs),
    }
}

/// Runs all cases in order, in calls of the size that offline batches have, and writes the outputs as they come.
///
/// Weights are prepacked as in the timed sessions: prepacking changes the last bits, and what is scored is what is timed.
fn accuracy(
    job: &Job,
    environment: &Environment,
    inputs: &File,
    subject: &JobSubject,
    outputs: File,
) -> Result<Answer, Failure> {
    let mut session = open(environment, Path::new(&subject.graph), job.threads, true, job.cuda)?;
    let providers = ort_api::nodes_by_provider(&session)?;
    let mut out = BufWriter::new(outputs);
    let mut row = None;
    for first in (0..job.items).step_by(subject.call_items.max(1) as usize) {
        let count = subject.call_items.min(job.items - first);
        let tensors = read_inputs(inputs, &job.inputs, first, count)?;
        let read = Residence::read(job.cuda);
        let binding = bind_io(&session, &job.inputs, &tensors, &job.output, count, read)?;
        let mut outputs = session.run_binding(&binding)?;
        let value = outputs.remove(&job.output);
        let tensor: DynTensor = match value {
            Some(value) => value.downcast()?,
            None => return Err(bad_output(job, "it was not computed")),
        };
        let Some(dtype) = dtype_of(*tensor.data_type()) else {
            return Err(bad_output(job, "its element type is not supported"));
        };
        let shape = tensor.shape().iter().map(|d| *d as u64).collect::<Vec<_>>();
        let Some((&batch, rest)) = shape.split_first().filter(|(batch, _)| **batch == count) else {
            return Err(bad_output(job, &format!("{count} cases gave shape {shape:?}")));
        };
        let _ = batch;
        let this = (dtype, rest.to_vec());
        if *row.get_or_insert_with(|| this.clone()) != this {
            return Err(bad_output(job, "its shape differs from case to case"));
        }
        out.write_all(ort_api::bytes(&tensor))?;
    }
    out.flush()?;
    let Some((dtype, shape)) = row else { return Err(bad_output(job, "there are no cases")) };
    let version = ort_api::version(&job.library).unwrap_or_else(|| "unknown".to_owned());
    Ok(Answer::Accuracy { dtype, shape, providers, version })
}

fn bad_output(job: &Job, reason: &str) -> Failure {
    Failure(FailureKind::Inference, format!("output {:?}: {reason}", job.output))
}

/// Times single cases of model, reference and control in triples, then offline batches of model and reference.
fn round(job: &Job, environment: &Environment, inputs: &File) -> Result<Answer, Failure> {
    let Task::Round { number, seed, pairs, offline_batches, offline_batch_items, model, reference } =
        &job.task
    else {
        return Err(Failure(FailureKind::Job, "no round".to_owned()));
    };
    let mut random = Random::new(*seed);
    let mut subjects = vec![(0, model)];
    subjects.extend(reference.iter().flat_map(|r| [(1, r), (2, r)]));
    let count = subjects.len();
    // Placement in memory depends on the order of opening, so that is drawn too.
    random.shuffle(&mut subjects);
    let cases = calls_in_order(job, 1, u64::from(*pairs), &mut random);
    let mut sides = (0..count).map(|_| None).collect::<Vec<_>>();
    for (place, subject) in subjects {
        let graph = Path::new(&subject.graph);
        let session = open(environment, graph, job.threads, true, job.cuda)?;
        sides[place] = Some(Timed { session, calls: Vec::new() });
    }
    let mut sides = sides.into_iter().flatten().collect::<Vec<_>>();
    let mut order = (0..sides.len()).collect::<Vec<_>>();
    for first in cases {
        // One set of tensors for all sides: they read the same bytes at the same place.
        let tensors = read_inputs(inputs, &job.inputs, first, 1)?;
        // What is bound one after the other lies side by side, and the one in the middle is fetched with either neighbour: in a
        // fixed order the reference was 0.3 % faster than itself.
        random.shuffle(&mut order);
        for side in &order {
            let side = &mut sides[*side];
            let place = Residence::timed(job.cuda);
            let binding = bind_io(&side.session, &job.inputs, &tensors, &job.output, 1, place)?;
            side.calls.push(vec![binding]);
        }
    }
    for side in &mut sides {
        side.warm_up()?;
    }
    let mut handles = sides.iter_mut().collect::<Vec<_>>();
    let single = interleave(&mut handles, *pairs as usize, &mut random)?;
    let single_stream = into_sides(single);
    // The control ends here; model and reference get whole batches.
    sides.truncate(2);
    let subjects = std::iter::once(model).chain(reference);
    let starts =
        calls_in_order(job, *offline_batch_items, u64::from(*offline_batches), &mut random);
    for (side, subject) in sides.iter_mut().zip(subjects) {
        side.calls = bind_batches(job, inputs, side, subject, *offline_batch_items, &starts)?;
        side.warm_up()?;
    }
    let mut handles = sides.iter_mut().collect::<Vec<_>>();
    let offline = interleave(&mut handles, *offline_batches as usize, &mut random)?;
    Ok(Answer::Round(RoundMeasurement {
        number: *number,
        single_stream,
        offline: into_sides(offline),
    }))
}

fn into_sides(times: Vec<Vec<u64>>) -> Sides {
    let mut times = times.into_iter();
    let mut next = || times.next().unwrap_or_default();
    Sides { model: next(), reference: next(), control: next() }
}

/// First cases of up to `wanted` calls of `size` cases each, distinct and in random order, within the memory that is kept bound.
fn calls_in_order(job: &Job, size: u64, wanted: u64, random: &mut Random) -> Vec<u64> {
    let bytes = job.inputs.iter().map(|i| i.bytes * if i.batched { size } else { 1 }).sum::<u64>();
    let most = (BOUND_BYTES_MAX / bytes.max(1)).clamp(1, BOUND_CALLS_MAX).min(wanted.max(1));
    let calls = (job.items / size).max(1);
    let mut starts = (0..calls).map(|k| k * size).collect::<Vec<_>>();
    random.shuffle(&mut starts);
    starts.truncate(most as usize);
    starts
}

/// One session with `batches` offline batches bound.
fn offline(
    job: &Job,
    environment: &Environment,
    inputs: &File,
    subject: &JobSubject,
    items: u64,
    batches: u64,
    prepacking: bool,
) -> Result<Timed, Failure> {
    let graph = Path::new(&subject.graph);
    let session = open(environment, graph, job.threads, prepacking, job.cuda)?;
    let mut side = Timed { session, calls: Vec::new() };
    let starts = (0..batches).map(|k| k * items).collect::<Vec<_>>();
    side.calls = bind_batches(job, inputs, &side, subject, items, &starts)?;
    Ok(side)
}

/// Batches of `items` cases, each as one run, or as several where the graph takes fewer at a time.
fn bind_batches(
    job: &Job,
    inputs: &File,
    side: &Timed,
    subject: &JobSubject,
    items: u64,
    starts: &[u64],
) -> Result<Vec<Vec<ort::session::IoBinding>>, Failure> {
    let step = subject.call_items.clamp(1, items.max(1));
    let bind_one = |start: &u64| {
        let end = (start + items).min(job.items);
        let mut runs = Vec::new();
        for first in (*start..end).step_by(step as usize) {
            let count = step.min(end - first);
            let tensors = read_inputs(inputs, &job.inputs, first, count)?;
            let place = Residence::timed(job.cuda);
            let output = &job.output;
            runs.push(bind_io(&side.session, &job.inputs, &tensors, output, count, place)?);
        }
        Ok(runs)
    };
    starts.iter().map(bind_one).collect()
}

/// Largest resident size of this process so far, in bytes, as the kernel counts it.
#[must_use]
pub fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes = line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?;
    kibibytes.checked_mul(1024)
}
