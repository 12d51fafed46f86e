//! Values and rules of modelfolio: checkpoints, suites, evaluations, prices, the fund and its simulation.
//!
//! Laws of this crate: no input or output, no clock, no random numbers, no async.
//! Time and ids come in as values; every derivation is a pure function, so that any machine reaches the same result.
//! Money is integers; `f64` lives in [`evaluation`], up to the point where a price becomes integer micro-credits,
//! and in [`analytics`], whose statistics never flow back into money.

pub mod amount;
pub mod analytics;
pub mod backtest;
pub mod calendar;
pub mod canonical;
pub mod checkpoint;
pub mod dealing;
pub mod digest;
pub mod disclosure;
pub mod evaluation;
pub mod fund;
pub mod index;
pub mod name;
pub mod proof;
pub mod simulation;
pub mod suite;
pub mod time;
