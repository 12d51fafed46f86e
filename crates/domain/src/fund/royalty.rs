//! Royalties: income of a model to all who hold its units (FUND 2.17).

use std::collections::BTreeMap;

use super::{
    account::{Account, Asset, GlAccount},
    batch::{Batch, Meta},
    book::{Book, UNITS, check_cash},
    kind::Kind,
    math::{self, K},
    outcome::Outcome,
    rejection::Rejection,
    state::State,
};
use crate::{amount::Cash, name::Name};

pub(super) fn royalty(state: &State, model: &Name, amount: Cash) -> Result<Batch, Rejection> {
    let Some(record) = state.model(model) else {
        return Err(Rejection::Model { model: model.to_string() });
    };
    let cash = check_cash("royalty", amount)?;
    let mut parts = shares_of(state, model, cash)?;
    let Some((first, _)) = record.contributors().first() else {
        return Err(Rejection::Internal("a model has contributors"));
    };
    let dust = cash - parts.values().sum::<i128>();
    *parts.entry(Account::Person(first.clone())).or_default() += dust;
    post(state, model, parts)
}

/// What each owner receives, rounded down; holders' parts pass on to the persons behind them.
fn shares_of(
    state: &State,
    model: &Name,
    cash: i128,
) -> Result<BTreeMap<Account, i128>, Rejection> {
    let mut parts = BTreeMap::<Account, i128>::new();
    let mut give = |account: Account, part: i128| *parts.entry(account).or_default() += part;
    for (owner, units) in state.accounts_of(&Asset::Unit(model.clone())).filter(|o| o.1 > 0) {
        let part = math::floor_div(cash, i128::from(units), i128::from(UNITS));
        match owner {
            Account::Primary(_) => {
                let owners = state.model(model).map_or(&[][..], |m| m.contributors());
                let split = math::split(part, owners.iter().map(|(_, share)| share.as_ppb()));
                for ((who, _), part) in owners.iter().zip(split) {
                    give(Account::Person(who.clone()), part);
                }
            }
            Account::Liquidation { fund, epoch } => {
                let pool = state.fund(fund).and_then(|fund| fund.pools().get(epoch));
                let Some(pool) = pool else {
                    return Err(Rejection::Internal("leavers' units belong to an open pool"));
                };
                let weights = pool.owners.iter().map(|(_, shares)| shares.as_nano());
                for ((who, _), part) in pool.owners.iter().zip(math::split(part, weights)) {
                    give(Account::Claim(who.clone()), part);
                }
            }
            Account::Side { fund, model } => {
                let claim = Asset::SideClaim { fund: fund.clone(), model: model.clone() };
                let holders: Vec<_> = state.accounts_of(&claim).filter(|o| o.1 > 0).collect();
                let split = math::split(part, holders.iter().map(|(_, claims)| *claims));
                for ((holder, _), part) in holders.into_iter().zip(split) {
                    give(behind(holder, fund)?, part);
                }
            }
            Account::Person(_) | Account::Fund(_) => give(owner.clone(), part),
            _ => return Err(Rejection::Internal("an account holds units that cannot")),
        }
    }
    Ok(parts)
}

/// Who receives what a holder of record is due: locked claims pay the fund.
fn behind(holder: &Account, fund: &Name) -> Result<Account, Rejection> {
    match holder {
        Account::Person(who) => Ok(Account::Claim(who.clone())),
        Account::Locked(_) => Ok(Account::Fund(fund.clone())),
        _ => Err(Rejection::Internal("a side claim is held by an account that cannot")),
    }
}

/// One entry for the first fund that receives and for all persons, and one for each further fund: an entry belongs to one fund at most.
fn post(state: &State, model: &Name, parts: BTreeMap<Account, i128>) -> Result<Batch, Rejection> {
    let mut funds = Vec::new();
    let mut others = Vec::new();
    for (account, part) in parts {
        match account {
            Account::Fund(fund) => funds.push((fund, part)),
            account => others.push((account, part)),
        }
    }
    let mut book = Book::over(state);
    let mut funds = funds.into_iter();
    let mut fund = funds.next();
    let mut to = others;
    loop {
        let mut lines = Vec::new();
        if let Some((name, part)) = &fund {
            to.push((Account::Fund(name.clone()), *part));
            lines.push((GlAccount::Cash, part * K));
            lines.push((GlAccount::Income, -part * K));
        }
        to.sort_by_cached_key(|(account, _)| account.short());
        let legs = std::mem::take(&mut to).into_iter();
        let legs = legs.map(|(account, part)| (Asset::Cash, Account::Outside, account, part));
        let facts = Meta::Model { model: model.clone() };
        let name = fund.as_ref().map(|(name, _)| name);
        book.post(Kind::Royalty, name, legs.collect(), lines, facts)?;
        fund = funds.next();
        if fund.is_none() {
            return Ok(book.finish(Outcome::None));
        }
    }
}
