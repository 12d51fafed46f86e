//! What the log says: a closed set of typed records, each as canonical JSON (RFC 8785), each naming its inputs by digest.
//!
//! The hash of a leaf is public, its text is shown to those who may read what it is about. A leaf about a version names checkpoint and
//! graph by digest, so that nobody finds the text of a private model's leaf by guessing names.

use serde::{Deserialize, Serialize};

use super::{bundle::RoundVotes, merkle::leaf_hash, steps};
use crate::{
    canonical::{self, CanonicalError},
    digest::Digest,
    evaluation::{PriceDecision, Status},
    name::Name,
    time::Timestamp,
};

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "leaf", rename_all = "snake_case", deny_unknown_fields)]
pub enum LeafRecord {
    /// A version was published.
    Publish {
        /// When.
        at: Timestamp,
        /// The model.
        model: Name,
        /// The version.
        version: Name,
        /// Its weights.
        checkpoint: Digest,
        /// Its graph.
        graph: Digest,
    },
    /// An alias points to another version.
    AliasMove {
        /// When.
        at: Timestamp,
        /// The model.
        model: Name,
        /// The alias, such as `listed`.
        alias: Name,
        /// Where it points from now on.
        version: Name,
        /// Weights of that version.
        checkpoint: Digest,
        /// Graph of that version.
        graph: Digest,
    },
    /// A version is hidden from new use.
    Yank {
        /// When.
        at: Timestamp,
        /// The model.
        model: Name,
        /// The version.
        version: Name,
        /// Its weights.
        checkpoint: Digest,
        /// Its graph.
        graph: Digest,
    },
    /// A report was recorded.
    Report {
        /// When.
        at: Timestamp,
        /// The report.
        report: Digest,
        /// The weights that were measured.
        checkpoint: Digest,
        /// The graph that was measured.
        graph: Digest,
        /// The items.
        suite: Digest,
        /// The raw samples.
        samples: Digest,
        /// Who measured.
        evaluator: String,
    },
    /// A report, or a round of several, was decided on.
    AcceptedPrice(AcceptedPrice),
    /// A fund has these rules, from its creation on or from a later day.
    Methodology {
        /// When it was said.
        at: Timestamp,
        /// The first day of the fund's clock whose strike may put them in force; none for the rules of its creation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        effective_day: Option<i64>,
        /// The fund.
        fund: Name,
        /// The rules.
        methodology: Digest,
    },
    /// Announced rules are in force, from after a strike on.
    MethodologyAdoption {
        /// When.
        at: Timestamp,
        /// The fund.
        fund: Name,
        /// Hash of the leaf that announced them.
        announcement: Digest,
        /// The rules.
        methodology: Digest,
        /// The strike that they came into force after.
        strike: u64,
    },
    /// Announced rules were taken back before their day: nobody adopts them by that announcement.
    MethodologyWithdrawal {
        /// When.
        at: Timestamp,
        /// The fund.
        fund: Name,
        /// Hash of the leaf that announced them.
        announcement: Digest,
        /// The rules.
        methodology: Digest,
    },
    /// The prices of a strike to come are bound.
    Commitment {
        /// When.
        at: Timestamp,
        /// The fund.
        fund: Name,
        /// The number of the strike.
        number: u64,
        /// What binds to them.
        commitment: Digest,
    },
    /// The book of a strike to come is closed; its prices are not told yet.
    Orders {
        /// When.
        at: Timestamp,
        /// The fund.
        fund: Name,
        /// The number of the strike.
        number: u64,
        /// What binds to its prices.
        commitment: Digest,
        /// Number of the cut-off's event in the journal.
        cut_off: u64,
        /// The salted root over the orders.
        root: Digest,
        /// Orders.
        count: u64,
    },
    /// A fund was struck.
    Strike {
        /// When.
        at: Timestamp,
        /// The fund.
        fund: Name,
        /// The number of the strike, from 1.
        number: u64,
        /// The record.
        record: Digest,
        /// Digest of the canonical JSON of the record's [`BalanceRoot`](super::BalanceRoot), so that a holder who is not shown the record
        /// knows the root; none where the record has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        balances: Option<Digest>,
    },
    /// A strike was restated; its own leaf and record stay.
    Restatement {
        /// When: what was known of the strike from then on.
        at: Timestamp,
        /// The fund.
        fund: Name,
        /// The strike.
        strike: u64,
        /// Counts the restatements of the strike from 1.
        number: u64,
        /// The record of the restatement.
        record: Digest,
    },
}

/// A decision on the price of a model, as the log keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcceptedPrice {
    /// When.
    pub at: Timestamp,
    /// The model.
    pub model: Name,
    /// Counts the decisions on a model from 1, without a gap.
    pub number: u64,
    /// What became of the estimate.
    pub status: Status,
    /// The report, or the one that leads a round.
    pub report: Digest,
    /// The accepted price before, in micro-credits.
    #[serde(with = "steps::optional")]
    pub previous_micro: Option<i64>,
    /// The accepted price after; none while there is none.
    #[serde(with = "steps::optional")]
    pub price_micro: Option<i64>,
    /// The pooled estimate beside it.
    #[serde(with = "steps")]
    pub est_micro: i64,
    /// Digest of the canonical JSON of the round's [`RoundVotes`]; none where one evaluator measured.
    pub round: Option<Digest>,
    /// Digest of the canonical JSON of the price's state, from which the next decision starts; none after a refusal.
    pub state: Option<Digest>,
}

impl AcceptedPrice {
    /// The leaf of a decision.
    ///
    /// # Errors
    /// [`CanonicalError`] if a number of the state is none of JSON.
    pub fn of(
        at: Timestamp,
        model: Name,
        number: u64,
        decision: &PriceDecision,
        round: Option<&RoundVotes>,
    ) -> Result<Self, CanonicalError> {
        Ok(Self {
            at,
            model,
            number,
            status: decision.status,
            report: decision.report,
            previous_micro: decision.previous_micro,
            price_micro: decision.price_micro,
            est_micro: decision.est_micro,
            round: round.map(canonical::digest_of).transpose()?,
            state: decision.state.as_ref().map(canonical::digest_of).transpose()?,
        })
    }
}

impl LeafRecord {
    /// The bytes that are hashed.
    ///
    /// # Errors
    /// [`CanonicalError`] for a number beyond 2^53 − 1, which neither time nor count reaches.
    pub fn to_canonical(&self) -> Result<String, CanonicalError> {
        canonical::to_string(self)
    }

    /// The hash under which the log has it: also how other records cite it.
    ///
    /// # Errors
    /// As [`to_canonical`](Self::to_canonical).
    pub fn hash(&self) -> Result<Digest, CanonicalError> {
        self.to_canonical().map(|text| leaf_hash(text.as_bytes()))
    }

    /// The word that stands for its kind, as in JSON.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Publish { .. } => "publish",
            Self::AliasMove { .. } => "alias_move",
            Self::Yank { .. } => "yank",
            Self::Report { .. } => "report",
            Self::AcceptedPrice(_) => "accepted_price",
            Self::Methodology { .. } => "methodology",
            Self::MethodologyAdoption { .. } => "methodology_adoption",
            Self::MethodologyWithdrawal { .. } => "methodology_withdrawal",
            Self::Commitment { .. } => "commitment",
            Self::Orders { .. } => "orders",
            Self::Strike { .. } => "strike",
            Self::Restatement { .. } => "restatement",
        }
    }
}
