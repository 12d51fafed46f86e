//! Balances of a fund's shares at a strike, all under one root that also says what they add up to.
//!
//! ```text
//! salt  = HMAC-SHA-256 by the strike's seed over the form of "mf.balance.salt.v2", fund, strike, owner
//! first = the first 16 bytes of SHA-256 over the form of "mf.balance.part.v2", salt; modulo free + ordered + 1
//! leaf  = SHA-256 over the form of "mf.balance.v2", fund, strike, owner, free, ordered, part, shares of the part, salt
//! form  = for each field: u32 length, little endian ‖ bytes; numbers are 8 bytes, little endian (16 for `first`)
//! ```
//! **Which balances.** Every share that there is after the strike, once. A person's are those that are free and those in its redemption
//! orders that still wait, which lie in one escrow for all; what is locked for ever is a holder of its own. So the sum is the supply.
//!
//! **Two parts.** A path through a tree of sums tells the sum beside every step, and the first is a single leaf: whoever stands there would
//! be shown his neighbour's balance. So each balance is cut in two at a random place, and the parts stand where their hashes fall. A
//! neighbour learns a random part of nobody-knows-whose balance, and another one at each strike.
//!
//! **Salts.** A holder is told his own alone, and it tells nothing of others'. All of them follow from the strike's seed, so that nobody
//! keeps them, and whoever has the seed and the journal derives the root. Fund and strike are hashed too, so nothing repeats.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};

use super::{
    length_prefixed, steps,
    sum_tree::{SumError, SumNode, SumTree, climb},
};
use crate::{
    amount::Shares,
    digest::Digest,
    fund::{Account, Asset, Salt, State},
    name::Name,
};

const TAG: &[u8] = b"mf.balance.v2";
const SALT_TAG: &[u8] = b"mf.balance.salt.v2";
const PART_TAG: &[u8] = b"mf.balance.part.v2";

/// Parts of a balance.
const PARTS: usize = 2;

/// The root over all balances at a strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BalanceRoot {
    /// Holders; each has two leaves.
    pub holders: u64,
    /// The root.
    pub root: Digest,
    /// What all balances add up to: every share of the fund after the strike.
    #[serde(rename = "shares_nano", with = "steps")]
    pub shares: Shares,
}

/// What one holder has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Held {
    free: i64,
    ordered: i64,
}

/// All balances of a fund's shares at a strike, under one root.
#[derive(Clone, Debug)]
pub struct Balances {
    fund: Name,
    strike: u64,
    seed: Salt,
    holders: BTreeMap<Account, (Held, [usize; PARTS])>,
    tree: SumTree,
    root: BalanceRoot,
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
    /// Shares that are free.
    #[serde(rename = "free_nano", with = "steps")]
    pub free: Shares,
    /// Shares in redemption orders that still wait.
    #[serde(rename = "ordered_nano", with = "steps")]
    pub ordered: Shares,
    /// His salt.
    pub salt: Salt,
    /// Where the two parts stand that the balance was cut in.
    pub parts: Vec<BalancePart>,
}

/// A part of a balance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BalancePart {
    /// Its place in the tree, from 0.
    pub index: u64,
    /// Its shares.
    #[serde(rename = "shares_nano", with = "steps")]
    pub shares: Shares,
    /// The path to the root.
    pub path: Vec<SumNode>,
}

/// Why balances have no root, or a proof of one proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BalanceError {
    /// The ledger does not add up, which would be a mistake of the engine.
    #[error("the balances of {fund} add up to {found} shares; there are {supply}")]
    Supply {
        /// The fund.
        fund: Name,
        /// What they add up to.
        found: Shares,
        /// What was issued.
        supply: Shares,
    },
    /// A balance is cut in two.
    #[error("parts: {found}; a balance has two, at different places")]
    Parts {
        /// What there is.
        found: String,
    },
    /// An amount that nobody can have.
    #[error("{field} is {shares} shares; expected at least 0, and no more than {max} nano-shares in all", max = i64::MAX)]
    Range {
        /// Which.
        field: String,
        /// What it says.
        shares: Shares,
    },
    /// The parts are not the balance.
    #[error("the parts add up to {found} shares; the balance is {stated}")]
    Sum {
        /// What they add up to.
        found: Shares,
        /// What is free and ordered.
        stated: Shares,
    },
    /// A part does not lead to a root at all.
    #[error("parts[{part}]: {source}")]
    Path {
        /// Which, from 0.
        part: usize,
        /// What does not fit.
        source: SumError,
    },
    /// A tree cannot be made.
    #[error(transparent)]
    Tree(#[from] SumError),
    /// A part leads elsewhere: owner, balance, fund, strike, salt or path is not the one that is under the root.
    #[error(
        "parts[{part}]: the path leads to root {found} over {shares} shares; the strike's root is {root} over {all}"
    )]
    Root {
        /// Which, from 0.
        part: usize,
        /// Where it leads.
        found: Digest,
        /// The sum there.
        shares: Shares,
        /// Where it should lead.
        root: Digest,
        /// The sum there.
        all: Shares,
    },
}

