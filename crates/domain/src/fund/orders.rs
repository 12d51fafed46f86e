//! Orders that wait for the next strike, in escrow.

use super::{
    account::{Account, Asset},
    batch::{Batch, Effect, Meta},
    book::{Book, ORDERS_MAX, check_amount, check_cash, check_seeded, find_fund},
    event::Event,
    hold::check_not_held,
    kind::Kind,
    outcome::Outcome,
    rejection::Rejection,
    reveal::check_not_closed,
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
    fund.check_receiver(who)?;
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

/// Takes back an order of either kind.
pub(super) fn cancel(state: &State, event: &Event) -> Result<Batch, Rejection> {
    match event {
        Event::CancelSubscription { fund, who, place } => {
            cancel_subscription(state, fund, who, *place)
        }
        Event::CancelRedemption { fund, who, place } => cancel_redemption(state, fund, who, *place),
        _ => Err(Rejection::Internal("an event that takes no order back")),
    }
}

fn cancel_subscription(
    state: &State,
    fund: &Name,
    who: &Name,
    place: u64,
) -> Result<Batch, Rejection> {
    let found = find_fund(state, fund)?;
    let amount = i128::from(own(&found.subscriptions, who, place)?.as_micro());
    check_not_closed(found, place, |book| book.subscriptions)?;
    check_not_held(found, place)?;
    let leg = (Asset::Cash, Account::EscrowSubscriptions(fund.clone()), amount);
    let effect = Effect::SubscriptionCancelled { fund: fund.clone(), place };
    give_back(state, (fund, who), Kind::SubCancel, leg, effect)
}

fn cancel_redemption(
    state: &State,
    fund: &Name,
    who: &Name,
    place: u64,
) -> Result<Batch, Rejection> {
    let found = find_fund(state, fund)?;
    let shares = i128::from(own(&found.redemptions, who, place)?.as_nano());
    check_not_closed(found, place, |book| book.redemptions)?;
    let leg = (Asset::Share(fund.clone()), Account::EscrowRedemptions(fund.clone()), shares);
    let effect = Effect::RedemptionCancelled { fund: fund.clone(), place };
    give_back(state, (fund, who), Kind::RedCancel, leg, effect)
}

/// Returns to an owner what an order of his has in escrow.
pub(super) fn give_back(
    state: &State,
    (fund, who): (&Name, &Name),
    kind: Kind,
    (asset, escrow, amount): (Asset, Account, i128),
    effect: Effect,
) -> Result<Batch, Rejection> {
    let mut book = Book::over(state);
    let leg = (asset, escrow, Account::Person(who.clone()), amount);
    let facts = Meta::Request { who: who.clone() };
    book.post(kind, Some(fund), vec![leg], Vec::new(), facts)?;
    book.effect(effect);
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
pub(super) fn own<T: Copy>(queue: &[(Name, T)], who: &Name, place: u64) -> Result<T, Rejection> {
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
