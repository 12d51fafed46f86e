//! Why an event is refused.

use super::account::{Account, Asset};
use crate::name::Name;

/// Why an event is refused: one code of FUND 1.6 each.
///
/// Beyond that list are `fund` and `fixed`, because this ledger holds several funds whose rules may change, `corrected` and
/// `irreversible` of corrections, and `commitment` and `closed` of the two-sided strike, `held` of orders that are held back; `internal` is our own bug and changes
/// nothing either.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// A number out of its range.
    #[error(
        "{what} {value} is out of range: at least {min}, at most {max}, in the smallest steps of the ledger"
    )]
    Amount {
        /// What the number is.
        what: &'static str,
        /// What was given.
        value: String,
        /// The least that is allowed.
        min: i64,
        /// The most that is allowed.
        max: i64,
    },
    /// No owner, or the same party twice.
    #[error("{given:?} cannot be a party: {why}")]
    Owner {
        /// What was given.
        given: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A model that is not listed.
    #[error("model {model:?} is unknown here")]
    Model {
        /// What was given.
        model: String,
    },
    /// An asset that does not exist.
    #[error("asset {asset:?} is unknown: CASH, SHARE, U and SC of what exists are known")]
    Asset {
        /// What was given.
        asset: String,
    },
    /// Contributors whose parts do not divide a model.
    #[error("contributors of {model:?}: {why}")]
    Split {
        /// The model.
        model: String,
        /// What is wrong.
        why: &'static str,
    },
    /// Weights, cash part or spread out of range.
    #[error("{what} {value} ppb is out of range: at least 0, at most {max}")]
    Weights {
        /// Which of them.
        what: String,
        /// What was given.
        value: String,
        /// The most that is allowed.
        max: i64,
    },
    /// A day that the clock cannot move to.
    #[error("day {day} cannot be: at least {current}, the fund's day, and at most {max}")]
    Clock {
        /// What was given.
        day: String,
        /// The fund's day.
        current: i64,
        /// The last day there is.
        max: i64,
    },
    /// There already.
    #[error("{what} exists already")]
    Exists {
        /// What.
        what: String,
    },
    /// A model that was delisted.
    #[error("model {model} is delisted")]
    Delisted {
        /// The model.
        model: Name,
    },
    /// No such fund on the ledger.
    #[error("fund {fund} does not exist")]
    Fund {
        /// The name.
        fund: Name,
    },
    /// Needs a fund that has shares.
    #[error("fund {fund} has no shares yet: it must be seeded first")]
    Unseeded {
        /// The fund.
        fund: Name,
    },
    /// Has shares already.
    #[error("fund {fund} is seeded already")]
    Seeded {
        /// The fund.
        fund: Name,
    },
    /// The fund takes no subscriptions any more.
    #[error("fund {fund} is winding up and takes no subscriptions")]
    Winding {
        /// The fund.
        fund: Name,
    },
    /// The fund is paused.
    #[error(
        "fund {fund} is paused: it takes no subscriptions, moves no shares between owners and trades nothing; leaving is open"
    )]
    Paused {
        /// The fund.
        fund: Name,
    },
    /// An owner who may neither receive shares nor give them away.
    #[error(
        "owner {owner} is frozen in fund {fund}: no shares come to him or are given away by him; leaving is open"
    )]
    Frozen {
        /// The fund.
        fund: Name,
        /// Who.
        owner: Name,
    },
    /// An owner who is not on the list of those who may receive shares.
    #[error("owner {owner} is not on the list of those who may receive shares of fund {fund}")]
    NotAllowed {
        /// The fund.
        fund: Name,
        /// Who.
        owner: Name,
    },
    /// What a change of rules cannot change.
    #[error("{what} is {stated} since the fund was created and cannot become {given}")]
    Fixed {
        /// The parameter.
        what: &'static str,
        /// What it is.
        stated: String,
        /// What was given.
        given: String,
    },

    /// The auction does not take this now, or at all.
    #[error("the auction of {fund} {why}")]
    Auction {
        /// The fund.
        fund: Name,
        /// Why.
        why: &'static str,
    },
    /// The instant window is shut.
    #[error("the instant window of {fund} {why}")]
    Window {
        /// The fund.
        fund: Name,
        /// Why.
        why: &'static str,
    },
    /// There is nothing to do.
    #[error("nothing to {what}")]
    Nothing {
        /// What was to be done.
        what: &'static str,
    },
    /// A balance would go negative.
    #[error("{account} has {} of {asset}; {} are needed", decimal(asset, &balance.to_string()), decimal(asset, needed))]
    Funds {
        /// Whose.
        account: Box<Account>,
        /// Of what.
        asset: Box<Asset>,
        /// Steps that are there.
        balance: i64,
        /// Steps that are needed.
        needed: String,
    },
    /// A bound of the ledger would be passed.
    #[error("{what} would pass its limit of {max}")]
    Limit {
        /// What.
        what: String,
        /// The limit.
        max: i64,
    },
    /// An event that was reversed already.
    #[error("event {sequence} is corrected already")]
    Corrected {
        /// Its number.
        sequence: u64,
    },
    /// An event of a kind that nothing reverses.
    #[error("{op} is not reversed: only deposit, withdraw, transfer and claim are")]
    Irreversible {
        /// The kind.
        op: &'static str,
    },
    /// An idempotency key used again for something else; the caller that keeps the keys says it.
    #[error("idempotency key {key:?} was used with another body")]
    Key {
        /// The key.
        key: String,
    },
    /// A commitment to prices that does not fit.
    #[error("the commitment of {fund}: {why}")]
    Commitment {
        /// The fund.
        fund: Name,
        /// What does not fit.
        why: &'static str,
    },
    /// Something that belongs to a strike already.
    #[error("{what} is closed")]
    Closed {
        /// What.
        what: String,
    },
    /// An order that is held back.
    #[error(
        "the order at place {place} of {fund} is held back since day {since}: it waits for the strike that knows what its owner may know"
    )]
    Held {
        /// The fund.
        fund: Name,
        /// Its place in the queue.
        place: u64,
        /// Since when.
        since: i64,
    },
    /// An assertion of ours failed.
    #[error("internal error in the fund engine: {0}")]
    Internal(&'static str),
}

