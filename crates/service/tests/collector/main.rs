//! The collector and the accounts that it works by: what is cited stays, what is not goes, beside uploads and crashes.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

mod quota;
mod rules;
mod stress;
mod world;
