//! When a fund deals, and what became of its dealing days.

use async_graphql::{Enum, Object, Result, SimpleObject};
use domain::time::{Date as DateValue, Timestamp};
use service::{Dealing, DealingState as StateValue, FundCalendar as CalendarValue};

use crate::{
    pagination::{Page, PageArguments},
    scalars::{Date, Sha256, Time},
};

/// When a fund deals: at each cut-off it is struck without anybody asking.
#[derive(Clone, Debug)]
pub(crate) struct FundCalendar {
    pub(crate) value: CalendarValue,
    /// The moment that is told of.
    pub(crate) at: Timestamp,
}

/// When a fund deals: at each cut-off it is struck without anybody asking.
#[Object]
impl FundCalendar {
    /// The rules, canonical JSON.
    async fn json(&self) -> &str {
        self.value.calendar.text()
    }

    /// SHA-256 over the canonical JSON.
    async fn digest(&self) -> Sha256 {
        Sha256(self.value.calendar.digest())
    }

    /// The IANA name of the time zone in which dates and times of day are meant.
    async fn time_zone(&self) -> &str {
        self.value.calendar.time_zone()
    }

    /// The login that set it.
    async fn set_by(&self) -> &str {
        &self.value.set_by
    }

    /// When it was set; it holds from the first cut-off after that.
    async fn set_at(&self) -> Time {
        Time(self.value.set_at)
    }

    /// The next cut-off; null at the end of the calendar.
    async fn next_cut_off(&self) -> Option<Time> {
        self.value.next_dealing(self.at).map(|day| Time(day.cut_off))
    }

    /// The next cut-off that a review of the weights follows; null where the calendar has none.
    async fn next_review(&self) -> Option<Time> {
        self.value.next_review(self.at).map(|day| Time(day.cut_off))
    }

    /// Dealing days by these rules, from one date to another, both included: what is planned, not what happened.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn dealing_days(
        &self,
        from: Date,
        to: Date,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<CalendarDay>> {
        let page = PageArguments::new(first, after)?;
        let last: Option<DateValue> = page.after_text()?;
        let from = last.map_or(from.0, |last| from.0.max(last.plus_days(1)));
        let days = self.value.calendar.dealing_days(from, to.0);
        let rows = days.take(page.limit() as usize).map(|day| CalendarDay {
            date: Date(day.date),
            cut_off: Time(day.cut_off),
            is_review: self.value.calendar.is_review(day.date),
        });
        page.page(Ok(rows.collect()), |day: &CalendarDay| day.date.0.to_string(), |day| day)
    }
}

/// A dealing day as the calendar has it.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct CalendarDay {
    /// The date in the fund's time zone.
    date: Date,
    /// When orders are cut off and the fund is struck.
    cut_off: Time,
    /// Whether weights are reviewed after the strike.
    is_review: bool,
}

/// What became of a dealing day.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DealingState {
    /// A strike came in time.
    Struck,
    /// No strike came in time; if a strike is named, it dealt later with all that waited.
    Missed,
    /// A strike was tried and refused; it is tried again until the next cut-off.
    Failed,
    /// The review that was due happened.
    Reviewed,
    /// The review was tried and refused; it is tried again.
    ReviewFailed,
}

/// One word about a dealing day; the last about a date is the one that holds.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct DealingDay {
    /// The date in the fund's time zone.
    date: Date,
    /// Its cut-off.
    cut_off: Time,
    /// What became of it.
    state: DealingState,
    /// Whether weights are reviewed on this day.
    is_review: bool,
    /// The strike that settled it, or that the review followed; null where there is none.
    strike: Option<i64>,
    /// Why it was not struck or reviewed in time, as a code; null where it was.
    code: Option<String>,
    /// The same in words.
    reason: Option<String>,
    /// When this became known.
    recorded_at: Time,
}

impl From<Dealing> for DealingDay {
    fn from(dealing: Dealing) -> Self {
        let state = match dealing.state {
            StateValue::Struck => DealingState::Struck,
            StateValue::Missed => DealingState::Missed,
            StateValue::Failed => DealingState::Failed,
            StateValue::Reviewed => DealingState::Reviewed,
            StateValue::ReviewFailed => DealingState::ReviewFailed,
        };
        Self {
            date: Date(dealing.date),
            cut_off: Time(dealing.cut_off),
            state,
            is_review: dealing.review,
            strike: dealing.strike,
            code: dealing.code,
            reason: dealing.reason,
            recorded_at: Time(dealing.recorded_at),
        }
    }
}
