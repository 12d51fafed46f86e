//! What bidders and the operator do with sealed bids: seal, call, open, close, give back.

use super::{
    account::{Account, Asset, GlAccount},
    auction::{AuctionParams, Bid, BidsChange, bid_commitment},
    batch::{Batch, Effect, Meta},
    book::{Book, DraftLeg, check_amount, check_listed, check_seeded, find_fund},
    event::Event,
    fund_state::FundState,
    kind::Kind,
    math::{self, K},
    outcome::Outcome,
    rejection::Rejection,
    state::State,
};
use crate::{amount::Cash, digest::Digest, name::Name};

/// Sets that wait for one batch.
const BIDDERS_MAX: usize = 1_000;
/// Bids in one set.
const BIDS_MAX: usize = 200;

/// The events of the auction.
pub(super) fn bidding(state: &State, event: &Event) -> Result<Batch, Rejection> {
    match event {
        Event::SealBids { fund, who, budget, commitment } => {
            seal(state, (fund, who), *budget, *commitment)
        }
        Event::CallBids { fund, day } => call(state, fund, *day),
        Event::OpenBids { fund, who, bids, salt } => open(state, (fund, who), bids, salt),
        Event::CloseBids { fund, day } => close(state, fund, *day),
        _ => Err(Rejection::Internal("an event of no auction")),
    }
}

pub(super) fn refused(fund: &FundState, why: &'static str) -> Rejection {
    Rejection::Auction { fund: fund.name.clone(), why }
}

fn params_of(fund: &FundState) -> Result<AuctionParams, Rejection> {
    fund.params.auction.ok_or_else(|| refused(fund, "is not open: the fund has none"))
}

fn effect(book: &mut Book<'_>, fund: &FundState, change: BidsChange) {
    book.effect(Effect::Bids { change, fund: fund.name.clone() });
}

/// Seals bids for the batch after a later strike, with a deposit; where the house is full, the smallest budget since the last strike
/// makes room for a larger one.
fn seal(
    state: &State,
    (fund, who): (&Name, &Name),
    budget: Cash,
    commitment: Digest,
) -> Result<Batch, Rejection> {
    let fund = find_fund(state, fund)?;
    let params = params_of(fund)?;
    let cash = check_amount("budget of bids", budget.as_micro(), params.minimum.as_micro())?;
    let mut book = Book::over(state);
    check_seeded(&book, fund)?;
    fund.check_not_paused()?;
    let sealed = fund.auction.sealed();
    if sealed.contains_key(who) {
        return Err(Rejection::Exists { what: format!("what {who} sealed for {}", fund.name) });
    }
    if sealed.len() >= BIDDERS_MAX {
        let young = sealed.iter().filter(|(_, bids)| bids.epoch == fund.progress.epoch);
        let least = young.min_by_key(|(_, bids)| (bids.budget, std::cmp::Reverse(bids.order)));
        let Some((other, bids)) = least.filter(|(_, bids)| bids.budget < budget) else {
            let what = format!("bidders in one batch of {}", fund.name);
            return Err(Rejection::Limit { what, max: BIDDERS_MAX as i64 });
        };
        let legs = vec![returned(fund, other, bids.deposit)];
        let facts = Meta::Request { who: other.clone() };
        book.post(Kind::BidReturn, Some(&fund.name), legs, Vec::new(), facts)?;
        effect(&mut book, fund, BidsChange::Displaced { who: other.clone() });
    }
    // At most the budget, which fits.
    let deposit = math::ceil_div(cash, i128::from(params.deposit.as_ppb()), K) as i64;
    let escrow = Account::EscrowSubscriptions(fund.name.clone());
    let leg = (Asset::Cash, Account::Person(who.clone()), escrow, i128::from(deposit));
    let facts = Meta::Request { who: who.clone() };
    book.post(Kind::BidSeal, Some(&fund.name), vec![leg], Vec::new(), facts)?;
    let (deposit, epoch, who) = (Cash::from_micro(deposit), fund.progress.epoch, who.clone());
    effect(&mut book, fund, BidsChange::Sealed { budget, commitment, deposit, epoch, who });
    Ok(book.finish(Outcome::None))
}

/// Begins the time for opening what was sealed before the last strike. The clock moves: whoever lies about the day has it in every
/// later strike.
fn call(state: &State, fund: &Name, day: i64) -> Result<Batch, Rejection> {
    let fund = find_fund(state, fund)?;
    params_of(fund)?;
    let (mut book, mut progress) = (Book::over(state), fund.progress.clone());
    book.charge_clock(fund, &mut progress, day)?;
    fund.check_not_paused()?;
    if fund.auction.call().is_some() {
        return Err(refused(fund, "has called its bids already: a batch follows"));
    }
    let epoch = fund.progress.epoch;
    if !fund.auction.sealed().values().any(|bids| bids.epoch < epoch) {
        return Err(Rejection::Nothing {
            what: "call: no bids were sealed before the last strike",
        });
    }
    book.progressed(fund, progress);
    effect(&mut book, fund, BidsChange::Called { day, epoch });
    Ok(book.finish(Outcome::None))
}

