//! Sealed bids: with whom a rebalance trades, where the fund's parameters ask for an auction instead of a list of counterparties
//! (FUND 1.2, 6). What bidders and the operator do is in [`super::bidding`], the batch in `rebalance/auction.rs`.
//!
//! Laws:
//! - Bids are sealed before the strike whose marks they meet and opened after it: nobody bids knowing another's bid, and nobody
//!   takes a bid back knowing the price. A set that stays shut loses its deposit to the fund, and so does one that is not paid for.
//! - The deposit is a part of the set's budget, the most that its trades may move: an option costs what it could earn.
//! - After a strike what was sealed before it is called, and has whole days to be opened. Until they are over, no batch trades.
//! - Everybody who trades a model in one direction does so at one price: that of the last bid that is needed.
//! - No trade is further from the mark than the band. Where nobody bids nothing is traded, and it is never forced.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    batch::{Batch, Effect},
    fund_state::FundState,
};
use crate::{
    amount::{Cash, Ppb, PriceNano, Units},
    digest::Digest,
    name::Name,
};

/// What the auction of a fund asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuctionParams {
    /// How far from the mark a trade may be.
    pub band: Ppb,
    /// The part of a set's budget that is lost by whoever does not open it, or cannot pay or deliver what he bid.
    pub deposit: Ppb,
    /// The least budget of a set, and the least bid at the mark: a smaller one is no bid.
    pub minimum: Cash,
    /// Whole days between that of the call and that from which what is shut may be lost.
    pub opening_days: i64,
}

/// What a bidder does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BidSide {
    /// Buys from the fund and its leavers.
    Buys,
    /// Sells to the fund.
    Sells,
}

/// One bid on one model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bid {
    /// The most a buyer pays for a unit, the least a seller takes.
    pub limit: PriceNano,
    /// The model.
    pub model: Name,
    /// In which direction.
    pub side: BidSide,
    /// How many at most.
    pub units: Units,
}

/// What an owner has sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedBids {
    /// The most cash that trades of these bids may move.
    pub budget: Cash,
    /// [`bid_commitment`] of what is inside.
    pub commitment: Digest,
    /// What is lost if they stay shut: what the rules asked for when they were sealed.
    pub deposit: Cash,
    /// The fund's strikes when they were sealed.
    pub epoch: u64,
    /// How many sets were sealed before.
    pub order: u64,
    /// The bids, once they are open.
    pub opened: Option<Vec<Bid>>,
}

/// What was sealed before a strike is to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The fund's strikes: what was sealed before the last of them is called.
    pub epoch: u64,
    /// The day of the call.
    pub day: i64,
    /// What was lost when the time for opening was over; none before.
    pub closed: Option<Cash>,
}

/// What a batch traded of a model in one direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClearedMarket {
    /// The model.
    pub model: Name,
    /// The price of all of it.
    pub price: PriceNano,
    /// What bidders did.
    pub side: BidSide,
    /// How many units.
    pub units: Units,
}

/// What an auction came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuctionResult {
    /// The fund's day.
    pub day: i64,
    /// The fund's strikes at the batch.
    pub epoch: u64,
    /// Deposits that the fund kept.
    pub forfeited: Cash,
    /// What was traded with bidders, those who buy first, by model.
    pub markets: Vec<ClearedMarket>,
}

/// A change of the auction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BidsChange {
    /// A set is sealed.
    Sealed {
        /// The most that its trades may move.
        budget: Cash,
        /// What seals it.
        commitment: Digest,
        /// What is lost if it stays shut.
        deposit: Cash,
        /// The fund's strikes.
        epoch: u64,
        /// Whose.
        who: Name,
    },
    /// A set made room for one with a larger budget.
    Displaced {
        /// Whose.
        who: Name,
    },
    /// What was sealed before the last strike is to be opened.
    Called {
        /// The day.
        day: i64,
        /// The fund's strikes.
        epoch: u64,
    },
    /// A set is open.
    Opened {
        /// The bids.
        bids: Vec<Bid>,
        /// Whose.
        who: Name,
    },
    /// The time for opening is over: what was called and is shut is gone.
    Closed {
        /// The deposits that the fund kept.
        forfeited: Cash,
    },
    /// Everything was given back.
    Returned,
    /// A batch counted for leavers while bids wait.
    Passed {
        /// The fund's strikes.
        epoch: u64,
    },
    /// A batch is over, and no open bid is left.
    Cleared(AuctionResult),
}

/// The auction of one fund.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Auction {
    call: Option<Call>,
    last: Option<AuctionResult>,
    /// Sets that were sealed so far.
    orders: u64,
    /// The fund's strikes at its last batch.
    passed: u64,
    sealed: BTreeMap<Name, SealedBids>,
}

