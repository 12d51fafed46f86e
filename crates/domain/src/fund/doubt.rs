//! When a valuation is in doubt, so that joiners wait (FUND 1.3 (6), 2.12): too much of NAV at doubtful prices, or a NAV per share that jumped.
//!
//! Only joiners deal at a price. A strike, its slices and every exit go on.

use super::math;
use crate::amount::{Femto, PPB_ONE, Shares};

/// Names in doubt may be this part of NAV, one in so many, before joiners wait.
const DOUBTFUL_PARTS: i128 = 10;

/// Whether names of this value are more than a tenth of NAV.
#[must_use]
pub fn is_too_much(value: Femto, nav: Femto) -> bool {
    let ten = value.as_femto().and_then(|value| value.checked_mul(DOUBTFUL_PARTS));
    value > Femto::ZERO && ten.is_none_or(|ten| Femto::from_femto(ten) > nav)
}

/// Whether NAV per share went more than `limit` parts per billion away from where it was, exactly: `|N1/S1 − N0/S0| > limit·N0/S0`.
///
/// Away from a NAV of nothing every step is more; without shares there is nothing to compare.
#[must_use]
pub fn has_jumped(before: (Femto, Shares), now: (Femto, Shares), limit: i64) -> bool {
    let parts = |(nav, shares): (Femto, Shares)| {
        (nav.as_femto().unwrap_or(i128::MAX).max(0), i128::from(shares.as_nano()))
    };
    let ((nav0, shares0), (nav1, shares1)) = (parts(before), parts(now));
    if shares0 <= 0 || shares1 <= 0 {
        return false;
    }
    let one = i128::from(PPB_ONE);
    let limit = i128::from(limit.max(0));
    // S0 · 1e9 and S0 · limit stay below 2^123: both factors are below 2^63.
    let above = math::ratio_above(
        nav1,
        shares1.saturating_mul(one + limit),
        nav0,
        shares0.saturating_mul(one),
    );
    let below = limit < one
        && math::ratio_above(
            nav0,
            shares0.saturating_mul(one),
            nav1,
            shares1.saturating_mul(one - limit),
        );
    above || below
}
