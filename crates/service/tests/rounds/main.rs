//! Rounds of several evaluators: who sits, what is committed and revealed, what counts, and what nobody may read.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

mod counting;
mod embargo;
mod renewal;
#[path = "../../../domain/tests/support/mod.rs"]
mod support;
mod withheld;
mod world;
