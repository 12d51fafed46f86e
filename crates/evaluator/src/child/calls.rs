//! Calls that are bound before they are timed.

use std::fs::File;

use super::Failure;
use crate::{
    protocol::{Job, JobSubject},
    session::{Residence, bind_io, read_inputs},
    timing::{Random, Timed},
};

/// Most bytes of inputs that a side keeps bound, and most calls: distinct inputs defeat caches of results.
const BOUND_BYTES_MAX: u64 = 64 << 20;
const BOUND_CALLS_MAX: u64 = 1024;

/// First cases of up to `wanted` calls of `size` cases each, distinct and in random order, within the memory that is kept bound.
pub(super) fn calls_in_order(job: &Job, size: u64, wanted: u64, random: &mut Random) -> Vec<u64> {
    let most = calls_within(bytes_of_case(job, size)).max(1).min(wanted.max(1));
    let calls = (job.items / size).max(1);
    let mut starts = (0..calls).map(|k| k * size).collect::<Vec<_>>();
    random.shuffle(&mut starts);
    starts.truncate(most as usize);
    starts
}

/// Batches of `items` cases, each as one run, or as several where the graph takes fewer at a time.
pub(super) fn bind_batches(
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
            let rows = subject.fixed_rows.unwrap_or(count);
            let tensors = read_inputs(inputs, &job.inputs, first, count, rows)?;
            let place = Residence::timed(job.cuda);
            let output = &job.output;
            runs.push(bind_io(&side.session, &job.inputs, &tensors, output, rows, place)?);
        }
        Ok(runs)
    };
    starts.iter().map(bind_one).collect()
}

/// Bytes of the inputs of one call of `size` cases.
pub(super) fn bytes_of_case(job: &Job, size: u64) -> u64 {
    let bytes = |input: &crate::protocol::JobInput| {
        input.bytes.saturating_mul(if input.axis.is_some() { size } else { 1 })
    };
    job.inputs.iter().map(bytes).fold(0, u64::saturating_add)
}

/// Calls of so many bytes that are kept bound at once; none where one is too large.
pub(super) fn calls_within(bytes: u64) -> u64 {
    (BOUND_BYTES_MAX / bytes.max(1)).min(BOUND_CALLS_MAX)
}
