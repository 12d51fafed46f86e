//! Points in time, as values.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z, by the clock that the server was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

/// Milliseconds of one day.
pub const DAY_MS: i64 = 86_400_000;

impl Timestamp {
    /// Takes milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole days since the epoch: the `day` of the fund engine (FUND 1.6).
    #[must_use]
    pub const fn day(self) -> i64 {
        self.0.div_euclid(DAY_MS)
    }

    /// This point moved by `millis`; stops at the ends of the range.
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

/// RFC 3339 in UTC with milliseconds; the civil date by the days-from-civil algorithm on the proleptic Gregorian calendar.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.rem_euclid(DAY_MS);
        let shifted = self.day() + 719_468; // days since 0000-03-01
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let (hour, minute, second) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1000 % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z",
            millis % 1000
        )
    }
}

/// A text that is no point in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected RFC 3339 in UTC such as 2026-01-05T00:00:00Z, with up to milliseconds")]
pub struct ParseTimestampError;

impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = text.strip_suffix('Z').filter(|text| text.is_ascii());
        let plain = plain.ok_or(ParseTimestampError)?;
        let whole = match plain.len() {
            19 => format!("{plain}.000Z"),
            23 => text.to_owned(),
            _ => return Err(ParseTimestampError),
        };
        let number = |range: std::ops::Range<usize>| -> Result<i64, ParseTimestampError> {
            whole[range].parse().map_err(|_| ParseTimestampError)
        };
        let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
        let shifted_year = year - i64::from(month <= 2);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let era = shifted_year.div_euclid(400);
        let year_of_era = shifted_year.rem_euclid(400);
        let day_of_era = 365 * year_of_era + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = era * 146_097 + day_of_era - 719_468;
        let seconds = number(11..13)? * 3600 + number(14..16)? * 60 + number(17..19)?;
        let found = Self(days * DAY_MS + seconds * 1000 + number(20..23)?);
        // Whatever is no date, no hour or no separator comes back as another text.
        if found.to_string() == whole { Ok(found) } else { Err(ParseTimestampError) }
    }
}

/// A civil date in UTC, counted in days since 1970-01-01; its text is `YYYY-MM-DD`, from year 0 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(i64);

/// A text that is no date.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is no date: expected YYYY-MM-DD such as 2026-01-05")]
pub struct ParseDateError {
    /// The first 80 characters of what was given.
    pub given: String,
}

impl Date {
    /// The date so many days after 1970-01-01.
    #[must_use]
    pub const fn from_day(day: i64) -> Self {
        Self(day)
    }

    /// This date moved by whole days; stops at the ends of the range.
    #[must_use]
    pub const fn plus_days(self, days: i64) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// Whole days since the epoch: the `day` of the fund engine (FUND 1.6).
    #[must_use]
    pub const fn day(self) -> i64 {
        self.0
    }

    /// Years and months, so that two dates of one month are equal in both.
    #[must_use]
    pub fn month(self) -> (i64, i64) {
        let text = self.to_string();
        let number = |range: std::ops::Range<usize>| text.get(range)?.parse().ok();
        (number(0..4).unwrap_or_default(), number(5..7).unwrap_or_default())
    }
}

impl Serialize for Date {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = Timestamp(self.0.saturating_mul(DAY_MS)).to_string();
        f.write_str(text.get(..10).unwrap_or(&text))
    }
}

impl FromStr for Date {
    type Err = ParseDateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || ParseDateError { given: text.chars().take(80).collect() };
        if text.len() != 10 || !text.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(refused());
        }
        let midnight: Timestamp = format!("{text}T00:00:00Z").parse().map_err(|_| refused())?;
        Ok(Self(midnight.day()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that dates and their text are one to one, with their day and month, and that nothing else is a date.
    #[test]
    fn date_text() {
        for (text, day, month) in [
            ("1970-01-01", 0, (1970, 1)),
            ("1969-12-31", -1, (1969, 12)),
            ("2016-02-29", 16_860, (2016, 2)),
            ("9999-12-31", 2_932_896, (9999, 12)),
        ] {
            let date: Date = text.parse().unwrap();
            assert_eq!((date.to_string().as_str(), date.day(), date.month()), (text, day, month));
        }
        for bad in
            ["", "2015-02-29", "2016-2-29", "2016-02-29Z", "-001-01-01", "2016/02/29", "é016-02-2"]
        {
            assert!(bad.parse::<Date>().is_err(), "{bad}");
        }
    }

    /// Proves the calendar at leap days, ends of centuries and before the epoch.
    #[test]
    fn timestamp_text() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (1_767_571_200_123, "2026-01-05T00:00:00.123Z"),
        ] {
            assert_eq!(Timestamp::from_millis(millis).to_string(), text);
            assert_eq!(text.parse(), Ok(Timestamp::from_millis(millis)));
        }
        assert_eq!("2000-02-29T00:00:00Z".parse(), Ok(Timestamp::from_millis(951_782_400_000)));
        for bad in [
            "",
            "Z",
            "2001-02-29T00:00:00Z",
            "2000-13-01T00:00:00Z",
            "2000-00-01T00:00:00Z",
            "2000-01-00T00:00:00Z",
            "2000-01-01T24:00:00Z",
            "2000-01-01T00:60:00Z",
            "2000-01-01 00:00:00Z",
            "2000-01-01T00:00:00+",
            "2000-01-01T00:00:00.0Z",
            "+200-01-01T00:00:00Z",
            "2000-01-01T00:00:00.-01Z",
            "2000-01-01T00:00:é0Z",
        ] {
            assert_eq!(bad.parse::<Timestamp>(), Err(ParseTimestampError), "{bad}");
        }
        assert_eq!(Timestamp::from_millis(-1).day(), -1);
    }
}
