//! Integer formulas of FUND 2, each with its rounding.
//!
//! Arguments are never negative here; the callers have checked them.

use num_bigint::BigUint;

use crate::amount::{PPB_ONE, Rounding, U256, mul_div};

/// 1e9, wide.
pub(super) const K: i128 = PPB_ONE as i128;
/// 1e18.
const ONE18: u64 = 1_000_000_000_000_000_000;

fn wide(x: i128) -> U256 {
    debug_assert!(x >= 0, "formulas take no negative number");
    U256::from(x.max(0).unsigned_abs())
}

/// The result, or `i128::MAX` for anything that does not fit: every caller compares it with a limit or takes a minimum.
fn narrow(x: Option<U256>) -> i128 {
    x.and_then(|x| i128::try_from(x).ok()).unwrap_or(i128::MAX)
}

/// `⌊a·b/c⌋`; `i128::MAX` when that does not fit, or when `c` is zero.
pub(super) fn floor_div(a: i128, b: i128, c: i128) -> i128 {
    match a.checked_mul(b) {
        Some(product) if c > 0 && product >= 0 => product / c,
        _ => narrow(mul_div(wide(a), wide(b), wide(c), Rounding::Floor)),
    }
}

/// `⌈a·b/c⌉`; `i128::MAX` when that does not fit, or when `c` is zero.
pub(super) fn ceil_div(a: i128, b: i128, c: i128) -> i128 {
    narrow(mul_div(wide(a), wide(b), wide(c), Rounding::Ceil))
}

/// `⌊a·b·c/d⌋` with three factors below 2^85 each, as the fill of a subscription needs.
pub(super) fn floor_div3(a: i128, b: i128, c: i128, d: i128) -> i128 {
    narrow(
        wide(a).checked_mul(wide(b)).and_then(|ab| mul_div(ab, wide(c), wide(d), Rounding::Floor)),
    )
}

/// `⌈a·b/(c·d)⌉`.
pub(super) fn ceil_div_by2(a: i128, b: i128, c: i128, d: i128) -> i128 {
    narrow(
        wide(c).checked_mul(wide(d)).and_then(|cd| mul_div(wide(a), wide(b), cd, Rounding::Ceil)),
    )
}

/// Whether `a/b > c/d`, exactly, for positive denominators.
pub(super) fn ratio_above(a: i128, b: i128, c: i128, d: i128) -> bool {
    wide(a).widening_mul::<256, 4, 512, 8>(wide(d))
        > wide(c).widening_mul::<256, 4, 512, 8>(wide(b))
}

/// Floors of `total` in proportion to `weights`; what is left over is the caller's.
pub(super) fn split(total: i128, weights: impl Iterator<Item = i64> + Clone) -> Vec<i128> {
    let sum: i128 = weights.clone().map(i128::from).sum();
    weights
        .map(|weight| if sum == 0 { 0 } else { floor_div(total, i128::from(weight), sum) })
        .collect()
}

/// `(1-a)^(1/365)` at 1e18, rounded up, so that the fee is rounded down: an exact integer root by bisection (FUND 2.5).
pub(super) fn daily_retention(annual_ppb: i64) -> u64 {
    let kept = PPB_ONE.saturating_sub(annual_ppb).clamp(0, PPB_ONE).unsigned_abs();
    let target = BigUint::from(kept) * BigUint::from(ONE18).pow(365);
    let reaches =
        |root: u64| BigUint::from(root).pow(365) * BigUint::from(PPB_ONE.unsigned_abs()) >= target;
    // A year at 1e18 tells the root to a few steps; the exact powers, 22,000 bits wide, are only asked near it.
    let near = first(0, ONE18, |root| retention_power(root, 365) >= kept * PPB_ONE.unsigned_abs());
    let (low, high) = (near.saturating_sub(4), near.saturating_add(4).min(ONE18));
    if reaches(high) && (low == 0 || !reaches(low - 1)) {
        first(low, high, reaches)
    } else {
        first(0, ONE18, reaches)
    }
}

/// The first number from `low` that `reaches`, where `high` and all after it do.
fn first(mut low: u64, mut high: u64, reaches: impl Fn(u64) -> bool) -> u64 {
    while low < high {
        let middle = low + (high - low) / 2;
        if reaches(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

/// `retention^days` at 1e18 by squaring, every product rounded up.
pub(super) fn retention_power(retention: u64, days: u64) -> u64 {
    let product = |a: u64, b: u64| {
        // Both factors are at most 1e18, so is what comes out.
        (u128::from(a) * u128::from(b)).div_ceil(u128::from(ONE18)) as u64
    };
    let mut power = ONE18;
    for bit in (0..u64::BITS - days.leading_zeros()).rev() {
        power = product(power, power);
        if days >> bit & 1 == 1 {
            power = product(power, retention);
        }
    }
    power
}

/// Shares that `days` of the management fee add to `supply` (FUND 2.5): `⌊S·(1e18-R)/R⌋`.
pub(super) fn management_shares(supply: i128, retention: u64, days: u64) -> i128 {
    let kept = i128::from(retention_power(retention, days));
    floor_div(supply, i128::from(ONE18) - kept, kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves the retention of FUND 2.5, and that a year of days is the year's fee, rounded in the holders' favour.
    #[test]
    fn retention() {
        assert_eq!(daily_retention(20_000_000), 999_944_651_648_714_820);
        assert_eq!(daily_retention(0), ONE18);
        // Each by the bisection of the reference over the whole range.
        for (annual, root) in [
            (1, 999_999_999_997_260_274),
            (10_000_000, 999_972_465_212_367_303),
            (100_000_000, 999_711_382_710_977_688),
            (500_000_000, 998_102_768_651_594_635),
            (999_999_999, 944_805_615_258_648_342),
            (1_000_000_000, 0),
        ] {
            assert_eq!(daily_retention(annual), root, "{annual}");
        }
        let year = retention_power(daily_retention(20_000_000), 365);
        assert!((980_000_000_000_000_000..980_000_000_000_001_000).contains(&year), "{year}");
        assert_eq!(retention_power(999, 0), ONE18);
        assert_eq!(retention_power(999, 1), 999);
    }

    /// Proves the roundings, and that nothing overflows at the limits.
    #[test]
    fn roundings() {
        assert_eq!((floor_div(7, 3, 2), ceil_div(7, 3, 2), ceil_div(6, 3, 2)), (10, 11, 9));
        let limit = i128::from(crate::amount::LIMIT);
        assert_eq!(floor_div3(limit, K, limit, limit), limit * K);
        assert_eq!(floor_div3(limit, K, limit, 1), i128::MAX);
        assert_eq!(ceil_div_by2(limit, limit, limit, K), (limit / K));
        assert_eq!(split(10, [1, 1, 1].into_iter()), [3, 3, 3]);
        assert!(ratio_above(i128::MAX, 1, i128::MAX, 2) && !ratio_above(1, 2, 2, 4));
    }
}
