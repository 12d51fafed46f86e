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

fn check_queue(fund: &Name, waiting: usize) -> Result<(), Rejection> {
    if waiting < ORDERS_MAX {
        return Ok(());
    }
    Err(Rejection::Limit { what: format!("orders that wait in {fund}"), max: ORDERS_MAX as i64 })
}
