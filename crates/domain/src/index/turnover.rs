//! The turnover cap: how far one rebalance may go towards its targets (FUND 2.9).
//!
//! `T = Σ|t−w|/2`; above the cap, `t' = w + (Tmax/T)(t−w)`, and the sum stays one. Forced sales (delistings, breaches of a cap) come
//! first and in full; what they bring goes into the purchases in proportion, and the rest of the way is scaled. If they alone pass the
//! cap, it is raised in steps of 5 % to 30 %, and each step is logged.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Signed, Zero};

/// One name's way from its actual to its target weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The weight now, as a part of one.
    pub current: BigRational,
    /// The weight that the methodology asks for.
    pub target: BigRational,
    /// Whether its sale comes first and in full: the name is delisted, or above a cap. It says nothing about a purchase.
    pub is_forced: bool,
}

/// A raise of the cap, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Relaxation {
    /// One step of 5 % up to 30 %.
    Step {
        /// The cap after it.
        cap: BigRational,
    },
    /// Forced sales are more than 30 %: they happen all the same, and nothing else is traded.
    ForcedOnly {
        /// What they are.
        cap: BigRational,
    },
}

/// What a rebalance does under a turnover cap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trades {
    /// One-way turnover of the whole way.
    pub turnover: BigRational,
    /// The part of the way that is left after forced sales and is gone; 1 without a bound.
    pub scale: BigRational,
    /// Weights after the trades, in the order of the moves.
    pub weights: Vec<BigRational>,
    /// One-way turnover of the trades.
    pub executed: BigRational,
    /// Raises of the cap, in order; empty where it held.
    pub relaxations: Vec<Relaxation>,
}

/// Why there are no trades.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TurnoverError {
    /// A weight below 0.
    #[error("a {which} weight is {value}: at least 0")]
    Negative {
        /// `current` or `target`.
        which: &'static str,
        /// What was given.
        value: String,
    },
    /// Weights that do not sum to one.
    #[error("{which} weights sum to {sum}: expected 1, with the cash as a name")]
    Sum {
        /// `current` or `target`.
        which: &'static str,
        /// Their sum.
        sum: String,
    },
    /// A cap below 0.
    #[error("the turnover cap is {cap}: at least 0")]
    Cap {
        /// What was given.
        cap: String,
    },
}

/// One-way turnover `Σ|t−w|/2`; both in the same order.
#[must_use]
pub fn one_way(current: &[BigRational], target: &[BigRational]) -> BigRational {
    let way: BigRational = current.iter().zip(target).map(|(w, t)| (t - w).abs()).sum();
    way / BigInt::from(2)
}

/// Trades under a cap on one-way turnover.
///
/// # Errors
/// Weights that are negative or do not sum to one (cash counts as a name), a negative cap.
pub fn plan_trades(moves: &[Move], cap: &BigRational) -> Result<Trades, TurnoverError> {
    if cap.is_negative() {
        return Err(TurnoverError::Cap { cap: cap.to_string() });
    }
    let current: Vec<BigRational> = moves.iter().map(|m| m.current.clone()).collect();
    let target: Vec<BigRational> = moves.iter().map(|m| m.target.clone()).collect();
    check("current", &current)?;
    check("target", &target)?;
    let turnover = one_way(&current, &target);
    let first = after_forced(moves, &turnover);
    let forced = one_way(&current, &first);
    let (cap, relaxations) = relaxed(cap, &forced);
    let left = &turnover - &forced;
    let scale = if turnover <= cap { BigRational::one() } else { (cap - &forced) / left };
    let way = |(from, to): (&BigRational, &BigRational)| from + &scale * (to - from);
    let weights: Vec<BigRational> = first.iter().zip(&target).map(way).collect();
    let executed = one_way(&current, &weights);
    Ok(Trades { turnover, scale, weights, executed, relaxations })
}

fn check(which: &'static str, weights: &[BigRational]) -> Result<(), TurnoverError> {
    if let Some(weight) = weights.iter().find(|weight| weight.is_negative()) {
        return Err(TurnoverError::Negative { which, value: weight.to_string() });
    }
    let sum: BigRational = weights.iter().sum();
    if sum.is_one() { Ok(()) } else { Err(TurnoverError::Sum { which, sum: sum.to_string() }) }
}

/// Weights when the forced sales are done and what they brought is spent, in proportion to what each purchase needs.
fn after_forced(moves: &[Move], turnover: &BigRational) -> Vec<BigRational> {
    let sells = |m: &&Move| m.is_forced && m.target < m.current;
    let sold: BigRational = moves.iter().filter(sells).map(|m| &m.current - &m.target).sum();
    // Purchases sum to the whole one-way turnover, so no purchase goes beyond its target.
    let part = if turnover.is_zero() { BigRational::zero() } else { sold / turnover };
    let place = |m: &Move| {
        if m.target > m.current {
            &m.current + &part * (&m.target - &m.current)
        } else if m.is_forced {
            m.target.clone()
        } else {
            m.current.clone()
        }
    };
    moves.iter().map(place).collect()
}

/// The cap that leaves room for the forced sales, and how it came about.
fn relaxed(cap: &BigRational, forced: &BigRational) -> (BigRational, Vec<Relaxation>) {
    let percent = |whole: i64| BigRational::new(BigInt::from(whole), BigInt::from(100));
    let (step, most) = (percent(5), percent(30));
    let (mut cap, mut log) = (cap.clone(), Vec::new());
    while cap < *forced && cap < most {
        cap = (cap + &step).min(most.clone());
        log.push(Relaxation::Step { cap: cap.clone() });
    }
    if cap < *forced {
        cap.clone_from(forced);
        log.push(Relaxation::ForcedOnly { cap: cap.clone() });
    }
    (cap, log)
}
