//! What the trades of the batches after a strike would have cost at the right marks: told by counterparty, and nobody is made to pay.
//!
//! A trade keeps its distance from the mark: the right price is `⌊tp·p'/p⌋`, with the price tp that it was made at, the wrong mark p and
//! the right one p'. Where the wrong mark was nothing, it is the right mark. Quantities stay as they were traded; at the right marks other
//! quantities would have been wanted, which nobody can know.

use std::collections::BTreeMap;

use super::super::{
    account::Asset,
    batch::{Batch, Entry, Meta},
    kind::Kind,
    math::{K, ceil_div, floor_div},
};
use crate::{
    amount::{LIMIT, PriceNano},
    name::Name,
};

/// A trade at the mark of a strike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traded {
    model: Name,
    /// With whom, by the text of the account: a provider, or the primary offer of a model.
    counterparty: String,
    units: i64,
    cash: i64,
    price: PriceNano,
    side: Side,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Bought,
    Sold,
    SoldForLeavers,
}

/// What a counterparty got too much, in micro-credits; below nothing where he got too little.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TradeExcess {
    /// At the fund's cost.
    pub fund: i64,
    /// At the cost of leavers whose units were sold to him.
    pub leavers: i64,
}

/// The trades of a batch.
#[must_use]
pub fn trades_of(batch: &Batch) -> Vec<Traded> {
    batch.entries.iter().filter_map(traded).collect()
}

fn traded(entry: &Entry) -> Option<Traded> {
    let side = match entry.kind {
        Kind::Buy => Side::Bought,
        Kind::Sell => Side::Sold,
        Kind::LiqSell => Side::SoldForLeavers,
        _ => return None,
    };
    let Meta::Trade { counterparty, model, price, .. } = &entry.meta else { return None };
    let sum = |is_units: bool| {
        let legs =
            entry.custody.iter().filter(|leg| matches!(leg.asset, Asset::Unit(_)) == is_units);
        legs.fold(0_i64, |sum, leg| sum.saturating_add(leg.amount))
    };
    Some(Traded {
        model: model.clone(),
        counterparty: counterparty.to_string(),
        units: sum(true),
        cash: sum(false),
        price: *price,
        side,
    })
}

/// What each counterparty got too much, where the right mark of a model is another; who got what he should is not in it.
#[must_use]
pub fn excess_of(
    trades: &[Traded],
    marks: &BTreeMap<Name, PriceNano>,
    right: &BTreeMap<Name, PriceNano>,
) -> BTreeMap<String, TradeExcess> {
    let mut parts = BTreeMap::<String, TradeExcess>::new();
    for trade in trades {
        let (Some(mark), Some(right)) = (marks.get(&trade.model), right.get(&trade.model)) else {
            continue;
        };
        let excess = excess(trade, *mark, *right);
        let part = parts.entry(trade.counterparty.clone()).or_default();
        let sum = match trade.side {
            Side::Bought | Side::Sold => &mut part.fund,
            Side::SoldForLeavers => &mut part.leavers,
        };
        *sum = sum.saturating_add(excess);
    }
    parts.retain(|_, part| *part != TradeExcess::default());
    parts
}

fn excess(trade: &Traded, mark: PriceNano, right: PriceNano) -> i64 {
    if mark == right {
        return 0;
    }
    let [price, mark, right] = [trade.price, mark, right].map(|p| i128::from(p.as_nano()));
    let price = if mark == 0 { right } else { floor_div(price, right, mark) };
    let (units, cash) = (i128::from(trade.units), i128::from(trade.cash));
    let excess = match trade.side {
        Side::Bought => cash - floor_div(units, price, K),
        Side::Sold | Side::SoldForLeavers => ceil_div(units, price, K) - cash,
    };
    // Beyond any amount: said as the bound.
    i64::try_from(excess.clamp(-i128::from(LIMIT), i128::from(LIMIT))).unwrap_or(LIMIT)
}
