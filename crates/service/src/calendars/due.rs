//! Which dealing days are due, and what a strike or a review says of them.

use domain::{
    calendar::DealingDay,
    name::Name,
    time::{Date, Timestamp},
};
use store::{Connection, DealingRow, DealingState, StoreTransaction, dealing_day, fund_calendar};

use super::{ACTOR, FundCalendar};
use crate::{ServiceError, ledger::LedgerUnit, token::Caller};

/// Code of a dealing day to which nobody came.
const OUTAGE: &str = "outage";

/// The dealing days of a fund whose cut-off has passed and that nothing has settled.
pub(super) struct Due {
    pub(super) calendar: FundCalendar,
    /// Ascending.
    pub(super) days: Vec<DealingDay>,
}

/// What became of a day.
pub(super) struct Outcome {
    pub(super) day: DealingDay,
    pub(super) state: DealingState,
    pub(super) strike: Option<i64>,
    /// Code and words; none where it went well.
    pub(super) refusal: Option<(String, String)>,
}

/// The calendar that is in force.
pub(super) async fn current<C: Connection>(
    connection: &C,
    fund: &Name,
) -> Result<Option<FundCalendar>, ServiceError> {
    current_by(connection, fund, i64::MAX).await
}

/// The calendar that was in force at a moment.
pub(super) async fn current_by<C: Connection>(
    connection: &C,
    fund: &Name,
    known_to: i64,
) -> Result<Option<FundCalendar>, ServiceError> {
    let Some(row) = fund_calendar::current_by(connection, fund.as_str(), known_to).await? else {
        return Ok(None);
    };
    let settled = dealing_day::last_settled_by(connection, fund.as_str(), known_to).await?;
    let settled = settled.map(|row| date_of(&row)).transpose()?;
    FundCalendar::read(row, settled)
}

pub(super) fn date_of(row: &DealingRow) -> Result<Date, ServiceError> {
    row.date.parse().map_err(ServiceError::internal)
}

impl Due {
    /// None where the fund has no calendar. Under the ledger's lock nobody changes it meanwhile.
    pub(super) async fn read<C: Connection>(
        connection: &C,
        fund: &Name,
        now: Timestamp,
    ) -> Result<Option<Self>, ServiceError> {
        let Some(calendar) = current(connection, fund).await? else { return Ok(None) };
        let passed = calendar.calendar.passed(calendar.settled, calendar.set_at, now);
        let days = passed.collect();
        Ok(Some(Self { calendar, days }))
    }

    /// Appends rows of a moment of their own; the transaction holds the ledger's lock.
    pub(super) async fn write(
        &self,
        transaction: &StoreTransaction,
        outcomes: Vec<Outcome>,
        recorded_at: i64,
    ) -> Result<(), ServiceError> {
        let fund = &self.calendar.fund;
        let last = dealing_day::last_seq(transaction, fund.as_str()).await?.unwrap_or(0);
        let rows = (last + 1..).zip(outcomes).map(|(seq, outcome)| {
            let (code, reason) = outcome.refusal.unzip();
            DealingRow {
                fund: fund.to_string(),
                seq,
                date: outcome.day.date.to_string(),
                cut_off: outcome.day.cut_off.as_millis(),
                state: outcome.state,
                review: self.calendar.calendar.is_review(outcome.day.date),
                strike_number: outcome.strike,
                code,
                reason,
                recorded_at,
            }
        });
        Ok(dealing_day::insert_all(transaction, rows.collect()).await?)
    }

    /// Why no strike came in time: what the last try was refused for, or that nobody tried.
    async fn why_missed(
        &self,
        transaction: &StoreTransaction,
        day: DealingDay,
    ) -> Result<(String, String), ServiceError> {
        let fund = self.calendar.fund.as_str();
        let (state, date) = (DealingState::Failed, day.date.to_string());
        let failed = dealing_day::last_in_state(transaction, fund, state, Some(&date)).await?;
        Ok(failed.and_then(|row| row.code.zip(row.reason)).unwrap_or_else(|| {
            let minutes = self.calendar.calendar.grace_ms() / 60_000;
            let reason = format!("no strike came within {minutes} minutes of the cut-off");
            (OUTAGE.to_owned(), reason)
        }))
    }
}

