//! What bidders and the operator do with sealed bids: seal, take back, call, open, close, give back.

use super::{
    account::{Account, Asset, GlAccount},
    auction::{AuctionParams, Bid, BidSide, BidsChange, SealedBids, bid_commitment},
    batch::{Batch, Effect, Meta},
    book::{Book, DraftLeg, check_amount, check_listed, check_seeded, find_fund},
    event::Event,
    fund_state::FundState,
    kind::Kind,
    math::{self, K},
    outcome::Outcome,
    rejection::Rejection,
    reveal::check_uncommitted,
    state::State,
};
use crate::{
    amount::{Cash, PriceNano},
    digest::Digest,
    name::Name,
};

/// Sets that wait for one batch.
const BIDDERS_MAX: usize = 1_000;
/// Bids in one set.
const BIDS_MAX: usize = 200;
/// Days that a set waits for a call, and one that is called for a batch after its opening: no operator keeps a deposit by not coming.
const WAIT_DAYS_MAX: i64 = 31;

/// The events of the auction.
pub(super) fn bidding(state: &State, event: &Event) -> Result<Batch, Rejection> {
    match event {
        Event::SealBids { fund, who, budget, commitment } => {
            seal(state, (fund, who), *budget, *commitment)
        }
        Event::CallBids { fund, day } => call(state, fund, *day),
        Event::OpenBids { fund, who, bids, salt } => open(state, (fund, who), bids, salt),
        Event::CloseBids { fund, day } => close(state, fund, *day),
        Event::TakeBackBids { fund, who, day } => take_back(state, (fund, who), *day),
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

/// Seals bids for the next call, with a deposit; where the house is full, what may leave at will makes room for anybody, and the smallest
/// budget that is not called for a larger one.
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
        // What may leave at will keeps nobody out.
        let may_leave = |bids: &SealedBids| fund.day().saturating_sub(bids.day) > WAIT_DAYS_MAX;
        let young = sealed.iter().filter(|(_, bids)| !fund.auction.is_called(bids));
        let least = young
            .min_by_key(|(_, bids)| (!may_leave(bids), bids.budget, std::cmp::Reverse(bids.order)));
        let least = least.filter(|(_, bids)| may_leave(bids) || bids.budget < budget);
        let Some((other, bids)) = least else {
            let what = format!("bidders in one batch of {}", fund.name);
            return Err(Rejection::Limit { what, max: BIDDERS_MAX as i64 });
        };
        let legs = vec![returned(fund, other, bids.deposit)];
        let facts = Meta::Request { who: other.clone() };
        book.post(Kind::BidReturn, Some(&fund.name), legs, Vec::new(), facts)?;
        effect(&mut book, fund, BidsChange::Removed { who: other.clone() });
    }
    // At most the budget, which fits.
    let deposit = math::ceil_div(cash, i128::from(params.deposit.as_ppb()), K) as i64;
    let escrow = Account::EscrowSubscriptions(fund.name.clone());
    let leg = (Asset::Cash, Account::Person(who.clone()), escrow, i128::from(deposit));
    let facts = Meta::Request { who: who.clone() };
    book.post(Kind::BidSeal, Some(&fund.name), vec![leg], Vec::new(), facts)?;
    let (deposit, day, who) = (Cash::from_micro(deposit), fund.day(), who.clone());
    effect(&mut book, fund, BidsChange::Sealed { budget, commitment, day, deposit, who });
    Ok(book.finish(Outcome::None))
}

/// Takes back what no call came for in a month, what no batch came for in a month, and what no model is left to trade for. A set that could
/// leave at will before its call would keep others out of a full house for nothing, and one that could leave where a plan was refused would
/// choose whether it suits the marks that are known by then.
fn take_back(state: &State, (fund, who): (&Name, &Name), day: i64) -> Result<Batch, Rejection> {
    let fund = find_fund(state, fund)?;
    let (mut book, mut progress) = (Book::over(state), fund.progress.clone());
    book.charge_clock(fund, &mut progress, day)?;
    let sealed = fund.auction.sealed().get(who);
    let bids = sealed.ok_or(Rejection::Nothing { what: "take back: this owner has no bids" })?;
    let opening = params_of(fund)?.opening_days;
    let called = fund.auction.call().filter(|_| fund.auction.is_called(bids));
    let since = called.map_or(bids.day, |call| call.day.saturating_add(opening));
    let waits = day.saturating_sub(since) <= WAIT_DAYS_MAX;
    if waits && !book.live(fund).is_empty() {
        return Err(refused(fund, "gives a deposit back with its batch, or after a month without"));
    }
    let facts = Meta::Request { who: who.clone() };
    let legs = vec![returned(fund, who, bids.deposit)];
    book.post(Kind::BidReturn, Some(&fund.name), legs, Vec::new(), facts)?;
    book.progressed(fund, progress);
    effect(&mut book, fund, BidsChange::Removed { who: who.clone() });
    Ok(book.finish(Outcome::None))
}

