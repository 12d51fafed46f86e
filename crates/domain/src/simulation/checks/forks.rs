//! The same strike once more in other ways: 9, 12.

use super::{Violation, ensure};
use crate::{
    amount::{Cash, Shares},
    fund::{Batch, Effect, Event, Outcome, QueueChange, Slice, State, StrikeOutcome, apply},
    name::Name,
    simulation::{cast::Cast, random::Random},
};

/// Orders of joiners, orders of leavers.
type Orders<'a> = (&'a [(Name, Cash)], &'a [(Name, Shares)]);

/// Strikes a copy of `before` with its queues replaced by `joins` and `leaves`.
fn strike_again(
    before: &State,
    event: &Event,
    fund: &Name,
    (joins, leaves): Orders<'_>,
) -> Option<(State, StrikeOutcome)> {
    let mut state = before.clone();
    let mut effects = vec![Effect::QueuesSettled { fund: fund.clone() }];
    if let Some(cut) = before.fund(fund).and_then(|f| f.cut_off()).filter(|cut| cut.book.is_some())
    {
        let change = QueueChange::CutOffPassed {
            at: cut.at,
            redemptions: leaves.len() as u64,
            since: cut.since,
            subscriptions: joins.len() as u64,
            window: cut.book.map_or(0, |book| book.window) as u64,
        };
        effects.push(Effect::Queued { change, fund: fund.clone() });
    }
    if let Some(book) = before.fund(fund).and_then(|f| f.open_commitment()).and_then(|o| o.book) {
        effects.push(Effect::OrdersClosed {
            day: book.day,
            fund: fund.clone(),
            redemptions: leaves.len() as u64,
            subscriptions: joins.len() as u64,
            window: book.window as u64,
        });
    }
    effects.extend(joins.iter().map(|(who, amount)| Effect::SubscriptionQueued {
        amount: *amount,
        fund: fund.clone(),
        who: who.clone(),
    }));
    effects.extend(leaves.iter().map(|(who, shares)| Effect::RedemptionQueued {
        fund: fund.clone(),
        shares: *shares,
        who: who.clone(),
    }));
    state.commit(&Batch { effects, entries: Vec::new(), outcome: Outcome::None });
    let batch = apply(&state, event).ok()?;
    state.commit(&batch);
    match batch.outcome {
        Outcome::Strike(strike) => Some((state, strike)),
        _ => None,
    }
}

fn refused(what: &str) -> Violation {
    super::broken(9, format!("the strike is refused {what}"))
}

/// Deals a strike again in another order, without joiners, and with one order split, and compares.
pub(in crate::simulation) fn check_forks(
    before: &State,
    event: &Event,
    cast: &Cast,
    seed: u64,
) -> Result<(), Violation> {
    let Some(fund) = before.fund(&cast.fund) else { return Ok(()) };
    let (mut joins, mut leaves) =
        (fund.pending_subscriptions().to_vec(), fund.pending_redemptions().to_vec());
    if let Some(book) = fund.closed_book() {
        joins.truncate(book.subscriptions);
        leaves.truncate(book.redemptions);
    }
    let mut place = 0;
    joins.retain(|_| {
        place += 1;
        fund.held_since(place - 1).is_none()
    });
    let all_leaves = leaves.clone();
    if joins.len() + leaves.len() < 2 {
        return Ok(());
    }
    let name = &cast.fund;
    let again = |joins: &[_], leaves: &[_]| strike_again(before, event, name, (joins, leaves));
    let Some((state, strike)) = again(&joins, &leaves) else { return Ok(()) };
    let mut random = Random::new(seed);
    random.shuffle(&mut joins);
    random.shuffle(&mut leaves);
    let (shuffled, _) = again(&joins, &leaves).ok_or_else(|| refused("in another order"))?;
    let pools = |state: &State| state.fund(name).map(|fund| fund.pools().clone());
    let same = shuffled.balances().eq(state.balances()) && pools(&shuffled) == pools(&state);
    ensure(9, same, || "a strike depends on the order of its orders".to_owned())?;
    let (_, alone) = again(&[], &all_leaves).ok_or_else(|| refused("alone"))?;
    ensure(9, alone.slices == strike.slices, || "a joiner changes what leavers get".to_owned())?;
    let Some((who, shares)) = leaves.iter().find(|order| order.1.as_nano() > 1).cloned() else {
        return Ok(());
    };
    let part = random.range(1, shares.as_nano());
    let index = leaves.iter().position(|order| *order == (who.clone(), shares)).unwrap_or(0);
    leaves[index].1 = Shares::from_nano(part);
    leaves.push((who.clone(), Shares::from_nano(shares.as_nano() - part)));
    let (_, split) = again(&joins, &leaves).ok_or_else(|| refused("with an order split"))?;
    let cash = |strike: &StrikeOutcome| {
        let own = strike.slices.iter().filter(|slice| slice.who == who);
        own.map(|slice| i128::from(slice.cash.as_micro())).sum::<i128>()
    };
    ensure(12, cash(&split) <= cash(&strike), || "a split order gets more cash".to_owned())?;
    let units = |slices: &[Slice], model: &Name| {
        let own = slices.iter().filter(|slice| slice.who == who);
        let parts = own.filter_map(|slice| slice.units.get(model));
        parts.map(|units| i128::from(units.as_micro())).sum::<i128>()
    };
    let more = fund.prices().keys().find(|m| units(&split.slices, m) > units(&strike.slices, m));
    ensure(12, more.is_none(), || format!("a split order gets more of {more:?}"))
}
