//! Calendars of funds: who sets them, and what they say of dealing days.
//!
//! A strike settles every dealing day whose cut-off has passed, whoever struck; [`keep`] is who strikes where nobody does.

mod due;
mod keep;

use domain::{
    calendar::{Calendar, DealingDay},
    name::Name,
    time::{Date, Timestamp},
};
use serde::Serialize;
use store::{CalendarRow, DealingRow, dealing_day, fund_calendar};

pub use keep::Kept;
pub use store::DealingState;

pub(crate) use due::{due_cut_offs, is_settled_for, note_review, settle};

use crate::{
    Service, ServiceError,
    command::{Begun, Request},
    cut_offs::close_if_due,
    funds::ledger_command,
    moment::LedgerAt,
    token::{Caller, Scope},
};
use due::{Due, Outcome};

/// Who strikes by the calendar, in the audit log; nobody gets a token of this name.
pub(crate) const ACTOR: &str = "calendar";
/// Code of a dealing day that was open when its calendar went.
const CHANGED: &str = "calendar_changed";

/// The calendar of a fund.
#[derive(Clone, Debug)]
pub struct FundCalendar {
    /// The fund.
    pub fund: Name,
    /// The rules.
    pub calendar: Calendar,
    /// Who set it.
    pub set_by: String,
    /// When; cut-offs before do not count.
    pub set_at: Timestamp,
    /// The last date that is settled: the calendar goes on behind it.
    settled: Option<Date>,
}

impl FundCalendar {
    pub(crate) fn read(
        row: CalendarRow,
        settled: Option<Date>,
    ) -> Result<Option<Self>, ServiceError> {
        let Some(text) = row.calendar else { return Ok(None) };
        Ok(Some(Self {
            fund: row.fund.parse().map_err(ServiceError::internal)?,
            calendar: Calendar::parse(&text).map_err(ServiceError::internal)?,
            set_by: row.set_by,
            set_at: Timestamp::from_millis(row.set_at),
            settled,
        }))
    }

    /// The next dealing day whose cut-off is later than `now`; none at the end of the calendar.
    #[must_use]
    pub fn next_dealing(&self, now: Timestamp) -> Option<DealingDay> {
        self.next(now, Calendar::next_dealing)
    }

    /// The next dealing day with a review, whose cut-off is later than `now`; none if there is none.
    #[must_use]
    pub fn next_review(&self, now: Timestamp) -> Option<DealingDay> {
        self.next(now, Calendar::next_review)
    }

    /// The last cut-off that has passed and that nothing had settled; none where no strike is late.
    pub(crate) fn last_due(&self, now: Timestamp) -> Option<Timestamp> {
        let passed = self.calendar.passed(self.settled, self.set_at, now);
        passed.last().map(|day| day.cut_off)
    }

    /// A date that was settled under an earlier calendar is not settled again.
    fn next(
        &self,
        now: Timestamp,
        next: impl Fn(&Calendar, Timestamp) -> Option<DealingDay>,
    ) -> Option<DealingDay> {
        let mut after = now.max(self.set_at);
        loop {
            let day = next(&self.calendar, after)?;
            if self.settled.is_none_or(|settled| day.date > settled) {
                return Some(day);
            }
            after = day.cut_off;
        }
    }
}

/// One word about a dealing day.
#[derive(Clone, Debug)]
pub struct Dealing {
    /// Place among the fund's words.
    pub seq: i64,
    /// The date in the fund's time zone.
    pub date: Date,
    /// Its cut-off.
    pub cut_off: Timestamp,
    /// What became of it.
    pub state: DealingState,
    /// Whether weights are reviewed on this day.
    pub review: bool,
    /// The strike that settled it, or that the review followed.
    pub strike: Option<i64>,
    /// Why not, as a code.
    pub code: Option<String>,
    /// Why not, in words.
    pub reason: Option<String>,
    /// When this became known.
    pub recorded_at: Timestamp,
}

