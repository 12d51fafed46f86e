//! The child that runs every case once and writes what comes out.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
};

use ort::{environment::Environment, value::DynTensor};

use super::Failure;
use crate::{
    ort_api,
    protocol::{Answer, FailureKind, Job, JobSubject},
    session::{Residence, bind_io, dtype_of, open, read_inputs},
    timing::{count_inside, now, since},
};

/// Runs all cases in order, in calls of the size that offline batches have, and writes the outputs as they come.
///
/// Weights are prepacked as in the timed sessions: prepacking changes the last bits, and what is scored is what is timed.
pub(super) fn accuracy(
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
        let start = now();
        let mut outputs = session.run_binding(&binding)?;
        count_inside(since(start));
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