/// Settles with a strike what is due, in the strike's transaction: a day whose cut-off is not too long ago is struck, every other one is
/// missed and says which strike dealt with what waited.
pub(crate) async fn settle(
    ledger: &LedgerUnit<'_>,
    fund: &Name,
    strike: i64,
) -> Result<(), ServiceError> {
    let transaction = &ledger.unit.transaction;
    // Of the ledger's own moment, as an order's is: no day is cut off and left open because two servers have two clocks.
    let now = Timestamp::from_millis(ledger.at());
    let Some(due) = Due::read(transaction, fund, now).await? else { return Ok(()) };
    let grace = due.calendar.calendar.grace_ms();
    let mut outcomes = Vec::with_capacity(due.days.len());
    for day in &due.days {
        let late = now.as_millis().saturating_sub(day.cut_off.as_millis()) > grace;
        let refusal = if late { Some(due.why_missed(transaction, *day).await?) } else { None };
        let state = if late { DealingState::Missed } else { DealingState::Struck };
        outcomes.push(Outcome { day: *day, state, strike: Some(strike), refusal });
    }
    due.write(transaction, outcomes, ledger.at()).await
}

/// The first and the last cut-off that have passed and that nothing has settled; none where no strike is late.
pub(crate) async fn due_cut_offs<C: Connection>(
    connection: &C,
    fund: &Name,
    now: Timestamp,
) -> Result<Option<(Timestamp, Timestamp)>, ServiceError> {
    let due = Due::read(connection, fund, now).await?.map(|due| due.days).unwrap_or_default();
    Ok(due.first().zip(due.last()).map(|(first, last)| (first.cut_off, last.cut_off)))
}

/// Whether it is the calendar that asks for a strike, and somebody else settled what was due before it had the ledger: then there is
/// nothing to strike.
pub(crate) async fn is_settled_for(
    caller: &Caller,
    ledger: &LedgerUnit<'_>,
    fund: &Name,
) -> Result<bool, ServiceError> {
    if caller.owner.as_str() != ACTOR {
        return Ok(false);
    }
    let now = Timestamp::from_millis(ledger.at());
    let due = Due::read(&ledger.unit.transaction, fund, now).await?;
    Ok(due.is_none_or(|due| due.days.is_empty()))
}

/// The settled day whose review has not happened.
pub(super) async fn owed_review<C: Connection>(
    connection: &C,
    fund: &Name,
) -> Result<Option<DealingRow>, ServiceError> {
    let Some(owed) = dealing_day::last_settled(connection, fund.as_str(), true).await? else {
        return Ok(None);
    };
    let (name, state) = (fund.as_str(), DealingState::Reviewed);
    let done = dealing_day::last_in_state(connection, name, state, None).await?;
    Ok(Some(owed).filter(|owed| done.is_none_or(|done| done.seq < owed.seq)))
}

/// Writes down that the review that was owed happened, in the transaction of the rebalance after a strike.
pub(crate) async fn note_review(
    ledger: &LedgerUnit<'_>,
    fund: &Name,
    strike: i64,
) -> Result<(), ServiceError> {
    let transaction = &ledger.unit.transaction;
    let Some(owed) = owed_review(transaction, fund).await? else { return Ok(()) };
    let last = dealing_day::last_seq(transaction, fund.as_str()).await?.unwrap_or(0);
    let row = DealingRow {
        seq: last + 1,
        state: DealingState::Reviewed,
        strike_number: Some(strike),
        code: None,
        reason: None,
        recorded_at: ledger.at(),
        ..owed
    };
    Ok(dealing_day::insert_all(transaction, vec![row]).await?)
}
