//! Upload sessions, end to end: what is refused, what is not sent twice, and that no kill loses or leaves a byte.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

mod kills;
mod missing;
mod rules;
#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "support is shared with tests that use more of it")]
mod support;
mod world;
