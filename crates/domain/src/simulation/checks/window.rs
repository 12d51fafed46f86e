//! The instant window: what it pays is a part of the cash, at no more than the mark, and by holding (FUND 1.3 (4)).

use super::{Seen, Standing, Violation, ensure, not_below};
use crate::{
    fund::{FundState, WindowFill},
    simulation::model::math::{K, down},
};

/// Those who stay lose no value per share (7) and no unit (11); nobody is paid above his part of NAV (10), nor all beyond the budget.
pub(super) fn check_window(
    seen: &Seen<'_>,
    fund: &FundState,
    before: &Standing,
    after: &Standing,
    fills: &[WindowFill],
) -> Result<(), Violation> {
    let wide = |fill: &WindowFill| {
        let shares = i128::from(fill.shares.as_nano());
        (i128::from(fill.requested.as_nano()), shares, i128::from(fill.cash.as_micro()))
    };
    let paid: i128 = fills.iter().map(|fill| wide(fill).2).sum();
    let burned: i128 = fills.iter().map(|fill| wide(fill).1).sum();
    let budget = fund.params().window.map_or(0, |window| i128::from(window.budget.as_ppb()));
    ensure(10, paid <= down(before.cash, budget, K), || {
        format!("the window paid {paid} of {}", before.cash)
    })?;
    ensure(10, after.cash == before.cash - paid, || "cash went elsewhere".to_owned())?;
    ensure(11, before.units == after.units, || "the window moved units".to_owned())?;
    // The fee of the days before came first: shares then are those after it and what was burned.
    let supply = after.shares + burned;
    ensure(7, not_below(after.nav, after.shares, before.nav, supply), || {
        format!("NAV per share fell from {}/{supply} to {}/{}", before.nav, after.nav, after.shares)
    })?;
    ensure(18, paid == 0 || !fund.winding(), || "a winding fund paid at a bid".to_owned())?;
    for fill in fills {
        let (asked, given, cash) = wide(fill);
        ensure(10, given <= asked && (cash > 0) == (given > 0), || format!("{fill:?}"))?;
        ensure(10, not_below(before.nav, supply, cash * K, given.max(1)), || {
            format!("{} of {} is paid above the mark", fill.who, seen.cast.fund)
        })?;
    }
    // Who asked behind the cut-off waits for the next strike.
    ensure(19, fund.window_book().is_empty(), || "somebody waits on".to_owned())?;
    let waits =
        |fill: &WindowFill| fund.window().requests().iter().any(|(who, _)| *who == fill.who);
    ensure(19, !fills.iter().any(waits), || "somebody was settled and waits".to_owned())
}
