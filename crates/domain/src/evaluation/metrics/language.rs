//! Metrics of language models, by document: the tokens of one text depend on each other, and an interval that took them for
//! independent would hold the truth a quarter of the time (EVALUATION 4).

use std::f64::consts::LN_2;

use super::{Measured, mean};
use crate::evaluation::answers::Document;

/// Σ numerator / Σ denominator with the influence of each document: (a − ratio·b)/mean b (Cochran, Sampling Techniques, 6.3).
fn ratio(pairs: &[(f64, f64)]) -> Option<(f64, Vec<f64>)> {
    let below = mean(&pairs.iter().map(|(_, b)| *b).collect::<Vec<_>>())?;
    let above = mean(&pairs.iter().map(|(a, _)| *a).collect::<Vec<_>>())?;
    if below <= 0.0 {
        return None;
    }
    let ratio = above / below;
    Some((ratio, pairs.iter().map(|(a, b)| (a - ratio * b) / below).collect()))
}

fn pairs(documents: &[Document], below: fn(&Document) -> u64) -> Option<Vec<(f64, f64)>> {
    documents.iter().map(|document| Some((document.nats?, below(document) as f64))).collect()
}

/// Bits for a byte of text: Σ nats/(ln 2 · Σ bytes), clustered by document; none where a document has no finite sum.
#[must_use]
pub fn bits_per_byte(documents: &[Document]) -> Option<Measured> {
    let (value, influence) = ratio(&pairs(documents, |document| document.bytes)?)?;
    let influence = influence.into_iter().map(|psi| psi / LN_2).collect();
    let n = documents.len() as u64;
    Some(Measured::symmetric(value / LN_2, influence, n, 0.0, f64::INFINITY))
}

/// exp(Σ nats/Σ tokens), its interval by the logarithm; none where a document has no finite sum.
#[must_use]
pub fn perplexity(documents: &[Document]) -> Option<Measured> {
    let (log, influence) = ratio(&pairs(documents, |document| document.tokens)?)?;
    let n = documents.len() as u64;
    let logs = Measured::symmetric(log, influence, n, 0.0, f64::INFINITY);
    let value = libm::exp(log);
    let mut measured = logs.clone();
    measured.value.value = value;
    measured.value.low = libm::exp(logs.value.low);
    measured.value.high = libm::exp(logs.value.high);
    measured.influence.iter_mut().for_each(|psi| *psi *= value);
    Some(measured)
}

/// Share of scored tokens for which the right one was the likeliest, clustered by document.
#[must_use]
pub fn token_accuracy(documents: &[Document]) -> Option<Measured> {
    let counts = documents.iter().map(|d| (d.right as f64, d.tokens as f64)).collect::<Vec<_>>();
    let (value, influence) = ratio(&counts)?;
    let tokens = documents.iter().map(|document| document.tokens).sum();
    Some(Measured::symmetric(value, influence, tokens, 0.0, 1.0))
}
