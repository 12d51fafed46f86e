//! Who may hold shares: 34, and what of 28 is due to a pause.

use super::{Seen, Violation, ensure};
use crate::{
    fund::{Account, Event, FundState, Kind, Leg},
    name::Name,
    simulation::cast::SHARE,
};

/// Shares come to nobody who may receive none, and from nobody who is frozen, but for fees and for what was his own.
pub(super) fn check_access(seen: &Seen<'_>, fund: &FundState) -> Result<(), Violation> {
    let lists = fund.restrictions();
    let share = &seen.cast.assets[SHARE];
    for entry in &seen.batch.entries {
        // Fees ask nobody; an order that is taken back returns what it had.
        if matches!(entry.kind, Kind::MgmtFee | Kind::PerfFee | Kind::RedCancel)
            || matches!(entry.kind, Kind::WindowCancel | Kind::WindowPay)
        {
            continue;
        }
        for Leg { from, to, amount, .. } in entry.custody.iter().filter(|leg| leg.asset == *share) {
            if let Account::Person(who) = to {
                let barred = lists.frozen().contains(who)
                    || lists.has_allow_list() && !lists.allowed().contains(who);
                ensure(34, !barred, || {
                    format!("{who} may receive no shares and has got {amount}")
                })?;
                ensure(34, !lists.is_paused(), || format!("{who} got {amount} in a pause"))?;
            }
            if let (Account::Person(who), Account::Person(_)) = (from, to) {
                ensure(34, !lists.frozen().contains(who), || {
                    format!("{who} is frozen and has given {amount} away")
                })?;
            }
        }
        let trades = matches!(entry.kind, Kind::Buy | Kind::Sell | Kind::LiqSell);
        ensure(34, !(trades && lists.is_paused()), || "a paused fund has traded".to_owned())?;
    }
    check_change(seen, fund)
}

/// What was said of an owner holds from then on.
fn check_change(seen: &Seen<'_>, fund: &FundState) -> Result<(), Violation> {
    let lists = fund.restrictions();
    let now = match seen.event {
        Event::SetAllowList { on, .. } => lists.has_allow_list() == *on,
        Event::Allow { who, allowed, .. } => lists.allowed().contains(who) == *allowed,
        Event::Freeze { who, frozen, .. } => lists.frozen().contains(who) == *frozen,
        Event::Pause { paused, .. } => lists.is_paused() == *paused,
        _ => true,
    };
    let fees: [&Name; 2] = [&fund.params().manager, &fund.params().publisher_pool];
    let open = fees.iter().all(|who| !lists.frozen().contains(*who));
    ensure(34, now && open, || format!("{} did not do what it says", seen.event.op()))
}