/// The salt of a holder.
fn salt_of(seed: &Salt, fund: &Name, strike: u64, owner: &str) -> Salt {
    // A key that is shorter than a block counts as if zeros followed it (RFC 2104), so this is HMAC under the 32 bytes.
    let mut key = [0; 64];
    key[..32].copy_from_slice(seed.as_bytes());
    let mut mac = Hmac::<sha2::Sha256>::new(&key.into());
    let strike = strike.to_le_bytes();
    let fields: [&[u8]; 4] = [SALT_TAG, fund.as_str().as_bytes(), &strike, owner.as_bytes()];
    mac.update(&length_prefixed(&fields));
    Salt::from_bytes(mac.finalize().into_bytes().into())
}

/// Where a balance is cut: both parts of `whole`.
fn cut(salt: &Salt, whole: i64) -> [i64; PARTS] {
    let random = Digest::of(&length_prefixed(&[PART_TAG, salt.as_bytes()]));
    let mut first = [0; 16];
    first.copy_from_slice(&random.as_bytes()[..16]);
    let first = u128::from_le_bytes(first) % (u128::from(whole.unsigned_abs()) + 1);
    // At most `whole`, which is an i64.
    let first = first as i64;
    [first, whole - first]
}

fn leaf(
    (fund, strike): (&Name, u64),
    (owner, held, salt): (&str, Held, &Salt),
    (part, shares): (usize, i64),
) -> SumNode {
    let numbers = [held.free, held.ordered, shares].map(i64::to_le_bytes);
    let (strike, part) = (strike.to_le_bytes(), (part as u64).to_le_bytes());
    let fields: [&[u8]; 9] = [
        TAG,
        fund.as_str().as_bytes(),
        &strike,
        owner.as_bytes(),
        &numbers[0],
        &numbers[1],
        &part,
        &numbers[2],
        salt.as_bytes(),
    ];
    let hash = Digest::of(&length_prefixed(&fields));
    SumNode { hash, shares: Shares::from_nano(shares) }
}

/// Who has shares of the fund, each owner once, with what is in escrow given back to those whose orders it is.
fn holders(state: &State, fund: &Name) -> BTreeMap<Account, Held> {
    let share = Asset::Share(fund.clone());
    let escrow = Account::EscrowRedemptions(fund.clone());
    let mut holders: BTreeMap<Account, Held> = state
        .accounts_of(&share)
        .filter(|(owner, nano)| !owner.may_be_negative() && **owner != escrow && *nano != 0)
        .map(|(owner, free)| (owner.clone(), Held { free, ordered: 0 }))
        .collect();
    let orders = state.fund(fund).map_or(&[][..], |fund| fund.pending_redemptions());
    for (who, shares) in orders {
        let held = holders.entry(Account::Person(who.clone())).or_default();
        held.ordered = held.ordered.saturating_add(shares.as_nano());
    }
    holders
}

