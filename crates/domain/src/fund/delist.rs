//! Delisting: a model is written down to nothing, once, and what it still brings belongs to the holders of record (FUND 1.4).

use std::collections::BTreeMap;

use super::{
    account::{Account, Asset, GlAccount},
    batch::{Batch, Effect, Meta},
    book::{Book, DraftLeg, check_live, check_seeded, find_fund},
    fund_state::FundState,
    kind::Kind,
    mark::mark,
    math::{self, K},
    outcome::Outcome,
    rejection::Rejection,
    state::State,
};
use crate::{amount::PriceNano, name::Name};

pub(super) fn delist(state: &State, name: &Name, model: &Name) -> Result<Batch, Rejection> {
    let asking = find_fund(state, name)?;
    check_live(state, asking, model)?;
    let mut book = Book::over(state);
    check_seeded(&book, asking)?;
    let others = state.funds().filter(|fund| fund.name != *name && fund.price(model).is_some());
    let funds: Vec<&FundState> = std::iter::once(asking).chain(others).collect();
    let recovered = recoveries(&book, &funds, model);
    for (fund, recovered) in funds.into_iter().zip(recovered) {
        mark(
            &mut book,
            fund,
            &BTreeMap::from([(model.clone(), PriceNano::ZERO)]),
            &BTreeMap::new(),
        )?;
        if book.shares(fund) > 0 {
            set_apart(&mut book, fund, model, recovered, fund.name == *name)?;
        }
    }
    book.effect(Effect::ModelDelisted { model: model.clone() });
    Ok(book.finish(Outcome::None))
}

/// What each fund's holders receive of bond and unpaid sales: by units of the fund and its leavers, and what cannot be divided to the first.
fn recoveries(book: &Book<'_>, funds: &[&FundState], model: &Name) -> Vec<i128> {
    let cash = |account| i128::from(book.balance(&account, &Asset::Cash));
    let total = cash(Account::Bond(model.clone())) + cash(Account::EscrowPublisher(model.clone()));
    let held = |fund: &&FundState| {
        let pools = fund.pools.keys().map(|epoch| {
            let account = Account::Liquidation { fund: fund.name.clone(), epoch: *epoch };
            i128::from(book.balance(&account, &Asset::Unit(model.clone())))
        });
        // At most the units that exist, which fit.
        (book.units(fund, model) + pools.sum::<i128>()) as i64
    };
    let weights: Vec<i64> = funds.iter().map(held).collect();
    let mut parts = math::split(total, weights.iter().copied());
    let dust = total - parts.iter().sum::<i128>();
    if let Some(first) = parts.first_mut() {
        *first += dust;
    }
    parts
}

/// Moves one fund's units to the side, gives its holders of record their claims, and pays them what was recovered.
fn set_apart(
    book: &mut Book<'_>,
    fund: &FundState,
    model: &Name,
    recovered: i128,
    asking: bool,
) -> Result<(), Rejection> {
    let name = &fund.name;
    let mut legs = unit_legs(book, fund, model);
    let holders = holders_of_record(book, fund)?;
    let claim = Asset::SideClaim { fund: name.clone(), model: model.clone() };
    for (holder, shares) in &holders {
        legs.push((claim.clone(), Account::Issue, holder.clone(), i128::from(*shares)));
    }
    let (bond, escrow) = (Account::Bond(model.clone()), Account::EscrowPublisher(model.clone()));
    if asking {
        let unpaid = i128::from(book.balance(&escrow, &Asset::Cash));
        legs.push((Asset::Cash, escrow, bond.clone(), unpaid));
    }
    let mut dust = recovered;
    let parts = math::split(recovered, holders.iter().map(|(_, shares)| *shares));
    for ((holder, _), part) in holders.iter().zip(parts) {
        if let Account::Person(who) = holder {
            dust -= part;
            legs.push((Asset::Cash, bond.clone(), Account::Claim(who.clone()), part));
        }
    }
    legs.push((Asset::Cash, bond, Account::Fund(name.clone()), dust));
    let lines = vec![(GlAccount::Cash, dust * K), (GlAccount::Income, -dust * K)];
    let facts = Meta::Model { model: model.clone() };
    book.post(Kind::SidePocket, Some(name), legs, lines, facts)
}

/// The fund's units go aside; leavers of earlier strikes get theirs in kind.
fn unit_legs(book: &Book<'_>, fund: &FundState, model: &Name) -> Vec<DraftLeg> {
    let unit = Asset::Unit(model.clone());
    let side = Account::Side { fund: fund.name.clone(), model: model.clone() };
    let owner = Account::Fund(fund.name.clone());
    let mut legs = vec![(unit.clone(), owner, side.clone(), book.units(fund, model))];
    for (epoch, pool) in &fund.pools {
        let from = Account::Liquidation { fund: fund.name.clone(), epoch: *epoch };
        let units = i128::from(book.balance(&from, &unit));
        let parts = math::split(units, pool.owners.iter().map(|(_, shares)| shares.as_nano()));
        let dust = units - parts.iter().sum::<i128>();
        for ((who, _), part) in pool.owners.iter().zip(parts) {
            legs.push((unit.clone(), from.clone(), Account::Person(who.clone()), part));
        }
        legs.push((unit.clone(), from, side.clone(), dust));
    }
    legs
}

/// Everybody with shares, those in the redemption queue counted for their owners, by the text of the account.
fn holders_of_record(book: &Book<'_>, fund: &FundState) -> Result<Vec<(Account, i64)>, Rejection> {
    let mut shares = BTreeMap::<Account, i64>::new();
    for (account, held) in book.base.accounts_of(&Asset::Share(fund.name.clone())) {
        match account {
            Account::Person(_) | Account::Locked(_) => {
                shares.insert(account.clone(), held);
            }
            Account::Issue | Account::EscrowRedemptions(_) => {}
            _ => return Err(Rejection::Internal("an account holds shares that cannot")),
        }
    }
    for (who, queued) in fund.redemptions.iter().chain(fund.window.requests()) {
        let held = shares.entry(Account::Person(who.clone())).or_default();
        *held = held.saturating_add(queued.as_nano());
    }
    let mut holders: Vec<_> = shares.into_iter().collect();
    holders.sort_by_cached_key(|(account, _)| account.short());
    Ok(holders)
}
