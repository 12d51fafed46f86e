//! Who strikes and reviews on time: a look at every fund that has a calendar, by the server's clock.
//!
//! Several servers may look at once. Each decision is made again under the ledger's lock, and the idempotency key of a day follows from
//! fund and date, so that a day has one strike, whoever was first and whoever was killed.

use domain::{calendar::DealingDay, fund::FundState, name::Name, time::Timestamp};
use serde::Serialize;
use store::{DealingRow, DealingState, dealing_day, fund_calendar};

use super::{
    ACTOR,
    due::{Due, Outcome, owed_review},
};
use crate::{
    Service, ServiceError,
    command::{Begun, Request, Unit},
    moment::noted_moment,
    token::{Caller, Scope},
};

/// Funds read from the database at a time.
const PAGE_FUNDS: u64 = 100;
/// Pause after the first failure; each further one doubles it.
const RETRY_MS: i64 = 60_000;
/// The longest pause.
const RETRY_MS_MAX: i64 = 3_600_000;
/// Longest reason that is written down.
const REASON_CHARS_MAX: usize = 500;

/// What one look did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Funds that were struck.
    pub strikes: u64,
    /// Funds that were rebalanced.
    pub reviews: u64,
    /// Strikes and reviews that were refused, to be tried again.
    pub failures: u64,
}

#[derive(Serialize)]
struct DealingFailed<'a> {
    fund: &'a Name,
    date: String,
    state: &'static str,
    code: &'a str,
}

impl Service {
    /// Strikes and reviews every fund whose calendar says so by now. A fund that cannot be struck keeps no other one from it.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the funds cannot be listed; what was struck before stays struck.
    pub async fn keep_calendars(&self, now: Timestamp) -> Result<Kept, ServiceError> {
        let mut kept = Kept::default();
        let mut after = None::<String>;
        loop {
            let rows =
                fund_calendar::list_current(&self.store, after.as_deref(), PAGE_FUNDS).await?;
            let Some(last) = rows.last() else { return Ok(kept) };
            after = Some(last.fund.clone());
            for row in &rows {
                let fund = row.fund.parse().map_err(ServiceError::internal)?;
                if let Err(error) = self.keep_calendar(&fund, now, &mut kept).await {
                    kept.failures += 1;
                    tracing::warn!(%fund, cause = %error.chain(), "the calendar was not kept");
                }
            }
        }
    }

    async fn keep_calendar(
        &self,
        fund: &Name,
        now: Timestamp,
        kept: &mut Kept,
    ) -> Result<(), ServiceError> {
        let Some(due) = Due::read(&self.store, fund, now).await? else { return Ok(()) };
        let caller = actor(now)?;
        if let Some(day) = due.days.last() {
            let ledger = self.ledger().await?;
            let is_seeded = ledger.fund(fund).and_then(FundState::last).is_some();
            if !is_seeded {
                return self.miss_unseeded(&caller, fund).await;
            }
            self.strike_by_calendar(&caller, fund, *day, kept).await?;
        }
        if let Some(owed) = owed_review(&self.store, fund).await? {
            self.review_by_calendar(&caller, fund, owed, kept).await?;
        }
        match due.calendar.next_review(now) {
            Some(review) => self.call_bids_before(&caller, fund, review.cut_off).await,
            None => Ok(()),
        }
    }

    async fn strike_by_calendar(
        &self,
        caller: &Caller,
        fund: &Name,
        day: DealingDay,
        kept: &mut Kept,
    ) -> Result<(), ServiceError> {
        let date = day.date.to_string();
        if self.waits(fund, DealingState::Failed, &date, caller.now).await? {
            return Ok(());
        }
        let key = format!("calendar/{fund}/{date}");
        let struck = match self.close_open_book(caller, &key, fund).await {
            Ok(()) => self.strike_fund(caller, &key, fund, false).await,
            Err(error) => Err(error),
        };
        match struck {
            Ok(strike) => {
                kept.strikes += 1;
                tracing::info!(%fund, date, strike, "struck by the calendar");
                Ok(())
            }
            Err(error) => {
                kept.failures += 1;
                self.record_failure(caller, fund, (day, DealingState::Failed), &error).await
            }
        }
    }

    /// Prices that were bound wait for a closed book: at its cut-off the calendar closes it, so that no commitment keeps anybody in.
    async fn close_open_book(
        &self,
        caller: &Caller,
        key: &str,
        fund: &Name,
    ) -> Result<(), ServiceError> {
        let ledger = self.ledger().await?;
        let open = ledger.fund(fund).and_then(FundState::open_commitment);
        if open.is_none_or(|open| open.book.is_some()) {
            return Ok(());
        }
        self.close_orders(caller, &format!("{key}/close"), fund).await.map(drop)
    }

    async fn review_by_calendar(
        &self,
        caller: &Caller,
        fund: &Name,
        owed: DealingRow,
        kept: &mut Kept,
    ) -> Result<(), ServiceError> {
        let state = DealingState::ReviewFailed;
        if self.waits(fund, state, &owed.date, caller.now).await? {
            return Ok(());
        }
        let day = DealingDay {
            date: super::due::date_of(&owed)?,
            cut_off: Timestamp::from_millis(owed.cut_off),
        };
        let key = format!("calendar/{fund}/{}/review", owed.date);
        let ledger = self.ledger().await?;
        let waits = |found: &FundState| found.auction().call().is_some() && !found.meets_bids();
        if ledger.fund(fund).is_some_and(waits) {
            // The strike that meets what is called is the review. Where one has, its plan was refused, and that is written down.
            return Ok(());
        }
        match self.rebalance_fund(caller, &key, fund).await {
            Ok(done) => {
                kept.reviews += 1;
                let (date, strike) = (owed.date, done.strike);
                tracing::info!(%fund, date, strike, "reviewed by the calendar");
                Ok(())
            }
            Err(error) => {
                kept.failures += 1;
                self.record_failure(caller, fund, (day, state), &error).await
            }
        }
    }

