//! Sealed bids: with whom a rebalance trades, where the fund's parameters ask for an auction instead of a list of counterparties
//! (FUND 1.2, 6). What bidders and the operator do is in [`super::bidding`], the batch in `rebalance/auction.rs`.
//!
//! Laws:
//! - Seal, call, open for whole days, close; then prices are set, a strike marks them, and the batch trades at these marks. Nobody bids
//!   knowing another's bid, and nobody who still has a choice meets old marks.
//! - A set that stays shut loses its deposit to the fund, and so does one whose owner has not got what it says when the opening ends. The
//!   deposit is a part of the set's budget, the most that it may cost: an option costs what it could earn.
//! - Everybody who trades a model in one direction does so at one price: that of the last bid that is needed.
//! - No trade is further from the mark than the band. Where nobody bids nothing is traded, and it is never forced.
//! - Where the pooled estimate stands above the mark, the fund sells no cheaper than the band below the estimate, and where it stands
//!   below, the fund buys no dearer than the band above it: a price that is held back is nobody's discount (FUND 1.3, 5).

use std::{collections::BTreeMap, sync::Arc};

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
    /// The least budget of a set, and the least bid at the mark that it is opened at.
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
    /// The most that these bids may cost, their deposit included: trades move at most the rest.
    pub budget: Cash,
    /// [`bid_commitment`] of what is inside.
    pub commitment: Digest,
    /// The fund's day when they were sealed.
    pub day: i64,
    /// What is lost if they stay shut: what the rules asked for when they were sealed.
    pub deposit: Cash,
    /// How many sets were sealed before.
    pub order: u64,
    /// The bids, once they are open.
    pub opened: Option<Arc<[Bid]>>,
}

