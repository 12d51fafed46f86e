//! Marks: accepted prices and pooled estimates, one set at a time.

use std::collections::BTreeMap;

use super::{
    account::GlAccount,
    batch::{Batch, Effect, Meta},
    book::{Book, check_amount, check_live, find_fund},
    fund_state::FundState,
    kind::Kind,
    outcome::Outcome,
    rejection::Rejection,
    reveal::check_uncommitted,
    state::State,
};
use crate::{amount::PriceNano, name::Name};

pub(super) fn mark_set(
    state: &State,
    fund: &Name,
    prices: &BTreeMap<Name, PriceNano>,
    estimates: &BTreeMap<Name, PriceNano>,
) -> Result<Batch, Rejection> {
    let fund = find_fund(state, fund)?;
    if prices.is_empty() && estimates.is_empty() {
        return Err(Rejection::Nothing { what: "mark" });
    }
    for (model, price) in prices.iter().chain(estimates) {
        check_live(state, fund, model)?;
        check_amount("price", price.as_nano(), 0)?;
    }
    check_uncommitted(fund)?;
    let mut book = Book::over(state);
    mark(&mut book, fund, prices, estimates)?;
    mark_bids(&mut book, fund, prices);
    Ok(book.finish(Outcome::None))
}

/// Where prices of all models are set, bids whose opening is over may meet them: one that was left out would trade at an old mark.
fn mark_bids(book: &mut Book<'_>, fund: &FundState, prices: &BTreeMap<Name, PriceNano>) {
    let all = book.live(fund).into_iter().all(|model| prices.contains_key(model));
    if let Some(change) = fund.marks_bids().filter(|_| all) {
        book.effect(Effect::Bids { change, fund: fund.name.clone() });
    }
}

/// Moves the fair value of what the fund holds against unrealised gains; no cash moves.
pub(super) fn mark(
    book: &mut Book<'_>,
    fund: &FundState,
    prices: &BTreeMap<Name, PriceNano>,
    estimates: &BTreeMap<Name, PriceNano>,
) -> Result<(), Rejection> {
    let mut lines = Vec::with_capacity(2 * prices.len());
    let mut old = BTreeMap::new();
    for (model, price) in prices {
        let before = fund.price(model).unwrap_or_default();
        let change = i128::from(price.as_nano()) - i128::from(before.as_nano());
        let gain = book.units(fund, model) * change;
        lines.push((GlAccount::Units(model.clone()), gain));
        lines.push((GlAccount::Unrealised, -gain));
        old.insert(model.clone(), before);
    }
    let (estimates, prices) = (estimates.clone(), prices.clone());
    let facts = Meta::Marks { estimates: estimates.clone(), old, prices: prices.clone() };
    book.post(Kind::Mark, Some(&fund.name), Vec::new(), lines, facts)?;
    book.effect(Effect::Priced { estimates, fund: fund.name.clone(), prices });
    Ok(())
}
