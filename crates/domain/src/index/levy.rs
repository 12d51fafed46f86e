//! What a joiner can gain by prices that a deadband holds back, and the levy that takes it away (FUND 2.13).

use num_rational::BigRational;

/// `Σ w·d`: how far a value may be off inside the deadbands of its names, as a part of it; the least entry levy that leaves nothing to gain.
///
/// `names` are weight and deadband of each name, as parts of one. Exact.
#[must_use]
pub fn least_levy(names: &[(BigRational, BigRational)]) -> BigRational {
    names.iter().map(|(weight, deadband)| weight * deadband).sum()
}
