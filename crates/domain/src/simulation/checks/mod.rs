//! The invariants of FUND 3 that concern the engine, each failure under its number.
//!
//! They read the engine's state and the batch alone; the model beside the engine is no part of them.

mod access;
pub(super) mod books;
pub(super) mod dealing;
mod fees;
mod forks;
pub(super) mod reveal;
mod trading;
mod window;

use ruint::aliases::U256;

use super::cast::{CASH, Cast, FUND, ISSUE, LOCKED, MODELS, OUTSIDE, SHARE, unit};
use crate::{
    amount::Femto,
    fund::{Account, Batch, Event, FundState, GlAccount, Kind, Leg, Outcome, State},
};

pub(super) use forks::check_forks;

/// What does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Violation {
    /// The number of FUND 3, or nothing where the independent model says otherwise.
    pub(super) invariant: Option<u8>,
    /// In words, with the numbers.
    pub(super) text: String,
}

pub(super) fn broken(invariant: u8, text: impl Into<String>) -> Violation {
    Violation {
        invariant: Some(invariant),
        text: format!("invariant {invariant}: {}", text.into()),
    }
}

/// Fails under the number of an invariant unless `holds`.
pub(super) fn ensure(
    invariant: u8,
    holds: bool,
    text: impl FnOnce() -> String,
) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(broken(invariant, text())) }
}

/// `a/b ≥ c/d`, exactly, for numbers that are not negative.
pub(super) fn not_below(a: i128, b: i128, c: i128, d: i128) -> bool {
    let wide = |x: i128| U256::from(x.max(0).unsigned_abs());
    wide(a) * wide(d) >= wide(c) * wide(b)
}

/// A fund as the engine has it, at one moment.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) nav: i128,
    pub(super) shares: i128,
    pub(super) cash: i128,
    pub(super) units: [i128; MODELS],
    pub(super) prices: [i128; MODELS],
    pub(super) trading: Femto,
    pub(super) income: Femto,
    pub(super) pools: Vec<(u64, u32)>,
}

impl Standing {
    /// Reads balances one by one: NAV is summed here and not asked of the engine.
    pub(super) fn of(state: &State, fund: &FundState, cast: &Cast) -> Self {
        let owner = &cast.accounts[FUND];
        let cash = i128::from(state.balance(owner, &cast.assets[CASH]));
        let (mut units, mut prices, mut nav) = ([0; MODELS], [0; MODELS], cash * 1_000_000_000);
        for (name, price) in fund.prices() {
            let Some(model) = cast.find_model(name) else { continue };
            units[model] = i128::from(state.balance(owner, &cast.assets[unit(model)]));
            prices[model] = i128::from(price.as_nano());
            nav += units[model] * prices[model];
        }
        let shares = -i128::from(state.balance(&cast.accounts[ISSUE], &cast.assets[SHARE]));
        let trading = fund.gl(&GlAccount::Trading);
        let income = fund.gl(&GlAccount::Income);
        let pools = fund.pools().iter().map(|(epoch, pool)| (*epoch, pool.batches)).collect();
        Self { nav, shares, cash, units, prices, trading, income, pools }
    }
}

/// What is small and looked at after every event.
#[derive(Clone, Debug)]
pub(super) struct Progressed {
    day: i64,
    hwm: Option<(i128, i128)>,
    winding: bool,
}

impl Progressed {
    pub(super) fn of(fund: &FundState) -> Self {
        let pair = |(nav, shares): (Femto, crate::amount::Shares)| {
            (nav.as_femto().unwrap_or(i128::MAX), i128::from(shares.as_nano()))
        };
        Self { day: fund.day(), hwm: fund.hwm().map(pair), winding: fund.winding() }
    }
}

/// One committed event with what was before it.
pub(super) struct Seen<'a> {
    pub(super) cast: &'a Cast,
    pub(super) event: &'a Event,
    pub(super) batch: &'a Batch,
    pub(super) after: &'a State,
    /// Both none before there is a fund.
    pub(super) progressed: Option<Progressed>,
    pub(super) standing: Option<Standing>,
    /// What is outside: deposits and royalties less withdrawals, by the events' own words.
    pub(super) brought: i128,
}

/// Whether an event can change what a fund holds: it is worth a [`Standing`] before and after.
pub(super) const fn is_heavy(event: &Event) -> bool {
    matches!(
        event,
        Event::Strike { .. }
            | Event::PayWindow { .. }
            | Event::TakeBackBids { .. }
            | Event::CallBids { .. }
            | Event::CloseBids { .. }
            | Event::InKind { .. }
            | Event::CreateInKind { .. }
            | Event::Compensate { .. }
            | Event::Rebalance { .. }
            | Event::MarkSet { .. }
            | Event::RevealPrices { .. }
            | Event::Seed { .. }
            | Event::Royalty { .. }
            | Event::Delist { .. }
            | Event::Vest { .. }
    )
}

