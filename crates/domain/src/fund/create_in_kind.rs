//! Creation in kind: shares for the exact slice of what the fund holds, without a price (FUND 2.4).
//!
//! Every part of the slice is rounded up, and a leaver in kind gets his rounded down: who creates and leaves again gets back at most what
//! he brought, and nobody's cash or units per share ever fall. A mark that is too high helps nobody: what is wanted for a share is units
//! and cash in the fund's own proportions, never units alone. Units of leavers, and those of delisted models, are not the fund's and are
//! no part of it. No levy is charged, because whoever brings the slice itself gains by no mark.

use std::collections::BTreeMap;

use super::{
    account::{Account, Asset, GlAccount},
    batch::{Batch, Meta},
    bidding::refused,
    book::{Book, check_amount, check_seeded, find_fund},
    fund_state::FundState,
    kind::Kind,
    math::{self, K},
    outcome::Outcome,
    rejection::Rejection,
    state::State,
    strike::{SUPPLY_MAX, narrow},
    window::{close_sales, youth},
};
use crate::{
    amount::{Cash, Shares, Units},
    name::Name,
};

/// What so many shares cost in kind on a day, if nothing comes between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateQuote {
    /// The day.
    pub day: i64,
    /// Shares made.
    pub shares: Shares,
    /// Shares that there are before, after the fee until that day.
    pub supply: Shares,
    /// Cash to bring.
    pub cash: Cash,
    /// Units to bring, by model; models of which the fund has none are not among them.
    pub units: BTreeMap<Name, Units>,
}

/// The slice that stands for shares to be made: `⌈H·s/S⌉` of everything that the fund has.
struct Wanted<'a> {
    cash: i128,
    supply: i128,
    units: Vec<(&'a Name, i128)>,
}

/// Checks who asks for what, and charges the clock (FUND 1.6: arguments, clock, state).
fn wanted<'a>(
    book: &mut Book<'a>,
    fund: &'a FundState,
    progress: &mut super::fund_state::Progress,
    (shares, day): (i128, i64),
) -> Result<Wanted<'a>, Rejection> {
    book.charge_clock(fund, progress, day)?;
    check_seeded(book, fund)?;
    if fund.winding() {
        return Err(Rejection::Winding { fund: fund.name.clone() });
    }
    if fund.auction().call().is_some() {
        // A deposit that will be lost is not for who comes for a moment.
        return Err(refused(fund, "is open: no shares are made in kind before its batch"));
    }
    let supply = book.shares(fund);
    let part = |held: i128| math::ceil_div(held, shares, supply);
    let units = book.live(fund).into_iter().map(|model| (model, part(book.units(fund, model))));
    let units: Vec<_> = units.filter(|(_, part)| *part > 0).collect();
    let cash = part(book.cash(fund));
    if cash == 0 && units.is_empty() {
        // Shares that cost nothing would take from the others what the fund may still receive.
        return Err(Rejection::Nothing {
            what: "create shares from: the fund has neither cash nor units",
        });
    }
    Ok(Wanted { cash, supply, units })
}

pub(super) fn create_in_kind(
    state: &State,
    name: &Name,
    who: &Name,
    shares: Shares,
    day: i64,
) -> Result<Batch, Rejection> {
    let fund = find_fund(state, name)?;
    let made = check_amount("creation", shares.as_nano(), 1)?;
    let mut book = Book::over(state);
    let mut progress = fund.progress.clone();
    let Wanted { cash, supply, units } = wanted(&mut book, fund, &mut progress, (made, day))?;
    fund.check_receiver(who)?;
    let (person, owner) = (Account::Person(who.clone()), Account::Fund(name.clone()));
    covers(&book, &person, Asset::Cash, cash)?;
    let mut legs = vec![(Asset::Cash, person.clone(), owner.clone(), cash)];
    let mut lines = vec![(GlAccount::Cash, cash.saturating_mul(K))];
    let mut value = cash.saturating_mul(K);
    for (model, part) in units {
        let asset = Asset::Unit(model.clone());
        // Said before the part is valued: beyond all units there are it would not fit anywhere.
        covers(&book, &person, asset.clone(), part)?;
        let worth = part * i128::from(fund.price(model).unwrap_or_default().as_nano());
        value += worth;
        legs.push((asset, person.clone(), owner.clone(), part));
        lines.push((GlAccount::Units(model.clone()), worth));
    }
    lines.push((GlAccount::Capital, -value));
    legs.push((Asset::Share(name.clone()), Account::Issue, person, made));
    if supply + made > SUPPLY_MAX {
        let max = i64::try_from(SUPPLY_MAX).unwrap_or(i64::MAX);
        return Err(Rejection::Limit { what: format!("shares of {name}"), max });
    }
    book.post(Kind::CreateInKind, Some(name), legs, lines, Meta::None)?;
    if fund.params.window.is_some() {
        // Nobody valued what was brought: the window does not pay for it until it has aged (FUND 1.3 (4)).
        book.effect(youth::created(fund, who, (progress.day, made)));
    }
    close_sales(&mut book, fund);
    book.progressed(fund, progress);
    Ok(book.finish(Outcome::None))
}

/// `funds` unless the owner has so much.
fn covers(book: &Book<'_>, owner: &Account, asset: Asset, part: i128) -> Result<(), Rejection> {
    let balance = book.balance(owner, &asset);
    if part <= i128::from(balance) {
        return Ok(());
    }
    let (account, asset) = (Box::new(owner.clone()), Box::new(asset));
    Err(Rejection::Funds { account, asset, balance, needed: part.to_string() })
}

/// Quotes a creation in kind: the slice of today, after the management fee until `day`. A trade of the fund before it gives another slice,
/// a mark does not.
///
/// # Errors
/// The codes of a creation on that day but `funds`: nobody's balances are asked.
pub fn quote_create(
    state: &State,
    name: &Name,
    shares: Shares,
    day: i64,
) -> Result<CreateQuote, Rejection> {
    let fund = find_fund(state, name)?;
    let made = check_amount("creation", shares.as_nano(), 1)?;
    let mut book = Book::over(state);
    let mut progress = fund.progress.clone();
    let Wanted { cash, supply, units } = wanted(&mut book, fund, &mut progress, (made, day))?;
    let units = units
        .into_iter()
        .map(|(model, part)| Ok((model.clone(), Units::from_micro(narrow(part)?))));
    Ok(CreateQuote {
        day,
        shares,
        supply: Shares::from_nano(narrow(supply)?),
        cash: Cash::from_micro(narrow(cash)?),
        units: units.collect::<Result<_, Rejection>>()?,
    })
}
