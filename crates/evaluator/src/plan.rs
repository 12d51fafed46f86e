//! Where suite, cases and graphs meet: every disagreement is found here, before any child runs.

use domain::{
    checkpoint::{Dtype, Header, TensorEntry},
    suite::{BatchAxis, Pool, Suite, Task},
};

use crate::{
    error::{EvaluationError, Side},
    graph::{Dim, Graph, GraphValue},
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
    /// The output that the metrics read.
    pub output: String,
    /// Outputs that the suite expects values of.
    pub expected: Vec<String>,
}

impl Plan {
    /// Brings suite, cases and graphs together, and tells every subject how many items it takes in a call.
    pub(crate) fn try_new(
        suite: &Suite,
        cases: &SafetensorsFile,
        subjects: &mut [&mut Prepared],
        batch: u64,
    ) -> Result<Self, EvaluationError> {
        check_items(suite)?;
        let expected = expected_outputs(suite, &cases.header)?;
        let mut names = Vec::<String>::new();
        for subject in subjects.iter_mut() {
            let call = meet(suite, &cases.header, &subject.graph, subject.side, &expected)?;
            for input in subject.graph.inputs() {
                if !names.contains(&input.name) {
                    names.push(input.name.clone());
                }
            }
            // A state goes from case to case, so each case is a call of its own.
            let one_by_one =
                subject.graph.inputs().iter().any(|i| carried(suite, &i.name).is_some());
            subject.call_items = match call.rows {
                Some(rows) if one_by_one && rows > 1 => {
                    let reason = format!(
                        "the {} graph fixes its batch axis at {rows}; a carried state wants 1 or any",
                        subject.side
                    );
                    return Err(error("input", reason));
                }
                _ if one_by_one => 1,
                Some(rows) => rows,
                None => batch,
            };
            subject.fixed_rows = if one_by_one { Some(1) } else { call.rows };
        }
        let text = |name: &String| {
            let mut graphs = subjects.iter().map(|subject| &subject.graph);
            graphs.any(|g| g.inputs().iter().any(|i| i.name == *name && i.dtype.is_none()))
        };
        let texts = names.iter().filter(|name| text(name)).cloned().collect::<Vec<_>>();
        let inputs = lay_out(suite, cases, &names, &texts)?;
        Ok(Self { items: suite.items, inputs, output: suite.output.name.clone(), expected })
    }

    /// Names of the outputs that are read, the metrics' first.
    pub(crate) fn outputs(&self) -> Vec<String> {
        let more = self.expected.iter().filter(|name| **name != self.output);
        std::iter::once(&self.output).chain(more).cloned().collect()
    }

    /// Axis of cases of an output: where the graph gives an axis the name of an input's batch axis, there; else where the expected
    /// values have their cases; else the first. None where no input has a batch axis.
    pub(crate) fn output_axis(
        &self,
        subject: &Prepared,
        output: &str,
        expected: Option<&[u64]>,
    ) -> Option<usize> {
        let symbols = self.inputs.iter().filter_map(|input| {
            let value = subject.graph.inputs().iter().find(|value| value.name == input.name)?;
            match value.dims.as_ref()?.get(input.axis? as usize)? {
                Dim::Symbol(symbol) => Some(symbol),
                _ => None,
            }
        });
        let symbols = symbols.collect::<Vec<_>>();
        if self.inputs.iter().all(|input| input.axis.is_none()) {
            return None;
        }
        let value = subject.graph.outputs().iter().find(|value| value.name == output);
        let dims = value.and_then(|value| value.dims.as_ref());
        let named = |dim: &Dim| matches!(dim, Dim::Symbol(symbol) if symbols.contains(&symbol));
        let by_name = dims.and_then(|dims| dims.iter().position(named));
        let by_length = || expected?.iter().position(|length| *length == self.items);
        Some(by_name.or_else(by_length).unwrap_or(0))
    }
}

fn check_items(suite: &Suite) -> Result<(), EvaluationError> {
    if !(1..=ITEMS_MAX).contains(&suite.items) {
        return Err(error("items", format!("{}; at least 1, at most {ITEMS_MAX}", suite.items)));
    }
    Ok(())
}

