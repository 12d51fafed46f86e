//! Why a methodology is refused, or gives no weights.

use crate::{
    canonical::CanonicalError,
    index::{BufferError, Infeasible, TurnoverError},
    name::Name,
};

/// Why a methodology is refused, or gives no weights.
#[derive(Debug, thiserror::Error)]
pub enum MethodologyError {
    /// Not the JSON of a methodology.
    #[error("no methodology: {0}")]
    Json(#[from] serde_json::Error),
    /// A number out of its range.
    #[error("{field} is {value}: at least {min}, at most {max}")]
    Range {
        /// The field.
        field: &'static str,
        /// What it holds.
        value: i64,
        /// The least that is allowed.
        min: i64,
        /// The most that is allowed.
        max: i64,
    },
    /// A rule that means nothing without another.
    #[error("{field} is {value}, but {needs} is off: a rule that would do nothing is refused")]
    Needs {
        /// The field.
        field: &'static str,
        /// What it holds.
        value: i64,
        /// The field that it needs.
        needs: &'static str,
    },
    /// Ranks that make no buffer.
    #[error("membership: {0}")]
    Buffer(#[from] BufferError),
    /// Weights of tracks that are not the whole.
    #[error("tracks: their weights sum to {sum}; expected 1000000000")]
    TrackSum {
        /// Their sum.
        sum: i64,
    },
    /// A list that is too long.
    #[error("{field} has {given} entries; at most {max}")]
    Length {
        /// The field.
        field: &'static str,
        /// Entries that it has.
        given: usize,
        /// The most that is allowed.
        max: usize,
    },
    /// A name that stands twice.
    #[error("{field} names {name} twice")]
    Twice {
        /// The field.
        field: &'static str,
        /// The name.
        name: Name,
    },
    /// A value without canonical JSON.
    #[error("methodology: {0}")]
    Canonical(#[from] CanonicalError),
    /// Weights that do not exist under these caps.
    #[error("weights: {0}")]
    Weights(#[from] Infeasible),
    /// Trades that do not exist under these weights.
    #[error("turnover: {0}")]
    Turnover(#[from] TurnoverError),
}
