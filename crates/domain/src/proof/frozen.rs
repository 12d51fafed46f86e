//! What a strike freezes and charges, as its record has it, and which orders it settled.

use std::collections::BTreeMap;

use super::{
    strike::{Fees, MarkedPrice, Order, OrderKind},
    tail::Orders,
};
use crate::{
    amount::{Cash, PriceNano, Shares, Units},
    digest::Digest,
    fund::{Asset, Batch, Effect, Entry, FundState, Kind, Meta, QueueChange, State, StrikeOutcome},
    name::Name,
};

/// What a strike is about to freeze.
#[derive(Clone, Debug)]
pub(super) struct Frozen {
    pub(super) chain: Digest,
    pub(super) cash: Cash,
    pub(super) units: BTreeMap<Name, Units>,
    pub(super) prices: BTreeMap<Name, MarkedPrice>,
}

/// Models that the fund lists and that are not delisted, with their prices.
fn live<'a>(state: &'a State, fund: &'a FundState) -> impl Iterator<Item = (&'a Name, PriceNano)> {
    let listed = fund.prices().iter().map(|(model, price)| (model, *price));
    listed.filter(|(model, _)| !state.is_delisted(model))
}

impl Frozen {
    pub(super) fn of(state: &State, fund: &FundState) -> Self {
        let mark = |(model, price): (&Name, PriceNano)| {
            (model.clone(), MarkedPrice { price, estimate: fund.estimate(model) })
        };
        let held = |(model, _): (&Name, PriceNano)| (model.clone(), fund.units(state, model));
        Self {
            chain: state.chain(),
            cash: fund.cash(state),
            units: live(state, fund).map(held).collect(),
            prices: live(state, fund).map(mark).collect(),
        }
    }
}

/// What the strike's own entries charged.
pub(super) fn fees(fund: &Name, batch: &Batch, outcome: &StrikeOutcome) -> Fees {
    let share = Asset::Share(fund.clone());
    let made = |entry: &Entry| {
        let legs = entry.custody.iter().filter(|leg| leg.asset == share);
        Shares::from_nano(legs.fold(0_i64, |sum, leg| sum.saturating_add(leg.amount)))
    };
    let mut fees = Fees::default();
    for entry in &batch.entries {
        match (entry.kind, &entry.meta) {
            (Kind::MgmtFee, Meta::Fee { days }) => {
                (fees.days, fees.management) = (*days, made(entry));
            }
            (Kind::PerfFee, _) => fees.performance = made(entry),
            _ => {}
        }
    }
    let levies = outcome.fills.iter().map(|fill| fill.levy.as_micro());
    fees.levy = Cash::from_micro(levies.fold(0_i64, i64::saturating_add));
    fees
}

/// Takes out the orders that a strike settled: the first of each kind, as many as it tells of, but joiners whose orders are held back.
pub(super) fn settled(orders: &mut Orders, batch: &Batch, outcome: &StrikeOutcome) -> Vec<Order> {
    let kept = batch.effects.iter().find_map(|effect| match effect {
        Effect::Queued { change: QueueChange::BookSettled { kept, .. }, .. } => Some(&**kept),
        _ => None,
    });
    let kept = kept.unwrap_or_default();
    let joins = (outcome.fills.len() + kept.len()) as u64;
    let leaves = outcome.slices.len() as u64;
    let (mut join, mut leave) = (0, 0);
    orders.take(|order| match order.kind {
        OrderKind::Subscription => {
            join += 1;
            join <= joins && kept.binary_search(&(join - 1)).is_err()
        }
        OrderKind::Redemption => {
            leave += 1;
            leave <= leaves
        }
        // The window's are told by its watch.
        OrderKind::Window => false,
    })
}
