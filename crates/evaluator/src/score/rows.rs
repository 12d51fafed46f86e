//! One row of numbers a case: an output pooled and normalised as the suite says.

use domain::suite::{Pool, Suite};

use crate::{
    error::EvaluationError, outputs::OutputTensor, plan::error, safetensors_file::SafetensorsFile,
    score::element_reader, subject::io_error,
};

/// Rows of all cases.
pub(super) struct Rows {
    /// Cases first.
    pub shape: Vec<u64>,
    /// Row-major.
    pub values: Vec<f64>,
}

impl Rows {
    /// Numbers of one case.
    pub(super) fn width(&self) -> usize {
        self.values.len().checked_div(self.shape[0] as usize).unwrap_or(0)
    }

    /// The numbers of a case.
    pub(super) fn row(&self, case: usize) -> &[f64] {
        let width = self.width();
        &self.values[case * width..(case + 1) * width]
    }
}

/// Pools and normalises.
pub(super) fn rows(
    suite: &Suite,
    cases: &SafetensorsFile,
    output: &OutputTensor,
    read: fn(&[u8]) -> f64,
) -> Result<Rows, EvaluationError> {
    let bytes = output.dtype.bits() as usize / 8;
    let values = output.bytes.chunks_exact(bytes).map(read).collect::<Vec<_>>();
    let mut rows = match suite.output.pool {
        Pool::None => Rows { shape: output.shape.clone(), values },
        pool => {
            let [items, length, width] = output.shape[..] else {
                let reason = format!(
                    "shape {:?} with cases first; pool = {pool} wants [cases, rows, numbers]",
                    output.shape
                );
                return Err(error(format!("output {}", suite.output.name), reason));
            };
            if length == 0 {
                let reason = "it has no rows to be pooled";
                return Err(error(format!("output {}", suite.output.name), reason));
            }
            let marks = match pool {
                Pool::MaskedMean => read_mask(suite, cases, items, length)?,
                _ => (0..items * length).map(|k| pool == Pool::Mean || k % length == 0).collect(),
            };
            let (length, width) = (length as usize, width as usize);
            let pooled = (0..items as usize).flat_map(|case| {
                let marks = &marks[case * length..(case + 1) * length];
                let rows = &values[case * length * width..(case + 1) * length * width];
                mean_of_marked(rows, marks, width)
            });
            Rows { values: pooled.collect(), shape: vec![items, width as u64] }
        }
    };
    if suite.output.normalize {
        let width = rows.width().max(1);
        for row in rows.values.chunks_exact_mut(width) {
            let norm = row.iter().map(|v| v * v).sum::<f64>().sqrt();
            row.iter_mut().for_each(|value| *value /= norm);
        }
    }
    Ok(rows)
}

/// The mean of the rows that are marked; there is one at least.
fn mean_of_marked(rows: &[f64], marks: &[bool], width: usize) -> Vec<f64> {
    let mut sum = vec![0.0; width];
    let marked = rows.chunks_exact(width.max(1)).zip(marks).filter(|(_, mark)| **mark);
    let mut count = 0.0;
    for (row, _) in marked {
        count += 1.0;
        sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    sum.into_iter().map(|sum| sum / count).collect()
}

/// For each row of each case whether the mask is 1.
fn read_mask(
    suite: &Suite,
    cases: &SafetensorsFile,
    items: u64,
    length: u64,
) -> Result<Vec<bool>, EvaluationError> {
    let name = suite.output.mask.clone().unwrap_or_default();
    let fail = |reason: String| error("output.mask", reason);
    let tensor = cases.find(&format!("input.{name}"));
    let tensor = tensor.ok_or_else(|| fail(format!("the cases have no tensor input.{name}")))?;
    if tensor.shape != [items, length] {
        let shape = &tensor.shape;
        return Err(fail(format!(
            "input.{name} has shape {shape:?}, the output {length} rows of {items} cases"
        )));
    }
    let read = element_reader(tensor.dtype);
    let read = read.ok_or_else(|| fail(format!("input.{name} is {}", tensor.dtype)))?;
    let bytes = cases.read(tensor).map_err(io_error("cannot read", &cases.path))?;
    let marks = bytes.chunks_exact(tensor.dtype.bits() as usize / 8).map(|b| read(b) == 1.0);
    let marks = marks.collect::<Vec<_>>();
    match marks.chunks_exact(length as usize).position(|case| !case.contains(&true)) {
        Some(case) => Err(fail(format!("input.{name} of case {case} has no 1"))),
        None => Ok(marks),
    }
}
