//! The weight band: small differences between actual and target weight are not traded (FUND 2.8).

use crate::amount::{PPB_ONE, Ppb};

/// How far an actual weight may be from its target before it is traded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeightBand {
    /// In parts of the whole.
    pub absolute: Ppb,
    /// In parts of the target.
    pub relative: Ppb,
}

impl WeightBand {
    /// Whether a name trades: `|w−t| > max(abs, rel·t)`, exact; a sale that is forced trades whatever the band says.
    #[must_use]
    pub fn trades(&self, actual: Ppb, target: Ppb, is_forced: bool) -> bool {
        let (actual, target) = (i128::from(actual.as_ppb()), i128::from(target.as_ppb()));
        let one = i128::from(PPB_ONE);
        let gap = (actual - target).abs() * one;
        let absolute = i128::from(self.absolute.as_ppb()) * one;
        let relative = i128::from(self.relative.as_ppb()) * target;
        gap > absolute.max(relative) || is_forced && target < actual
    }
}
