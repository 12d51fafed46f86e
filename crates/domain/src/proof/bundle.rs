//! A strike with all that it follows from, in one file that proves itself offline.
//!
//! It holds the whole journal from the first event on, not the events since the last strike with the state before them: the ledger's
//! chain hashes batches, and nothing hashes a state, so a state that is handed over could be any. From the empty ledger every balance,
//! order, high-water mark, basket and level follows by the engine itself, and nothing is taken on anybody's word.
//! The same holds for prices: every decision on a model from the first on, each with its report.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    balance::BalanceError,
    head::{HeadError, SignedHead},
    leaf::LeafRecord,
    merkle::MerkleError,
    strike::StrikeRecord,
    watch_error::WatchError,
};
use crate::{
    amount::PriceNano,
    canonical::CanonicalError,
    digest::Digest,
    evaluation::{Attestation, AttestationError, DecisionError, Report, VerifyError},
    fund::{Event, Methodology, MethodologyError, Rejection, Salt},
    name::Name,
};

/// Everything that one strike follows from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// Version of this form: 1.
    pub bundle_version: u32,
    /// The record that is to be verified.
    pub record: StrikeRecord,
    /// The rules that it names: those in force at the strike.
    pub methodology: Methodology,
    /// All rules that were in force from the fund's creation to the strike, in the order of coming into force, each once; empty where
    /// there were no others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methodologies: Vec<Methodology>,
    /// Every event of the ledger, from the first to the strike's own.
    pub journal: Vec<Event>,
    /// Every report that a decision below is about.
    pub reports: Vec<ReportEvidence>,
    /// Every decision on the price of each model of the strike, from the first to the one that the strike cites.
    pub decisions: BTreeMap<Name, Vec<PriceStep>>,
    /// What the salts of the record's balances follow from; none where the record has no root over them. Whoever has it and the journal
    /// can show anybody's balance, which the journal tells him anyway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance_seed: Option<Salt>,
    /// What the log says of all of it.
    pub log: LogEvidence,
}

/// A report with as much of its samples as there is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportEvidence {
    /// The report.
    pub report: Report,
    /// The sample blob; without it the report's quality and rounds are its own word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<String>,
    /// Right and wrong items: [`outcomes`](crate::evaluation::report::outcomes); empty where the metric counts none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub right: String,
    /// Bits by which each item moves quality otherwise: [`influence`](crate::evaluation::report::influence).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub influence: Vec<f64>,
    /// The evaluator's signature, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attestation: Option<Attestation>,
}

/// One decision on a price.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceStep {
    /// Hash of its leaf.
    pub decision: Digest,
    /// The round, where several evaluators measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<RoundVotes>,
}

/// The votes of a round, in the order of their commitments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoundVotes {
    /// Evaluators that were asked for.
    pub wanted: u32,
    /// Weight of those who sat and have no vote here.
    pub absent: f64,
    /// The votes.
    pub votes: Vec<RoundVote>,
}

/// One vote.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoundVote {
    /// The report.
    pub report: Digest,
    /// Weight of its evaluator, by the operator's standings.
    pub weight: f64,
}

/// The log around a strike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogEvidence {
    /// The head that all paths lead to.
    pub head: SignedHead,
    /// The leaves: strike, strike before, each methodology, and of every decision the reports and the publishing of their versions.
    pub leaves: Vec<LeafProof>,
    /// The head at the strike before; none for a fund's first.
    pub older: Option<OlderHead>,
    /// Every leaf of the log up to the head, in order; without them nothing shows that no later decision or report was left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<LogEntry>,
    /// The head that has the closed book and not the strike; none without a commitment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub book: Option<OlderHead>,
}

/// A leaf of the whole log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LogEntry {
    /// What it says.
    Leaf(LeafRecord),
    /// Its hash alone, where its text is not for whoever has the bundle.
    Hash(Digest),
}

impl LogEntry {
    /// Its hash in the tree.
    ///
    /// # Errors
    /// A record without canonical JSON.
    pub fn hash(&self) -> Result<Digest, CanonicalError> {
        match self {
            Self::Leaf(leaf) => leaf.hash(),
            Self::Hash(hash) => Ok(*hash),
        }
    }
}

/// A leaf with its path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeafProof {
    /// Its number, from 0.
    pub index: u64,
    /// What it says.
    pub leaf: LeafRecord,
    /// The path to the head's root.
    pub path: Vec<Digest>,
}

/// An older head with the path from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OlderHead {
    /// The head.
    pub head: SignedHead,
    /// Shows its log inside the newer one.
    pub path: Vec<Digest>,
}

/// Why a bundle proves nothing; the first thing that differs.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
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
    /// Something says one thing, and another follows.
    #[error("{field}: the bundle says {stated}, what it rests on says {derived}")]
    Difference {
        /// Which field.
        field: String,
        /// What it says.
        stated: String,
        /// What follows.
        derived: String,
    },
    /// Something is not there.
    #[error("{what} is not in the bundle")]
    Missing {
        /// What.
        what: String,
    },
    /// The engine refuses an event of the journal.
    #[error("journal, event {sequence}, {op}: {source}")]
    Journal {
        /// The event, from 1.
        sequence: u64,
        /// Its operation.
        op: &'static str,
        /// Why.
        source: Rejection,
    },
    /// The journal does not keep the fund's rules.
    #[error("journal: {0}")]
    Rules(#[from] WatchError),
    /// The balances that the journal leaves have no root.
    #[error("record.balances: {0}")]
    Balances(#[from] BalanceError),
    /// The methodology is none.
    #[error("methodology: {0}")]
    Methodology(#[from] MethodologyError),
    /// A report does not say what it rests on.
    #[error("report {report}: {source}")]
    Report {
        /// Which.
        report: Digest,
        /// What differs.
        source: VerifyError,
    },
    /// A report's signature is none.
    #[error("report {report}: {source}")]
    Attestation {
        /// Which.
        report: Digest,
        /// What does not fit.
        source: AttestationError,
    },
    /// A report decides nothing.
    #[error("decisions.{model}[{index}]: {source}")]
    Decision {
        /// The model.
        model: Name,
        /// Which of its decisions, from 0.
        index: usize,
        /// Why.
        source: DecisionError,
    },
    /// A head is not signed as it should be, or does not follow the older one.
    #[error("{which}: {source}")]
    Head {
        /// `log.head` or `log.older`.
        which: &'static str,
        /// What does not fit.
        source: HeadError,
    },
    /// A leaf is not in the log.
    #[error("log.leaves[{index}], {kind}: {source}")]
    Leaf {
        /// Which of the bundle's leaves, from 0.
        index: usize,
        /// Its kind.
        kind: &'static str,
        /// What does not fit.
        source: MerkleError,
    },
    /// The log contradicted a price of the strike before the strike.
    #[error(
        "report {report} on {model} was in the log before the strike, and {says}: {order} dealt at {ask}"
    )]
    Known {
        /// The model.
        model: Name,
        /// The report.
        report: Digest,
        /// What it says, in words.
        says: String,
        /// The first order that dealt at the ask, in words.
        order: String,
        /// The ask of the model.
        ask: PriceNano,
    },
    /// Something of it has no canonical JSON.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
}

impl Bundle {
    /// The version of the form that this program writes.
    pub const VERSION: u32 = 1;
}
