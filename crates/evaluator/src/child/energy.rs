//! The child that measures the energy of both sides on a device that counts it.

use std::{fs::File, path::Path, time::Duration};

use domain::evaluation::{EnergyBlock, EnergyPair};
use ort::environment::Environment;

use super::{Failure, calls::bind_batches};
use crate::{
    gpu,
    protocol::{Answer, FailureKind, Job, Task},
    session::open,
    timing::{Random, Timed, count_inside, now, since},
};

/// Least length of a block: sensors of boards look a quarter of the time and average over up to a second (EVALUATION 4, rule 9).
const BLOCK: Duration = Duration::from_secs(5);

/// Runs pairs of blocks, model and reference in random order; no pairs where the device does not count energy.
pub(super) fn energy(
    job: &Job,
    environment: &Environment,
    inputs: &File,
) -> Result<Answer, Failure> {
    let Task::Energy { seed, pairs, offline_items, model, reference } = &job.task else {
        return Err(Failure(FailureKind::Job, "no energy".to_owned()));
    };
    let Some(counter) = job.cuda.filter(|number| gpu::energy_mj(*number).is_some()) else {
        return Ok(Answer::Energy { pairs: Vec::new() });
    };
    let mut random = Random::new(*seed);
    let mut sides = Vec::new();
    for (subject, items) in [model, reference].into_iter().zip(offline_items) {
        let graph = Path::new(&subject.graph);
        let session = open(environment, graph, job.threads, true, job.cuda)?;
        let mut side = Timed { session, calls: Vec::new() };
        side.calls = bind_batches(job, inputs, &side, subject, *items, &[0])?;
        side.warm_up()?;
        sides.push(side);
    }
    let mut measured = Vec::new();
    let mut order = [0, 1];
    for _ in 0..*pairs {
        random.shuffle(&mut order);
        let mut blocks = [EnergyBlock { millijoules: 0, items: 0, milliseconds: 0 }; 2];
        for side in order {
            blocks[side] = block(counter, &mut sides[side], offline_items[side])?;
        }
        let [model, reference] = blocks;
        measured.push(EnergyPair { model, reference });
    }
    Ok(Answer::Energy { pairs: measured })
}

fn block(number: u32, side: &mut Timed, items: u64) -> Result<EnergyBlock, Failure> {
    let lost = || Failure(FailureKind::Device, "its energy counter went away".to_owned());
    let before = gpu::energy_mj(number).ok_or_else(lost)?;
    let start = now();
    let mut batches = 0;
    while start.elapsed() < BLOCK {
        count_inside(side.sample(batches)?);
        batches += 1;
    }
    let milliseconds = since(start) / 1_000_000;
    let after = gpu::energy_mj(number).ok_or_else(lost)?;
    let items = items.saturating_mul(batches as u64);
    Ok(EnergyBlock { millijoules: after.saturating_sub(before), items, milliseconds })
}
