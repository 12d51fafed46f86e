//! An order to buy that is held back: strikes leave it waiting, and its owner does not take it back, until it is held no more.
//!
//! The service holds the order of somebody who may know of a version that no mark knows yet, from its publishing until the strike that
//! knows it, which deals with it at the new ask (FUND 1.2). Leaving by a slice and in kind never asks. Whose order it is, is in the
//! event, so that a place that moved meanwhile holds nobody else's.

use super::{
    batch::{Batch, Effect},
    book::{Book, DAY_MAX, clock, find_fund},
    cut_off::QueueChange,
    fund_state::FundState,
    orders::own,
    outcome::Outcome,
    rejection::Rejection,
    state::State,
};
use crate::name::Name;

/// Holds an order back since a day, or lets it be dealt with again.
pub(super) fn hold_order(
    state: &State,
    fund: &Name,
    (who, place): (&Name, u64),
    (held, day): (bool, i64),
) -> Result<Batch, Rejection> {
    let fund = find_fund(state, fund)?;
    if !(fund.day()..=DAY_MAX).contains(&day) {
        return Err(clock(day.to_string(), fund.day()));
    }
    own(&fund.subscriptions, who, place)?;
    if fund.held_since(place).is_some() == held {
        return Err(Rejection::Nothing { what: "hold or release: the order is so already" });
    }
    let mut book = Book::over(state);
    let change = QueueChange::OrderHeld { day: held.then_some(day), place };
    book.effect(Effect::Queued { change, fund: fund.name.clone() });
    Ok(book.finish(Outcome::None))
}

/// An order that is held back is not taken back: whoever is held would choose by what he knows.
pub(super) fn check_not_held(fund: &FundState, place: u64) -> Result<(), Rejection> {
    match fund.held_since(place) {
        None => Ok(()),
        Some(since) => Err(Rejection::Held { fund: fund.name.clone(), place, since }),
    }
}
