//! Sealed bids: with whom a rebalance trades, where the fund's parameters ask for an auction instead of a list of counterparties
//! (FUND 1.2, 6).
//!
//! Laws:
//! - Bids are sealed before the strike whose marks they meet and opened after it: nobody bids knowing another's bid, and nobody
//!   takes a bid back knowing the price. A bid that stays shut loses its deposit to the fund.
//! - Everybody who trades a model in one direction does so at one price: that of the last bid that is needed.
//! - No trade is further from the mark than the band. Where nobody bids nothing is traded, and it is never forced.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    account::{Account, Asset},
    batch::{Batch, Effect, Meta},
    book::{Book, MODELS_MAX, PARTIES_MAX, check_amount, check_listed, check_seeded, find_fund},
    fund_state::FundState,
    kind::Kind,
    outcome::Outcome,
    rejection::Rejection,
    state::State,
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
    /// What is lost by whoever does not open a bid.
    pub deposit: Cash,
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
    /// [`bid_commitment`] of what is inside.
    pub commitment: Digest,
    /// What is lost if they stay shut: what the rules asked for when they were sealed.
    pub deposit: Cash,
    /// How many were sealed before, since the last batch.
    pub order: u64,
    /// The bids, once they are open.
    pub opened: Option<Vec<Bid>>,
}

/// The auction of one fund.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Auction {
    /// The fund's strikes at its last batch.
    pub(super) epoch: u64,
    pub(super) sealed: BTreeMap<Name, SealedBids>,
}

impl Auction {
    /// What is sealed for the next batch, by owner.
    #[must_use]
    pub const fn sealed(&self) -> &BTreeMap<Name, SealedBids> {
        &self.sealed
    }

    /// Deposits on bids that are shut, in micro-credits.
    #[must_use]
    pub fn deposits(&self) -> i128 {
        let shut = self.sealed.values().filter(|bids| bids.opened.is_none());
        shut.map(|bids| i128::from(bids.deposit.as_micro())).sum()
    }

    pub(super) fn take(&mut self, effect: &Effect) {
        match effect {
            Effect::BidsSealed { commitment, deposit, who, .. } => {
                let order = self.sealed.len() as u64;
                let (commitment, deposit) = (*commitment, *deposit);
                let sealed = SealedBids { commitment, deposit, order, opened: None };
                self.sealed.insert(who.clone(), sealed);
            }
            Effect::BidsOpened { bids, who, .. } => {
                if let Some(sealed) = self.sealed.get_mut(who) {
                    sealed.opened = Some(bids.clone());
                }
            }
            Effect::BidsCleared { epoch, .. } => {
                self.epoch = *epoch;
                self.sealed.clear();
            }
            _ => {}
        }
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

impl FundState {
    /// Whether a strike waits for its batch: then bids are opened, and none are sealed.
    #[must_use]
    pub const fn awaits_batch(&self) -> bool {
        self.progress.epoch > self.auction.epoch
    }
}

fn refused(fund: &FundState, why: &'static str) -> Rejection {
    Rejection::Auction { fund: fund.name.clone(), why }
}

fn params_of(fund: &FundState) -> Result<AuctionParams, Rejection> {
    fund.params.auction.ok_or_else(|| refused(fund, "is not open: the fund has none"))
}

/// Seals bids for the batch after the next strike, with a deposit.
pub(super) fn seal(
    state: &State,
    fund: &Name,
    who: &Name,
    commitment: Digest,
) -> Result<Batch, Rejection> {
    let fund = find_fund(state, fund)?;
    let params = params_of(fund)?;
    let mut book = Book::over(state);
    check_seeded(&book, fund)?;
    if fund.awaits_batch() {
        return Err(refused(fund, "takes no bids between a strike and its batch"));
    }
    if fund.auction.sealed.contains_key(who) {
        return Err(Rejection::Exists { what: format!("what {who} sealed for {}", fund.name) });
    }
    let escrow = Account::EscrowSubscriptions(fund.name.clone());
    let deposit = i128::from(params.deposit.as_micro());
    let leg = (Asset::Cash, Account::Person(who.clone()), escrow, deposit);
    let facts = Meta::Request { who: who.clone() };
    book.post(Kind::BidSeal, Some(&fund.name), vec![leg], Vec::new(), facts)?;
    if fund.auction.sealed.len() >= PARTIES_MAX {
        let what = format!("bidders in one batch of {}", fund.name);
        return Err(Rejection::Limit { what, max: PARTIES_MAX as i64 });
    }
    let (fund, who) = (fund.name.clone(), who.clone());
    book.effect(Effect::BidsSealed { commitment, deposit: params.deposit, fund, who });
    Ok(book.finish(Outcome::None))
}

/// Opens what was sealed, after the strike; the deposit returns.
pub(super) fn open(
    state: &State,
    (fund, who): (&Name, &Name),
    bids: &[Bid],
    salt: &Digest,
) -> Result<Batch, Rejection> {
    let fund = find_fund(state, fund)?;
    if bids.len() > MODELS_MAX {
        let what = format!("bids of {who}");
        return Err(Rejection::Limit { what, max: MODELS_MAX as i64 });
    }
    for bid in bids {
        // A model that was delisted since then costs nobody his other bids.
        check_listed(fund, &bid.model)?;
        check_amount("units of a bid", bid.units.as_micro(), 1)?;
        check_amount("limit of a bid", bid.limit.as_nano(), 1)?;
    }
    let shut = fund.auction.sealed.get(who).filter(|sealed| sealed.opened.is_none());
    let sealed = shut.ok_or(Rejection::Nothing { what: "open: this owner has nothing sealed" })?;
    if !fund.awaits_batch() {
        return Err(refused(fund, "opens bids after the strike"));
    }
    if bid_commitment(&fund.name, who, salt, bids) != sealed.commitment {
        return Err(refused(fund, "was given other bids than were sealed"));
    }
    let mut book = Book::over(state);
    let escrow = Account::EscrowSubscriptions(fund.name.clone());
    let deposit = i128::from(sealed.deposit.as_micro());
    let leg = (Asset::Cash, escrow, Account::Person(who.clone()), deposit);
    let facts = Meta::Request { who: who.clone() };
    book.post(Kind::BidOpen, Some(&fund.name), vec![leg], Vec::new(), facts)?;
    let (fund, who) = (fund.name.clone(), who.clone());
    book.effect(Effect::BidsOpened { bids: bids.to_vec(), fund, who });
    Ok(book.finish(Outcome::None))
}
