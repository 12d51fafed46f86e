//! Distribution: the publishers' part of the management fee goes from the pool to those who made what the fund held (FUND 1.2).
//!
//! For each strike of a span: what the fee has put into the pool since the strike before, which is proportional to the days, times each
//! model's part of the value of the units held, times the part of its fee that likeness leaves its publisher, to its contributors by
//! their split. Every quotient is rounded down; what is not given stays in the pool.

use std::collections::BTreeMap;

use super::{
    account::{Account, Asset},
    batch::{Batch, Effect, Meta},
    book::{Book, ORDERS_MAX, check_amount, check_listed, find_fund, limit},
    event::Event,
    kind::Kind,
    math::{self, K},
    outcome::Outcome,
    rejection::Rejection,
    state::State,
};
use crate::{
    amount::{Femto, LIMIT, PPB_ONE, Ppb, Shares},
    name::Name,
};

/// What one strike of a span has to divide.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeeSpan {
    /// Shares that the management fee has put into the pool since the strike before.
    pub pool: Shares,
    /// Value of the units that the fund held, by model.
    pub values: BTreeMap<Name, Femto>,
    /// What likeness left each model of its part at this strike, where it was not the whole.
    pub fee_shares: BTreeMap<Name, Ppb>,
}

/// A model that was held has no fee share.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("model {model} was held, and no fee share is given for it")]
pub struct MissingFeeShare {
    /// The model.
    pub model: Name,
}

/// Who gets how much of a span; `pool` is the pool's own name, which gets nothing. Each strike is divided by the fee shares that were in
/// force at it, unless `fee_shares` states others for the whole span, as distributions did before strikes had their own.
///
/// # Errors
/// [`MissingFeeShare`] for a model that was held and is not in `fee_shares`, where that states any.
pub fn divide_fees<'a>(
    spans: impl IntoIterator<Item = FeeSpan>,
    fee_shares: &BTreeMap<Name, Ppb>,
    contributors: impl Fn(&Name) -> &'a [(Name, Ppb)],
    pool: &Name,
) -> Result<BTreeMap<Name, Shares>, MissingFeeShare> {
    let mut parts = BTreeMap::<Name, i64>::new();
    for span in spans {
        let value = |femto: &Femto| femto.as_femto().unwrap_or(i128::MAX);
        let whole = span.values.values().fold(0_i128, |sum, v| sum.saturating_add(value(v)));
        for (model, held) in span.values.iter().filter(|(_, held)| value(held) > 0) {
            let missing = || MissingFeeShare { model: model.clone() };
            let own = || span.fee_shares.get(model).copied().unwrap_or(Ppb::from_ppb(PPB_ONE));
            let share = match fee_shares.get(model) {
                Some(share) => *share,
                None if fee_shares.is_empty() => own(),
                None => return Err(missing()),
            };
            let earned = math::floor_div(i128::from(span.pool.as_nano()), value(held), whole);
            let earned = math::floor_div(earned, i128::from(share.as_ppb().clamp(0, PPB_ONE)), K);
            for (who, split) in contributors(model).iter().filter(|(who, _)| who != pool) {
                let part = math::floor_div(earned, i128::from(split.as_ppb()), K);
                // A part of what is in one balance.
                let part = i64::try_from(part).unwrap_or(LIMIT);
                let sum = parts.entry(who.clone()).or_default();
                *sum = sum.saturating_add(part);
            }
        }
    }
    parts.retain(|_, part| *part > 0);
    Ok(parts.into_iter().map(|(who, part)| (who, Shares::from_nano(part))).collect())
}

pub(super) fn distribute_fees(state: &State, event: &Event) -> Result<Batch, Rejection> {
    let Event::DistributeFees { fund: name, from, to, fee_shares, parts } = event else {
        return Err(Rejection::Internal("a distribution is another event"));
    };
    let fund = find_fund(state, name)?;
    let outside = |what, value: u64, max: u64| {
        let max = i64::try_from(max).unwrap_or(LIMIT);
        Rejection::Amount { what, value: value.to_string(), min: 1, max }
    };
    if !(1..=fund.epoch()).contains(to) {
        return Err(outside("last strike of the span", *to, fund.epoch()));
    }
    if !(1..=*to).contains(from) {
        return Err(outside("first strike of the span", *from, *to));
    }
    for (model, share) in fee_shares {
        check_listed(fund, model)?;
        if !(0..=PPB_ONE).contains(&share.as_ppb()) {
            let (what, value) = (format!("fee share of {model}"), share.as_ppb().to_string());
            return Err(Rejection::Weights { what, value, max: PPB_ONE });
        }
    }
    if parts.len() > ORDERS_MAX {
        return Err(limit(format!("owners who receive fees of {name}")));
    }
    let pool = Account::Person(fund.params.publisher_pool.clone());
    let mut legs = Vec::with_capacity(parts.len());
    for (owner, shares) in parts {
        let shares = check_amount("part of the fees", shares.as_nano(), 1)?;
        if *owner == fund.params.publisher_pool {
            let why = "the pool would pay itself";
            return Err(Rejection::Owner { given: owner.to_string(), why });
        }
        let to = Account::Person(owner.clone());
        legs.push((Asset::Share(name.clone()), pool.clone(), to, shares));
    }
    let next = fund.distributed.saturating_add(1);
    if *from < next {
        return Err(Rejection::Exists { what: format!("a distribution of strike {from}") });
    }
    if *from > next {
        return Err(outside("first strike of the span", *from, next));
    }
    parts.keys().try_for_each(|owner| fund.check_receiver(owner))?;
    if legs.is_empty() {
        return Err(Rejection::Nothing { what: "distribute" });
    }
    let (from, to) = (*from, *to);
    let mut book = Book::over(state);
    let facts = Meta::Distribution { from, to };
    book.post(Kind::FeeDistribution, Some(name), legs, Vec::new(), facts)?;
    book.effect(Effect::FeesDistributed { fund: name.clone(), through: to });
    Ok(book.finish(Outcome::None))
}