impl Balances {
    /// Every balance of the fund's shares in `state`, which the strike left; the salts follow from `seed`.
    ///
    /// # Errors
    /// [`BalanceError`] where they do not add up to the supply, or a balance is below nothing.
    pub fn of(
        state: &State,
        (fund, strike): (&Name, u64),
        seed: &Salt,
    ) -> Result<Self, BalanceError> {
        let held = holders(state, fund);
        let mut leaves = Vec::with_capacity(PARTS * held.len());
        for (place, (owner, held)) in held.iter().enumerate() {
            let owner = owner.to_string();
            let salt = salt_of(seed, fund, strike, &owner);
            let whole = whole(*held)?;
            for (part, shares) in cut(&salt, whole.as_nano()).into_iter().enumerate() {
                let leaf = leaf((fund, strike), (&owner, *held, &salt), (part, shares));
                leaves.push((leaf, place, part));
            }
        }
        // By their hashes, not by name: a place says nothing about the names of others.
        leaves.sort_unstable_by_key(|(leaf, ..)| leaf.hash);
        let mut places = vec![[0; PARTS]; held.len()];
        for (index, (_, place, part)) in leaves.iter().enumerate() {
            places[*place][*part] = index;
        }
        let tree = SumTree::of(leaves.into_iter().map(|(leaf, ..)| leaf).collect())?;
        let SumNode { hash, shares } = tree.root().ok_or(SumError::Index { index: 0, size: 0 })?;
        let issued = state.balance(&Account::Issue, &Asset::Share(fund.clone()));
        let supply = Shares::from_nano(issued.saturating_neg());
        if shares != supply {
            return Err(BalanceError::Supply { fund: fund.clone(), found: shares, supply });
        }
        let root = BalanceRoot { holders: held.len() as u64, root: hash, shares };
        let holders = held.into_iter().zip(places);
        let holders = holders.map(|((owner, held), places)| (owner, (held, places))).collect();
        Ok(Self { fund: fund.clone(), strike, seed: *seed, holders, tree, root })
    }

    /// What the strike record has of it.
    #[must_use]
    pub const fn root(&self) -> BalanceRoot {
        self.root
    }

    /// The proof of one holder; none for somebody who has no shares.
    #[must_use]
    pub fn prove(&self, owner: &Account) -> Option<BalanceProof> {
        let (held, places) = self.holders.get(owner)?;
        let salt = salt_of(&self.seed, &self.fund, self.strike, &owner.to_string());
        let cut = cut(&salt, held.free.saturating_add(held.ordered));
        let part = |(index, shares): (usize, i64)| BalancePart {
            index: index as u64,
            shares: Shares::from_nano(shares),
            path: self.tree.path(index),
        };
        Some(BalanceProof {
            fund: self.fund.clone(),
            strike: self.strike,
            owner: owner.clone(),
            free: Shares::from_nano(held.free),
            ordered: Shares::from_nano(held.ordered),
            salt,
            parts: places.iter().copied().zip(cut).map(part).collect(),
        })
    }
}

/// All that a holder has; an error below nothing and beyond the range.
fn whole(held: Held) -> Result<Shares, BalanceError> {
    for (field, nano) in [("free_nano", held.free), ("ordered_nano", held.ordered)] {
        if nano < 0 {
            let (field, shares) = (field.to_owned(), Shares::from_nano(nano));
            return Err(BalanceError::Range { field, shares });
        }
    }
    let (free, ordered) = (held.free, held.ordered);
    free.checked_add(ordered).map(Shares::from_nano).ok_or_else(|| BalanceError::Range {
        field: "ordered_nano".to_owned(),
        shares: Shares::from_nano(ordered),
    })
}

impl BalanceProof {
    /// Checks that this balance is one of those under the root, whole and once.
    ///
    /// # Errors
    /// [`BalanceError`] says what does not fit.
    pub fn verify(&self, root: &BalanceRoot) -> Result<(), BalanceError> {
        let held = Held { free: self.free.as_nano(), ordered: self.ordered.as_nano() };
        let stated = whole(held)?;
        let found = match &self.parts[..] {
            [one, other] if one.index != other.index => {
                for (part, of) in [one, other].into_iter().enumerate() {
                    if of.shares < Shares::ZERO {
                        let field = format!("parts[{part}].shares_nano");
                        return Err(BalanceError::Range { field, shares: of.shares });
                    }
                }
                one.shares.as_nano().checked_add(other.shares.as_nano())
            }
            [one, _] => {
                let found = format!("both at {}", one.index);
                return Err(BalanceError::Parts { found });
            }
            other => return Err(BalanceError::Parts { found: other.len().to_string() }),
        };
        let found = Shares::from_nano(found.unwrap_or(i64::MAX));
        if found != stated {
            return Err(BalanceError::Sum { found, stated });
        }
        let (owner, size) = (self.owner.to_string(), root.holders.saturating_mul(PARTS as u64));
        for (part, of) in self.parts.iter().enumerate() {
            let whose = (owner.as_str(), held, &self.salt);
            let leaf = leaf((&self.fund, self.strike), whose, (part, of.shares.as_nano()));
            let SumNode { hash, shares } = climb(leaf, (of.index, size), &of.path)
                .map_err(|source| BalanceError::Path { part, source })?;
            if (hash, shares) != (root.root, root.shares) {
                let (root, all) = (root.root, root.shares);
                return Err(BalanceError::Root { part, found: hash, shares, root, all });
            }
        }
        Ok(())
    }
}
