//! Dealing: 7, 8, 10, 11, 13, 18, 19, 28.

use super::{Seen, Standing, Violation, books, ensure, not_below};
use crate::{
    amount::Shares,
    fund::{Event, Fill, FundState, Slice, StrikeOutcome},
    simulation::{
        cast::MODELS,
        model::math::{K, above, down, up},
    },
};

/// Escrows and locked shares after an event that can move them.
pub(super) fn check_queues(seen: &Seen<'_>, fund: &FundState) -> Result<(), Violation> {
    match seen.event {
        Event::Subscribe { .. }
        | Event::Redeem { .. }
        | Event::CancelSubscription { .. }
        | Event::CancelRedemption { .. }
        | Event::ReopenOrders { .. }
        | Event::Strike { .. }
        | Event::SealBids { .. }
        | Event::OpenBids { .. }
        | Event::TakeBackBids { .. }
        | Event::CallBids { .. }
        | Event::CloseBids { .. }
        | Event::Pause { .. }
        | Event::AdoptMethodology { .. }
        | Event::Rebalance { .. }
        | Event::RequestWindow { .. }
        | Event::CancelWindow { .. }
        | Event::PayWindow { .. }
        | Event::InKind { .. }
        | Event::CreateInKind { .. }
        | Event::Seed { .. } => books::check_queues(seen.after, fund, seen.cast),
        _ => Ok(()),
    }
}

/// A strike: slices first against what was frozen, then joiners, then both together.
pub(super) fn check_strike(
    seen: &Seen<'_>,
    fund: &FundState,
    before: &Standing,
    after: &Standing,
    strike: &StrikeOutcome,
) -> Result<(), Violation> {
    let frozen = i128::from(strike.shares.as_nano());
    let nav = strike.nav.as_femto().unwrap_or(i128::MAX);
    ensure(6, nav == before.nav, || format!("frozen NAV {nav}, held {}", before.nav))?;
    // Who waits on, and who does not, is told by the numbers of their requests: 25.
    let waits = fund.holds_subscriptions() || fund.restrictions().is_paused();
    let holds = waits && !strike.winding;
    let filled = strike.fills.iter().any(|fill| fill.shares > Shares::ZERO);
    ensure(28, !holds || !filled, || "a joiner was not held back".to_owned())?;
    check_slices(seen, before, &strike.slices, frozen)?;
    let ask = strike.ask.as_femto().unwrap_or(i128::MAX);
    ensure(8, ask >= nav, || format!("ask {ask} below NAV {nav}"))?;
    let levy_in = i128::from(fund.params().levy_in.as_ppb());
    strike.fills.iter().try_for_each(|f| check_fill(f, strike, (ask, frozen, levy_in)))?;
    let made: i128 = strike.fills.iter().map(|f| i128::from(f.shares.as_nano())).sum();
    let burned: i128 = strike.slices.iter().map(|s| i128::from(s.shares.as_nano())).sum();
    ensure(10, after.shares == frozen + made - burned, || {
        format!("{frozen} shares, {made} made, {burned} burned, {} left", after.shares)
    })?;
    let paid: i128 = strike.fills.iter().map(spent).sum();
    let out: i128 = strike.slices.iter().map(|s| i128::from(s.cash.as_micro())).sum();
    ensure(10, after.cash == before.cash + paid - out, || {
        format!("cash {} + {paid} - {out} is not {}", before.cash, after.cash)
    })?;
    ensure(7, not_below(after.nav, after.shares, nav, frozen), || {
        format!("NAV per share fell from {nav}/{frozen} to {}/{}", after.nav, after.shares)
    })?;
    check_gain(strike, before, after, (nav, ask, frozen))
}

fn spent(fill: &Fill) -> i128 {
    i128::from(fill.cost.as_micro()) + i128::from(fill.levy.as_micro())
}

/// One rate a share for every request, in every asset; what stays is not less per share.
fn check_slices(
    seen: &Seen<'_>,
    before: &Standing,
    slices: &[Slice],
    frozen: i128,
) -> Result<(), Violation> {
    let (mut cash, mut units, mut left) = (before.cash, before.units, frozen);
    for slice in slices {
        let shares = i128::from(slice.shares.as_nano());
        let paid = i128::from(slice.cash.as_micro());
        ensure(10, paid == down(before.cash, shares, frozen), || {
            format!("{} gets {paid} of {} for {shares} of {frozen}", slice.who, before.cash)
        })?;
        for (name, part) in &slice.units {
            let Some(model) = seen.cast.find_model(name) else { continue };
            let part = i128::from(part.as_micro());
            ensure(10, part == down(before.units[model], shares, frozen), || {
                format!("{} gets {part} of {name} for {shares} of {frozen}", slice.who)
            })?;
            units[model] -= part;
        }
        cash -= paid;
        left -= shares;
    }
    ensure(11, not_below(cash, left, before.cash, frozen), || "cash a share fell".to_owned())?;
    let fell = (0..MODELS).find(|m| !not_below(units[*m], left, before.units[*m], frozen));
    ensure(11, fell.is_none(), || format!("{} a share fell", seen.cast.models[fell.unwrap_or(0)]))
}

