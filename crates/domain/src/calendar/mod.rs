//! When a fund deals: its dealing days, the cut-off of each, and the days on which its weights are reviewed.
//!
//! | question | answer |
//! | --- | --- |
//! | is a date a dealing day | one of the weekdays and no holiday, or an extra day; and the zone has such a date |
//! | when is its cut-off | the first instant at which the zone's clock shows that date and time, or a later one |
//! | is it reviewed | by the rule of [`Review`], counted in dealing days |
//!
//! The definition of the cut-off covers every change of the clock: a time that is left out is the first instant after the gap, and of a
//! time that comes twice it is the earlier one. A date that a zone left out altogether (Samoa, 2011-12-30) is no dealing day.
//! Dates are [`Date`] and instants [`Timestamp`]; the types of the time zone library stay in `zone.rs`.

mod review;
mod rules;
mod zone;

use std::collections::BTreeSet;

pub use review::{Review, Weekday};
pub use rules::{CALENDAR_BYTES_MAX, CalendarError, DATES_MAX, GRACE_MINUTES_MAX, TimeOfDay};

use crate::{
    digest::Digest,
    time::{Date, Timestamp},
};
use rules::Rules;
use zone::Zone;

/// First date that a calendar knows.
pub const DATE_MIN: Date = Date::from_day(10_957);
/// Last date that a calendar knows: the tables of time zones end with the century.
pub const DATE_MAX: Date = Date::from_day(47_481);
/// Milliseconds of a minute.
const MINUTE_MS: i64 = 60_000;

/// A dealing day of a fund.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DealingDay {
    /// The date, in the fund's time zone.
    pub date: Date,
    /// When orders are cut off and the fund is struck.
    pub cut_off: Timestamp,
}

/// The rules by which a fund deals, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    rules: Rules,
    zone: Zone,
    text: String,
    digest: Digest,
}

impl Calendar {
    /// Reads a calendar's JSON and checks it.
    ///
    /// # Errors
    /// [`CalendarError`] with the field at fault and its limit.
    pub fn parse(text: &str) -> Result<Self, CalendarError> {
        let (rules, zone) = Rules::parse(text)?;
        let text = crate::canonical::to_string(&rules)?;
        let digest = Digest::of(text.as_bytes());
        Ok(Self { rules, zone, text, digest })
    }

    /// The canonical JSON, every field written out.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// SHA-256 of the canonical JSON.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The IANA name of the time zone.
    #[must_use]
    pub fn time_zone(&self) -> &str {
        &self.rules.time_zone
    }

    /// How late after the cut-off a strike still counts as that of the day.
    #[must_use]
    pub fn grace_ms(&self) -> i64 {
        i64::from(self.rules.grace_minutes) * MINUTE_MS
    }

    /// The date in the fund's zone at an instant.
    #[must_use]
    pub fn date_at(&self, at: Timestamp) -> Date {
        self.zone.date_at(at)
    }

    /// The dealing day of a date; none if the fund does not deal on it.
    #[must_use]
    pub fn dealing_day(&self, date: Date) -> Option<DealingDay> {
        if !self.is_dealing(date) {
            return None;
        }
        let time = self.rules.other_cut_offs.get(&date).copied().unwrap_or(self.rules.cut_off);
        Some(DealingDay { date, cut_off: self.zone.first_instant(date, time) })
    }

    /// Dealing days from one date to another, both included.
    pub fn dealing_days(&self, from: Date, to: Date) -> impl Iterator<Item = DealingDay> + '_ {
        let (from, to) = (from.max(DATE_MIN), to.min(DATE_MAX));
        (from.day()..=to.day()).filter_map(|day| self.dealing_day(Date::from_day(day)))
    }

    /// The first dealing day whose cut-off is later than `after`; none at the end of the century.
    #[must_use]
    pub fn next_dealing(&self, after: Timestamp) -> Option<DealingDay> {
        // A cut-off in a gap lies on the day after its date, so the day before is looked at too.
        let from = self.date_at(after).plus_days(-1);
        self.dealing_days(from, DATE_MAX).find(|day| day.cut_off > after)
    }

    /// The first dealing day with a review whose cut-off is later than `after`.
    #[must_use]
    pub fn next_review(&self, after: Timestamp) -> Option<DealingDay> {
        if matches!(self.rules.review, Review::Never {}) {
            return None;
        }
        let from = self.date_at(after).plus_days(-1);
        let mut days = self.dealing_days(from, DATE_MAX);
        days.find(|day| day.cut_off > after && self.is_review(day.date))
    }

    /// Dealing days after the date `last`, if one is given, whose cut-off is later than `since` and not later than `now`.
    pub fn passed(
        &self,
        last: Option<Date>,
        since: Timestamp,
        now: Timestamp,
    ) -> impl Iterator<Item = DealingDay> + '_ {
        let from = self.date_at(since).plus_days(-1);
        let from = last.map_or(from, |last| from.max(last.plus_days(1)));
        self.dealing_days(from, self.date_at(now))
            .filter(move |day| day.cut_off > since && day.cut_off <= now)
    }

    /// The end of a notice of so many dealing days that is given on a date: the last of the next `days` dealing days. A notice of none
    /// ends on the first dealing day that is not before the date.
    #[must_use]
    pub fn add_dealing_days(&self, date: Date, days: u32) -> Option<DealingDay> {
        match usize::try_from(days).ok()?.checked_sub(1) {
            None => self.dealing_days(date, DATE_MAX).next(),
            Some(skipped) => self.dealing_days(date.plus_days(1), DATE_MAX).nth(skipped),
        }
    }

    /// Whether weights are reviewed on a date; never on one that is no dealing day.
    #[must_use]
    pub fn is_review(&self, date: Date) -> bool {
        self.is_dealing(date) && self.rules.review.falls_on(date, |day| self.is_dealing(day))
    }

    fn is_dealing(&self, date: Date) -> bool {
        let Rules { weekdays, holidays, extra_days, .. } = &self.rules;
        let listed = |dates: &BTreeSet<Date>| dates.contains(&date);
        let open = listed(extra_days) || weekdays.contains(&Weekday::of(date)) && !listed(holidays);
        open && (DATE_MIN..=DATE_MAX).contains(&date) && self.zone.has_date(date)
    }
}
