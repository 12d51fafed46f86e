//! Objects of the schema; each wraps a value of the service and asks for the rest when a client does.

pub(crate) mod access;
pub(crate) mod account;
pub(crate) mod audit;
pub(crate) mod clock;
pub(crate) mod evaluation;
pub(crate) mod evaluator;
pub(crate) mod fund;
pub(crate) mod likeness;
pub(crate) mod log;
pub(crate) mod model;
pub(crate) mod order;
pub(crate) mod price;
pub(crate) mod release;
pub(crate) mod reveal;
pub(crate) mod round;
pub(crate) mod storage;
pub(crate) mod suite;
pub(crate) mod version_diff;
pub(crate) mod webhook;
