//! Why a journal is not that of a fund under its rules.

use crate::{
    digest::Digest,
    fund::{MethodologyError, restatement::RestateError},
    index::LevelError,
};

/// Why the journal does not keep the fund's rules.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// An order that was placed when the prices of the strike were set already.
    #[error(
        "order {order} is in the strike of event {strike}, whose prices were set after event {cut_off}"
    )]
    Late {
        /// The order's event.
        order: u64,
        /// The strike's event.
        strike: u64,
        /// The last event whose order is in time.
        cut_off: u64,
    },
    /// An event says something else than the methodology.
    #[error("event {sequence}, {field}: the journal says {stated}, the methodology {derived}")]
    Rules {
        /// The event.
        sequence: u64,
        /// What differs.
        field: String,
        /// What the event says.
        stated: String,
        /// What follows.
        derived: String,
    },
    /// Rules that are adopted and that nobody has given.
    #[error("event {sequence}: the methodology {digest} that is adopted is not known")]
    UnknownRules {
        /// The adoption.
        sequence: u64,
        /// Its digest.
        digest: Digest,
    },
    /// Rules that are adopted in the middle of a period, whose fees are then those of other rules than its days.
    #[error("event {sequence}: a methodology is adopted, but not right after a strike of the fund")]
    BetweenStrikes {
        /// The adoption.
        sequence: u64,
    },
    /// The rules give no weights for a rebalance that happened.
    #[error("event {sequence}: {source}")]
    Weights {
        /// The rebalance.
        sequence: u64,
        /// Why not.
        source: MethodologyError,
    },
    /// The level passes its bound.
    #[error("event {sequence}: {source}")]
    Level {
        /// The rebalance or strike.
        sequence: u64,
        /// Why not.
        source: LevelError,
    },
    /// A compensation names prices that its strike cannot be restated at.
    #[error("event {sequence}: {source}")]
    Restatement {
        /// The compensation.
        sequence: u64,
        /// Why not.
        source: RestateError,
    },
    /// The instant window was not paid as the rules say.
    #[error("event {sequence}: the instant window {why}")]
    Window {
        /// The event.
        sequence: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// The auction was not held as the rules say.
    #[error("event {sequence}: the auction {why}")]
    Auction {
        /// The event.
        sequence: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// An assertion of ours failed.
    #[error("internal error in the proof of a strike: {0}")]
    Internal(&'static str),
}