/// What was sealed until now is to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Sets that were sealed before it, since the first one of the fund.
    pub before: u64,
    /// The day of the call.
    pub day: i64,
    /// What was lost since the time for opening was over; none before.
    pub closed: Option<Cash>,
    /// Whether prices of all models were set since then, for a strike to take.
    pub marked: bool,
    /// The strike at whose marks the batch trades: the last one since then.
    pub met: Option<u64>,
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
        /// The most that it may cost.
        budget: Cash,
        /// What seals it.
        commitment: Digest,
        /// The fund's day.
        day: i64,
        /// What is lost if it stays shut.
        deposit: Cash,
        /// Whose.
        who: Name,
    },
    /// A set is gone: it made room for a larger budget, or was taken back.
    Removed {
        /// Whose.
        who: Name,
    },
    /// What was sealed until now is to be opened.
    Called {
        /// The day.
        day: i64,
    },
    /// A set is open.
    Opened {
        /// The bids.
        bids: Vec<Bid>,
        /// Whose.
        who: Name,
    },
    /// The time for opening is over.
    Closed {
        /// The deposits that the fund kept, since the call.
        forfeited: Cash,
        /// Whose, now: what was called and is shut, or not to be paid or delivered, is gone.
        gone: Vec<Name>,
    },
    /// Prices of all models were set since the time for opening was over; no strike has met the bids at them.
    Marked,
    /// A strike took them: a batch may follow.
    Met {
        /// Its number.
        epoch: u64,
    },
    /// A strike took them in doubt: a later one meets the bids.
    Missed,
    /// Everything was given back.
    Returned,
    /// A batch counted for leavers while bids wait.
    Passed {
        /// The fund's strikes.
        epoch: u64,
    },
    /// A batch traded where no bids were called.
    Batched {
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

    /// Whether a set is part of a call.
    #[must_use]
    pub fn is_called(&self, bids: &SealedBids) -> bool {
        self.call.is_some_and(|call| bids.order < call.before)
    }

    /// Sets that were sealed so far, those that are gone included.
    #[must_use]
    pub const fn orders(&self) -> u64 {
        self.orders
    }

    /// Strikes at the last batch, one that traded nothing included.
    #[must_use]
    pub const fn passed(&self) -> u64 {
        self.passed
    }

    /// A call of which nothing is left holds nothing up.
    fn end_empty_call(&mut self) {
        let any = self.sealed.values().any(|bids| self.is_called(bids));
        self.call = self.call.filter(|_| any);
    }

    pub(super) fn take(&mut self, change: &BidsChange) {
        match change {
            BidsChange::Sealed { budget, commitment, day, deposit, who } => {
                let (budget, commitment, deposit) = (*budget, *commitment, *deposit);
                let (day, order, opened) = (*day, self.orders, None);
                self.orders += 1;
                let bids = SealedBids { budget, commitment, day, deposit, order, opened };
                self.sealed.insert(who.clone(), bids);
            }
            BidsChange::Removed { who } => {
                self.sealed.remove(who);
                self.end_empty_call();
            }
            BidsChange::Called { day } => {
                let (before, day) = (self.orders, *day);
                self.call = Some(Call { before, day, closed: None, marked: false, met: None });
            }
            BidsChange::Opened { bids, who } => {
                if let Some(sealed) = self.sealed.get_mut(who) {
                    sealed.opened = Some(Arc::from(&bids[..]));
                }
            }
            BidsChange::Closed { forfeited, gone } => {
                if let Some(call) = &mut self.call {
                    call.closed = Some(*forfeited);
                }
                self.sealed.retain(|who, _| !gone.contains(who));
                self.end_empty_call();
            }
            BidsChange::Marked => {
                if let Some(call) = &mut self.call {
                    (call.marked, call.met) = (true, None);
                }
            }
            BidsChange::Met { epoch } => {
                if let Some(call) = &mut self.call {
                    (call.marked, call.met) = (false, Some(*epoch));
                }
            }
            BidsChange::Missed => {
                if let Some(call) = &mut self.call {
                    call.marked = false;
                }
            }
            BidsChange::Returned => {
                self.call = None;
                self.sealed.clear();
            }
            BidsChange::Passed { epoch } | BidsChange::Batched { epoch } => self.passed = *epoch,
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
    fn has_bids(&self, wanted: impl Fn(&BidsChange) -> bool) -> bool {
        let is_wanted =
            |effect: &Effect| matches!(effect, Effect::Bids { change, .. } if wanted(change));
        self.effects.iter().any(is_wanted)
    }

    /// Whether it traded nothing because bids wait, and counts for leavers all the same.
    #[must_use]
    pub fn passes_bids(&self) -> bool {
        self.has_bids(|change| matches!(change, BidsChange::Passed { .. }))
    }

    /// Whether it traded with the bids of a call.
    #[must_use]
    pub fn clears_bids(&self) -> bool {
        self.has_bids(|change| matches!(change, BidsChange::Cleared(_)))
    }

    /// Whether the strike is the one at whose marks the bids of a call trade.
    #[must_use]
    pub fn meets_bids(&self) -> bool {
        self.has_bids(|change| matches!(change, BidsChange::Met { .. }))
    }
}

impl FundState {
    /// Whether a batch trades with what was called, at the marks of the last strike.
    #[must_use]
    pub fn meets_bids(&self) -> bool {
        self.auction.call.is_some_and(|call| call.met == Some(self.progress.epoch))
    }

    /// The first day on which what is called and shut may be lost; none without a call whose bids may be opened.
    #[must_use]
    pub fn opening_until(&self) -> Option<i64> {
        let (params, call) = (self.params.auction?, self.auction.call?);
        call.closed
            .is_none()
            .then(|| call.day.saturating_add(params.opening_days).saturating_add(1))
    }

    /// What setting prices says of bids whose time for opening is over. Prices that are set after a strike void what it met.
    pub(super) fn marks_bids(&self) -> Option<BidsChange> {
        let is_over = |call: Call| call.closed.is_some() && !call.marked;
        self.auction.call.is_some_and(is_over).then_some(BidsChange::Marked)
    }

    /// What a strike says of bids that were marked: in doubt, where joiners wait, they wait too.
    pub(super) fn strikes_bids(&self, epoch: u64, winding: bool) -> Option<BidsChange> {
        self.auction.call.filter(|call| call.marked)?;
        let waits = self.subscriptions_wait() && !winding;
        Some(if waits { BidsChange::Missed } else { BidsChange::Met { epoch } })
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
