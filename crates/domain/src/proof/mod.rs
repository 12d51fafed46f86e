//! Proofs that need no trust in whoever serves them (DESIGN "Proof", FUND 6.3).
//!
//! A log of typed records ([`LeafRecord`]) under a hash tree ([`merkle`]), whose head is signed ([`SignedHead`]).
//! A strike is one of its records: [`StrikeRecord`], which [`Watch`] derives from the journal. A [`Bundle`] holds a strike with all that
//! it follows from, and [`verify_bundle`] derives it again. [`BalanceEvidence`] shows one holder's
//! shares and nobody else's, [`OrderEvidence`] one order of a closed book.

mod auction;
mod balance;
mod book;
mod bundle;
mod commitment;
mod corrections;
mod evidence;
mod frozen;
mod head;
mod leaf;
pub mod merkle;
mod restated;
mod rules;
mod steps;
mod strike;
mod sum_tree;
mod tail;
mod verify;
mod watch;
mod watch_error;
mod window;
mod witness;

pub use balance::{BalanceError, BalancePart, BalanceProof, BalanceRoot, Balances};
pub use book::{Book, BookRoot, OrderProof};
pub use bundle::{
    Bundle, BundleError, LeafProof, LogEntry, LogEvidence, OlderHead, PriceStep, ReportEvidence,
    RoundVote, RoundVotes,
};
pub use commitment::CommitmentFacts;
pub use evidence::{BalanceEvidence, EvidenceError, OrderEvidence};
pub use head::{HeadError, LogKey, SignedHead};
pub use leaf::{AcceptedPrice, LeafRecord};
pub use merkle::{Frontier, MerkleError, Node, Tree};
pub use restated::{
    JoinerRecord, LeaverRecord, PaidSoFar, Restated, RestatementRecord, TradeRecord, WindingRecord,
};
pub use rules::Adoption;
pub use strike::{
    Fees, FillRecord, HighWater, MarkedPrice, Order, OrderKind, PriceSource, SliceRecord,
    StrikeFacts, StrikeRecord, WindowRecord,
};
pub use sum_tree::{SumError, SumNode};
pub use verify::{KnownInformation, Verified, verify_bundle};
pub use watch::Watch;
pub use watch_error::WatchError;
pub use witness::{Cosignature, KeptHead};

/// Fields one after the other, each behind its length, so that no two lists of fields have the same bytes.
fn length_prefixed(fields: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for field in fields {
        // Every field is a name, a number, a digest or a key.
        bytes.extend_from_slice(&(field.len() as u32).to_le_bytes());
        bytes.extend_from_slice(field);
    }
    bytes
}
