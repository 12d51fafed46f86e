//! The deepest fall from a peak.

use super::returns::{ReturnsError, change, check};
use crate::amount::U256;

/// A fall from a peak to a trough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawdown {
    /// `trough/peak − 1`: 0 where nothing ever fell, below it otherwise.
    pub depth: f64,
    /// The place of the peak: the first of its height before the trough.
    pub peak: usize,
    /// The place of the trough: the first of the deepest.
    pub trough: usize,
}

/// The largest drawdown of a series of values; places are found exactly, in integers.
///
/// # Errors
/// As [`Returns::of`](super::Returns::of).
pub fn max_drawdown(values: &[i128]) -> Result<Drawdown, ReturnsError> {
    check(values)?;
    let (mut peak, mut deepest) = (0, (0, 0));
    for (place, value) in values.iter().enumerate() {
        if *value > values[peak] {
            peak = place;
        }
        // value/peak < trough/its peak, crosswise.
        let product = |a: usize, b: usize| wide(values[a]) * wide(values[b]);
        if product(place, deepest.0) < product(deepest.1, peak) {
            deepest = (peak, place);
        }
    }
    let (peak, trough) = deepest;
    Ok(Drawdown { depth: change(values[peak], values[trough]), peak, trough })
}

fn wide(value: i128) -> U256 {
    U256::from(value.unsigned_abs())
}
