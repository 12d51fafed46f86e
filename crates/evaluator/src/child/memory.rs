//! The child that opens one session and tells how much memory it took.

use std::{fs::File, path::Path};

use ort::environment::Environment;

use super::{Failure, calls::bind_batches};
use crate::{
    gpu,
    protocol::{Answer, Job, JobSubject},
    session::open,
    timing::{Timed, count_inside, release},
};

/// Runs one offline batch of one subject, without prepacking, and reports the largest resident size.
pub(super) fn memory(
    job: &Job,
    environment: &Environment,
    inputs: &File,
    subject: &JobSubject,
    items: u64,
) -> Result<Answer, Failure> {
    let before = job.cuda.and_then(gpu::used_bytes);
    let session = open(environment, Path::new(&subject.graph), job.threads, false, job.cuda)?;
    let mut side = Timed { session, calls: Vec::new() };
    side.calls = bind_batches(job, inputs, &side, subject, items, &[0])?;
    count_inside(side.sample(0)?);
    // On a GPU it is the device's memory that counts: what is in use more than before, while everything is held.
    let peak_bytes = match job.cuda {
        None => peak_bytes(),
        Some(number) => {
            let after = gpu::used_bytes(number);
            after.zip(before).map(|(after, before)| after.saturating_sub(before))
        }
    };
    release(side);
    Ok(Answer::Memory { peak_bytes })
}

/// Largest resident size of this process so far, in bytes, as the kernel counts it.
#[must_use]
pub fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes = line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?;
    kibibytes.checked_mul(1024)
}
