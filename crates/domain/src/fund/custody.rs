//! Deposit, withdrawal, transfer, claim: outside the books of any fund.

use super::{
    account::{Account, Asset},
    batch::{Batch, Meta},
    book::{Book, check_amount, check_cash, find_fund},
    kind::Kind,
    outcome::Outcome,
    rejection::Rejection,
    state::State,
    window::youth::{Move, given},
};
use crate::{amount::Cash, name::Name};

pub(super) fn deposit(state: &State, who: &Name, amount: Cash) -> Result<Batch, Rejection> {
    let amount = check_cash("deposit", amount)?;
    move_one(state, Kind::Deposit, (Asset::Cash, Account::Outside, person(who), amount))
}

pub(super) fn withdraw(state: &State, who: &Name, amount: Cash) -> Result<Batch, Rejection> {
    let amount = check_cash("withdrawal", amount)?;
    move_one(state, Kind::Withdraw, (Asset::Cash, person(who), Account::Outside, amount))
}

pub(super) fn transfer(
    state: &State,
    who: &Name,
    to: &Name,
    asset: &Asset,
    amount: i64,
) -> Result<Batch, Rejection> {
    check_parties(who, to)?;
    check_asset(state, asset)?;
    let amount = check_amount("transfer", amount, 1)?;
    if let Asset::Share(fund) = asset {
        find_fund(state, fund)?.check_gift(who, to)?;
    }
    let leg = (asset.clone(), person(who), person(to), amount);
    let mut book = Book::over(state);
    book.post(Kind::Transfer, None, vec![leg], Vec::new(), Meta::None)?;
    let gift = Move::Gift(state.events() + 1);
    move_youth(state, &mut book, (who, to), (asset, amount), gift);
    Ok(book.finish(Outcome::None))
}

/// Shares that were created in kind stay young with whoever is given them.
pub(super) fn move_youth(
    state: &State,
    book: &mut Book<'_>,
    (who, to): (&Name, &Name),
    (asset, amount): (&Asset, i128),
    which: Move,
) {
    let Asset::Share(name) = asset else { return };
    let free = i128::from(state.balance(&person(who), asset));
    let moved = state.fund(name).and_then(|fund| given(fund, (who, to), (free, amount), which));
    if let Some(effect) = moved {
        book.effect(effect);
    }
}

pub(super) fn claim(state: &State, who: &Name) -> Result<Batch, Rejection> {
    let account = Account::Claim(who.clone());
    let amount = state.balance(&account, &Asset::Cash);
    if amount <= 0 {
        return Err(Rejection::Nothing { what: "claim" });
    }
    move_one(state, Kind::Claim, (Asset::Cash, account, person(who), i128::from(amount)))
}

/// `owner` when both are the same.
pub(super) fn check_parties(who: &Name, to: &Name) -> Result<(), Rejection> {
    if who == to {
        let why = "giver and receiver are the same";
        return Err(Rejection::Owner { given: to.to_string(), why });
    }
    Ok(())
}

/// `asset` unless it exists: a unit of an issued model, a share of a fund, a claim on what a fund set apart.
pub(super) fn check_asset(state: &State, asset: &Asset) -> Result<(), Rejection> {
    let known = match asset {
        Asset::Cash => true,
        Asset::Unit(model) => state.model(model).is_some(),
        Asset::Share(fund) => state.fund(fund).is_some(),
        Asset::SideClaim { fund, model } => {
            state.is_delisted(model) && state.fund(fund).is_some_and(|f| f.price(model).is_some())
        }
    };
    if known { Ok(()) } else { Err(Rejection::Asset { asset: asset.to_string() }) }
}

fn person(who: &Name) -> Account {
    Account::Person(who.clone())
}

fn move_one(
    state: &State,
    kind: Kind,
    leg: (Asset, Account, Account, i128),
) -> Result<Batch, Rejection> {
    let mut book = Book::over(state);
    book.post(kind, None, vec![leg], Vec::new(), Meta::None)?;
    Ok(book.finish(Outcome::None))
}
