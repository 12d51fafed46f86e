//! Proofs of one's own balance at a strike, which tell nothing of anybody else's.
//!
//! ```text
//! leaf = for each of "mf.balance.v1", fund, strike, owner, shares, salt: u32 length, little endian ‖ bytes
//! ```
//! Strike and shares are 8 bytes, little endian; the salt is 32 secret bytes, one for each holder, which the caller derives (a keyed
//! hash of the owner, say) and tells him alone. Fund and strike are hashed too, so that an unchanged balance has another leaf each time.
//! Leaves are sorted by their hashes, not by name: a place in the tree then says nothing about the names of others.
//! What a proof does tell is how many holders there are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    merkle::{MerkleError, Tree, leaf_hash, verify_inclusion},
    steps,
};
use crate::{
    amount::Shares,
    digest::{Digest, to_hex},
    evaluation::{AttestationError, attestation::from_hex},
    fund::{Account, Asset, State},
    name::Name,
};

const TAG: &[u8] = b"mf.balance.v1";

/// All balances of a fund's shares at a strike, under one root.
#[derive(Clone, Debug)]
pub struct Balances {
    fund: Name,
    strike: u64,
    holders: BTreeMap<Account, (Shares, [u8; 32], u64)>,
    tree: Tree,
}

/// The root over all balances at a strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BalanceRoot {
    /// Holders.
    pub holders: u64,
    /// The root.
    pub root: Digest,
}

/// What one holder can show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BalanceProof {
    /// The fund.
    pub fund: Name,
    /// The strike.
    pub strike: u64,
    /// Whose balance.
    pub owner: Account,
    /// The balance.
    #[serde(rename = "shares_nano", with = "steps")]
    pub shares: Shares,
    /// His salt, 64 hexadecimal digits.
    pub salt: String,
    /// His place in the tree, from 0.
    pub index: u64,
    /// The path to the root.
    pub path: Vec<Digest>,
}

/// Why a proof of a balance proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BalanceError {
    /// The salt is no salt.
    #[error(transparent)]
    Salt(#[from] AttestationError),
    /// The balance is not under the root.
    #[error("the balance of {owner}: {source}")]
    Path {
        /// Whose.
        owner: Box<Account>,
        /// What does not fit.
        source: MerkleError,
    },
}

fn hash(fund: &Name, strike: u64, owner: &Account, shares: Shares, salt: &[u8; 32]) -> Digest {
    let owner = owner.to_string();
    let (strike, shares) = (strike.to_le_bytes(), shares.as_nano().to_le_bytes());
    let fields: [&[u8]; 6] =
        [TAG, fund.as_str().as_bytes(), &strike, owner.as_bytes(), &shares, salt];
    leaf_hash(&super::length_prefixed(&fields))
}

impl Balances {
    /// Every balance of the fund's shares in `state`, those that are locked or in escrow among them; `salt` gives each holder his own.
    #[must_use]
    pub fn of(
        state: &State,
        fund: &Name,
        strike: u64,
        mut salt: impl FnMut(&Account) -> [u8; 32],
    ) -> Self {
        let share = Asset::Share(fund.clone());
        let held = state.accounts_of(&share).filter(|(owner, _)| !owner.may_be_negative());
        let mut leaves: Vec<_> = held
            .map(|(owner, nano)| {
                let (shares, salt) = (Shares::from_nano(nano), salt(owner));
                (hash(fund, strike, owner, shares, &salt), owner, shares, salt)
            })
            .collect();
        leaves.sort_by_key(|leaf| leaf.0);
        let (mut tree, mut holders) = (Tree::new(), BTreeMap::new());
        for (leaf, owner, shares, salt) in leaves {
            let index = tree.append(leaf);
            holders.insert(owner.clone(), (shares, salt, index));
        }
        Self { fund: fund.clone(), strike, holders, tree }
    }

    /// What the strike record has of it.
    #[must_use]
    pub fn root(&self) -> BalanceRoot {
        BalanceRoot { holders: self.tree.size(), root: self.tree.root() }
    }

    /// The proof of one holder; none for somebody who has no shares.
    #[must_use]
    pub fn prove(&self, owner: &Account) -> Option<BalanceProof> {
        let (shares, salt, index) = self.holders.get(owner)?;
        Some(BalanceProof {
            fund: self.fund.clone(),
            strike: self.strike,
            owner: owner.clone(),
            shares: *shares,
            salt: to_hex(salt),
            index: *index,
            path: self.tree.inclusion(*index, self.tree.size())?,
        })
    }
}

impl BalanceProof {
    /// Checks that this balance is one of those under the root.
    ///
    /// # Errors
    /// [`BalanceError`] says what does not fit.
    pub fn verify(&self, root: &BalanceRoot) -> Result<(), BalanceError> {
        let salt = from_hex::<32>("salt", &self.salt)?;
        let leaf = hash(&self.fund, self.strike, &self.owner, self.shares, &salt);
        verify_inclusion(leaf, self.index, root.holders, &self.path, root.root)
            .map_err(|source| BalanceError::Path { owner: Box::new(self.owner.clone()), source })
    }
}
