//! The child that times the sides of one round against each other.

use std::{fs::File, path::Path};

use domain::evaluation::{GpuRound, Interrupted, RoundMeasurement, Sides};
use ort::environment::Environment;

use super::{
    Failure,
    calls::{bind_batches, calls_in_order},
};
use crate::{
    gpu,
    protocol::{Answer, FailureKind, Job, JobSubject, Task},
    session::{Residence, bind_io, open, read_inputs},
    timing::{Enough, Interleaved, Random, Timed, interleave},
};

/// Runs of one input again and again (EVALUATION 4, rule 12), as many as the shortest series of distinct ones has at least.
const REPEATED: usize = 100;

/// Times single cases of model, reference and control in triples, one input of the model again and again, then offline batches of
/// model and reference.
pub(super) fn round(
    job: &Job,
    environment: &Environment,
    inputs: &File,
) -> Result<Answer, Failure> {
    let Task::Round { number, seed, pairs, offline_batches, offline_items, model, reference } =
        &job.task
    else {
        return Err(Failure(FailureKind::Job, "no round".to_owned()));
    };
    let mut random = Random::new(*seed);
    let ecc_before = job.cuda.and_then(gpu::ecc_errors);
    let mut sides = open_sides(job, environment, model, reference.as_ref(), &mut random)?;
    bind_single(job, inputs, &mut sides, *pairs, &mut random)?;
    for side in &mut sides {
        side.warm_up()?;
    }
    let mut handles = sides.iter_mut().collect::<Vec<_>>();
    let single = interleave(&mut handles, Enough::single_stream(*pairs as usize), &mut random)?;
    let repeated = repeat(&mut sides[0], &mut random)?;
    // The control ends here; model and reference get whole batches.
    sides.truncate(2);
    let subjects = std::iter::once(model).chain(reference);
    for ((side, subject), items) in sides.iter_mut().zip(subjects).zip(offline_items) {
        let starts = calls_in_order(job, *items, u64::from(*offline_batches), &mut random);
        side.calls = bind_batches(job, inputs, side, subject, *items, &starts)?;
        side.warm_up()?;
    }
    let mut handles = sides.iter_mut().collect::<Vec<_>>();
    let most = *offline_batches as usize;
    let offline = interleave(&mut handles, Enough::offline(most), &mut random)?;
    let gpu = gpu_facts(job, &mut sides, ecc_before)?;
    let marks = (single.interrupted.clone()).zip(offline.interrupted.clone());
    Ok(Answer::Round(Box::new(RoundMeasurement {
        number: *number,
        single_stream: into_sides(single),
        offline: into_sides(offline),
        interrupted: marks.map(|(single_stream, offline)| Interrupted { single_stream, offline }),
        repeated: Some(repeated),
        apart: None,
        gpu,
    })))
}

/// Sessions of model, reference and control, in that order; the last two only with a reference.
fn open_sides(
    job: &Job,
    environment: &Environment,
    model: &JobSubject,
    reference: Option<&JobSubject>,
    random: &mut Random,
) -> Result<Vec<Timed>, Failure> {
    let mut subjects = vec![(0, model)];
    subjects.extend(reference.iter().flat_map(|r| [(1, *r), (2, *r)]));
    let count = subjects.len();
    // Placement in memory depends on the order of opening, so that is drawn too.
    random.shuffle(&mut subjects);
    let mut sides = (0..count).map(|_| None).collect::<Vec<_>>();
    for (place, subject) in subjects {
        let graph = Path::new(&subject.graph);
        let session = open(environment, graph, job.threads, true, job.cuda)?;
        sides[place] = Some(Timed { session, calls: Vec::new() });
    }
    Ok(sides.into_iter().flatten().collect())
}

/// Binds the same single cases on every side.
fn bind_single(
    job: &Job,
    inputs: &File,
    sides: &mut [Timed],
    pairs: u32,
    random: &mut Random,
) -> Result<(), Failure> {
    let cases = calls_in_order(job, 1, u64::from(pairs), random);
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
    Ok(())
}

/// Times the first call of a side again and again: a model that remembers its answers is faster then.
fn repeat(side: &mut Timed, random: &mut Random) -> Result<Vec<u64>, Failure> {
    let others = side.calls.split_off(1);
    let times = interleave(&mut [&mut *side], Enough::single_stream(REPEATED), random);
    side.calls.extend(others);
    Ok(times?.times.into_iter().next().unwrap_or_default())
}

/// What the driver says right after a batch of each side; none on the processor.
fn gpu_facts(
    job: &Job,
    sides: &mut [Timed],
    ecc_before: Option<u64>,
) -> Result<Option<GpuRound>, Failure> {
    let Some(number) = job.cuda else { return Ok(None) };
    let mut states = Vec::new();
    for side in sides {
        side.sample(0)?;
        states.extend(gpu::state(number));
    }
    let ecc_after = gpu::ecc_errors(number);
    let ecc_errors = ecc_after.zip(ecc_before).map(|(after, before)| after.saturating_sub(before));
    let mut states = states.into_iter();
    let model = states.next();
    Ok(model.map(|model| GpuRound { model, reference: states.next(), ecc_errors }))
}

fn into_sides(timed: Interleaved) -> Sides {
    let mut times = timed.times.into_iter();
    let mut next = || times.next().unwrap_or_default();
    Sides { model: next(), reference: next(), control: next() }
}