    /// Whether the last failure is too young for another try.
    async fn waits(
        &self,
        fund: &Name,
        state: DealingState,
        date: &str,
        now: Timestamp,
    ) -> Result<bool, ServiceError> {
        let name = fund.as_str();
        let last = dealing_day::last_in_state(&self.store, name, state, Some(date)).await?;
        let Some(last) = last else { return Ok(false) };
        let failures = dealing_day::count_in_state(&self.store, name, state, date).await?;
        // A moment of its own may lie some milliseconds beyond the clock; pauses are whole seconds.
        let since = last.recorded_at - last.recorded_at.rem_euclid(1_000);
        Ok(now.as_millis() < since.saturating_add(pause_ms(failures)))
    }

    /// Writes down a refusal with its code. A server that was only busy tries again at once and says nothing.
    async fn record_failure(
        &self,
        caller: &Caller,
        fund: &Name,
        (day, state): (DealingDay, DealingState),
        error: &ServiceError,
    ) -> Result<(), ServiceError> {
        if matches!(error, ServiceError::Busy(_)) {
            return Ok(());
        }
        let date = day.date.to_string();
        tracing::warn!(%fund, date, %state, cause = %error.chain(), "refused by the calendar's day");
        let times = dealing_day::count_in_state(&self.store, fund.as_str(), state, &date).await?;
        let input = DealingFailed { fund, date, state: state.as_str(), code: error.code() };
        let key = format!("calendar/{fund}/{}/{state}/{}", input.date, times + 1);
        let operation = "dealing_day_fail";
        let Some((unit, due)) = self.begin_dealing(caller, &key, operation, &input).await? else {
            return Ok(());
        };
        // Somebody else may have done meanwhile what was refused here.
        let is_open = match state {
            DealingState::Failed => due.days.contains(&day),
            _ => owed_review(&unit.transaction, fund).await?.is_some(),
        };
        if !is_open {
            return Ok(());
        }
        let reason = error.to_string().chars().take(REASON_CHARS_MAX).collect();
        let refusal = Some((error.code().to_owned(), reason));
        let outcome = Outcome { day, state, strike: None, refusal };
        let at = noted_moment(&unit.transaction, caller.now).await?;
        due.write(&unit.transaction, vec![outcome], at).await?;
        unit.finish(&format!("{fund}/{}", input.date), ()).await
    }

    /// Begins a note on a dealing day under the ledger's lock, with what is due by then; none where it was written already, or nothing is.
    async fn begin_dealing(
        &self,
        caller: &Caller,
        key: &str,
        operation: &'static str,
        input: &DealingFailed<'_>,
    ) -> Result<Option<(Unit, Due)>, ServiceError> {
        let request = Request { caller, scope: &[Scope::Operate], key, operation, input };
        let unit = match self.begin::<_, ()>(&request).await? {
            Begun::Replayed(()) => return Ok(None),
            Begun::Fresh(unit) => unit,
        };
        unit.transaction.lock_ledger().await?;
        let due = Due::read(&unit.transaction, input.fund, caller.now).await?;
        Ok(due.map(|due| (unit, due)))
    }

    /// A fund that was never seeded has nothing to strike: its days are missed, each once.
    async fn miss_unseeded(&self, caller: &Caller, fund: &Name) -> Result<(), ServiceError> {
        let Some(due) = Due::read(&self.store, fund, caller.now).await? else { return Ok(()) };
        let Some(last) = due.days.last() else { return Ok(()) };
        let input = DealingFailed {
            fund,
            date: last.date.to_string(),
            state: DealingState::Missed.as_str(),
            code: "unseeded",
        };
        let key = format!("calendar/{fund}/{}/missed", last.date);
        let operation = "dealing_day_miss";
        let Some((unit, due)) = self.begin_dealing(caller, &key, operation, &input).await? else {
            return Ok(());
        };
        let reason = "the fund has no shares yet".to_owned();
        let missed = due.days.iter().map(|day| Outcome {
            day: *day,
            state: DealingState::Missed,
            strike: None,
            refusal: Some((input.code.to_owned(), reason.clone())),
        });
        let at = noted_moment(&unit.transaction, caller.now).await?;
        due.write(&unit.transaction, missed.collect(), at).await?;
        unit.finish(&format!("{fund}/{}", input.date), ()).await
    }
}

/// The actor of the calendar: it may what an operator may, and has no token.
fn actor(now: Timestamp) -> Result<Caller, ServiceError> {
    Ok(Caller {
        owner: ACTOR.parse().map_err(ServiceError::internal)?,
        scopes: [Scope::Operate].into(),
        token_id: String::new(),
        models: None,
        now,
    })
}

/// How long to wait after so many failures.
fn pause_ms(failures: i64) -> i64 {
    let doublings = u32::try_from(failures.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
    RETRY_MS.saturating_mul(1 << doublings).min(RETRY_MS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that pauses double from a minute to an hour and stay there.
    #[test]
    fn pauses_double() {
        let minutes = [1, 2, 3, 6, 7, 8, 100, i64::MAX].map(|failures| pause_ms(failures) / 60_000);
        assert_eq!(minutes, [1, 2, 4, 32, 60, 60, 60, 60]);
    }
}
