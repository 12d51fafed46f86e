//! The child that times the sides of one round against each other.

use std::{fs::File, path::Path};

use domain::evaluation::{RoundMeasurement, Sides};
use ort::environment::Environment;

use super::{
    Failure,
    calls::{bind_batches, calls_in_order},
};
use crate::{
    protocol::{Answer, FailureKind, Job, Task},
    session::{Residence, bind_io, open, read_inputs},
    timing::{Random, Timed, interleave},
};

/// Times single cases of model, reference and control in triples, then offline batches of model and reference.
pub(super) fn round(
    job: &Job,
    environment: &Environment,
    inputs: &File,
) -> Result<Answer, Failure> {
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
