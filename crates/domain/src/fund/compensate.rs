//! Compensation: whoever answers for a wrong NAV pays those whom it has harmed, and the fund (FUND 6.9).
//!
//! What is paid follows from the strike and the right prices by [`restate`](super::restatement::restate); the event carries the prices, so
//! that whoever has the journal derives it again. The ledger itself has forgotten the strike and moves what it is told, from an owner who
//! has it, once for each restatement.

use super::{
    account::{Account, Asset, GlAccount},
    batch::{Batch, Effect, Meta},
    book::{Book, ORDERS_MAX, check_amount, check_cash, check_listed, find_fund},
    event::Event,
    fund_state::FundState,
    kind::Kind,
    math::K,
    outcome::Outcome,
    rejection::Rejection,
    state::State,
};
use crate::{
    amount::{LIMIT, PPB_ONE, Ppb, PriceNano},
    name::Name,
};

/// What a compensation may say, beside what the ledger knows.
fn check_prices<'a>(
    fund: &FundState,
    prices: impl Iterator<Item = (&'a Name, &'a PriceNano)>,
    threshold: Ppb,
) -> Result<(), Rejection> {
    for (model, price) in prices {
        check_listed(fund, model)?;
        check_amount("price", price.as_nano(), 0)?;
    }
    let threshold = threshold.as_ppb();
    if (0..=PPB_ONE).contains(&threshold) {
        return Ok(());
    }
    let (what, value) = ("threshold".to_owned(), threshold.to_string());
    Err(Rejection::Weights { what, value, max: PPB_ONE })
}

/// A number that counts from 1.
fn check_number(what: &'static str, value: u64, max: u64) -> Result<(), Rejection> {
    if (1..=max).contains(&value) {
        return Ok(());
    }
    let max = i64::try_from(max).unwrap_or(LIMIT);
    Err(Rejection::Amount { what, value: value.to_string(), min: 1, max })
}

pub(super) fn compensate(state: &State, event: &Event) -> Result<Batch, Rejection> {
    let Event::Compensate {
        fund: name,
        strike,
        restatement,
        payer,
        owners,
        fund_part,
        prices,
        estimates,
        threshold,
    } = event
    else {
        return Err(Rejection::Internal("a compensation is another event"));
    };
    let fund = find_fund(state, name)?;
    check_number("number of the strike", *strike, fund.epoch())?;
    check_number("number of the restatement", *restatement, LIMIT.unsigned_abs())?;
    if owners.len() > ORDERS_MAX {
        let what = format!("owners compensated in {name}");
        return Err(Rejection::Limit { what, max: ORDERS_MAX as i64 });
    }
    let source = Account::Person(payer.clone());
    let mut legs = Vec::with_capacity(owners.len() + 1);
    for (owner, cash) in owners {
        let cash = check_cash("compensation", *cash)?;
        if owner == payer {
            let why = "he would pay himself";
            return Err(Rejection::Owner { given: owner.to_string(), why });
        }
        legs.push((Asset::Cash, source.clone(), Account::Person(owner.clone()), cash));
    }
    let part = check_amount("part of the fund", fund_part.as_micro(), 0)?;
    check_prices(fund, prices.iter().chain(estimates), *threshold)?;
    if fund.compensated.get(strike).is_some_and(|last| restatement <= last) {
        let what = format!("a compensation for restatement {restatement} of strike {strike}");
        return Err(Rejection::Exists { what });
    }
    if legs.is_empty() && part == 0 {
        return Err(Rejection::Nothing { what: "compensate" });
    }
    legs.push((Asset::Cash, source, Account::Fund(name.clone()), part));
    let lines = vec![(GlAccount::Cash, part * K), (GlAccount::Income, -part * K)];
    let (strike, restatement) = (*strike, *restatement);
    let mut book = Book::over(state);
    let facts = Meta::Compensation { restatement, strike };
    book.post(Kind::Compensation, Some(name), legs, lines, facts)?;
    book.effect(Effect::Compensated { fund: name.clone(), restatement, strike });
    Ok(book.finish(Outcome::None))
}
