//! The parent's side of a child: started in its folder, watched, stopped, its end told apart.

use std::{
    io::{self, Read, Write as _},
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    device::Device,
    error::{EvaluationError, Stage},
    protocol::{Answer, Answered, CHILD_ARGUMENT, FailureKind, Job},
    runtime::{RuntimeError, TELEMETRY_VARIABLE},
    timing::now,
};

/// Between two looks at a child that computes.
const POLL: Duration = Duration::from_millis(5);
/// Between two looks at a child that has closed its answer: it ends within microseconds, and an evaluation has dozens of children.
const POLL_ENDING: Duration = Duration::from_micros(100);
/// Between two heartbeats.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// Largest answer, in bytes: a round of 10,000 triples has well under 1 MB.
const ANSWER_BYTES_MAX: u64 = 32 << 20;
/// Bytes that are kept of the end of stderr.
const STDERR_TAIL: usize = 2_000;

/// Where the system's loader looks for libraries.
const LIBRARY_PATH: &str = "LD_LIBRARY_PATH";

/// How a child is run and watched.
pub(crate) struct Watch<'a> {
    pub program: &'a Path,
    pub folder: &'a Path,
    pub stage: Stage,
    pub wall: Duration,
    /// Most bytes of memory of its own that the child may have resident; none where the system keeps it within bounds.
    pub resident_bytes: Option<u64>,
    pub cancel: &'a AtomicBool,
    pub heartbeat: &'a dyn Fn(),
}

/// Why the parent ended a child.
#[derive(Debug, PartialEq, Eq)]
enum Stopped {
    TimedOut,
    OutOfMemory,
    Cancelled,
}

/// How a child came to its end.
#[derive(Debug)]
enum Ended {
    /// It closed a whole answer; it is gone, or on its way.
    Answered(Box<Answered>),
    /// It ended without one; the bytes are what it wrote.
    Exited(ExitStatus, Vec<u8>),
}

/// Runs one job to its end.
///
/// # Errors
/// How the child failed; see [`EvaluationError`].
pub(crate) fn run(watch: &Watch<'_>, job: &Job) -> Result<Answered, EvaluationError> {
    start(watch, job)?.finish(watch, job)
}

/// A child that was given its job. Dropped before its end, it is killed.
pub(crate) struct Started {
    child: Child,
    since: Instant,
    answer_closed: mpsc::Receiver<Vec<u8>>,
    stderr: Option<thread::JoinHandle<Vec<u8>>>,
    is_over: bool,
}

