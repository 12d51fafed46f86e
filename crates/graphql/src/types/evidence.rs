//! What one person takes home: a balance at a strike, an order in a closed book, each shown by the log alone.

use async_graphql::{Enum, SimpleObject};
use domain::{
    canonical::CanonicalError,
    proof::{BalanceEvidence, BalancePart as PartValue, OrderEvidence, SumNode as NodeValue},
};
use service::{NoBalanceProof, ServiceError};

use super::log::LogHead;
use crate::{
    error::api_error,
    scalars::{NameText, Sha256, ShareQuantity},
};

/// Why there is no proof of a balance.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BalanceProofMissing {
    /// There is no such strike, or none by the moment that was asked for.
    NoStrike,
    /// The strike has no record: nothing of it is proven.
    NoRecord,
    /// The record has no root over balances: the strike is from before there were any.
    NoRoot,
    /// The owner had no shares after the strike.
    NoShares,
    /// No head has the strike's leaf yet, or none by the moment that was asked for.
    NotSigned,
}

impl From<NoBalanceProof> for BalanceProofMissing {
    fn from(missing: NoBalanceProof) -> Self {
        match missing {
            NoBalanceProof::NoStrike => Self::NoStrike,
            NoBalanceProof::NoRecord => Self::NoRecord,
            NoBalanceProof::NoRoot => Self::NoRoot,
            NoBalanceProof::NoShares => Self::NoShares,
            NoBalanceProof::NotSigned => Self::NotSigned,
        }
    }
}

/// The proof of a balance, or why there is none.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct BalanceProofAnswer {
    /// The proof. Null where there is none: `missing` says why.
    proof: Option<BalanceProof>,
    /// Why there is none. Null where there is one.
    missing: Option<BalanceProofMissing>,
}

impl BalanceProofAnswer {
    pub(crate) fn new(
        found: Result<BalanceEvidence, NoBalanceProof>,
    ) -> async_graphql::Result<Self> {
        Ok(match found {
            Ok(evidence) => Self { proof: Some(BalanceProof::new(evidence)?), missing: None },
            Err(missing) => Self { proof: None, missing: Some(missing.into()) },
        })
    }
}

/// What an owner had of a fund's shares after a strike, under the root in the strike's leaf. Whoever is shown it learns the balance and the
/// salt of this owner, and of others nothing but sums of parts of nobody-knows-whose balances.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct BalanceProof {
    /// Shares that were free.
    free: ShareQuantity,
    /// Shares in redemption orders that waited on after the strike.
    ordered: ShareQuantity,
    /// The owner's salt, 64 hexadecimal digits. Whoever has it can find the balance by trying.
    salt: String,
    /// Where the two parts stand that the balance was cut in.
    parts: Vec<BalancePart>,
    /// Holders of shares after the strike; each has two leaves.
    holders: i64,
    /// What all balances add up to: every share of the fund after the strike.
    shares: ShareQuantity,
    /// The root over all balances.
    root: Sha256,
    /// Number of the strike's leaf, from 0.
    leaf_index: i64,
    /// The leaf, canonical JSON; it has the digest of holders, root and shares.
    leaf: String,
    /// The path from the leaf to the head's root.
    leaf_path: Vec<Sha256>,
    /// The first signed head that has the leaf.
    head: LogHead,
    /// All of it as one file, canonical JSON, of the form of `schema/balance.schema.json`: `modelfolio verify` reads it, without a server.
    file: String,
}

/// A part of a balance.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct BalancePart {
    /// Its place in the tree, from 0.
    index: i64,
    /// Its shares.
    shares: ShareQuantity,
    /// What stands beside the way to the root, from below.
    path: Vec<BalanceNode>,
}

/// A subtree of balances.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct BalanceNode {
    /// Its hash.
    hash: Sha256,
    /// All shares under it.
    shares: ShareQuantity,
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn text(written: Result<String, CanonicalError>) -> async_graphql::Result<String> {
    written.map_err(|e| api_error(ServiceError::Internal(Box::new(e))))
}

impl From<PartValue> for BalancePart {
    fn from(part: PartValue) -> Self {
        let node = |node: NodeValue| BalanceNode {
            hash: Sha256(node.hash),
            shares: ShareQuantity(node.shares),
        };
        Self {
            index: count(part.index),
            shares: ShareQuantity(part.shares),
            path: part.path.into_iter().map(node).collect(),
        }
    }
}

impl BalanceProof {
    fn new(evidence: BalanceEvidence) -> async_graphql::Result<Self> {
        let (file, leaf) =
            (text(evidence.to_canonical())?, text(evidence.leaf.leaf.to_canonical())?);
        let BalanceEvidence { proof, root, leaf: place, head, .. } = evidence;
        Ok(Self {
            free: ShareQuantity(proof.free),
            ordered: ShareQuantity(proof.ordered),
            salt: proof.salt.to_string(),
            parts: proof.parts.into_iter().map(BalancePart::from).collect(),
            holders: count(root.holders),
            shares: ShareQuantity(root.shares),
            root: Sha256(root.root),
            leaf_index: count(place.index),
            leaf,
            leaf_path: place.path.into_iter().map(Sha256).collect(),
            head: head.into(),
            file,
        })
    }
}

/// An order in the closed book of a strike, under the root in the leaf of its cut-off.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct OrderProof {
    /// The fund.
    fund: NameText,
    /// The strike whose book it is.
    strike: i64,
    /// The order's salt, 64 hexadecimal digits. Whoever has it can find the order by trying.
    salt: String,
    /// Its place in the book, from 0.
    index: i64,
    /// The path to the book's root.
    path: Vec<Sha256>,
    /// Number of the leaf of the cut-off, from 0.
    leaf_index: i64,
    /// The leaf, canonical JSON; it has the book's root and how many orders there are.
    leaf: String,
    /// The path from the leaf to the head's root.
    leaf_path: Vec<Sha256>,
    /// The first signed head that has the leaf.
    head: LogHead,
    /// All of it as one file, canonical JSON, of the form of `schema/order.schema.json`: `modelfolio verify` reads it, without a server.
    file: String,
}

impl OrderProof {
    pub(crate) fn new(evidence: OrderEvidence) -> async_graphql::Result<Self> {
        let (file, leaf) =
            (text(evidence.to_canonical())?, text(evidence.leaf.leaf.to_canonical())?);
        let OrderEvidence { proof, leaf: place, head, .. } = evidence;
        Ok(Self {
            fund: NameText(proof.fund),
            strike: count(proof.strike),
            salt: proof.salt.to_string(),
            index: count(proof.index),
            path: proof.path.into_iter().map(Sha256).collect(),
            leaf_index: count(place.index),
            leaf,
            leaf_path: place.path.into_iter().map(Sha256).collect(),
            head: head.into(),
            file,
        })
    }
}
