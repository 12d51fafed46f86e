//! The clock that is moved by hand, kept in the database so that it survives a restart.

use domain::time::{DAY_MS, Timestamp};
use serde::Serialize;
use store::manual_clock;

use crate::{
    Service, ServiceError,
    command::{Begun, Request},
    token::{Caller, Scope},
};

/// Where a manual clock starts: 2026-01-05T00:00:00Z, a Monday; a constant, so that a run can be repeated.
const START: Timestamp = Timestamp::from_millis(1_767_571_200_000);
/// Last day that a fund knows (FUND 1.6).
const DAY_MAX: u64 = 1_000_000;

#[derive(Serialize)]
struct AdvanceClock {
    day: u64,
}

#[derive(Serialize)]
struct AdvanceClockTo {
    to: Timestamp,
}

impl Service {
    /// Time of the manual clock.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn manual_now(&self) -> Result<Timestamp, ServiceError> {
        let row = manual_clock::latest(&self.store).await?;
        Ok(row.map_or(START, |row| Timestamp::from_millis(row.now_ms)))
    }

    /// Moves the manual clock forward to the beginning of `day`.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] for a day that is past or beyond the bound.
    pub async fn advance_clock(
        &self,
        caller: &Caller,
        key: &str,
        day: u64,
    ) -> Result<Timestamp, ServiceError> {
        let millis = i64::try_from(day).ok().filter(|_| day <= DAY_MAX).map(|day| day * DAY_MS);
        let refuse = |now: Timestamp| {
            let reason = format!("is {day}; expected {} to {DAY_MAX}", now.day());
            ServiceError::invalid("day", reason)
        };
        self.move_clock(caller, key, &AdvanceClock { day }, (millis, refuse)).await
    }

    /// Moves the manual clock forward to an instant.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] for one that is past or beyond the bound.
    pub async fn advance_clock_to(
        &self,
        caller: &Caller,
        key: &str,
        to: Timestamp,
    ) -> Result<Timestamp, ServiceError> {
        let bounded = u64::try_from(to.day()).is_ok_and(|day| day <= DAY_MAX);
        let refuse = |now| {
            let reason = format!("is {to}; expected {now} or later, up to day {DAY_MAX}");
            ServiceError::invalid("to", reason)
        };
        let millis = bounded.then_some(to.as_millis());
        self.move_clock(caller, key, &AdvanceClockTo { to }, (millis, refuse)).await
    }

    async fn move_clock<I: Serialize>(
        &self,
        caller: &Caller,
        key: &str,
        input: &I,
        (millis, refuse): (Option<i64>, impl Fn(Timestamp) -> ServiceError),
    ) -> Result<Timestamp, ServiceError> {
        let (scope, operation) = ([Scope::Operate], "clock_advance");
        let request = Request { caller, scope: &scope, key, operation, input };
        let unit = match self.begin::<_, i64>(&request).await? {
            Begun::Replayed(millis) => return Ok(Timestamp::from_millis(millis)),
            Begun::Fresh(unit) => unit,
        };
        let row = manual_clock::latest(&unit.transaction).await?;
        let now = row.map_or(START, |row| Timestamp::from_millis(row.now_ms));
        let millis = millis.filter(|millis| *millis >= now.as_millis());
        let millis = millis.ok_or_else(|| refuse(now))?;
        manual_clock::append(&unit.transaction, millis).await?;
        unit.finish("clock", millis).await.map(Timestamp::from_millis)
    }
}
