//! Outputs held against the values that a suite expects.

use std::collections::BTreeMap;

use domain::{evaluation::report::ExpectedMatch, suite::Suite};

use crate::{
    error::EvaluationError,
    outputs::{OutputTensor, cases_first},
    plan::error,
    safetensors_file::SafetensorsFile,
    score::element_reader,
    subject::io_error,
};

/// Compares one output with the tensor `expected.<output>`, where the suite's mask is 1.
///
/// Equal infinities and two NaNs are no difference; a NaN on one side only is within no tolerance, and the largest difference is then
/// that of the numbers.
pub(crate) fn compare(
    suite: &Suite,
    cases: &SafetensorsFile,
    name: &str,
    output: &OutputTensor,
) -> Result<ExpectedMatch, EvaluationError> {
    let field = format!("expected.{name}");
    let fail = |reason: String| Err(error(field.clone(), reason));
    let (Some(rule), Some(tensor)) = (&suite.expected, cases.find(&field)) else {
        return fail("the cases have no such tensor".to_owned());
    };
    let Some(read) = element_reader(tensor.dtype) else {
        return fail(format!("{} is no number that can be compared", tensor.dtype));
    };
    let bytes = cases.read(tensor).map_err(io_error("cannot read", &cases.path))?;
    let Some((shape, bytes)) = arrange(&tensor.shape, bytes, output, suite.items) else {
        return fail(format!(
            "shape {:?} does not fit the output, {:?} with cases first",
            tensor.shape, output.shape
        ));
    };
    let width = tensor.dtype.bits() as usize / 8;
    let expected = bytes.chunks_exact(width).map(read);
    let Some(values) = output.values() else {
        return fail(format!("the output is {}, no number", output.dtype));
    };
    let mask = match &rule.mask {
        Some(mask) => Some(read_mask(cases, mask, &shape, values.len())?),
        None => None,
    };
    let (mut max_abs_error, mut within) = (0.0f64, true);
    for (k, (value, wanted)) in values.iter().zip(expected).enumerate() {
        let hidden = mask.as_ref().is_some_and(|mask| !mask[k]);
        if hidden || *value == wanted || value.is_nan() && wanted.is_nan() {
            continue;
        }
        let apart = (value - wanted).abs();
        // Written so that a NaN is within nothing.
        within &= apart <= rule.atol + rule.rtol * wanted.abs();
        if apart.is_finite() {
            max_abs_error = max_abs_error.max(apart);
        }
    }
    Ok(ExpectedMatch { max_abs_error, within_tolerance: within })
}

/// The expected tensor with its cases first, if it then has the output's shape: the axis of cases is the first of their number for
/// which it fits.
fn arrange(
    shape: &[u64],
    bytes: Vec<u8>,
    output: &OutputTensor,
    items: u64,
) -> Option<(Vec<u64>, Vec<u8>)> {
    if shape == output.shape {
        return Some((shape.to_vec(), bytes));
    }
    let whole = output.shape.first() == Some(&1) && output.shape[1..] == *shape;
    if whole {
        return Some((output.shape.clone(), bytes));
    }
    let moved = |axis: &usize| {
        let mut shape = shape.to_vec();
        let length = shape.remove(*axis);
        shape.insert(0, length);
        length == items && shape == output.shape
    };
    let axis = (1..shape.len()).find(moved)?;
    Some((output.shape.clone(), cases_first(&bytes, shape, axis)))
}

/// For each element of an output of `shape`, whether its mask is 1; trailing axes of the output share one mask.
fn read_mask(
    cases: &SafetensorsFile,
    name: &str,
    shape: &[u64],
    elements: usize,
) -> Result<Vec<bool>, EvaluationError> {
    let field = "expected.mask";
    let tensor = cases.find(&format!("input.{name}"));
    let tensor =
        tensor.ok_or_else(|| error(field, format!("the cases have no tensor input.{name}")))?;
    if !shape.starts_with(&tensor.shape) {
        let reason = format!("input.{name} has shape {:?}, the output {shape:?}", tensor.shape);
        return Err(error(field, reason));
    }
    let Some(read) = element_reader(tensor.dtype) else {
        return Err(error(field, format!("input.{name} is {}, no number", tensor.dtype)));
    };
    let bytes = cases.read(tensor).map_err(io_error("cannot read", &cases.path))?;
    let width = tensor.dtype.bits() as usize / 8;
    let marks = bytes.chunks_exact(width).map(|bytes| read(bytes) == 1.0).collect::<Vec<_>>();
    let shared = elements.checked_div(marks.len()).unwrap_or(0);
    Ok(marks.into_iter().flat_map(|mark| std::iter::repeat_n(mark, shared)).collect())
}

/// Expected matches by output.
pub(crate) type Matches = BTreeMap<String, ExpectedMatch>;
