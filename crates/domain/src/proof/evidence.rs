//! What one person takes home: a file that shows his balance at a strike, or his order in a closed book, by the log alone.
//!
//! It needs no record and no journal, which name everybody: the log's leaf has the digest of the root over balances, or the root over the
//! book. Nothing of anybody else is in it but hashes and, on the way to a root over balances, sums.

use serde::{Deserialize, Serialize};

use super::{
    balance::{BalanceError, BalanceProof, BalanceRoot},
    book::{BookRoot, OrderProof},
    bundle::LeafProof,
    head::{HeadError, SignedHead},
    leaf::LeafRecord,
    merkle::{MerkleError, verify_inclusion},
};
use crate::{
    canonical::{self, CanonicalError},
    evaluation::PublicKey,
};

/// One holder's balance at a strike. The form is `schema/balance.schema.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BalanceEvidence {
    /// Version of this form: 1.
    pub balance_version: u32,
    /// The balance and its way to the root.
    pub proof: BalanceProof,
    /// The root over all balances, as the strike's record has it.
    pub root: BalanceRoot,
    /// The strike's leaf.
    pub leaf: LeafProof,
    /// The first signed head that has the leaf.
    pub head: SignedHead,
}

/// One order in the closed book of a strike. The form is `schema/order.schema.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderEvidence {
    /// Version of this form: 1.
    pub order_version: u32,
    /// The order and its way to the root.
    pub proof: OrderProof,
    /// The leaf of the cut-off.
    pub leaf: LeafProof,
    /// The first signed head that has the leaf.
    pub head: SignedHead,
}

/// Why a file shows nothing; the first thing that differs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// A form of another version.
    #[error("{what}: {found}; this program reads version {known}")]
    Version {
        /// The field.
        what: &'static str,
        /// What it says.
        found: u32,
        /// What this program reads.
        known: u32,
    },
    /// The balance is not under the root.
    #[error("balance: {0}")]
    Balance(#[from] BalanceError),
    /// The order is not under the root.
    #[error("order: {0}")]
    Order(MerkleError),
    /// The leaf says something else than what it stands beside.
    #[error("leaf.{field}: the log says {stated}, the proof {found}")]
    Leaf {
        /// Which field of the leaf.
        field: &'static str,
        /// What the leaf says.
        stated: String,
        /// What the proof says.
        found: String,
    },
    /// The leaf is not in the log.
    #[error("log: {0}")]
    Inclusion(MerkleError),
    /// The head is not signed as it should be.
    #[error("head: {0}")]
    Head(#[from] HeadError),
    /// Something of it has no canonical JSON.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
}

fn version(what: &'static str, found: u32, known: u32) -> Result<(), EvidenceError> {
    if found == known { Ok(()) } else { Err(EvidenceError::Version { what, found, known }) }
}

fn same<T: PartialEq + ToString>(
    field: &'static str,
    stated: &T,
    found: &T,
) -> Result<(), EvidenceError> {
    if stated == found {
        return Ok(());
    }
    let (stated, found) = (stated.to_string(), found.to_string());
    Err(EvidenceError::Leaf { field, stated, found })
}

fn other_kind(leaf: &LeafRecord, wanted: &str) -> EvidenceError {
    let (stated, found) = (leaf.kind().to_owned(), wanted.to_owned());
    EvidenceError::Leaf { field: "leaf", stated, found }
}

/// The leaf is in the log of the head, and the head is signed.
fn in_log(
    leaf: &LeafProof,
    head: &SignedHead,
    trusted: Option<&PublicKey>,
) -> Result<(), EvidenceError> {
    verify_inclusion(leaf.leaf.hash()?, leaf.index, head.size, &leaf.path, head.root)
        .map_err(EvidenceError::Inclusion)?;
    Ok(head.verify(trusted)?)
}

impl BalanceEvidence {
    /// The version of the form that this program writes.
    pub const VERSION: u32 = 1;

    /// The file as canonical JSON: the same evidence has the same bytes.
    ///
    /// # Errors
    /// [`CanonicalError`] for a number beyond 2^53 − 1, which neither time nor count reaches.
    pub fn to_canonical(&self) -> Result<String, CanonicalError> {
        canonical::to_string(self)
    }

    /// Checks that the balance is under the root, the root in the strike's leaf, the leaf in the log and the log signed.
    ///
    /// # Errors
    /// [`EvidenceError`] names the first thing that differs.
    pub fn verify(&self, trusted: Option<&PublicKey>) -> Result<(), EvidenceError> {
        version("balance_version", self.balance_version, Self::VERSION)?;
        self.proof.verify(&self.root)?;
        let LeafRecord::Strike { fund, number, balances, .. } = &self.leaf.leaf else {
            return Err(other_kind(&self.leaf.leaf, "strike"));
        };
        same("fund", fund, &self.proof.fund)?;
        same("number", number, &self.proof.strike)?;
        let root = canonical::digest_of(&self.root)?;
        let stated = balances.map_or_else(|| "none".to_owned(), |stated| stated.to_string());
        same("balances", &stated, &root.to_string())?;
        in_log(&self.leaf, &self.head, trusted)
    }
}

impl OrderEvidence {
    /// The version of the form that this program writes.
    pub const VERSION: u32 = 1;

    /// The file as canonical JSON: the same evidence has the same bytes.
    ///
    /// # Errors
    /// [`CanonicalError`] for a number beyond 2^53 − 1, which neither time nor count reaches.
    pub fn to_canonical(&self) -> Result<String, CanonicalError> {
        canonical::to_string(self)
    }

    /// Checks that the order is in the book, the book's root in the leaf of the cut-off, the leaf in the log and the log signed.
    ///
    /// # Errors
    /// [`EvidenceError`] names the first thing that differs.
    pub fn verify(&self, trusted: Option<&PublicKey>) -> Result<(), EvidenceError> {
        version("order_version", self.order_version, Self::VERSION)?;
        let LeafRecord::Orders { fund, number, root, count, .. } = &self.leaf.leaf else {
            return Err(other_kind(&self.leaf.leaf, "orders"));
        };
        same("fund", fund, &self.proof.fund)?;
        same("number", number, &self.proof.strike)?;
        let root = BookRoot { count: *count, root: *root };
        self.proof.verify(&root).map_err(EvidenceError::Order)?;
        in_log(&self.leaf, &self.head, trusted)
    }
}