pub(crate) fn error(field: impl Into<String>, reason: impl Into<String>) -> EvaluationError {
    EvaluationError::Suite { field: field.into(), reason: reason.into() }
}

/// The axis along which an input's cases lie; none where the tensor is given whole.
fn axis_of(suite: &Suite, input: &str) -> Option<u32> {
    match suite.input.get(input).map_or(BatchAxis::Axis(0), |rule| rule.batch_axis) {
        BatchAxis::Axis(axis) => Some(axis),
        BatchAxis::None => None,
    }
}

fn carried<'a>(suite: &'a Suite, input: &str) -> Option<&'a String> {
    suite.input.get(input)?.carried_from.as_ref()
}

/// Outputs that have a tensor `expected.<output>`, if the suite compares.
fn expected_outputs(suite: &Suite, cases: &Header) -> Result<Vec<String>, EvaluationError> {
    let Some(rule) = &suite.expected else { return Ok(Vec::new()) };
    let names = cases.tensors.iter().filter_map(|t| t.name.strip_prefix("expected."));
    let names = names.map(str::to_owned).collect::<Vec<_>>();
    if names.is_empty() {
        return Err(error("expected", "the cases have no tensor expected.<output>"));
    }
    if let Some(mask) = &rule.mask
        && cases.find_tensor(&format!("input.{mask}")).is_none()
    {
        return Err(error("expected.mask", format!("the cases have no tensor input.{mask}")));
    }
    Ok(names)
}

/// Holds a graph against a suite and the header of its cases, before anything is queued or run.
///
/// # Errors
/// [`EvaluationError::Graph`] for a graph outside the rules, [`EvaluationError::Suite`] with the input or output that does not fit.
pub fn check_graph(suite: &Suite, cases: &Header, graph: &[u8]) -> Result<(), EvaluationError> {
    let side = Side::Model;
    let graph = Graph::parse(graph).map_err(|source| EvaluationError::Graph { side, source })?;
    check_items(suite)?;
    let expected = expected_outputs(suite, cases)?;
    meet(suite, cases, &graph, side, &expected).map(drop)
}

/// Where one graph and the cases meet.
fn meet(
    suite: &Suite,
    cases: &Header,
    graph: &Graph,
    side: Side,
    expected: &[String],
) -> Result<Call, EvaluationError> {
    let mut call = Call { rows: None, batched: false };
    for input in graph.inputs() {
        let tensor = cases.find_tensor(&format!("input.{}", input.name)).ok_or_else(|| {
            let reason = format!("the {side} graph wants it, the cases do not have it");
            error(format!("input.{}", input.name), reason)
        })?;
        fits(suite, input, tensor, &mut call)?;
    }
    if !call.batched && suite.items != 1 {
        let reason = format!(
            "{}, but no input of the {side} graph has a batch axis: there is one call, and so one item",
            suite.items
        );
        return Err(error("items", reason));
    }
    check_outputs(suite, graph, side, expected)?;
    Ok(call)
}

/// What the inputs of a graph say together about its calls.
struct Call {
    /// Cases of every call, where the graph fixes its batch axis.
    rows: Option<u64>,
    /// Whether any input has a batch axis.
    batched: bool,
}

