//! The labels of a suite: read and checked before any child runs, seen by no child.

use domain::{checkpoint::Dtype, suite::Suite};

use crate::{
    error::EvaluationError, plan::error, safetensors_file::SafetensorsFile, subject::io_error,
};

/// Most classes of a choice.
const CLASSES_MAX: u64 = 10_000_000;

/// The right answers of all cases.
#[derive(Debug)]
pub(crate) struct Labels {
    /// The right class of every case.
    pub classes: Vec<u64>,
    /// Name of the label tensor, for messages.
    target: String,
}

impl Labels {
    /// Reads the labels that the suite names.
    pub(crate) fn read(suite: &Suite, cases: &SafetensorsFile) -> Result<Self, EvaluationError> {
        let target = suite.labels.target.clone();
        let target =
            target.ok_or_else(|| error("labels.target", "a choice needs the right classes"))?;
        Ok(Self { classes: read_classes(cases, &target, suite.items)?, target })
    }

    /// Classes of an output of `shape` a case, if the labels are among them.
    pub(crate) fn count_classes(
        &self,
        output: &str,
        shape: &[u64],
    ) -> Result<usize, EvaluationError> {
        let [classes @ 1..=CLASSES_MAX] = *shape else {
            let reason = format!("{shape:?} a case; a choice needs one number for each class");
            return Err(error(format!("output {output}"), reason));
        };
        match self.classes.iter().find(|label| **label >= classes) {
            Some(label) => {
                let reason =
                    format!("label {label} is not among the {classes} classes of the output");
                Err(error(self.target.clone(), reason))
            }
            None => Ok(classes as usize),
        }
    }

    /// Items of each class.
    pub(crate) fn counts(&self, classes: usize) -> Vec<u64> {
        let mut counts = vec![0; classes];
        for label in &self.classes {
            counts[*label as usize] += 1;
        }
        counts
    }
}

/// Items of each of `classes` classes among the labels of `cases.safetensors`, without running anything.
///
/// # Errors
/// [`EvaluationError::Suite`] where suite and cases do not fit, or a label is not among the classes; failures of the file.
pub fn label_counts(
    suite: &Suite,
    cases: &std::path::Path,
    classes: usize,
) -> Result<Vec<u64>, EvaluationError> {
    let file = SafetensorsFile::open_cases(cases)?;
    let labels = Labels::read(suite, &file)?;
    labels.count_classes(&suite.output.name, &[classes as u64])?;
    Ok(labels.counts(classes))
}

fn read_classes(
    cases: &SafetensorsFile,
    target: &str,
    items: u64,
) -> Result<Vec<u64>, EvaluationError> {
    let fail = |reason: String| error(target, reason);
    let tensor = cases.find(target).ok_or_else(|| fail("the cases have no such tensor".into()))?;
    if tensor.shape != [items] {
        return Err(fail(format!("shape {:?}, expected [{items}]", tensor.shape)));
    }
    let bytes = cases.read(tensor).map_err(io_error("cannot read", &cases.path))?;
    let wide = |piece: &[u8], signed: bool| {
        let negative = signed && piece.last().is_some_and(|byte| byte >> 7 == 1);
        let value = piece.iter().rev().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
        (!negative).then_some(value)
    };
    let (width, signed) = match tensor.dtype {
        Dtype::I64 => (8, true),
        Dtype::I32 => (4, true),
        Dtype::I16 => (2, true),
        Dtype::I8 => (1, true),
        Dtype::U64 => (8, false),
        Dtype::U32 => (4, false),
        Dtype::U16 => (2, false),
        Dtype::U8 => (1, false),
        other => return Err(fail(format!("classes are integers, not {other}"))),
    };
    bytes
        .chunks_exact(width)
        .map(|piece| wide(piece, signed).ok_or_else(|| fail("a class is negative".to_owned())))
        .collect()
}