/// Opens what was sealed. The deposit stays until the batch: whoever opens may still not pay.
fn open(
    state: &State,
    (fund, who): (&Name, &Name),
    bids: &[Bid],
    salt: &Digest,
) -> Result<Batch, Rejection> {
    let fund = find_fund(state, fund)?;
    check_bids(fund, who, bids)?;
    let shut = fund.auction.sealed().get(who).filter(|sealed| sealed.opened.is_none());
    let sealed = shut.ok_or(Rejection::Nothing { what: "open: this owner has nothing sealed" })?;
    if !fund.auction.is_called(sealed) {
        return Err(refused(fund, "opens bids between their call and its end"));
    }
    if bid_commitment(&fund.name, who, salt, bids) != sealed.commitment {
        return Err(refused(fund, "was given other bids than were sealed"));
    }
    let mut book = Book::over(state);
    let facts = Meta::Request { who: who.clone() };
    book.post(Kind::BidOpen, Some(&fund.name), Vec::new(), Vec::new(), facts)?;
    effect(&mut book, fund, BidsChange::Opened { bids: bids.to_vec(), who: who.clone() });
    Ok(book.finish(Outcome::None))
}

/// Every bid in its range, and one a model and side: many bids of one owner are one price ladder, and many sets of one.
fn check_bids(fund: &FundState, who: &Name, bids: &[Bid]) -> Result<(), Rejection> {
    if bids.len() > BIDS_MAX {
        return Err(Rejection::Limit { what: format!("bids of {who}"), max: BIDS_MAX as i64 });
    }
    let mut seen = std::collections::BTreeSet::new();
    for bid in bids {
        // A model that was delisted since then costs nobody his other bids.
        check_listed(fund, &bid.model)?;
        check_amount("units of a bid", bid.units.as_micro(), 1)?;
        check_amount("limit of a bid", bid.limit.as_nano(), 1)?;
        if !seen.insert((&bid.model, bid.side)) {
            let what = format!("a bid of {who} on {} in this direction", bid.model);
            return Err(Rejection::Exists { what });
        }
    }
    Ok(())
}

/// Ends the time for opening: what was called and is shut is the fund's.
fn close(state: &State, fund: &Name, day: i64) -> Result<Batch, Rejection> {
    let fund = find_fund(state, fund)?;
    params_of(fund)?;
    let (mut book, mut progress) = (Book::over(state), fund.progress.clone());
    book.charge_clock(fund, &mut progress, day)?;
    let until =
        fund.opening_until().ok_or(Rejection::Nothing { what: "close: no bids are called" })?;
    if day < until {
        return Err(refused(fund, "gives bidders their days to open what they sealed"));
    }
    let shut = fund.auction.sealed().values();
    let shut = shut.filter(|bids| bids.opened.is_none() && fund.auction.is_called(bids));
    let lost: i128 = shut.map(|bids| i128::from(bids.deposit.as_micro())).sum();
    forfeit(&mut book, fund, lost)?;
    book.progressed(fund, progress);
    // What all deposits together come to is in one account, and fits.
    effect(&mut book, fund, BidsChange::Closed { forfeited: Cash::from_micro(lost as i64) });
    Ok(book.finish(Outcome::None))
}

/// Deposits that are the fund's.
pub(super) fn forfeit(book: &mut Book<'_>, fund: &FundState, lost: i128) -> Result<(), Rejection> {
    if lost == 0 {
        return Ok(());
    }
    let escrow = Account::EscrowSubscriptions(fund.name.clone());
    let leg = (Asset::Cash, escrow, Account::Fund(fund.name.clone()), lost);
    let lines = vec![(GlAccount::Cash, lost * K), (GlAccount::Income, -lost * K)];
    book.post(Kind::BidForfeit, Some(&fund.name), vec![leg], lines, Meta::None)
}

pub(super) fn returned(fund: &FundState, who: &Name, deposit: Cash) -> DraftLeg {
    let escrow = Account::EscrowSubscriptions(fund.name.clone());
    (Asset::Cash, escrow, Account::Person(who.clone()), i128::from(deposit.as_micro()))
}

/// Gives every deposit back, where rules that these bids were not made for come into force, or nothing is traded for now.
pub(super) fn give_back(book: &mut Book<'_>, fund: &FundState) -> Result<(), Rejection> {
    if fund.auction.sealed().is_empty() && fund.auction.call().is_none() {
        return Ok(());
    }
    let sealed = fund.auction.sealed().iter();
    let legs: Vec<_> = sealed.map(|(who, bids)| returned(fund, who, bids.deposit)).collect();
    if !legs.is_empty() {
        book.post(Kind::BidReturn, Some(&fund.name), legs, Vec::new(), Meta::None)?;
    }
    effect(book, fund, BidsChange::Returned);
    Ok(())
}