impl Drop for Started {
    fn drop(&mut self) {
        if !self.is_over {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Starts a child and gives it its job.
///
/// # Errors
/// [`EvaluationError::Spawn`].
pub(crate) fn start(watch: &Watch<'_>, job: &Job) -> Result<Started, EvaluationError> {
    let spawn_error = |source| EvaluationError::Spawn { stage: watch.stage, source };
    let text = serde_json::to_vec(job).map_err(|e| spawn_error(e.into()))?;
    // The libraries of CUDA are found by this variable; of our environment a child has nothing else.
    let search = std::env::var_os(LIBRARY_PATH).filter(|_| job.cuda.is_some());
    let mut child = Command::new(watch.program)
        .arg(CHILD_ARGUMENT)
        .current_dir(watch.folder)
        .env_clear()
        .env(TELEMETRY_VARIABLE, "1")
        .envs(search.map(|path| (LIBRARY_PATH, path)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(spawn_error)?;
    let (answering, answer_closed) = mpsc::channel();
    if let Some(pipe) = child.stdout.take() {
        // Nobody listens any more where the child was stopped.
        thread::spawn(move || answering.send(read_limited(pipe)));
    }
    let stderr = child.stderr.take().map(|pipe| thread::spawn(move || read_tail(pipe)));
    if let Some(mut stdin) = child.stdin.take() {
        // A child that is dead already breaks the pipe; how it died is told below.
        let _ = stdin.write_all(&text);
    }
    Ok(Started { child, since: now(), answer_closed, stderr, is_over: false })
}

impl Started {
    /// Waits for the answer, or the end.
    ///
    /// # Errors
    /// How the child failed; see [`EvaluationError`].
    pub(crate) fn finish(
        mut self,
        watch: &Watch<'_>,
        job: &Job,
    ) -> Result<Answered, EvaluationError> {
        let ended = wait(&mut self.child, self.since, watch, &self.answer_closed);
        let ended =
            ended.map_err(|source| EvaluationError::Spawn { stage: watch.stage, source })?;
        let (status, stdout) = match ended {
            Ok(Ended::Answered(answered)) => {
                // What is left of it is taking down libraries and memory, some milliseconds that nobody needs to wait for.
                let _ = self.child.kill();
                thread::spawn(move || drop(self));
                return told(watch, job, *answered, String::new());
            }
            Ok(Ended::Exited(status, stdout)) => (status, stdout),
            Err(stopped) => {
                self.is_over = true;
                return Err(stopped_error(watch, &stopped));
            }
        };
        self.is_over = true;
        let stderr = self.stderr.take().and_then(|handle| handle.join().ok()).unwrap_or_default();
        judge(watch, job, status, &stdout, String::from_utf8_lossy(&stderr).into_owned())
    }
}

fn stopped_error(watch: &Watch<'_>, stopped: &Stopped) -> EvaluationError {
    match stopped {
        Stopped::Cancelled => EvaluationError::Cancelled,
        Stopped::TimedOut => timed_out(watch),
        Stopped::OutOfMemory => EvaluationError::OutOfMemory {
            stage: watch.stage,
            limit: watch.resident_bytes,
            message: "its resident memory passed the limit".to_owned(),
        },
    }
}

/// Waits for the answer or the end, beats, and kills at the limit or when cancelled.
fn wait(
    child: &mut Child,
    start: Instant,
    watch: &Watch<'_>,
    answer_closed: &mpsc::Receiver<Vec<u8>>,
) -> io::Result<Result<Ended, Stopped>> {
    let mut beat = now();
    let mut written = None::<Vec<u8>>;
    loop {
        if let Some(status) = child.try_wait()? {
            // The pipe has ended with the process: its bytes are there, or come at once.
            let written = written.or_else(|| answer_closed.recv().ok()).unwrap_or_default();
            return Ok(Ok(Ended::Exited(status, written)));
        }
        let stop = if watch.cancel.load(Ordering::Relaxed) {
            Some(Stopped::Cancelled)
        } else if start.elapsed() > watch.wall {
            Some(Stopped::TimedOut)
        } else if watch.resident_bytes.is_some_and(|limit| resident_bytes(child.id()) > limit) {
            Some(Stopped::OutOfMemory)
        } else {
            None
        };
        if let Some(stop) = stop {
            child.kill()?;
            child.wait()?;
            return Ok(Err(stop));
        }
        if beat.elapsed() > HEARTBEAT {
            beat = now();
            (watch.heartbeat)();
        }
        if written.is_some() {
            thread::sleep(POLL_ENDING);
        } else if let Ok(bytes) = answer_closed.recv_timeout(POLL) {
            if let Ok(answered) = read_answer(&bytes) {
                return Ok(Ok(Ended::Answered(Box::new(answered))));
            }
            written = Some(bytes);
        }
    }
}

/// Libraries may print; the answer is the last line.
fn read_answer(stdout: &[u8]) -> serde_json::Result<Answered> {
    let line = stdout.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    serde_json::from_slice(line)
}

/// Bytes of memory of its own, without files, that a process has resident; 0 once it is gone.
///
/// Memory is resident when it is first touched, about a gigabyte a second: between two looks a child gains some megabytes.
fn resident_bytes(process: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/statm")).unwrap_or_default();
    let mut pages = text.split_ascii_whitespace().skip(1).map(|n| n.parse::<u64>().unwrap_or(0));
    let (resident, shared) = (pages.next().unwrap_or(0), pages.next().unwrap_or(0));
    resident.saturating_sub(shared).saturating_mul(rustix::param::page_size() as u64)
}

/// Tells what an ended child means.
fn judge(
    watch: &Watch<'_>,
    job: &Job,
    status: ExitStatus,
    stdout: &[u8],
    stderr: String,
) -> Result<Answered, EvaluationError> {
    const SIGXCPU: i32 = rustix::process::Signal::XCPU.as_raw();
    let stage = watch.stage;
    let limit = job.limits.address_space_bytes;
    match status.signal() {
        Some(SIGXCPU) => return Err(timed_out(watch)),
        // The runtime of our own language ends the process so when an allocation fails.
        Some(_) if stderr.contains("memory allocation of") || stderr.contains("bad_alloc") => {
            return Err(EvaluationError::OutOfMemory { stage, limit, message: stderr });
        }
        Some(signal) => return Err(EvaluationError::Crashed { stage, signal, stderr }),
        None => {}
    }
    let bad = |reason: String, stderr| EvaluationError::BadAnswer { stage, reason, stderr };
    if !status.success() {
        return Err(bad(format!("it ended with {status}"), stderr));
    }
    match read_answer(stdout) {
        Err(error) => Err(bad(format!("its answer cannot be read: {error}"), stderr)),
        Ok(answered) => told(watch, job, answered, stderr),
    }
}

/// Tells what an answer means.
fn told(
    watch: &Watch<'_>,
    job: &Job,
    answered: Answered,
    stderr: String,
) -> Result<Answered, EvaluationError> {
    let (stage, limit) = (watch.stage, job.limits.address_space_bytes);
    let Answered { answer: Answer::Failed { kind, message }, .. } = answered else {
        return Ok(answered);
    };
    Err(match kind {
        FailureKind::Library => EvaluationError::Runtime(RuntimeError::Load {
            path: job.library.clone(),
            reason: message,
        }),
        FailureKind::Device => EvaluationError::DeviceUnusable {
            device: job.cuda.map_or(Device::Cpu, Device::Cuda).to_string(),
            reason: message,
        },
        FailureKind::Inference => EvaluationError::Inference { stage, message },
        FailureKind::OutOfMemory => EvaluationError::OutOfMemory { stage, limit, message },
        FailureKind::Job => EvaluationError::BadAnswer { stage, reason: message, stderr },
    })
}

fn timed_out(watch: &Watch<'_>) -> EvaluationError {
    EvaluationError::TimedOut { stage: watch.stage, seconds: watch.wall.as_secs() }
}

/// Reads up to the largest answer, and throws the rest away so that the child can end.
fn read_limited(mut pipe: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = pipe.by_ref().take(ANSWER_BYTES_MAX).read_to_end(&mut bytes);
    let _ = io::copy(&mut pipe, &mut io::sink());
    bytes
}

/// Keeps the last bytes only.
fn read_tail(mut pipe: impl Read) -> Vec<u8> {
    let (mut tail, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = pipe.read(&mut piece) {
        tail.extend_from_slice(&piece[..count]);
        let excess = tail.len().saturating_sub(STDERR_TAIL);
        tail.drain(..excess);
    }
    tail
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a child whose memory grows past the limit is ended by the watch, soon after it passed it.
    #[test]
    fn growing_memory_is_watched() {
        const LIMIT: u64 = 100 << 20;
        // It keeps a line in memory until the line ends, which this one never does.
        let mut child =
            Command::new("sort").arg("/dev/zero").stdout(Stdio::null()).spawn().unwrap();
        let watch = Watch {
            program: Path::new("sort"),
            folder: Path::new("."),
            stage: Stage::Energy,
            wall: Duration::from_secs(60),
            resident_bytes: Some(LIMIT),
            cancel: &AtomicBool::new(false),
            heartbeat: &|| (),
        };
        let (_answering, answer_closed) = mpsc::channel();
        assert!(resident_bytes(child.id()) < LIMIT);
        let ended = wait(&mut child, now(), &watch, &answer_closed).unwrap();
        assert_eq!(ended.unwrap_err(), Stopped::OutOfMemory);
        assert_eq!(resident_bytes(child.id()), 0);
    }
}
