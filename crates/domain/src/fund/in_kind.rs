//! Redemption in kind: at once, of every asset, without a price and without a counterparty.

use super::{
    account::{Account, Asset, GlAccount},
    batch::{Batch, Meta},
    book::{Book, check_amount, check_listed, check_seeded, find_fund},
    kind::Kind,
    math::{self, K},
    outcome::Outcome,
    rejection::Rejection,
    state::State,
};
use crate::{amount::Shares, name::Name};

/// What a leaver in kind says.
pub(super) struct InKind<'a> {
    pub(super) fund: &'a Name,
    pub(super) who: &'a Name,
    pub(super) shares: Shares,
    pub(super) day: i64,
    pub(super) skip: &'a [Name],
}

pub(super) fn in_kind(state: &State, order: &InKind<'_>) -> Result<Batch, Rejection> {
    let fund = find_fund(state, order.fund)?;
    let shares = check_amount("redemption", order.shares.as_nano(), 1)?;
    for model in order.skip {
        check_listed(fund, model)?;
    }
    let mut book = Book::over(state);
    let mut progress = fund.progress.clone();
    book.charge_clock(fund, &mut progress, order.day)?;
    check_seeded(&book, fund)?;
    let (person, owner) = (Account::Person(order.who.clone()), Account::Fund(fund.name.clone()));
    let share = Asset::Share(fund.name.clone());
    let has = book.balance(&person, &share);
    if shares > i128::from(has) {
        // Said before the slice is computed: beyond the supply it would not fit anywhere.
        let needed = shares.to_string();
        let (account, asset) = (Box::new(person), Box::new(share));
        return Err(Rejection::Funds { account, asset, balance: has, needed });
    }
    let supply = book.shares(fund);
    let cash = math::floor_div(book.cash(fund), shares, supply);
    let mut legs = vec![
        (share, person.clone(), Account::Issue, shares),
        (Asset::Cash, owner.clone(), person.clone(), cash),
    ];
    let mut lines = vec![(GlAccount::Cash, -cash * K)];
    let mut value = cash * K;
    for model in book.live(fund).into_iter().filter(|model| !order.skip.contains(model)) {
        let part = math::floor_div(book.units(fund, model), shares, supply);
        let worth = part * i128::from(fund.price(model).unwrap_or_default().as_nano());
        value += worth;
        legs.push((Asset::Unit(model.clone()), owner.clone(), person.clone(), part));
        lines.push((GlAccount::Units(model.clone()), -worth));
    }
    lines.push((GlAccount::Capital, value));
    book.post(Kind::InKind, Some(&fund.name), legs, lines, Meta::None)?;
    book.progressed(fund, progress);
    Ok(book.finish(Outcome::None))
}
