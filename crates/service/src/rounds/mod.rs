//! Rounds: several evaluators measure one version, commit to what they found, and reveal it when all have.
//!
//! ```text
//! asked ──draw──▶ committing ──all in, or deadline──▶ revealing ──all in, or deadline──▶ verdict: agreed or held
//!                    │  ▲
//!                    └──┘ whoever does not answer is replaced by another draw, a few times
//! ```
//! Nothing of a report is in database or storage before the second phase: until then the evaluator alone has it.

mod advance;
mod commit;
mod request;
mod settle;
mod view;

pub use commit::Reveal;
pub use request::RequestRound;
pub use view::{Round, Seat, Verdict};

pub(crate) use commit::insert_attestation;
pub(crate) use request::{Terms, insert_confirmation, insert_renewal};

/// The word for the phase in which evaluators commit.
pub(crate) const COMMITTING: &str = "committing";
/// The word for the phase in which they reveal.
pub(crate) const REVEALING: &str = "revealing";
/// Times that those who do not answer are replaced.
pub(crate) const REPLACEMENTS_MAX: i64 = 2;
