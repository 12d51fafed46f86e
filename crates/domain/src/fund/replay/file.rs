//! A whole file of operations: text in, one line of JSON a step out (DESIGN 5, `modelfolio replay`).
//!
//! The file is an object with `steps`, each an object with `op` and `args`, and may have `params`; other fields, such as the results
//! that `lifecycle.json` carries, are passed over.
//! What is wrong with the form of the file (an operation that does not exist, an argument that lacks or that nobody knows) is an error
//! of the whole file and names step and field, before anything is applied.
//! What is wrong with a value (negative, a fraction, too large, no name) is no error of the file:
//! the step is refused with its code, as every other refusal (FUND 1.6), and changes nothing.

use serde_json::{Map, Value};

use super::{ledger, step};
use crate::{
    fund::{Rejection, State},
    name::Name,
};

/// Why a file cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Not JSON.
    #[error("no JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Something is not what it should be.
    #[error("{at}: expected {expected}, found {found}")]
    Form {
        /// Where, such as `steps[3].args`.
        at: String,
        /// What should stand there.
        expected: &'static str,
        /// What stands there, its first 80 characters.
        found: String,
    },
    /// An operation that does not exist.
    #[error("steps[{step}].op: operation {op:?} is unknown")]
    Operation {
        /// Which step, from 0.
        step: usize,
        /// Its first 80 characters.
        op: String,
    },
    /// An argument lacks.
    #[error("steps[{step}].args.{argument}: {op} needs it")]
    Missing {
        /// Which step, from 0.
        step: usize,
        /// The operation.
        op: &'static str,
        /// The argument.
        argument: &'static str,
    },
    /// An argument that the operation does not have.
    #[error("steps[{step}].args.{argument}: {op} has no such argument")]
    Unknown {
        /// Which step, from 0.
        step: usize,
        /// The operation.
        op: &'static str,
        /// Its first 80 characters.
        argument: String,
    },
    /// A parameter that does not exist.
    #[error("params.{0}: no such parameter")]
    Parameter(String),
    /// A parameter out of its range.
    #[error("params: {0}")]
    Params(#[from] Rejection),
    /// A name that a literal of ours does not give.
    #[error("internal error: the fund of a replay has no name")]
    Internal,
}

/// What the one fund of a replay is called; it stands nowhere in the lines.
const FUND: &str = "main";

/// Parameters of a file; `daily_retention_1e18` follows from the others and is passed over.
const PARAMETERS: &[&str] = &[
    "mgmt_ppb",
    "perf_ppb",
    "pub_share_ppb",
    "levy_in_ppb",
    "reserve",
    "min_shares",
    "daily_retention_1e18",
];

/// Operations, each with the arguments that it needs and those that it can do without (FUND 1.6).
const OPERATIONS: &[(&str, &[&str], &[&str])] = &[
    ("deposit", &["who", "c"], &[]),
    ("withdraw", &["who", "c"], &[]),
    ("transfer", &["who", "to", "asset", "n"], &[]),
    ("claim", &["who"], &[]),
    ("admit", &["m", "pub", "p0", "bond"], &["contributors"]),
    ("seed", &["who", "c"], &[]),
    ("mark_set", &["px"], &["est"]),
    ("mark", &["m", "p"], &[]),
    ("subscribe", &["who", "c"], &[]),
    ("redeem", &["who", "sh"], &[]),
    ("strike", &["day"], &[]),
    ("in_kind", &["who", "sh", "day"], &["skip"]),
    ("rebalance", &["wppb", "cash_ppb"], &["spread_ppb", "cps"]),
    ("vest", &["m", "day"], &[]),
    ("royalty", &["m", "c"], &[]),
    ("delist", &["m"], &[]),
];

/// The lines of a replay, one a step, each a JSON object without a line's end: `op`, `error`, `journal`, `nav_femto`, `shares_nano`,
/// `hwm`, `fund`, `digest`.
///
/// `error` is a code of FUND 1.6 or null; `digest` is [`State::chain`].
#[derive(Debug)]
pub struct Lines {
    state: State,
    fund: Name,
    steps: std::vec::IntoIter<Value>,
}

/// Reads a file and checks its form; the steps are applied as the lines are taken.
///
/// # Errors
/// [`ReplayError`] names the first step and field that is not of the form.
pub fn lines(text: &str) -> Result<Lines, ReplayError> {
    let file: Value = serde_json::from_str(text)?;
    let Value::Object(mut file) = file else {
        return Err(form("file", "an object with steps", &file));
    };
    let params = file.get("params").cloned().unwrap_or_else(|| Value::Object(Map::new()));
    let given = params.as_object().ok_or_else(|| form("params", "an object", &params))?;
    if let Some(name) = given.keys().find(|name| !PARAMETERS.contains(&name.as_str())) {
        return Err(ReplayError::Parameter(name.chars().take(80).collect()));
    }
    let steps = match file.shift_remove("steps") {
        Some(Value::Array(steps)) => steps,
        other => return Err(form("steps", "a list", &other.unwrap_or(Value::Null))),
    };
    for (number, step) in steps.iter().enumerate() {
        check(number, step)?;
    }
    let fund: Name = FUND.parse().map_err(|_| ReplayError::Internal)?;
    Ok(Lines { state: ledger(&fund, &params)?, fund, steps: steps.into_iter() })
}

fn form(at: &str, expected: &'static str, found: &Value) -> ReplayError {
    let found = found.to_string().chars().take(80).collect();
    ReplayError::Form { at: at.to_owned(), expected, found }
}

fn check(number: usize, step: &Value) -> Result<(), ReplayError> {
    let at = |field: &str| format!("steps[{number}]{field}");
    let step = step.as_object().ok_or_else(|| form(&at(""), "an object with op and args", step))?;
    let op = step.get("op").unwrap_or(&Value::Null);
    let op = op.as_str().ok_or_else(|| form(&at(".op"), "the name of an operation", op))?;
    let Some((op, needed, optional)) = OPERATIONS.iter().find(|(name, ..)| *name == op) else {
        return Err(ReplayError::Operation { step: number, op: op.chars().take(80).collect() });
    };
    let args = step.get("args").unwrap_or(&Value::Null);
    let args = args.as_object().ok_or_else(|| form(&at(".args"), "an object", args))?;
    if let Some(argument) = needed.iter().find(|name| !args.contains_key(**name)) {
        return Err(ReplayError::Missing { step: number, op, argument });
    }
    let known = |name: &str| needed.contains(&name) || optional.contains(&name);
    match args.keys().find(|name| !known(name)) {
        Some(name) => {
            let argument = name.chars().take(80).collect();
            Err(ReplayError::Unknown { step: number, op, argument })
        }
        None => Ok(()),
    }
}

impl Iterator for Lines {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let operation = self.steps.next()?;
        // Every operation was checked to exist.
        step(&mut self.state, &self.fund, &operation).ok().map(|done| done.line.to_string())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.steps.size_hint()
    }
}
