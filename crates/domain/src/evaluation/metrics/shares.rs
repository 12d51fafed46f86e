//! Shares of right answers.

use super::Measured;
use crate::evaluation::{
    report::MetricValue,
    statistics::{Z95, wilson},
};

/// The share of `1` in a string of `1` and `0`, with Wilson's interval (Wilson 1927); none without items.
#[must_use]
pub fn share(right: &str) -> Option<Measured> {
    let n = right.len() as u64;
    let k = right.bytes().filter(|byte| *byte == b'1').count() as u64;
    if n == 0 {
        return None;
    }
    let value = k as f64 / n as f64;
    let interval = wilson(k, n, Z95);
    let one = |byte: u8| if byte == b'1' { 1.0 - value } else { -value };
    Some(Measured {
        value: MetricValue { value, low: interval.low, high: interval.high, n },
        influence: right.bytes().map(one).collect(),
    })
}
