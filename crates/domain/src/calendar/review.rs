//! On which dealing days weights are reviewed.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::rules::CalendarError;
use crate::time::Date;

/// The most dealing days of a month.
const MONTH_DAYS: i64 = 31;

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "seven words that say what they are")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl Weekday {
    /// All of them, as weeks are counted.
    pub const ALL: [Self; 7] = [
        Self::Monday,
        Self::Tuesday,
        Self::Wednesday,
        Self::Thursday,
        Self::Friday,
        Self::Saturday,
        Self::Sunday,
    ];

    /// That of a date.
    #[must_use]
    pub fn of(date: Date) -> Self {
        // 1970-01-01 was a Thursday.
        let place = date.day().saturating_add(3).rem_euclid(7);
        usize::try_from(place)
            .ok()
            .and_then(|place| Self::ALL.get(place))
            .copied()
            .unwrap_or(Self::Monday)
    }

    /// Days from the last such weekday to a date; none on that day itself.
    fn days_before(self, date: Date) -> i64 {
        (Self::of(date) as i64 - self as i64).rem_euclid(7)
    }
}

/// When weights are reviewed, so that a rebalance follows the strike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "every", rename_all = "snake_case", deny_unknown_fields)]
pub enum Review {
    /// Not by the calendar.
    Never {},
    /// On every dealing day.
    DealingDay {},
    /// On the first dealing day of a week that begins on this weekday.
    Week {
        /// The weekday.
        weekday: Weekday,
    },
    /// On one dealing day of each of these months.
    Month {
        /// Which one: 1 is the first, 2 the second, -1 the last, -2 the last but one. Beyond the dealing days of a month it is the
        /// nearest one.
        day: i8,
        /// The months, from 1 to 12; all of them where none is given.
        #[serde(default = "every_month")]
        months: BTreeSet<u8>,
    },
}

fn every_month() -> BTreeSet<u8> {
    (1..=12).collect()
}

impl Review {
    /// Checks the numbers.
    pub(super) fn check(&self) -> Result<(), CalendarError> {
        let Self::Month { day, months } = self else { return Ok(()) };
        if *day == 0 || i64::from(*day).abs() > MONTH_DAYS {
            return Err(CalendarError::ReviewDay { given: *day });
        }
        match months.iter().find(|month| !(1..=12).contains(*month)) {
            Some(month) => Err(CalendarError::Month { given: *month }),
            None if months.is_empty() => Err(CalendarError::Empty { field: "review.months" }),
            None => Ok(()),
        }
    }

    /// Whether a dealing day has a review.
    pub(super) fn falls_on(&self, date: Date, is_dealing: impl Fn(Date) -> bool) -> bool {
        match self {
            Self::Never {} => false,
            Self::DealingDay {} => true,
            Self::Week { weekday } => {
                (1..=weekday.days_before(date)).all(|days| !is_dealing(date.plus_days(-days)))
            }
            Self::Month { day, months } => {
                let (_, month) = date.month();
                u8::try_from(month).is_ok_and(|month| months.contains(&month))
                    && chosen(*day, date, is_dealing) == Some(date)
            }
        }
    }
}

/// The dealing day of this place in the month of a date.
fn chosen(place: i8, date: Date, is_dealing: impl Fn(Date) -> bool) -> Option<Date> {
    let month = date.month();
    let around = (-MONTH_DAYS..=MONTH_DAYS).map(|days| date.plus_days(days));
    let days: Vec<Date> = around.filter(|day| day.month() == month && is_dealing(*day)).collect();
    let last = days.len().checked_sub(1)?;
    let back = usize::from(place.unsigned_abs()).saturating_sub(1).min(last);
    days.get(if place > 0 { back } else { last - back }).copied()
}
