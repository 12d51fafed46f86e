//! The model's own integers: quotients of non-negative numbers, wide inside.

use std::sync::OnceLock;

use num_bigint::BigUint;
use ruint::aliases::U256;

/// 1e9.
pub(in crate::simulation) const K: i128 = 1_000_000_000;
/// 1e18.
pub(in crate::simulation) const ONE18: i128 = K * K;
/// The largest amount of anything.
pub(in crate::simulation) const LIMIT: i128 = 9 * ONE18;
/// Retentions at 1e18 of the annual fees that lives use, from `ref_engine.daily_retention`; each is checked before it is used first.
const KNOWN: [(i128, i128); 4] = [
    (10_000_000, 999_972_465_212_367_303),
    (20_000_000, 999_944_651_648_714_820),
    (100_000_000, 999_711_382_710_977_688),
    (500_000_000, 998_102_768_651_594_635),
];

/// Whether each of them was found to be right: powers of thousands of digits, and every strike asks.
static IS_RIGHT: [OnceLock<bool>; KNOWN.len()] = [const { OnceLock::new() }; KNOWN.len()];

fn wide(x: i128) -> U256 {
    U256::from(x.max(0).unsigned_abs())
}

fn narrow(x: U256) -> i128 {
    i128::try_from(x).unwrap_or(i128::MAX)
}

/// `⌊a·b/c⌋`.
pub(in crate::simulation) fn down(a: i128, b: i128, c: i128) -> i128 {
    match a.checked_mul(b) {
        Some(product) => product / c,
        None => narrow(wide(a) * wide(b) / wide(c)),
    }
}

/// `⌈a·b/c⌉`.
pub(in crate::simulation) fn up(a: i128, b: i128, c: i128) -> i128 {
    match a.checked_mul(b).and_then(|product| product.checked_add(c - 1)) {
        Some(raised) => raised / c,
        None => narrow((wide(a) * wide(b) + wide(c - 1)) / wide(c)),
    }
}

/// `⌊a·b·c/d⌋` for factors below 2^64, 2^30 and 2^64.
pub(super) fn down3(a: i128, b: i128, c: i128, d: i128) -> i128 {
    narrow(wide(a) * wide(b) * wide(c) / wide(d))
}

/// Whether `a·b > c·d`.
pub(in crate::simulation) fn above(a: i128, b: i128, c: i128, d: i128) -> bool {
    wide(a) * wide(b) > wide(c) * wide(d)
}

/// Floors in proportion to the weights; what is left over is the caller's.
pub(super) fn split(total: i128, parts: &[(usize, i128)]) -> Vec<(usize, i128)> {
    let sum: i128 = parts.iter().map(|part| part.1).sum();
    parts.iter().map(|(who, weight)| (*who, down(total, *weight, sum.max(1)))).collect()
}

/// What a day leaves of one at 1e18: the least `r` with `r^365 ≥ (1-a)·1e18^365`, exactly.
pub(in crate::simulation) fn daily_retention(annual: i128) -> i128 {
    let big = |x: i128| BigUint::from(x.max(0).unsigned_abs());
    let reaches = |r: i128| big(r).pow(365) * big(K) >= big(K - annual) * big(ONE18).pow(365);
    if annual == 0 {
        return ONE18;
    }
    if let Some(place) = KNOWN.iter().position(|(fee, _)| *fee == annual) {
        let known = KNOWN[place].1;
        if *IS_RIGHT[place].get_or_init(|| reaches(known) && !reaches(known - 1)) {
            return known;
        }
    }
    let (mut low, mut high) = (0, ONE18);
    while low < high {
        let middle = (low + high) / 2;
        if reaches(middle) { high = middle } else { low = middle + 1 }
    }
    low
}

/// `r^n` at 1e18, every product rounded up, from the highest bit of `n`.
pub(in crate::simulation) fn power(r: i128, n: i64) -> i128 {
    let mut x = ONE18;
    for bit in (0..64 - n.leading_zeros()).rev() {
        x = (x * x + ONE18 - 1) / ONE18;
        if (n >> bit) & 1 == 1 {
            x = (x * r + ONE18 - 1) / ONE18;
        }
    }
    x
}
