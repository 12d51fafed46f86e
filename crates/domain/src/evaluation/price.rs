//! The price of quality at a cost, and its error (EVALUATION 5.5).

use std::f64::consts::LN_2;

use super::{cost::CostErrors, params::PARAMS};

/// Largest price in micro-credits: a thousand times it is still a `PriceNano`, and canonical JSON carries it exactly.
pub const MICRO_MAX: i64 = 9_000_000_000_000_000;

/// ε: being dearer than the reference is charged in full; being cheaper earns only in proportion to the quality held.
#[must_use]
pub fn cost_elasticity(q: f64, q_genesis: f64, c: f64) -> f64 {
    if c >= 1.0 { PARAMS.gamma } else { PARAMS.gamma * (q / q_genesis).min(1.0) }
}

/// P = P0 · ((2^q − 1)/(2^q_genesis − 1))^η · c^−ε in credits; 0 for quality 0, and for anything that is no number.
#[must_use]
pub fn price(q: f64, q_genesis: f64, c: f64) -> f64 {
    if q.is_nan() || q <= 0.0 {
        return 0.0;
    }
    let excess = (libm::exp2(q) - 1.0) / (libm::exp2(q_genesis) - 1.0);
    let cost = libm::pow(c, -cost_elasticity(q, q_genesis, c));
    let credits = PARAMS.price_reference * libm::pow(excess, PARAMS.eta) * cost;
    if credits.is_nan() { 0.0 } else { credits }
}

/// d ln P / dQ in 1/bit; 0 for a price of 0, which has no logarithm.
#[must_use]
pub fn price_slope(q: f64, q_genesis: f64, c: f64) -> f64 {
    if q.is_nan() || q <= 0.0 {
        return 0.0;
    }
    let power = libm::exp2(q);
    let slope = PARAMS.eta * LN_2 * power / (power - 1.0);
    if c < 1.0 && q < q_genesis { slope - PARAMS.gamma / q_genesis * libm::log(c) } else { slope }
}

/// Standard error of ln P and its two independent parts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogSigma {
    /// From the items.
    pub items: f64,
    /// From the times.
    pub cost: f64,
    /// Of both.
    pub sigma: f64,
}

/// σ(ln P) by the delta method: the slope times the error of quality, beside the errors of the cost ratios.
#[must_use]
pub fn log_sigma(q: f64, q_genesis: f64, c: f64, se_q: f64, se_log: &CostErrors) -> LogSigma {
    let items = price_slope(q, q_genesis, c) * se_q;
    let (elasticity, alpha) = (cost_elasticity(q, q_genesis, c), PARAMS.alpha);
    let parts = [
        alpha.energy * se_log.energy.unwrap_or(0.0),
        alpha.latency * se_log.latency,
        alpha.memory * se_log.memory,
        alpha.time * se_log.time,
    ];
    let squares = parts.iter().map(|part| (elasticity * part) * (elasticity * part)).sum::<f64>();
    let cost = libm::sqrt(squares);
    LogSigma { items, cost, sigma: libm::hypot(items, cost) }
}

/// Credits as whole micro-credits, half up; never negative, never above [`MICRO_MAX`], 0 for what is no number.
#[must_use]
pub fn micro(credits: f64) -> i64 {
    // The cast takes a NaN to 0 and stops at the ends of the range.
    (libm::floor(credits * 1e6 + 0.5) as i64).clamp(0, MICRO_MAX)
}
