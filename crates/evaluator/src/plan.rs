//! Where suite, cases and graphs meet: every disagreement is found here, before any child runs.

use domain::{
    checkpoint::{Dtype, TensorEntry},
    suite::Suite,
};

use crate::{
    error::EvaluationError,
    graph::{Dim, GraphValue},
    protocol::JobInput,
    safetensors_file::SafetensorsFile,
    session::element_type,
    subject::{Prepared, io_error},
};

/// Most cases of a suite that are scored in one evaluation.
const ITEMS_MAX: u64 = 10_000_000;

/// A suite as the children need it.
#[derive(Debug)]
pub(crate) struct Plan {
    pub items: u64,
    pub inputs: Vec<JobInput>,
    pub output: String,
}

impl Plan {
    /// Brings suite, cases and graphs together, and tells every subject how many items it takes in a call.
    pub(crate) fn try_new(
        suite: &Suite,
        cases: &SafetensorsFile,
        subjects: &mut [&mut Prepared],
        batch: u64,
    ) -> Result<Self, EvaluationError> {
        let Wanted { items, output, whole } = wanted(suite)?;
        let mut names = Vec::<String>::new();
        for subject in subjects.iter_mut() {
            subject.call_items = batch;
            for input in subject.graph.inputs() {
                let tensor = cases.find(&format!("input.{}", input.name)).ok_or_else(|| {
                    let reason =
                        format!("the {} graph wants it, the cases do not have it", subject.side);
                    error(format!("input.{}", input.name), reason)
                })?;
                let batched = !whole.contains(&input.name);
                if fits(input, tensor, batched, items)? {
                    subject.call_items = 1;
                }
                if !names.contains(&input.name) {
                    names.push(input.name.clone());
                }
            }
            check_output(subject, &output)?;
        }
        let inputs = lay_out(cases, &names, &whole, items)?;
        Ok(Self { items, inputs, output })
    }
}

/// What of a suite this evaluator runs.
struct Wanted {
    items: u64,
    output: String,
    /// Inputs that go whole into every call.
    whole: Vec<String>,
}

/// Reads out of a suite what is run, and refuses by name what is not run yet.
fn wanted(suite: &Suite) -> Result<Wanted, EvaluationError> {
    suite.measurable().map_err(|e| {
        error(e.field, format!("{} is not measured yet; measured is {}", e.value, e.measured))
    })?;
    if !(1..=ITEMS_MAX).contains(&suite.items) {
        return Err(error("items", format!("{}; at least 1, at most {ITEMS_MAX}", suite.items)));
    }
    Ok(Wanted {
        items: suite.items,
        output: suite.output.name.clone(),
        whole: suite.whole_inputs().map(str::to_owned).collect(),
    })
}

pub(crate) fn error(field: impl Into<String>, reason: impl Into<String>) -> EvaluationError {
    EvaluationError::Suite { field: field.into(), reason: reason.into() }
}

/// Whether the tensor is what the graph's input takes; true if the graph takes one case at a time only.
fn fits(
    input: &GraphValue,
    tensor: &TensorEntry,
    batched: bool,
    items: u64,
) -> Result<bool, EvaluationError> {
    let fail = |reason: String| Err(error(tensor.name.clone(), reason));
    let Some(dtype) = input.dtype else {
        return fail("the graph takes strings, which are not supported".to_owned());
    };
    if dtype != tensor.dtype {
        return fail(format!("the graph takes {dtype}, the cases have {}", tensor.dtype));
    }
    let Some(dims) = &input.dims else {
        return fail("the graph does not give its rank".to_owned());
    };
    if dims.len() != tensor.shape.len() {
        return fail(format!(
            "the graph takes {} axes, the cases have shape {:?}",
            dims.len(),
            tensor.shape
        ));
    }
    let mut single = false;
    for (axis, (dim, length)) in dims.iter().zip(&tensor.shape).enumerate() {
        match (batched && axis == 0, dim) {
            (true, Dim::Fixed(1)) => single = true,
            (true, Dim::Fixed(batch)) => {
                return fail(format!(
                    "the graph fixes its batch axis at {batch}; 1 or any can be run"
                ));
            }
            (false, Dim::Fixed(wanted)) if wanted != length => {
                return fail(format!(
                    "the graph takes {wanted} along axis {axis}, the cases have {length}"
                ));
            }
            _ => {}
        }
    }
    match tensor.shape.first() {
        _ if !batched => Ok(false),
        Some(length) if *length == items => Ok(single),
        Some(length) => fail(format!("it has {length} cases, the suite {items}")),
        None => {
            fail("a scalar has no batch axis; the suite may say batch_axis = \"none\"".to_owned())
        }
    }
}

fn check_output(subject: &Prepared, name: &str) -> Result<(), EvaluationError> {
    let fail = |reason: String| Err(error(format!("output {name}"), reason));
    let Some(output) = subject.graph.outputs().iter().find(|o| o.name == name) else {
        return fail(format!("the {} graph has no such output", subject.side));
    };
    match (output.dtype, &output.dims) {
        (None, _) => fail(format!("the {} graph gives strings", subject.side)),
        (_, Some(dims)) if dims.len() != 2 => {
            fail(format!("the {} graph gives {} axes; a choice has 2", subject.side, dims.len()))
        }
        _ => Ok(()),
    }
}

/// Offsets in the inputs file, in the order in which it is written.
fn lay_out(
    cases: &SafetensorsFile,
    names: &[String],
    whole: &[String],
    items: u64,
) -> Result<Vec<JobInput>, EvaluationError> {
    let mut inputs = Vec::with_capacity(names.len());
    let mut offset = 0;
    for name in names {
        let full = format!("input.{name}");
        let Some(tensor) = cases.find(&full) else { continue };
        if element_type(tensor.dtype).is_none() {
            return Err(error(
                full,
                format!("ONNX Runtime takes no input of type {}", tensor.dtype),
            ));
        }
        if tensor.dtype == Dtype::Bool {
            let bytes = cases.read(tensor).map_err(io_error("cannot read", &cases.path))?;
            if let Some(byte) = bytes.iter().find(|byte| **byte > 1) {
                return Err(error(full, format!("byte {byte} is no boolean")));
            }
        }
        let bytes = tensor.end - tensor.begin;
        let batched = !whole.contains(name);
        let shape = tensor.shape.iter().copied().skip(usize::from(batched)).collect();
        inputs.push(JobInput {
            name: name.clone(),
            dtype: tensor.dtype,
            shape,
            batched,
            offset,
            bytes: if batched { bytes / items } else { bytes },
        });
        offset += bytes;
    }
    Ok(inputs)
}
