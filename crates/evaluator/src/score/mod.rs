//! Outputs of all cases, scored in the parent against labels that no child has seen.

mod element;
mod rows;
mod tasks;
mod tokens;

use domain::{digest::Digest, evaluation::answers::Answers, suite::Suite};
pub(crate) use element::element_reader;
use sha2::Digest as _;

use crate::{
    error::EvaluationError, labels::Labels, outputs::OutputTensor, plan::error,
    safetensors_file::SafetensorsFile,
};

/// What the outputs say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scored {
    /// `1` right, `0` wrong, one an item; empty where items are not right or wrong.
    pub right: String,
    /// What other metrics read.
    pub answers: Answers,
    /// Whether every output was a finite number.
    pub finite: bool,
    /// SHA-256 of the outputs as little-endian bytes.
    pub outputs: Digest,
    /// SHA-256 of the u32 little-endian decision of every item, where the task decides: a class, a token, yes or no, a row.
    pub decisions: Digest,
    /// Items of each right answer.
    pub label_counts: Vec<u64>,
}

/// Decisions, hashed as they come.
#[derive(Default)]
struct Decisions(sha2::Sha256);

impl Decisions {
    fn push(&mut self, decision: u32) {
        self.0.update(decision.to_le_bytes());
    }

    fn finish(self) -> Digest {
        Digest::from_bytes(self.0.finalize().into())
    }
}

/// Scores an output of all cases, cases first.
///
/// # Errors
/// [`EvaluationError::Suite`] where output and labels do not fit, by field.
pub(crate) fn score(
    suite: &Suite,
    cases: &SafetensorsFile,
    labels: &Labels,
    output: &OutputTensor,
) -> Result<Scored, EvaluationError> {
    let Some(read) = element_reader(output.dtype) else {
        let reason = format!("{} is no number that can be scored", output.dtype);
        return Err(error(format!("output {}", suite.output.name), reason));
    };
    let width = output.dtype.bits() as usize / 8;
    let finite = output.bytes.chunks_exact(width).all(|bytes| read(bytes).is_finite());
    let mut decisions = Decisions::default();
    let (right, answers, label_counts) = if let Labels::Tokens { .. } = labels {
        labels.check_output(suite, &output.shape)?;
        let answers = tokens::score(labels, output, read, &mut decisions);
        (String::new(), answers, labels.counts(0))
    } else {
        let rows = rows::rows(suite, cases, output, read)?;
        let classes = labels.check_output(suite, &rows.shape)?;
        let (right, answers) = tasks::score(suite, labels, &rows, &mut decisions);
        (right, answers, labels.counts(classes))
    };
    let (outputs, decisions) = (Digest::of(&output.bytes), decisions.finish());
    Ok(Scored { right, answers, finite, outputs, decisions, label_counts })
}

/// The largest element, the first of equals; no NaN is ever larger (EVALUATION 4, rule 11).
fn largest(values: impl Iterator<Item = f64>) -> u32 {
    let mut best = (0u32, f64::NEG_INFINITY);
    for (index, value) in (0u32..).zip(values) {
        if value > best.1 {
            best = (index, value);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use domain::checkpoint::Dtype;

    use super::*;

    fn output(values: &[f32], classes: u64) -> OutputTensor {
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>();
        OutputTensor {
            dtype: Dtype::F32,
            shape: vec![values.len() as u64 / classes, classes],
            bytes,
        }
    }

    fn choose(values: &[f32], classes: u64, labels: &[u64]) -> Result<Scored, EvaluationError> {
        let text = format!(
            "id = \"x\"\nversion = 1\ntask = \"classification\"\nmetric = \"accuracy\"\nchance = 0.5\nitems = {}\n\
             licence = \"MIT\"\nsource = \"made up\"\n[output]\nname = \"y\"\n[labels]\ntarget = \"label\"\n",
            labels.len()
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cases");
        std::fs::write(&path, [&2u64.to_le_bytes()[..], b"{}"].concat()).unwrap();
        let cases = SafetensorsFile::open_cases(&path).unwrap();
        let suite = Suite::parse(&text).unwrap();
        score(&suite, &cases, &Labels::Classes(labels.to_vec()), &output(values, classes))
    }

    /// Proves that scoring meets the golden vector `output_digest`: little-endian bytes, and the first of equals wins.
    #[test]
    fn choice_meets_the_golden_vector() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../domain/tests/golden/pricing.json");
        let golden: serde_json::Value =
            serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let vector = &golden["vectors"]["output_digest"];
        let rows = vector["f32"].as_array().unwrap();
        let values = rows.iter().flat_map(|row| row.as_array().unwrap());
        let values = values.map(|v| v.as_f64().unwrap() as f32).collect::<Vec<_>>();
        let scored = choose(&values, 3, &[2, 0]).unwrap();
        assert_eq!(scored.outputs.hex(), vector["exact_sha256"].as_str().unwrap());
        assert_eq!(scored.decisions.hex(), vector["decisions_sha256"].as_str().unwrap());
        assert_eq!((scored.right.as_str(), scored.finite), ("10", true));
    }

    /// Proves that ties go to the lowest index, that a NaN is never chosen, and that it is reported.
    #[test]
    fn ties_and_nans() {
        let tie = choose(&[1.0, 2.0, 2.0], 3, &[1]).unwrap();
        assert_eq!((tie.right.as_str(), tie.finite), ("1", true));
        let nan = choose(&[f32::NAN, -1.0, 0.5], 3, &[2]).unwrap();
        assert_eq!((nan.right.as_str(), nan.finite), ("1", false));
        let none = choose(&[f32::NAN; 3], 3, &[0]).unwrap();
        assert_eq!((none.right.as_str(), none.finite), ("1", false));
        let beyond = choose(&[1.0, 2.0, 2.0], 3, &[3]).unwrap_err();
        assert!(beyond.to_string().contains("label 3 is not among the 3 classes"), "{beyond}");
    }
}
