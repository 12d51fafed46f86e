//! Orders that wait for the next strike, in escrow.

use super::{
    account::{Account, Asset},
    batch::{Batch, Effect, Kind, Meta, Outcome},
    book::{Book, ORDERS_MAX, check_amount, check_cash, check_seeded, find_fund},
    rejection::Rejection,
    state::State,
};
use crate::{
    amount::{Cash, Shares},
    name::Name,
};

pub(super) fn subscribe(
    state: &State,
    fund: &Name,
    who: &Name,
    amount: Cash,
) -> Result<Batch, Rejection> {
    let fund = find_fund(state, fund)?;
    let cash = check_cash("subscription", amount)?;
    let mut book = Book::over(state);
    check_seeded(&book, fund)?;
    if fund.winding() {
        return Err(Rejection::Winding { fund: fund.name.clone() });
    }
    let (person, escrow) =
        (Account::Person(who.clone()), Account::EscrowSubscriptions(fund.name.clone()));
    let leg = (Asset::Cash, person, escrow, cash);
    let facts = Meta::Request { who: who.clone() };
    book.post(Kind::SubRequest, Some(&fund.name), vec![leg], Vec::new(), facts)?;
    check_queue(&fund.name, fund.subscriptions.len())?;
    let (fund, who) = (fund.name.clone(), who.clone());
    book.effect(Effect::SubscriptionQueued { amount, fund, who });
    Ok(book.finish(Outcome::None))
}

pub(super) fn redeem(
    state: &State,
    fund: &Name,
    who: &Name,
    shares: Shares,
) -> Result<Batch, Rejection> {
    let fund = find_fund(state, fund)?;
    let amount = check_amount("redemption", shares.as_nano(), 1)?;
    let mut book = Book::over(state);
    check_seeded(&book, fund)?;
    let (person, escrow) =
        (Account::Person(who.clone()), Account::EscrowRedemptions(fund.name.clone()));
    let leg = (Asset::Share(fund.name.clone()), person, escrow, amount);
    let facts = Meta::Request { who: who.clone() };
    book.post(Kind::RedRequest, Some(&fund.name), vec![leg], Vec::new(), facts)?;
    check_queue(&fund.name, fund.redemptions.len())?;
    let (fund, who) = (fund.name.clone(), who.clone());
    book.effect(Effect::RedemptionQueued { fund, shares, who });
    Ok(book.finish(Outcome::None))
}

pub(super) fn cancel_subscription(
    state: &State,
    fund: &Name,
    who: &Name,
    place: u64,
) -> Result<Batch, Rejection> {
    let fund = find_fund(state, fund)?;
    let amount = own(&fund.subscriptions, who, place)?;
    let escrow = Account::EscrowSubscriptions(fund.name.clone());
    let leg = (Asset::Cash, escrow, Account::Person(who.clone()), i128::from(amount.as_micro()));
    let mut book = Book::over(state);
    let facts = Meta::Request { who: who.clone() };
    book.post(Kind::SubCancel, Some(&fund.name), vec![leg], Vec::new(), facts)?;
    book.effect(Effect::SubscriptionCancelled { fund: fund.name.clone(), place });
    Ok(book.finish(Outcome::None))
}

pub(super) fn cancel_redemption(
    state: &State,
    fund: &Name,
    who: &Name,
    place: u64,
) -> Result<Batch, Rejection> {
    let fund = find_fund(state, fund)?;
    let shares = own(&fund.redemptions, who, place)?;
    let escrow = Account::EscrowRedemptions(fund.name.clone());
    let asset = Asset::Share(fund.name.clone());
    let leg = (asset, escrow, Account::Person(who.clone()), i128::from(shares.as_nano()));
    let mut book = Book::over(state);
    let facts = Meta::Request { who: who.clone() };
    book.post(Kind::RedCancel, Some(&fund.name), vec![leg], Vec::new(), facts)?;
    book.effect(Effect::RedemptionCancelled { fund: fund.name.clone(), place });
    Ok(book.finish(Outcome::None))
}

pub(super) fn hold_subscriptions(
    state: &State,
    fund: &Name,
    held: bool,
) -> Result<Batch, Rejection> {
    let fund = find_fund(state, fund)?;
    if fund.held == held {
        return Err(Rejection::Nothing { what: "hold or release: it is so already" });
    }
    let mut book = Book::over(state);
    book.effect(Effect::SubscriptionsHeld { fund: fund.name.clone(), held });
    Ok(book.finish(Outcome::None))
}

/// The order at a place of a queue, which is its owner's.
fn own<T: Copy>(queue: &[(Name, T)], who: &Name, place: u64) -> Result<T, Rejection> {
    let order = usize::try_from(place).ok().and_then(|place| queue.get(place));
    let own = order.filter(|(owner, _)| owner == who).map(|(_, size)| *size);
    own.ok_or(Rejection::Nothing { what: "cancel: no order of this owner waits at this place" })
}

fn check_queue(fund: &Name, waiting: usize) -> Result<(), Rejection> {
    if waiting < ORDERS_MAX {
        return Ok(());
    }
    Err(Rejection::Limit { what: format!("orders that wait in {fund}"), max: ORDERS_MAX as i64 })
}
