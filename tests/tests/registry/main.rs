//! The registry, end to end: aliases, yanks, differences, cards, search, and private models that strangers cannot tell from none.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

mod audit;
mod gates;
mod likeness;
mod private;
mod shards;
mod shards_hub;
#[path = "../../../crates/domain/tests/support/split.rs"]
#[expect(dead_code, reason = "the helper is shared with tests that use more of it")]
mod split;
mod storage;
#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "support is shared with tests that use more of it")]
mod support;
mod tensors;
mod versions;
mod webhooks;
mod world;
