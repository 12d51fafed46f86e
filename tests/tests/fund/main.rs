//! The fund, end to end: joining, waiting, taking back, leaving, being paid.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

mod auction;
mod calendar;
mod columns;
mod commands;
mod corrections;
mod dealing;
mod disclosure;
mod evidence;
mod exits;
mod late;
mod methodologies;
mod proofs;
mod questions;
mod restrictions;
mod reveal;
mod rules;
#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "support is shared with tests that use more of it")]
mod support;
mod travel;
mod window;
#[path = "../registry/world.rs"]
#[expect(dead_code, reason = "the world is shared with tests that use more of it")]
mod world;
