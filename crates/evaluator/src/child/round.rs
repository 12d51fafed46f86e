//! The child that times the sides of one round against each other.

use std::{fs::File, path::Path};

use domain::evaluation::{GpuRound, Interrupted, RoundMeasurement, Sides};
use ort::environment::Environment;

use super::{
    Failure,
    accuracy::{OutputWriter, run_call},
    calls::{bind_batches, calls_in_order},
};
use crate::{
    gpu,
    protocol::{Answer, FailureKind, Job, JobSubject, Task, TimedOutputs},
    session::{Residence, bind_io, open, read_inputs},
    timing::{Enough, Interleaved, Random, Timed, interleave, release},
};

/// Runs of one input again and again (EVALUATION 4, rule 12), as many as the shortest series of distinct ones has at least.
const REPEATED: usize = 100;
/// Most single calls whose outputs are compared with the scored ones in a round.
const COMPARED_MAX: usize = 100;

/// Times single cases of model, reference and control in triples, one input of the model again and again, then offline batches of
/// model and reference.
pub(super) fn round(
    job: &Job,
    environment: &Environment,
    inputs: &File,
    files: Vec<File>,
) -> Result<Answer, Failure> {
    let Task::Round { number, seed, pairs, offline_batches, offline_items, model, reference } =
        &job.task
    else {
        return Err(Failure(FailureKind::Job, "no round".to_owned()));
    };
    let mut random = Random::new(*seed);
    let ecc_before = job.cuda.and_then(gpu::ecc_errors);
    let mut sides = open_sides(job, environment, model, reference.as_ref(), &mut random)?;
    let subjects = [Some(model), reference.as_ref(), reference.as_ref()];
    let subjects = subjects.into_iter().flatten().collect::<Vec<_>>();
    let cases = bind_single(job, inputs, &mut sides, &subjects, *pairs, &mut random)?;
    for side in &mut sides {
        side.warm_up()?;
    }
    let mut handles = sides.iter_mut().collect::<Vec<_>>();
    let single = interleave(&mut handles, Enough::single_stream(*pairs as usize), &mut random)?;
    let repeated = repeat(&mut sides, &mut random)?;
    // The control ends here; model and reference get whole batches.
    sides.truncate(2);
    let mut offline_first = None;
    for ((side, subject), items) in sides.iter_mut().zip(&subjects).zip(offline_items) {
        let starts = calls_in_order(job, *items, u64::from(*offline_batches), &mut random);
        offline_first = offline_first.or(starts.first().copied());
        side.calls = bind_batches(job, inputs, side, subject, *items, &starts)?;
        side.warm_up()?;
    }
    let mut handles = sides.iter_mut().collect::<Vec<_>>();
    let most = *offline_batches as usize;
    let offline = interleave(&mut handles, Enough::offline(most), &mut random)?;
    let gpu = gpu_facts(job, &mut sides, ecc_before)?;
    let spots = Spots {
        single: cases,
        offline_first: offline_first.unwrap_or(0),
        offline_items: offline_items[0],
    };
    let timed = timed_outputs(job, inputs, model, &mut sides[0], files, spots)?;
    release(sides);
    let marks = (single.interrupted.clone()).zip(offline.interrupted.clone());
    let round = Box::new(RoundMeasurement {
        number: *number,
        single_stream: into_sides(single),
        offline: into_sides(offline),
        interrupted: marks.map(|(single_stream, offline)| Interrupted { single_stream, offline }),
        repeated: Some(repeated),
        apart: None,
        gpu,
    });
    Ok(Answer::Round { round, timed })
}

/// Which of the timed calls are run once more for their outputs.
struct Spots {
    single: Vec<u64>,
    offline_first: u64,
    offline_items: u64,
}

/// Outputs of timed calls in the timed session of the model, written once the clock has been read for the last time.
///
/// None where a state is carried: a timed call starts from the first state, a scored one from that of the case before.
fn timed_outputs(
    job: &Job,
    inputs: &File,
    subject: &JobSubject,
    side: &mut Timed,
    files: Vec<File>,
    spots: Spots,
) -> Result<Option<TimedOutputs>, Failure> {
    let carries = job.inputs.iter().any(|input| input.carried_from.is_some());
    let Some(file) = files.into_iter().next().filter(|_| !carries) else { return Ok(None) };
    let names = [job.output.clone()];
    let mut writer = OutputWriter::new(&job.output, file);
    let mut run = |first: u64, count: u64| {
        let rows = subject.fixed_rows.unwrap_or(count);
        let tensors = read_inputs(inputs, &job.inputs, first, count, rows)?;
        for tensor in run_call(job, &mut side.session, &tensors, &names)? {
            writer.write(count, &tensor)?;
        }
        Ok::<_, Failure>(())
    };
    let single = spots.single.into_iter().take(COMPARED_MAX).collect::<Vec<_>>();
    for first in &single {
        run(*first, 1)?;
    }
    let end = (spots.offline_first + spots.offline_items).min(job.items);
    let step = subject.call_items.clamp(1, spots.offline_items.max(1));
    for first in (spots.offline_first..end).step_by(step as usize) {
        run(first, step.min(end - first))?;
    }
    Ok(Some(TimedOutputs {
        single,
        offline_first: spots.offline_first,
        offline_cases: end - spots.offline_first,
        output: writer.finish()?,
    }))
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

/// Binds the same single cases on every side; the cases.
fn bind_single(
    job: &Job,
    inputs: &File,
    sides: &mut [Timed],
    subjects: &[&JobSubject],
    pairs: u32,
    random: &mut Random,
) -> Result<Vec<u64>, Failure> {
    let cases = calls_in_order(job, 1, u64::from(pairs), random);
    let rows_of = |subject: &JobSubject| subject.fixed_rows.unwrap_or(1);
    let shared = subjects.iter().all(|subject| rows_of(subject) == rows_of(subjects[0]));
    let mut order = (0..sides.len()).collect::<Vec<_>>();
    for first in &cases {
        // One set of tensors for all sides: they read the same bytes at the same place. Graphs that fix their batch axis at
        // different lengths cannot share.
        let read =
            |side: usize| read_inputs(inputs, &job.inputs, *first, 1, rows_of(subjects[side]));
        let common = read(0)?;
        // What is bound one after the other lies side by side, and the one in the middle is fetched with either neighbour: in a
        // fixed order the reference was 0.3 % faster than itself.
        random.shuffle(&mut order);
        for place in &order {
            let own = if shared { None } else { Some(read(*place)?) };
            let tensors = own.as_ref().unwrap_or(&common);
            let (side, rows) = (&mut sides[*place], rows_of(subjects[*place]));
            let residence = Residence::timed(job.cuda);
            let session = &side.session;
            let binding = bind_io(session, &job.inputs, tensors, &job.output, rows, residence)?;
            side.calls.push(vec![binding]);
        }
    }
    Ok(cases)
}

/// Times the first call of the model again and again, between the distinct calls of the other sides: a model that remembers its answers
/// is faster then. Alone it would also keep the processor's caches, and a model of microseconds a fifth of its time, without
/// remembering anything.
fn repeat(sides: &mut [Timed], random: &mut Random) -> Result<Vec<u64>, Failure> {
    let Some(model) = sides.first_mut() else { return Ok(Vec::new()) };
    let others = model.calls.split_off(1);
    let mut handles = sides.iter_mut().collect::<Vec<_>>();
    let times = interleave(&mut handles, Enough::single_stream(REPEATED), random);
    sides[0].calls.extend(others);
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