impl Dealing {
    fn read(row: DealingRow) -> Result<Self, ServiceError> {
        Ok(Self {
            seq: row.seq,
            date: row.date.parse().map_err(ServiceError::internal)?,
            cut_off: Timestamp::from_millis(row.cut_off),
            state: row.state,
            review: row.review,
            strike: row.strike_number,
            code: row.code,
            reason: row.reason,
            recorded_at: Timestamp::from_millis(row.recorded_at),
        })
    }
}

#[derive(Serialize)]
struct SetCalendar<'a> {
    fund: &'a Name,
    calendar: Option<&'a str>,
}

impl Service {
    /// Sets the calendar of a fund (JSON text), or takes it away, so that the fund is struck by hand. It holds from the next cut-off on.
    ///
    /// A dealing day that is open, because its strike failed or nobody was there, is written down as missed.
    ///
    /// # Errors
    /// [`ServiceError::Scope`] without `operate`, [`ServiceError::Invalid`] with the field that is wrong, [`ServiceError::Absent`]
    /// without the fund.
    pub async fn set_calendar(
        &self,
        caller: &Caller,
        key: &str,
        fund: &Name,
        text: Option<&str>,
    ) -> Result<i64, ServiceError> {
        let calendar = text.map(Calendar::parse).transpose();
        let calendar = calendar.map_err(|e| ServiceError::invalid("calendar", e))?;
        let input = SetCalendar { fund, calendar: text };
        // Strikes read the calendar under this lock.
        let mut ledger =
            ledger_command!(self, caller, &[Scope::Operate], key, "fund_calendar_set", &input);
        // What has passed under the calendar that goes is cut off: another one takes nobody who is late into its strike.
        close_if_due(&mut ledger, fund).await?;
        let unit = &ledger.unit;
        store::fund::find(&unit.transaction, fund.as_str())
            .await?
            .ok_or_else(|| ServiceError::absent("fund", fund.as_str()))?;
        let set_at = ledger.at();
        if let Some(due) = Due::read(&unit.transaction, fund, caller.now).await? {
            let reason = "the calendar was changed before it was struck".to_owned();
            let open = due.days.iter().map(|day| {
                let refusal = Some((CHANGED.to_owned(), reason.clone()));
                Outcome { day: *day, state: DealingState::Missed, strike: None, refusal }
            });
            due.write(&unit.transaction, open.collect(), set_at).await?;
        }
        let last = fund_calendar::current(&unit.transaction, fund.as_str()).await?;
        let seq = last.map_or(1, |row| row.seq + 1);
        let row = CalendarRow {
            fund: fund.to_string(),
            seq,
            calendar: calendar.as_ref().map(|calendar| calendar.text().to_owned()),
            digest: calendar.as_ref().map(|calendar| calendar.digest().hex()),
            set_by: unit.owner().to_owned(),
            set_at,
        };
        fund_calendar::insert(&unit.transaction, row).await?;
        let digest = calendar.map(|calendar| calendar.digest().to_string());
        let digest = digest.as_deref().unwrap_or("none");
        ledger.finish(&format!("{fund} {digest}"), seq).await
    }

    /// The calendar that a fund had on a ledger; none if it was struck by hand.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn find_calendar(
        &self,
        fund: &Name,
        ledger: &LedgerAt,
    ) -> Result<Option<FundCalendar>, ServiceError> {
        due::current_by(&self.store, fund, ledger.known_to()).await
    }

    /// What had become of the dealing days of a fund on a ledger, in the order in which it became known.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn list_dealing_days(
        &self,
        fund: &Name,
        after: Option<i64>,
        limit: u64,
        ledger: &LedgerAt,
    ) -> Result<Vec<Dealing>, ServiceError> {
        let (fund, known_to) = (fund.as_str(), ledger.known_to());
        let rows = dealing_day::list_by(&self.store, fund, known_to, after, limit).await?;
        rows.into_iter().map(Dealing::read).collect()
    }
}
