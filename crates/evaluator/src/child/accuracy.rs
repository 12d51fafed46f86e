//! The child that runs every case once and writes what comes out.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
};

use domain::checkpoint::Dtype;
use ort::{environment::Environment, session::Session, value::DynTensor};

use super::Failure;
use crate::{
    ort_api,
    protocol::{Answer, FailureKind, Job, JobSubject, OutputFacts},
    session::{Residence, bind_outputs, dtype_of, open, read_inputs},
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
    files: Vec<File>,
) -> Result<Answer, Failure> {
    let mut session = open(environment, Path::new(&subject.graph), job.threads, true, job.cuda)?;
    let providers = ort_api::nodes_by_provider(&session)?;
    let carried = job.inputs.iter().filter_map(|input| input.carried_from.clone());
    let mut read = job.outputs.clone();
    for output in carried {
        if !read.contains(&output) {
            read.push(output);
        }
    }
    let mut writers = Vec::new();
    for (name, file) in job.outputs.iter().zip(files) {
        writers.push(OutputWriter::new(name, file));
    }
    let mut states = Vec::<(String, DynTensor)>::new();
    for first in (0..job.items).step_by(subject.call_items.max(1) as usize) {
        let count = subject.call_items.min(job.items - first);
        let rows = subject.fixed_rows.unwrap_or(count);
        let mut tensors = read_inputs(inputs, &job.inputs, first, count, rows)?;
        for (input, tensor) in job.inputs.iter().zip(&mut tensors) {
            let from = input.carried_from.as_ref();
            if let Some(at) = states.iter().position(|(output, _)| Some(output) == from) {
                *tensor = states.swap_remove(at).1;
            }
        }
        let outputs = run_call(job, &mut session, &tensors, &read)?;
        states.clear();
        for (name, tensor) in read.iter().zip(outputs) {
            if let Some(writer) = writers.iter_mut().find(|writer| writer.name == *name) {
                writer.write(count, &tensor)?;
            }
            states.push((name.clone(), tensor));
        }
    }
    let outputs = writers.into_iter().map(OutputWriter::finish).collect::<Result<Vec<_>, _>>()?;
    let version = ort_api::version(&job.library).unwrap_or_else(|| "unknown".to_owned());
    Ok(Answer::Accuracy { outputs, providers, version })
}

/// The named outputs of one call, in main memory.
pub(super) fn run_call(
    job: &Job,
    session: &mut Session,
    tensors: &[DynTensor],
    names: &[String],
) -> Result<Vec<DynTensor>, Failure> {
    let read = Residence::read(job.cuda);
    let binding = bind_outputs(session, &job.inputs, tensors, names, read)?;
    let start = now();
    let mut outputs = session.run_binding(&binding)?;
    count_inside(since(start));
    let take = |name: &String| match outputs.remove(name) {
        Some(value) => Ok(value.downcast()?),
        None => Err(bad_output(name, "it was not computed")),
    };
    names.iter().map(take).collect()
}

/// Writes one output, call after call.
pub(super) struct OutputWriter {
    name: String,
    out: BufWriter<File>,
    facts: Option<OutputFacts>,
}

impl OutputWriter {
    pub(super) fn new(name: &str, file: File) -> Self {
        Self { name: name.to_owned(), out: BufWriter::new(file), facts: None }
    }

    pub(super) fn write(&mut self, cases: u64, tensor: &DynTensor) -> Result<(), Failure> {
        let Some(dtype) = dtype_of(*tensor.data_type()) else {
            return Err(bad_output(&self.name, "its element type is not supported"));
        };
        let shape = tensor.shape().iter().map(|d| *d as u64).collect::<Vec<_>>();
        let empty = || OutputFacts { dtype, calls: Vec::new() };
        let facts: &mut OutputFacts = self.facts.get_or_insert_with(empty);
        if facts.dtype != dtype {
            let (before, now): (Dtype, Dtype) = (facts.dtype, dtype);
            return Err(bad_output(&self.name, &format!("{before} in one call, {now} in another")));
        }
        facts.push(cases, shape);
        self.out.write_all(ort_api::bytes(tensor))?;
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<OutputFacts, Failure> {
        self.out.flush()?;
        self.facts.ok_or_else(|| bad_output(&self.name, "there are no cases"))
    }
}

fn bad_output(name: &str, reason: &str) -> Failure {
    Failure(FailureKind::Inference, format!("output {name:?}: {reason}"))
}
