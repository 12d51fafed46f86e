//! The child that finds the fastest size of an offline batch.

use std::{fs::File, path::Path, time::Duration};

use domain::evaluation::SweepPoint;
use ort::environment::Environment;

use super::{
    Failure,
    calls::{bind_batches, bytes_of_case, calls_within},
};
use crate::{
    protocol::{Answer, FailureKind, Job, JobSubject},
    session::open,
    timing::{Enough, Random, Timed, interleave},
};

/// A size is left, and no larger one tried, when an item takes so much longer than at the best size before.
const WORSE: f64 = 1.05;
/// Batches of one size: a fifth of a second and five of them, or three where they are slow.
const BATCHES: Enough =
    Enough { most: 40, fewer: [(5, Duration::from_millis(200)), (3, Duration::from_secs(1))] };

/// Times batches of ascending sizes until an item takes longer than before, or memory ends.
///
/// The first size always has times; a larger one that does not fit is no failure.
pub(super) fn sweep(
    job: &Job,
    environment: &Environment,
    inputs: &File,
    subject: &JobSubject,
    sizes: &[u32],
) -> Result<Answer, Failure> {
    let session = open(environment, Path::new(&subject.graph), job.threads, true, job.cuda)?;
    let mut side = Timed { session, calls: Vec::new() };
    let mut points = Vec::<SweepPoint>::new();
    let mut best = f64::INFINITY;
    for size in sizes {
        let items = u64::from(*size);
        // A batch that is larger than the suite, or than what is kept bound, is not tried.
        let fits = items <= job.items && calls_within(bytes_of_case(job, items)) > 0;
        if !points.is_empty() && !fits {
            break;
        }
        let point = match time_size(job, inputs, &mut side, subject, *size) {
            Ok(point) => point,
            Err(Failure(FailureKind::OutOfMemory, _)) if !points.is_empty() => break,
            Err(failure) => return Err(failure),
        };
        let item_ns = point.item_ns().unwrap_or(f64::INFINITY);
        points.push(point);
        if item_ns > best * WORSE {
            break;
        }
        best = best.min(item_ns);
    }
    Ok(Answer::Sweep { points })
}

fn time_size(
    job: &Job,
    inputs: &File,
    side: &mut Timed,
    subject: &JobSubject,
    size: u32,
) -> Result<SweepPoint, Failure> {
    side.calls = bind_batches(job, inputs, side, subject, u64::from(size), &[0])?;
    side.warm_up()?;
    let timed = interleave(&mut [side], BATCHES, &mut Random::new(0))?;
    Ok(SweepPoint { items: size, times: timed.times.into_iter().next().unwrap_or_default() })
}