/// Checks what one event may have done, on what it touched.
pub(super) fn check_event(seen: &Seen<'_>) -> Result<(), Violation> {
    check_entries(seen)?;
    let outside = seen.after.balance(&seen.cast.accounts[OUTSIDE], &seen.cast.assets[CASH]);
    ensure(39, i128::from(outside) == -seen.brought, || {
        format!("{} credits came in, {} are there", seen.brought, -outside)
    })?;
    let Some(fund) = seen.after.fund(&seen.cast.fund) else { return Ok(()) };
    check_progress(seen, fund)?;
    dealing::check_queues(seen, fund)?;
    access::check_access(seen, fund)?;
    fees::check_fees(seen, fund)?;
    let Some(before) = &seen.standing else {
        let still = !touches_fund(seen.batch);
        return ensure(4, still, || format!("{} touched a fund", seen.event.op()));
    };
    let after = Standing::of(seen.after, fund, seen.cast);
    books::check_fund(fund, &after, seen.cast)?;
    match (seen.event, &seen.batch.outcome) {
        (Event::Strike { .. }, Outcome::Strike(strike)) => {
            dealing::check_strike(seen, fund, before, &after, strike)
        }
        (Event::PayWindow { .. }, Outcome::Window(fills)) => {
            window::check_window(seen, fund, before, &after, fills)
        }
        (Event::InKind { shares, .. }, _) => {
            dealing::check_in_kind(seen, before, &after, i128::from(shares.as_nano()))
        }
        (Event::CreateInKind { shares, .. }, _) => {
            dealing::check_created(seen, fund, before, &after, i128::from(shares.as_nano()))
        }
        (Event::Compensate { fund_part, .. }, _) => {
            let paid = after.cash - before.cash == i128::from(fund_part.as_micro());
            let same = before.units == after.units && before.shares == after.shares;
            ensure(39, paid && same, || "a compensation moved more than it says".to_owned())
        }
        (Event::Rebalance { spread, max_primary, .. }, _) => {
            let limit = max_primary.map(|part| i128::from(part.as_ppb()));
            trading::check_rebalance(seen, fund, before, &after, (spread.as_ppb(), limit))
        }
        (Event::TakeBackBids { .. } | Event::CallBids { .. } | Event::CloseBids { .. }, _) => {
            trading::check_lost(seen, fund, before, &after)
        }
        (Event::MarkSet { .. } | Event::RevealPrices { .. }, _) => check_mark(seen, before, &after),
        (Event::Vest { .. } | Event::Royalty { .. }, _) => {
            let same = before.units == after.units && before.cash <= after.cash;
            ensure(6, same, || "income took something from the fund".to_owned())
        }
        _ => Ok(()),
    }
}

fn touches_fund(batch: &Batch) -> bool {
    let own = |a: &Account| matches!(a, Account::Fund(_) | Account::Locked(_));
    batch.entries.iter().any(|entry| {
        !entry.gl.is_empty() || entry.custody.iter().any(|leg| own(&leg.from) || own(&leg.to))
    })
}

/// Both books balance in every entry: legs move something between two owners, lines sum to nothing.
fn check_entries(seen: &Seen<'_>) -> Result<(), Violation> {
    for entry in &seen.batch.entries {
        let moves = |leg: &Leg| leg.amount > 0 && leg.from != leg.to;
        ensure(1, entry.custody.iter().all(moves), || {
            format!("an entry {} makes something of nothing", entry.kind.as_str())
        })?;
        let sum: Femto = entry.gl.iter().map(|line| line.delta).sum();
        ensure(3, sum.is_zero(), || {
            format!("an entry {} of the valuation ledger sums to {sum}", entry.kind.as_str())
        })?;
    }
    Ok(())
}

fn check_progress(seen: &Seen<'_>, fund: &FundState) -> Result<(), Violation> {
    let (Some(old), new) = (&seen.progressed, Progressed::of(fund)) else { return Ok(()) };
    ensure(16, new.day >= old.day, || format!("the clock went from {} to {}", old.day, new.day))?;
    let day = match seen.event {
        Event::Strike { day, .. }
        | Event::PayWindow { day, .. }
        | Event::TakeBackBids { day, .. }
        | Event::CallBids { day, .. }
        | Event::CloseBids { day, .. }
        | Event::InKind { day, .. }
        | Event::CreateInKind { day, .. }
        | Event::Vest { day, .. } => *day,
        Event::Seed { day, .. } => day.unwrap_or(old.day),
        _ => old.day,
    };
    ensure(16, new.day == day, || format!("the clock says {} on day {day}", new.day))?;
    if let (Some((nav, shares)), Some((nav0, shares0))) = (new.hwm, old.hwm)
        && (nav, shares) != (nav0, shares0)
    {
        ensure(16, not_below(nav, shares, nav0, shares0), || {
            format!("the high-water mark fell from {nav0}/{shares0} to {nav}/{shares}")
        })?;
    }
    ensure(18, new.winding || !old.winding, || "a winding fund came back".to_owned())
}

/// A mark moves nothing but the value of what the fund holds.
fn check_mark(seen: &Seen<'_>, before: &Standing, after: &Standing) -> Result<(), Violation> {
    let quiet = seen.batch.entries.iter().all(|e| e.kind == Kind::Mark && e.custody.is_empty());
    ensure(39, quiet, || "a mark moved something".to_owned())?;
    ensure(18, before.shares == after.shares, || "a mark made shares".to_owned())
}

/// The locked shares, which nobody has a key to.
pub(super) fn locked(state: &State, cast: &Cast) -> i64 {
    state.balance(&cast.accounts[LOCKED], &cast.assets[SHARE])
}
