//! The divisor of an index, exact (FUND 2.10).
//!
//! [`IndexLevel`](super::IndexLevel) is the form that the fund uses: the same mathematics, in integers, with the level of the last change
//! and the value of the basket at it in the place of the divisor. This one is for proofs and for published divisors.

use num_rational::BigRational;
use num_traits::Zero;

/// What the value of a basket is divided by to give the level; the level is continuous where it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divisor(BigRational);

impl Divisor {
    /// The divisor with which a basket of `value` has `level`; nothing unless both are above 0.
    #[must_use]
    pub fn at(value: &BigRational, level: &BigRational) -> Option<Self> {
        let zero = BigRational::zero();
        (*value > zero && *level > zero).then(|| Self(value / level))
    }

    /// The level of a basket of `value`.
    #[must_use]
    pub fn level(&self, value: &BigRational) -> BigRational {
        value / &self.0
    }

    /// The divisor after a change of the basket, `D' = D·after/before`, both values at the same prices; nothing unless both are above 0.
    #[must_use]
    pub fn changed(&self, before: &BigRational, after: &BigRational) -> Option<Self> {
        let zero = BigRational::zero();
        (*before > zero && *after > zero).then(|| Self(&self.0 * after / before))
    }

    /// The divisor itself.
    #[must_use]
    pub const fn value(&self) -> &BigRational {
        &self.0
    }
}
