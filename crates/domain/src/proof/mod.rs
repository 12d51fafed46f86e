//! Proofs that need no trust in whoever serves them (DESIGN "Proof", FUND 6.3).
//!
//! A log of typed records ([`leaf`]) under a hash tree ([`merkle`]) whose head is signed ([`head`]).

pub mod merkle;

pub use merkle::{Frontier, MerkleError, Node, Tree};