/// Whether the tensor is what the graph's input takes.
fn fits(
    suite: &Suite,
    input: &GraphValue,
    tensor: &TensorEntry,
    call: &mut Call,
) -> Result<(), EvaluationError> {
    let fail = |reason: String| Err(error(tensor.name.clone(), reason));
    let axis = axis_of(suite, &input.name);
    match input.dtype {
        Some(dtype) if dtype != tensor.dtype => {
            return fail(format!("the graph takes {dtype}, the cases have {}", tensor.dtype));
        }
        None if tensor.dtype != Dtype::U8 || tensor.shape.len() != 2 => {
            return fail(format!(
                "the graph takes strings; the cases have {} {:?} and not U8 [items, width]",
                tensor.dtype, tensor.shape
            ));
        }
        None if axis != Some(0) => {
            return fail("strings have their cases on axis 0".to_owned());
        }
        _ => {}
    }
    // Strings stand in rows of bytes; the graph sees one string a case.
    let shape = if input.dtype.is_none() { vec![tensor.shape[0], 1] } else { tensor.shape.clone() };
    if let Some(dims) = &input.dims {
        if dims.len() != shape.len() {
            return fail(format!(
                "the graph takes {} axes, the cases have shape {shape:?}",
                dims.len()
            ));
        }
        for (at, (dim, length)) in dims.iter().zip(&shape).enumerate() {
            let Dim::Fixed(wanted) = dim else { continue };
            if axis == Some(at as u32) {
                set_rows(call, *wanted).or_else(fail)?;
            } else if wanted != length {
                return fail(format!(
                    "the graph takes {wanted} along axis {at}, the cases have {length}"
                ));
            }
        }
    }
    let Some(axis) = axis else { return Ok(()) };
    call.batched = true;
    match shape.get(axis as usize) {
        Some(1) if carried(suite, &input.name).is_some() => Ok(()),
        Some(length) if *length == suite.items => Ok(()),
        Some(length) => {
            fail(format!("it has {length} cases along axis {axis}, the suite {}", suite.items))
        }
        None if shape.is_empty() => {
            fail("a scalar has no batch axis; the suite may say batch_axis = \"none\"".to_owned())
        }
        None => fail(format!("shape {shape:?} has no axis {axis}, the batch axis of the suite")),
    }
}

fn set_rows(call: &mut Call, rows: u64) -> Result<(), String> {
    if rows == 0 {
        return Err("the graph fixes its batch axis at 0".to_owned());
    }
    match call.rows {
        Some(other) if other != rows => Err(format!(
            "the graph fixes its batch axis at {rows}, and at {other} for another input"
        )),
        _ => {
            call.rows = Some(rows);
            Ok(())
        }
    }
}

fn check_outputs(
    suite: &Suite,
    graph: &Graph,
    side: Side,
    expected: &[String],
) -> Result<(), EvaluationError> {
    let find = |name: &str| graph.outputs().iter().find(|output| output.name == name);
    let check = |field: String, name: &str| match find(name) {
        None => Err(error(field, format!("the {side} graph has no output {name:?}"))),
        Some(output) if output.dtype.is_none() => {
            Err(error(field, format!("the {side} graph gives strings")))
        }
        Some(_) => Ok(()),
    };
    let axes = match (suite.output.pool, suite.task) {
        (Pool::None, Task::Classification | Task::Similarity | Task::Retrieval) => Some(2),
        (Pool::None, Task::LanguageModel) => Some(3),
        (Pool::None, Task::Detection | Task::Regression) => None,
        _ => Some(3),
    };
    if let Some(dims) = find(&suite.output.name).and_then(|output| output.dims.as_ref())
        && let Some(axes) = axes.filter(|axes| *axes != dims.len())
    {
        let given = dims.len();
        let reason = format!(
            "the {side} graph gives {given} axes; {} with pool = {} wants {axes}",
            suite.task, suite.output.pool
        );
        return Err(error(format!("output {}", suite.output.name), reason));
    }
    check(format!("output {}", suite.output.name), &suite.output.name)?;
    for name in expected {
        check(format!("expected.{name}"), name)?;
    }
    for (name, rule) in &suite.input {
        if let Some(output) = &rule.carried_from {
            check(format!("input.{name}.carried_from"), output)?;
        }
    }
    Ok(())
}

/// Offsets in the inputs file, in the order in which it is written.
fn lay_out(
    suite: &Suite,
    cases: &SafetensorsFile,
    names: &[String],
    texts: &[String],
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
        let axis = axis_of(suite, name);
        let length = axis.and_then(|axis| tensor.shape.get(axis as usize)).copied();
        let mut shape = tensor.shape.clone();
        if let Some(axis) = axis {
            shape.remove(axis as usize);
        }
        inputs.push(JobInput {
            name: name.clone(),
            dtype: tensor.dtype,
            shape,
            axis,
            text: texts.contains(name),
            carried_from: carried(suite, name).cloned(),
            offset,
            bytes: bytes / length.unwrap_or(1).max(1),
        });
        offset += bytes;
    }
    Ok(inputs)
}
