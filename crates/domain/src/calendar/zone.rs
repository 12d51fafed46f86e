//! A time zone: the one place that knows the library of zones and its types.

use chrono::{DateTime, NaiveDateTime, TimeDelta, TimeZone as _};
use chrono_tz::Tz;

use super::rules::TimeOfDay;
use crate::time::{DAY_MS, Date, Timestamp};

/// Minutes in which every gap ends: the longest one left out a whole day.
const GAP_MINUTES_MAX: i64 = 26 * 60;

/// A zone of the IANA database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Zone(Tz);

impl Zone {
    /// The zone of a name, as the database spells it.
    pub(super) fn named(name: &str) -> Option<Self> {
        name.parse().ok().map(Self)
    }

    /// The date that the zone's clock shows.
    pub(super) fn date_at(self, at: Timestamp) -> Date {
        let local = self.0.from_utc_datetime(&naive(at.as_millis())).naive_local();
        Date::from_day(local.and_utc().timestamp_millis().div_euclid(DAY_MS))
    }

    /// The first instant at which the zone's clock shows this date and time, or a later one.
    pub(super) fn first_instant(self, date: Date, time: TimeOfDay) -> Timestamp {
        let shown = naive(date.day().saturating_mul(DAY_MS) + time.as_millis());
        let later = |minutes| shown.checked_add_signed(TimeDelta::minutes(minutes));
        // A time that comes twice is the earlier one; one that is left out is the end of the gap, which lies on a whole minute.
        let instant = (0..=GAP_MINUTES_MAX)
            .filter_map(later)
            .find_map(|shown| self.0.from_local_datetime(&shown).earliest());
        let utc = instant.map_or_else(|| shown.and_utc(), |instant| instant.to_utc());
        Timestamp::from_millis(utc.timestamp_millis())
    }

    /// Whether the zone's clock ever shows this date.
    pub(super) fn has_date(self, date: Date) -> bool {
        let midnight = naive(date.day().saturating_mul(DAY_MS));
        self.0.from_local_datetime(&midnight).earliest().is_some()
            || self.date_at(self.first_instant(date, TimeOfDay::MIDNIGHT)) == date
    }
}

/// The library's form of milliseconds since the epoch; what is beyond its range is its end.
fn naive(millis: i64) -> NaiveDateTime {
    let utc = DateTime::from_timestamp_millis(millis);
    utc.map_or(if millis < 0 { NaiveDateTime::MIN } else { NaiveDateTime::MAX }, |utc| {
        utc.naive_utc()
    })
}