/// A joiner pays the ask at least, and the levy; or nothing at all.
fn check_fill(
    fill: &Fill,
    strike: &StrikeOutcome,
    (ask, frozen, levy_in): (i128, i128, i128),
) -> Result<(), Violation> {
    let text = || format!("fill {fill:?} at ask {ask} of {frozen}");
    if fill.shares == Shares::ZERO {
        return ensure(7, spent(fill) == 0, text);
    }
    ensure(18, !strike.winding, text)?;
    let [cash, cost, levy] = [fill.cash, fill.cost, fill.levy].map(|c| i128::from(c.as_micro()));
    let shares = i128::from(fill.shares.as_nano());
    ensure(7, cost + levy <= cash && levy * K >= cash * levy_in, text)?;
    ensure(7, not_below(cost * K, shares, ask, frozen), text)
}

/// What dealing adds to those who stay: less than a step a flow, the levy, and what was paid above the mark.
fn check_gain(
    strike: &StrikeOutcome,
    before: &Standing,
    after: &Standing,
    (nav, ask, frozen): (i128, i128, i128),
) -> Result<(), Violation> {
    let levies: i128 = strike.fills.iter().map(|f| i128::from(f.levy.as_micro())).sum();
    let made: i128 = strike.fills.iter().map(|f| i128::from(f.shares.as_nano())).sum();
    let steps = K + before.prices.iter().sum::<i128>();
    let (joins, leaves) = (strike.fills.len() as i128, strike.slices.len() as i128);
    let allowed = joins * K + levies * K + leaves * steps;
    // after.nav·S ≤ nav·S' + S·allowed + made·(ask - nav), with everything on the side where it is positive.
    let over = down(made, ask - nav, frozen) + 1 + allowed;
    let bound = down(nav, after.shares, frozen).saturating_add(over).saturating_add(1);
    ensure(8, after.nav <= bound, || {
        format!("dealing left {} where {bound} is the most, at {nav}/{frozen}", after.nav)
    })
}

/// Leaving in kind: burned whole, nothing per share falls, no price is used.
pub(super) fn check_in_kind(
    seen: &Seen<'_>,
    before: &Standing,
    after: &Standing,
    burned: i128,
) -> Result<(), Violation> {
    // After the fee of the days passed, before the redemption.
    let supply = after.shares + burned;
    ensure(18, supply >= before.shares, || format!("{burned} redeemed, {} left", after.shares))?;
    let cash = not_below(after.cash, after.shares, before.cash, supply);
    let fell = |m: &usize| !not_below(after.units[*m], after.shares, before.units[*m], supply);
    ensure(11, cash, || "cash a share fell in kind".to_owned())?;
    let fell = (0..MODELS).find(fell);
    ensure(11, fell.is_none(), || {
        format!("{} a share fell in kind", seen.cast.models[fell.unwrap_or(0)])
    })?;
    let lower = above(before.nav, after.shares, after.nav, supply);
    ensure(13, !lower, || format!("in kind, NAV per share fell from {}/{supply}", before.nav))?;
    let out = before.cash - after.cash;
    ensure(13, out == down(before.cash, burned, supply), || format!("in kind paid {out} in cash"))
}

/// Creation in kind: the exact slice and no less, whatever the marks say; nobody who is there has less per share of anything.
pub(super) fn check_created(
    seen: &Seen<'_>,
    fund: &FundState,
    before: &Standing,
    after: &Standing,
    made: i128,
) -> Result<(), Violation> {
    ensure(18, !fund.winding(), || "a winding fund made shares".to_owned())?;
    // After the fee of the days passed, before the creation.
    let supply = after.shares - made;
    ensure(18, supply >= before.shares && made > 0, || format!("{made} made of {supply}"))?;
    let cash = not_below(after.cash, after.shares, before.cash, supply);
    ensure(11, cash, || "cash a share fell at a creation".to_owned())?;
    let fell = |m: &usize| !not_below(after.units[*m], after.shares, before.units[*m], supply);
    let fell = (0..MODELS).find(fell);
    ensure(11, fell.is_none(), || {
        format!("{} a share fell at a creation", seen.cast.models[fell.unwrap_or(0)])
    })?;
    ensure(13, not_below(after.nav, after.shares, before.nav, supply), || {
        format!("NAV per share fell from {}/{supply} at a creation", before.nav)
    })?;
    let brought = after.cash - before.cash;
    ensure(13, brought == up(before.cash, made, supply), || format!("a creation took {brought}"))?;
    let exact = |m: usize| after.units[m] - before.units[m] == up(before.units[m], made, supply);
    ensure(13, (0..MODELS).all(exact), || "a creation took other units".to_owned())
}