impl Auction {
    /// What is sealed or open, by owner.
    #[must_use]
    pub const fn sealed(&self) -> &BTreeMap<Name, SealedBids> {
        &self.sealed
    }

    /// The call that no batch has followed yet.
    #[must_use]
    pub const fn call(&self) -> Option<&Call> {
        self.call.as_ref()
    }

    /// What the last batch came to; none before the first.
    #[must_use]
    pub const fn last(&self) -> Option<&AuctionResult> {
        self.last.as_ref()
    }

    /// Deposits that are held, in micro-credits.
    #[must_use]
    pub fn deposits(&self) -> i128 {
        self.sealed.values().map(|bids| i128::from(bids.deposit.as_micro())).sum()
    }

    /// Whether a set is part of the call and may be opened.
    #[must_use]
    pub fn is_called(&self, bids: &SealedBids) -> bool {
        self.call.is_some_and(|call| call.closed.is_none() && bids.epoch < call.epoch)
    }

    /// Strikes at the last batch, one that traded nothing included.
    #[must_use]
    pub const fn passed(&self) -> u64 {
        self.passed
    }

    pub(super) fn take(&mut self, change: &BidsChange) {
        match change {
            BidsChange::Sealed { budget, commitment, deposit, epoch, who } => {
                let (budget, commitment, deposit) = (*budget, *commitment, *deposit);
                let (epoch, order, opened) = (*epoch, self.orders, None);
                self.orders += 1;
                let bids = SealedBids { budget, commitment, deposit, epoch, order, opened };
                self.sealed.insert(who.clone(), bids);
            }
            BidsChange::Displaced { who } => {
                self.sealed.remove(who);
            }
            BidsChange::Called { day, epoch } => {
                self.call = Some(Call { epoch: *epoch, day: *day, closed: None });
            }
            BidsChange::Opened { bids, who } => {
                if let Some(sealed) = self.sealed.get_mut(who) {
                    sealed.opened = Some(bids.clone());
                }
            }
            BidsChange::Closed { forfeited } => {
                if let Some(call) = &mut self.call {
                    call.closed = Some(*forfeited);
                    let epoch = call.epoch;
                    self.sealed.retain(|_, bids| bids.opened.is_some() || bids.epoch >= epoch);
                }
            }
            BidsChange::Returned => {
                self.call = None;
                self.sealed.clear();
            }
            BidsChange::Passed { epoch } => self.passed = *epoch,
            BidsChange::Cleared(result) => {
                self.passed = result.epoch;
                self.last = Some(result.clone());
                self.call = None;
                self.sealed.retain(|_, bids| bids.opened.is_none());
            }
        }
    }
}

impl Batch {
    /// Whether it traded nothing because bids wait, and counts for leavers all the same.
    #[must_use]
    pub fn passes_bids(&self) -> bool {
        let passed = |effect: &Effect| {
            matches!(effect, Effect::Bids { change: BidsChange::Passed { .. }, .. })
        };
        self.effects.iter().any(passed)
    }
}

impl FundState {
    /// Whether bids wait that a batch must not overtake: what was sealed before the last strike and is not called, or is called and shut
    /// while there is time to open it.
    #[must_use]
    pub fn awaits_bids(&self) -> bool {
        self.auction.sealed.values().any(|bids| match self.auction.call {
            None => bids.epoch < self.progress.epoch,
            Some(_) => bids.opened.is_none() && self.auction.is_called(bids),
        })
    }

    /// The first day on which what is called and shut may be lost; none without a call whose bids may be opened.
    #[must_use]
    pub fn opening_until(&self) -> Option<i64> {
        let (params, call) = (self.params.auction?, self.auction.call?);
        call.closed
            .is_none()
            .then(|| call.day.saturating_add(params.opening_days).saturating_add(1))
    }
}

/// What seals bids: SHA-256 of `mf.bids.v1`, fund, owner, salt, and for each bid model, side (0 buys, 1 sells), units and limit; texts
/// end with a zero byte, numbers are 64 bits, little endian.
#[must_use]
pub fn bid_commitment(fund: &Name, who: &Name, salt: &Digest, bids: &[Bid]) -> Digest {
    let mut bytes = Vec::new();
    for text in ["mf.bids.v1", fund.as_str(), who.as_str()] {
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
    }
    bytes.extend_from_slice(salt.as_bytes());
    for bid in bids {
        bytes.extend_from_slice(bid.model.as_str().as_bytes());
        bytes.push(0);
        bytes.push(u8::from(bid.side == BidSide::Sells));
        bytes.extend_from_slice(&bid.units.as_micro().to_le_bytes());
        bytes.extend_from_slice(&bid.limit.as_nano().to_le_bytes());
    }
    Digest::of(&bytes)
}
