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
        let input = AdvanceClock { day };
        let request = Request {
            caller,
            scope: &[Scope::Operate],
            key,
            operation: "clock_advance",
            input: &input,
        };
        let unit = match self.begin::<_, i64>(&request).await? {
            Begun::Replayed(millis) => return Ok(Timestamp::from_millis(millis)),
            Begun::Fresh(unit) => unit,
        };
        let now = manual_clock::latest(&unit.transaction)
            .await?
            .map_or(START.as_millis(), |row| row.now_ms);
        let millis = i64::try_from(day).ok().filter(|_| day <= DAY_MAX).map(|day| day * DAY_MS);
        let Some(millis) = millis.filter(|millis| *millis >= now) else {
            let today = Timestamp::from_millis(now).day();
            return Err(ServiceError::invalid(
                "day",
                format!("is {day}; expected {today} to {DAY_MAX}"),
            ));
        };
        manual_clock::append(&unit.transaction, millis).await?;
        unit.finish("clock", millis).await.map(Timestamp::from_millis)
    }
}
