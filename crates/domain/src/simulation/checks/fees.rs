//! The management fee before and after a change of rules: 16, 17.

use super::{Progressed, Seen, Violation, ensure};
use crate::{
    fund::{Event, FundState, Kind},
    simulation::model::math::{LIMIT, ONE18, daily_retention, down, power},
};

/// A change of rules charges nothing and leaves clock and mark; from then on a day costs what the rules in force say, and before it what
/// those before said.
pub(super) fn check_fees(seen: &Seen<'_>, fund: &FundState) -> Result<(), Violation> {
    let retention = i128::from(fund.daily_retention());
    if let Event::AdoptMethodology { .. } | Event::CreateFund { .. } = seen.event {
        let fee = i128::from(fund.params().management_fee.as_ppb());
        ensure(17, retention == daily_retention(fee), || {
            format!("a day of a fee of {fee} ppb leaves {retention}")
        })?;
        // Deposits of bids for another auction return.
        let still = seen.batch.entries.iter().all(|entry| entry.kind == Kind::BidReturn);
        ensure(17, still, || "new rules moved something".to_owned())?;
        let now = Progressed::of(fund);
        let still = |old: &Progressed| (old.day, old.hwm) == (now.day, now.hwm);
        return ensure(16, seen.progressed.as_ref().is_none_or(still), || {
            "new rules moved the clock or the high-water mark".to_owned()
        });
    }
    let (Some(old), Some(before)) = (&seen.progressed, &seen.standing) else { return Ok(()) };
    let left = power(retention, fund.day() - old.day);
    // At the bound of the ledger the fee yields, so that strikes and exits go on.
    let due = down(before.shares, ONE18 - left, left).min(LIMIT - before.shares);
    let fees = seen.batch.entries.iter().filter(|entry| entry.kind == Kind::MgmtFee);
    let made: i128 = fees.flat_map(|fee| &fee.custody).map(|leg| i128::from(leg.amount)).sum();
    ensure(17, made == due, || {
        format!("{made} shares of fee from day {} to {}, due are {due}", old.day, fund.day())
    })
}
