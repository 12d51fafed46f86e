//! Answers of a language model, token by token.

use std::collections::BTreeMap;

use domain::evaluation::answers::{Answers, Document};

use super::{Decisions, largest};
use crate::{
    labels::{Labels, NOT_SCORED},
    outputs::OutputTensor,
};

/// Sums up −ln p of the right tokens by document; `[cases, tokens, vocabulary]` are logits, or logarithms of probabilities.
pub(super) fn score(
    labels: &Labels,
    output: &OutputTensor,
    read: fn(&[u8]) -> f64,
    decisions: &mut Decisions,
) -> Answers {
    let Labels::Tokens { targets, width, documents, bytes } = labels else {
        return Answers::default();
    };
    let mut found = BTreeMap::<i64, Document>::new();
    for (id, bytes) in documents.iter().zip(bytes) {
        let empty = Document { id: *id, nats: Some(0.0), bytes: 0, tokens: 0, right: 0 };
        found.entry(*id).or_insert(empty).bytes += bytes;
    }
    let element = output.dtype.bits() as usize / 8;
    let row_bytes = element * output.shape.last().map_or(1, |length| *length as usize);
    let rows = output.bytes.chunks_exact(row_bytes.max(1));
    for (at, (row, target)) in rows.zip(targets).enumerate() {
        if *target == NOT_SCORED {
            continue;
        }
        let values = || row.chunks_exact(element).map(read);
        let choice = largest(values());
        decisions.push(choice);
        let Some(document) = found.get_mut(&documents[at / width]) else { continue };
        let nats = nats(values, *target as usize);
        document.nats = document.nats.map(|sum| sum + nats).filter(|sum| sum.is_finite());
        document.tokens += 1;
        document.right += u64::from(i64::from(choice) == *target);
    }
    // A document without a scored token says nothing of the model.
    let documents = found.into_values().filter(|document| document.tokens > 0).collect();
    Answers { documents, ..Answers::default() }
}

/// −ln softmax at `target`, the largest logit taken out before any power.
fn nats<I: Iterator<Item = f64>>(values: impl Fn() -> I, target: usize) -> f64 {
    let most = values().fold(f64::NEG_INFINITY, f64::max);
    let sum = values().map(|value| (value - most).exp()).sum::<f64>();
    most + sum.ln() - values().nth(target).unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use domain::checkpoint::Dtype;

    use super::*;
    use crate::score::element_reader;

    /// Proves nats, tokens and bytes by document against numbers worked out by hand, that a target of -100 is left out, and that a
    /// logit that is no number takes its document's sum and no other's.
    #[test]
    fn documents_are_summed_up() {
        let logits: [f32; 12] =
            [0.0, 0.0, 3.0, 3.0, 0.0, 1000.0, 5.0, 5.0, f32::NAN, 0.0, 1.0, 1.0];
        let output = |values: &[f32]| OutputTensor {
            dtype: Dtype::F32,
            shape: vec![3, 2, 2],
            bytes: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        };
        let labels = Labels::Tokens {
            targets: vec![0, 1, 1, -100, 0, 0],
            width: 2,
            documents: vec![7, 7, 3],
            bytes: vec![4, 2, 5],
        };
        let read = element_reader(Dtype::F32).unwrap();
        let answers = score(&labels, &output(&logits), read, &mut Decisions::default());
        let [three, seven] = &answers.documents[..] else { panic!("{answers:?}") };
        assert_eq!(
            (three.id, three.nats, three.tokens, three.bytes, three.right),
            (3, None, 2, 5, 1)
        );
        assert_eq!((seven.id, seven.tokens, seven.bytes, seven.right), (7, 3, 6, 2));
        assert!((seven.nats.unwrap() - 2.0 * 2f64.ln()).abs() < 1e-12, "{:?}", seven.nats);
    }
}
