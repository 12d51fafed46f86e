//! A calendar as a JSON file holds it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{DATE_MAX, DATE_MIN, MINUTE_MS, Review, Weekday, zone::Zone};
use crate::{canonical::CanonicalError, time::Date};

/// Longest JSON of a calendar.
pub const CALENDAR_BYTES_MAX: usize = 64 << 10;
/// Most dates of one list.
pub const DATES_MAX: usize = 2_000;
/// Most minutes in which a late strike is still that of the day.
pub const GRACE_MINUTES_MAX: u16 = 24 * 60;

/// The rules; null and absence are the same, and the canonical form writes every field out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rules {
    /// The time of day at which orders are cut off.
    pub(super) cut_off: TimeOfDay,
    /// Dealing days beside the weekdays, such as a Saturday that is worked.
    #[serde(default)]
    pub(super) extra_days: BTreeSet<Date>,
    /// How late a strike may come and still be that of the day.
    #[serde(default = "an_hour")]
    pub(super) grace_minutes: u16,
    /// Weekdays on which there is no dealing.
    #[serde(default)]
    pub(super) holidays: BTreeSet<Date>,
    /// Days with a cut-off of their own, such as the day before a holiday.
    #[serde(default)]
    pub(super) other_cut_offs: BTreeMap<Date, TimeOfDay>,
    /// When weights are reviewed.
    pub(super) review: Review,
    /// IANA name of the zone.
    pub(super) time_zone: String,
    /// Days of the week on which there is dealing.
    pub(super) weekdays: BTreeSet<Weekday>,
}

const fn an_hour() -> u16 {
    60
}

/// Why a text is no calendar.
#[derive(Debug, thiserror::Error)]
pub enum CalendarError {
    /// More bytes than a calendar needs.
    #[error("{given} bytes; at most {CALENDAR_BYTES_MAX}")]
    Bytes {
        /// How many.
        given: usize,
    },
    /// Not the JSON of a calendar.
    #[error("no calendar: {0}")]
    Json(#[from] serde_json::Error),
    /// No such zone.
    #[error("time_zone {given:?} is no name of the IANA database such as Europe/Berlin")]
    TimeZone {
        /// The first 80 characters of what was given.
        given: String,
    },
    /// A list that needs an entry has none.
    #[error("{field} is empty; at least 1")]
    Empty {
        /// The field.
        field: &'static str,
    },
    /// More dates than a list may have.
    #[error("{field} has {given} dates; at most {DATES_MAX}")]
    Dates {
        /// The field.
        field: &'static str,
        /// How many.
        given: usize,
    },
    /// A date that the zone's tables do not reach.
    #[error("{field} has {date}; from {DATE_MIN} to {DATE_MAX}")]
    Range {
        /// The field.
        field: &'static str,
        /// The date.
        date: Date,
    },
    /// A date that is called a holiday and a dealing day.
    #[error("{date} stands in holidays and in extra_days")]
    Both {
        /// The date.
        date: Date,
    },
    /// A cut-off for a day without dealing.
    #[error("other_cut_offs has {date}, which is no dealing day")]
    NoDealing {
        /// The date.
        date: Date,
    },
    /// More minutes than a day has.
    #[error("grace_minutes is {given}; at most {GRACE_MINUTES_MAX}")]
    Grace {
        /// How many.
        given: u16,
    },
    /// A place that no month has.
    #[error("review.day is {given}; from 1 to 31 or from -31 to -1")]
    ReviewDay {
        /// The place.
        given: i8,
    },
    /// No month.
    #[error("review.months has {given}; from 1 to 12")]
    Month {
        /// What was given.
        given: u8,
    },
    /// A value without canonical JSON.
    #[error("calendar: {0}")]
    Canonical(#[from] CanonicalError),
}

impl Rules {
    /// Reads and checks.
    pub(super) fn parse(text: &str) -> Result<(Self, Zone), CalendarError> {
        if text.len() > CALENDAR_BYTES_MAX {
            return Err(CalendarError::Bytes { given: text.len() });
        }
        let rules: Self = serde_json::from_str(text)?;
        let given = || rules.time_zone.chars().take(80).collect();
        let zone = Zone::named(&rules.time_zone)
            .ok_or_else(|| CalendarError::TimeZone { given: given() })?;
        rules.check()?;
        Ok((rules, zone))
    }

    fn check(&self) -> Result<(), CalendarError> {
        if self.weekdays.is_empty() {
            return Err(CalendarError::Empty { field: "weekdays" });
        }
        if self.grace_minutes > GRACE_MINUTES_MAX {
            return Err(CalendarError::Grace { given: self.grace_minutes });
        }
        check_dates("holidays", self.holidays.iter())?;
        check_dates("extra_days", self.extra_days.iter())?;
        check_dates("other_cut_offs", self.other_cut_offs.keys())?;
        if let Some(date) = self.holidays.intersection(&self.extra_days).next() {
            return Err(CalendarError::Both { date: *date });
        }
        let closed = |date: &&Date| {
            !self.extra_days.contains(*date)
                && (self.holidays.contains(*date) || !self.weekdays.contains(&Weekday::of(**date)))
        };
        if let Some(date) = self.other_cut_offs.keys().find(closed) {
            return Err(CalendarError::NoDealing { date: *date });
        }
        self.review.check()
    }
}

fn check_dates<'a>(
    field: &'static str,
    dates: impl ExactSizeIterator<Item = &'a Date>,
) -> Result<(), CalendarError> {
    if dates.len() > DATES_MAX {
        return Err(CalendarError::Dates { field, given: dates.len() });
    }
    let mut dates = dates;
    match dates.find(|date| !(DATE_MIN..=DATE_MAX).contains(*date)) {
        Some(date) => Err(CalendarError::Range { field, date: *date }),
        None => Ok(()),
    }
}

/// A time of day in whole minutes, `HH:MM` from 00:00 to 23:59.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay(u16);

impl TimeOfDay {
    /// The beginning of a day.
    pub const MIDNIGHT: Self = Self(0);

    /// Milliseconds since the beginning of a day on which no clock is changed.
    #[must_use]
    pub fn as_millis(self) -> i64 {
        i64::from(self.0) * MINUTE_MS
    }
}

/// A text that is no time of day.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is no time of day: expected HH:MM from 00:00 to 23:59")]
pub struct ParseTimeOfDayError {
    /// The first 80 characters of what was given.
    pub given: String,
}

impl FromStr for TimeOfDay {
    type Err = ParseTimeOfDayError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || ParseTimeOfDayError { given: text.chars().take(80).collect() };
        let (hour, minute) = text.split_once(':').ok_or_else(refused)?;
        let number = |part: &str, most: u16| {
            let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
            part.parse::<u16>().ok().filter(|number| digits && *number <= most).ok_or_else(refused)
        };
        Ok(Self(number(hour, 23)? * 60 + number(minute, 59)?))
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl Serialize for TimeOfDay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TimeOfDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
