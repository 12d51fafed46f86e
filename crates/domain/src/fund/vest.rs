//! Vesting: proceeds of primary sales reach the contributors (FUND 2.16).

use super::{
    account::{Account, Asset},
    batch::{Batch, Effect, Meta},
    book::{Book, check_live, find_fund},
    kind::Kind,
    math,
    outcome::Outcome,
    rejection::Rejection,
    state::{State, Tranche},
};
use crate::{amount::Cash, name::Name};

/// Days before anything of a sale is released.
const CLIFF_DAYS: i64 = 90;
/// Days over which it is released afterwards.
const VESTING_DAYS: i64 = 270;

pub(super) fn vest(state: &State, name: &Name, model: &Name, day: i64) -> Result<Batch, Rejection> {
    let fund = find_fund(state, name)?;
    check_live(state, fund, model)?;
    let mut book = Book::over(state);
    let mut progress = fund.progress.clone();
    book.charge_clock(fund, &mut progress, day)?;
    let Some(record) = state.model(model) else {
        return Err(Rejection::Internal("a listed model was issued"));
    };
    let mut released = 0;
    let mut tranches = Vec::new();
    for sale in record.sales() {
        let paid = if sale.fund == *name { due(sale, day) } else { sale.paid };
        released += i128::from(paid.as_micro()) - i128::from(sale.paid.as_micro());
        if paid < sale.amount {
            tranches.push(Tranche { paid, ..sale.clone() });
        }
    }
    if released <= 0 {
        return Err(Rejection::Nothing { what: "vest" });
    }
    let owners = record.contributors();
    let mut parts = math::split(released, owners.iter().map(|(_, part)| part.as_ppb()));
    let dust = released - parts.iter().sum::<i128>();
    if let Some(first) = parts.first_mut() {
        *first += dust;
    }
    let escrow = Account::EscrowPublisher(model.clone());
    let leg = |((who, _), part): (&(Name, _), i128)| {
        (Asset::Cash, escrow.clone(), Account::Person(who.clone()), part)
    };
    let legs = owners.iter().zip(parts).map(leg).collect();
    let facts = Meta::Model { model: model.clone() };
    book.post(Kind::Vest, Some(name), legs, Vec::new(), facts)?;
    book.effect(Effect::TranchesVested { model: model.clone(), tranches });
    book.progressed(fund, progress);
    let released =
        i64::try_from(released).map_err(|_| Rejection::Internal("more vests than was sold"))?;
    Ok(book.finish(Outcome::Vested(Cash::from_micro(released))))
}

/// What of a sale is paid by `day`: nothing for the cliff, then linear; never less than before.
fn due(sale: &Tranche, day: i64) -> Cash {
    let days = day.saturating_sub(sale.day).saturating_sub(CLIFF_DAYS).clamp(0, VESTING_DAYS);
    let due = i128::from(sale.amount.as_micro()) * i128::from(days) / i128::from(VESTING_DAYS);
    // At most the amount, because the days are at most the vesting days.
    Cash::from_micro(due as i64).max(sale.paid)
}