/// A number of an asset's smallest steps as a decimal: 1e-9 for shares and what stands for them, 1e-6 for credits and units.
fn decimal(asset: &Asset, steps: &str) -> String {
    let digits = match asset {
        Asset::Cash | Asset::Unit(_) => 6,
        Asset::Share(_) | Asset::SideClaim { .. } => 9,
    };
    let (sign, size) = steps.strip_prefix('-').map_or(("", steps), |size| ("-", size));
    let padded = format!("{size:0>width$}", width = digits + 1);
    let (whole, part) = padded.split_at(padded.len() - digits);
    format!("{sign}{whole}.{part}")
}

impl Rejection {
    /// The code, out of the closed list.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Amount { .. } => "amount",
            Self::Owner { .. } => "owner",
            Self::Model { .. } => "model",
            Self::Asset { .. } => "asset",
            Self::Split { .. } => "split",
            Self::Weights { .. } => "weights",
            Self::Clock { .. } => "clock",
            Self::Exists { .. } => "exists",
            Self::Delisted { .. } => "delisted",
            Self::Fund { .. } => "fund",
            Self::Unseeded { .. } => "unseeded",
            Self::Seeded { .. } => "seeded",
            Self::Winding { .. } => "winding",
            Self::Paused { .. } => "paused",
            Self::Frozen { .. } => "frozen",
            Self::NotAllowed { .. } => "not_allowed",
            Self::Fixed { .. } => "fixed",
            Self::Auction { .. } => "auction",
            Self::Window { .. } => "window",
            Self::Nothing { .. } => "nothing",
            Self::Funds { .. } => "funds",
            Self::Limit { .. } => "limit",
            Self::Corrected { .. } => "corrected",
            Self::Irreversible { .. } => "irreversible",
            Self::Key { .. } => "key",
            Self::Commitment { .. } => "commitment",
            Self::Closed { .. } => "closed",
            Self::Held { .. } => "held",
            Self::Internal(_) => "internal",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a balance is told in the decimals that a person typed, the small and the negative too.
    #[test]
    fn balances_in_decimals() {
        let share = Asset::Share("f".parse().unwrap());
        for (asset, steps, text) in [
            (&Asset::Cash, "2900000000", "2900.000000"),
            (&Asset::Cash, "5", "0.000005"),
            (&Asset::Cash, "-1", "-0.000001"),
            (&share, "1000000001", "1.000000001"),
        ] {
            assert_eq!(decimal(asset, steps), text);
        }
    }
}