/// Begins the time for opening what was sealed until now. The clock moves: whoever lies about the day has it in every later strike.
fn call(state: &State, fund: &Name, day: i64) -> Result<Batch, Rejection> {
    let fund = find_fund(state, fund)?;
    params_of(fund)?;
    let (mut book, mut progress) = (Book::over(state), fund.progress.clone());
    book.charge_clock(fund, &mut progress, day)?;
    fund.check_not_paused()?;
    if fund.auction.call().is_some() {
        return Err(refused(fund, "has called its bids already: a batch follows"));
    }
    if fund.auction.sealed().is_empty() {
        return Err(Rejection::Nothing { what: "call: no bids are sealed" });
    }
    book.progressed(fund, progress);
    effect(&mut book, fund, BidsChange::Called { day });
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
    check_bid_set(who, bids)?;
    let least = params_of(fund)?.minimum.as_micro();
    for bid in bids {
        // A model that was delisted since then costs nobody his other bids.
        check_listed(fund, &bid.model)?;
        let mark = fund.price(&bid.model).unwrap_or_default();
        let worth =
            math::floor_div(i128::from(bid.units.as_micro()), i128::from(mark.as_nano()), K);
        // Asked at the mark that he opens at: at that of the batch, what is just large enough would be gone wherever it does not suit.
        if mark > PriceNano::ZERO {
            check_amount("worth of a bid", worth.min(i128::from(least)) as i64, least)?;
        }
    }
    let shut = fund.auction.sealed().get(who).filter(|sealed| sealed.opened.is_none());
    let sealed = shut.ok_or(Rejection::Nothing { what: "open: this owner has nothing sealed" })?;
    if !fund.auction.is_called(sealed) || fund.opening_until().is_none() {
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

/// What can be said of a set of bids without any fund: every bid in its range, and one a model and side, because many bids of one owner are
/// one price ladder, and many sets of one.
///
/// # Errors
/// `limit` for more than 200, `amount` for a bid on nothing or at nothing, `exists` for a second one on a model and side.
pub fn check_bid_set(who: &Name, bids: &[Bid]) -> Result<(), Rejection> {
    if bids.len() > BIDS_MAX {
        return Err(Rejection::Limit { what: format!("bids of {who}"), max: BIDS_MAX as i64 });
    }
    let mut seen = std::collections::BTreeSet::new();
    for bid in bids {
        check_amount("units of a bid", bid.units.as_micro(), 1)?;
        check_amount("limit of a bid", bid.limit.as_nano(), 1)?;
        if !seen.insert((&bid.model, bid.side)) {
            let what = format!("a bid of {who} on {} in this direction", bid.model);
            return Err(Rejection::Exists { what });
        }
    }
    Ok(())
}

/// Ends the time for opening: what was called is the fund's where it is shut, and where its owner has not got what it says by now. Prices
/// that the batch meets are not set before, so whoever joins at them pays for what was lost. Where a strike met nobody, or its plan was
/// refused, purses are asked for again before the next.
fn close(state: &State, fund: &Name, day: i64) -> Result<Batch, Rejection> {
    let fund = find_fund(state, fund)?;
    params_of(fund)?;
    let (mut book, mut progress) = (Book::over(state), fund.progress.clone());
    book.charge_clock(fund, &mut progress, day)?;
    let call = fund.auction.call().filter(|call| !call.marked);
    let call = call.ok_or(Rejection::Nothing { what: "close: no bids are called" })?;
    if fund.opening_until().is_some_and(|until| day < until) {
        return Err(refused(fund, "gives bidders their days to open what they sealed"));
    }
    check_uncommitted(fund)?;
    let sealed = fund.auction.sealed().iter();
    let called = sealed.filter(|(_, bids)| fund.auction.is_called(bids));
    let gone = called.filter(|(who, bids)| !stands(state, who, bids));
    let gone: Vec<(&Name, Cash)> = gone.map(|(who, bids)| (who, bids.deposit)).collect();
    let lost: i128 = gone.iter().map(|(_, deposit)| i128::from(deposit.as_micro())).sum();
    forfeit(&mut book, fund, lost)?;
    book.progressed(fund, progress);
    // What all deposits together come to was in one account, and fits.
    let before = call.closed.unwrap_or(Cash::ZERO);
    let forfeited = Cash::from_micro(before.as_micro().saturating_add(lost as i64));
    let gone = gone.into_iter().map(|(who, _)| who.clone()).collect();
    effect(&mut book, fund, BidsChange::Closed { forfeited, gone });
    Ok(book.finish(Outcome::None))
}

/// Whether bids are open and their owner has the cash and the units that they say: the rest of the budget where he buys, all units where
/// he sells; a delisted model's are nobody's.
fn stands(state: &State, who: &Name, sealed: &SealedBids) -> bool {
    let Some(bids) = &sealed.opened else { return false };
    let account = Account::Person(who.clone());
    let has = |bid: &Bid| match bid.side {
        _ if state.is_delisted(&bid.model) => true,
        BidSide::Buys => {
            let due = sealed.budget.as_micro() - sealed.deposit.as_micro();
            state.balance(&account, &Asset::Cash) >= due
        }
        BidSide::Sells => {
            let unit = Asset::Unit(bid.model.clone());
            state.balance(&account, &unit) >= bid.units.as_micro()
        }
    };
    bids.iter().all(has)
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
