//! Calendars: cut-offs through changes of the clock, dealing days, reviews, notices.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::collections::BTreeSet;

use chrono::{DateTime, TimeZone as _};
use chrono_tz::Tz;
use domain::{
    calendar::{Calendar, DATE_MAX, DATE_MIN, Weekday},
    time::{DAY_MS, Date, Timestamp},
};
use proptest::prelude::*;
use serde_json::{Value, json};

const WEEK: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn calendar(rules: &Value) -> Calendar {
    Calendar::parse(&rules.to_string()).unwrap()
}

/// Every day of the week in a zone, cut off at a time.
fn daily(zone: &str, cut_off: &str) -> Value {
    json!({ "cut_off": cut_off, "review": { "every": "never" }, "time_zone": zone, "weekdays": WEEK })
}

/// Proves the cut-off where clocks are changed, by instants that were looked up: a time that is left out is the end of the gap, one that
/// comes twice is the earlier one, and a date that a zone left out is none.
#[test]
fn cut_offs_when_clocks_change() {
    for (zone, day, time, instant) in [
        ("Europe/Berlin", "2026-01-05", "16:00", "2026-01-05T15:00:00Z"),
        ("Europe/Berlin", "2026-07-06", "16:00", "2026-07-06T14:00:00Z"),
        ("Europe/Berlin", "2026-03-29", "01:59", "2026-03-29T00:59:00Z"),
        ("Europe/Berlin", "2026-03-29", "02:00", "2026-03-29T01:00:00Z"),
        ("Europe/Berlin", "2026-03-29", "02:30", "2026-03-29T01:00:00Z"),
        ("Europe/Berlin", "2026-03-29", "03:00", "2026-03-29T01:00:00Z"),
        ("Europe/Berlin", "2026-10-25", "02:30", "2026-10-25T00:30:00Z"),
        ("Europe/Berlin", "2026-10-25", "03:00", "2026-10-25T02:00:00Z"),
        ("America/New_York", "2026-03-08", "02:30", "2026-03-08T07:00:00Z"),
        ("America/New_York", "2026-11-01", "01:30", "2026-11-01T05:30:00Z"),
        ("America/New_York", "2026-11-01", "16:00", "2026-11-01T21:00:00Z"),
        // Half an hour, on the southern half of the world.
        ("Australia/Lord_Howe", "2026-10-04", "02:15", "2026-10-03T15:30:00Z"),
        ("Australia/Lord_Howe", "2026-04-05", "01:45", "2026-04-04T14:45:00Z"),
        ("Australia/Lord_Howe", "2026-04-05", "02:00", "2026-04-04T15:30:00Z"),
        // At midnight: a day without its first hour, and one whose last hour comes twice.
        ("America/Santiago", "2026-09-06", "00:30", "2026-09-06T04:00:00Z"),
        ("America/Santiago", "2026-04-04", "23:30", "2026-04-05T02:30:00Z"),
        ("America/Santiago", "2026-04-05", "00:00", "2026-04-05T04:00:00Z"),
        ("Pacific/Apia", "2011-12-29", "16:00", "2011-12-30T02:00:00Z"),
        ("Pacific/Apia", "2011-12-31", "16:00", "2011-12-31T02:00:00Z"),
        ("Asia/Kolkata", "2026-12-31", "23:59", "2026-12-31T18:29:00Z"),
        ("UTC", "2028-02-29", "00:00", "2028-02-29T00:00:00Z"),
    ] {
        let found = calendar(&daily(zone, time)).dealing_day(date(day)).unwrap();
        assert_eq!(found.cut_off, at(instant), "{zone} {day} {time}");
    }
    let apia = calendar(&daily("Pacific/Apia", "16:00"));
    assert_eq!(apia.dealing_day(date("2011-12-30")), None, "Samoa had no such Friday");
    assert_eq!(apia.next_dealing(at("2011-12-30T02:00:00Z")).unwrap().date, date("2011-12-31"));
    assert_eq!((DATE_MIN, DATE_MAX), (date("2000-01-01"), date("2099-12-31")));
}

/// A fund that deals on weekdays in Frankfurt.
fn frankfurt(review: &Value) -> Value {
    json!({
        "cut_off": "16:00",
        "extra_days": ["2026-05-30"],
        "holidays": ["2026-01-01", "2026-04-03", "2026-04-06", "2026-05-01", "2026-12-25"],
        "other_cut_offs": { "2026-12-24": "12:00", "2026-05-30": "11:30" },
        "review": review,
        "time_zone": "Europe/Berlin",
        "weekdays": WEEK[..5],
    })
}

/// Proves dealing days over a weekend, holidays, a worked Saturday, a short day, a leap day and the end of a year; and the end of notices.
#[test]
fn dealing_days_by_hand() {
    let calendar = calendar(&frankfurt(&json!({ "every": "dealing_day" })));
    let days = |from: &str, to: &str| {
        let days = calendar.dealing_days(date(from), date(to));
        days.map(|day| day.date.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(days("2026-04-01", "2026-04-08"), "2026-04-01 2026-04-02 2026-04-07 2026-04-08");
    assert_eq!(days("2026-05-29", "2026-06-01"), "2026-05-29 2026-05-30 2026-06-01");
    assert_eq!(days("2028-02-28", "2028-03-01"), "2028-02-28 2028-02-29 2028-03-01");
    assert_eq!(days("2025-12-31", "2026-01-02"), "2025-12-31 2026-01-02");
    assert_eq!(days("2026-04-08", "2026-04-01"), "");
    assert_eq!(days("1999-12-30", "2000-01-03"), "2000-01-03", "not before the tables");
    for (after, next) in [
        ("2026-04-02T13:59:59.999Z", "2026-04-02T14:00:00Z"),
        // At the cut-off itself the day is over; then Good Friday, a weekend, Easter Monday.
        ("2026-04-02T14:00:00Z", "2026-04-07T14:00:00Z"),
        ("2026-12-24T10:00:00Z", "2026-12-24T11:00:00Z"),
        ("2026-12-24T11:00:00Z", "2026-12-28T15:00:00Z"),
        ("2026-05-30T00:00:00Z", "2026-05-30T09:30:00Z"),
    ] {
        assert_eq!(calendar.next_dealing(at(after)).unwrap().cut_off, at(next), "after {after}");
    }
    for (from, days, end) in [
        ("2026-04-02", 0, "2026-04-02"),
        ("2026-04-03", 0, "2026-04-07"),
        ("2026-04-02", 1, "2026-04-07"),
        ("2026-04-04", 1, "2026-04-07"),
        ("2026-04-02", 5, "2026-04-13"),
        ("2025-12-30", 2, "2026-01-02"),
    ] {
        assert_eq!(
            calendar.add_dealing_days(date(from), days).unwrap().date,
            date(end),
            "{from} {days}"
        );
    }
    let end = at("2099-12-31T23:00:00Z");
    assert_eq!((calendar.next_dealing(end), calendar.next_review(end)), (None, None));
    assert_eq!(calendar.add_dealing_days(date("2099-12-30"), 9), None);
    let passed = |last: Option<&str>, since: &str, now: &str| {
        let passed = calendar.passed(last.map(date), at(since), at(now));
        passed.map(|day| day.date.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(passed(None, "2026-04-01T14:00:00Z", "2026-04-02T14:00:00Z"), "2026-04-02");
    assert_eq!(passed(None, "2026-04-01T13:59:00Z", "2026-04-02T13:59:00Z"), "2026-04-01");
    assert_eq!(
        passed(Some("2026-04-02"), "2026-04-01T00:00:00Z", "2026-04-07T14:00:00Z"),
        "2026-04-07"
    );
}

/// Proves the days of every rule of review, in quarters, at the ends of months, through holidays and beyond a month's dealing days.
#[test]
fn reviews_by_hand() {
    for (review, from, to, expected) in [
        (json!({ "every": "never" }), "2026-01-01", "2026-12-31", ""),
        (json!({ "every": "dealing_day" }), "2026-04-02", "2026-04-07", "2026-04-02 2026-04-07"),
        // Easter Monday is a holiday: the week is reviewed on Tuesday, and once.
        (
            json!({ "every": "week", "weekday": "monday" }),
            "2026-03-30",
            "2026-04-14",
            "2026-03-30 2026-04-07 2026-04-13",
        ),
        (
            json!({ "every": "week", "weekday": "saturday" }),
            "2026-05-25",
            "2026-06-08",
            "2026-05-25 2026-05-30 2026-06-08",
        ),
        (
            json!({ "every": "month", "day": 1 }),
            "2026-01-01",
            "2026-05-31",
            "2026-01-02 2026-02-02 2026-03-02 2026-04-01 2026-05-04",
        ),
        (
            json!({ "every": "month", "day": -1 }),
            "2026-01-01",
            "2026-05-31",
            "2026-01-30 2026-02-27 2026-03-31 2026-04-30 2026-05-30",
        ),
        (
            json!({ "every": "month", "day": 3 }),
            "2026-01-01",
            "2026-02-28",
            "2026-01-06 2026-02-04",
        ),
        (json!({ "every": "month", "day": -2 }), "2026-12-01", "2026-12-31", "2026-12-30"),
        (
            json!({ "every": "month", "day": 31 }),
            "2028-02-01",
            "2028-03-31",
            "2028-02-29 2028-03-31",
        ),
        (
            json!({ "every": "month", "day": -1, "months": [3, 6, 9, 12] }),
            "2026-01-01",
            "2026-12-31",
            "2026-03-31 2026-06-30 2026-09-30 2026-12-31",
        ),
    ] {
        let calendar = calendar(&frankfurt(&review));
        let (from, to) = (date(from).day(), date(to).day());
        let days = (from..=to).map(Date::from_day).filter(|day| calendar.is_review(*day));
        let days: Vec<String> = days.map(|day| day.to_string()).collect();
        assert_eq!(days.join(" "), expected, "{review}");
        let next = calendar.next_review(Timestamp::from_millis(from * DAY_MS));
        assert_eq!(next.map(|day| day.date.to_string()).as_ref(), days.first(), "{review}");
    }
}

/// Proves that every text that is no calendar is refused with the field at fault and its limit, and that two spellings of the same rules
/// are one calendar.
#[test]
fn refusals_and_the_canonical_form() {
    let changed = |field: &str, value: Value| {
        let mut rules = frankfurt(&json!({ "every": "never" }));
        rules[field] = value;
        rules.to_string()
    };
    let days: Vec<String> = (20_000..22_001).map(|day| Date::from_day(day).to_string()).collect();
    for (text, said) in [
        (String::new(), "no calendar"),
        ("{}".to_owned(), "missing field"),
        (" ".repeat(70_000), "at most 65536"),
        (changed("time_zone", json!("Europe/Bonn")), "\"Europe/Bonn\""),
        (changed("time_zone", json!("europe/berlin")), "IANA"),
        (changed("weekdays", json!([])), "weekdays is empty"),
        (changed("weekdays", json!(["moonday"])), "moonday"),
        (changed("cut_off", json!("24:00")), "24:00"),
        (changed("cut_off", json!("4:00")), "HH:MM"),
        (changed("cut_off", json!("16:00:00")), "HH:MM"),
        (changed("grace_minutes", json!(1441)), "at most 1440"),
        (changed("holidays", json!(["2026-02-29"])), "2026-02-29"),
        (changed("holidays", json!(["1999-12-31"])), "from 2000-01-01 to 2099-12-31"),
        (changed("holidays", json!(days)), "2001 dates; at most 2000"),
        (changed("extra_days", json!(["2026-05-01", "2026-05-30"])), "2026-05-01 stands in"),
        (changed("other_cut_offs", json!({ "2026-05-01": "12:00" })), "no dealing day"),
        (changed("other_cut_offs", json!({ "2026-05-02": "12:00" })), "no dealing day"),
        (changed("review", json!({ "every": "year" })), "year"),
        (changed("review", json!({ "every": "never", "day": 1 })), "day"),
        (changed("review", json!({ "every": "month", "day": 0 })), "review.day is 0"),
        (changed("review", json!({ "every": "month", "day": 32 })), "review.day is 32"),
        (changed("review", json!({ "every": "month", "day": 1, "months": [13] })), "has 13"),
        (changed("review", json!({ "every": "month", "day": 1, "months": [] })), "is empty"),
        (changed("colour", json!("red")), "colour"),
    ] {
        let error = Calendar::parse(&text).unwrap_err().to_string();
        assert!(error.contains(said), "{said}: {error}");
    }
    let short = daily("UTC", "00:00");
    let mut long = short.clone();
    long["grace_minutes"] = json!(60);
    long["holidays"] = json!([]);
    long["weekdays"] = json!(WEEK.iter().rev().collect::<Vec<_>>());
    let (short, long) = (calendar(&short), calendar(&long));
    assert_eq!((short.text(), short.digest()), (long.text(), long.digest()));
    assert_eq!(Calendar::parse(short.text()).unwrap(), short);
    assert_eq!((short.time_zone(), short.grace_ms()), ("UTC", 3_600_000));
}

/// What a zone's clock shows, in milliseconds since the epoch as if it were UTC; asks the zone in the one direction without doubt.
fn shown(zone: Tz, millis: i64) -> i64 {
    let utc = DateTime::from_timestamp_millis(millis).unwrap().naive_utc();
    zone.from_utc_datetime(&utc).naive_local().and_utc().timestamp_millis()
}

/// The naive oracle: minute by minute through three days, until the clock shows the time; none if the date never comes.
fn first_shown(zone: Tz, day: i64, minute: i64) -> Option<i64> {
    let (target, next) = (day * DAY_MS + minute * 60_000, (day + 1) * DAY_MS);
    let minutes = || ((day - 1) * DAY_MS..(day + 2) * DAY_MS).step_by(60_000);
    let comes = minutes().any(|at| (day * DAY_MS..next).contains(&shown(zone, at)));
    comes.then(|| minutes().find(|at| shown(zone, *at) >= target)).flatten()
}

const ZONES: [&str; 8] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Pacific/Apia",
    "Africa/Cairo",
    "Asia/Tehran",
    "America/Nuuk",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Proves cut-off, next dealing day and passed days against minutes that are counted one by one, mostly near changes of the clock.
    #[test]
    fn the_naive_oracle_agrees(
        zone in 0..ZONES.len(),
        near in 0_usize..64,
        off in -2_i64..=2,
        minute in prop_oneof![3 => 0_i64..240, 1 => 0_i64..1440, 1 => 1380_i64..1440],
        closed in proptest::collection::btree_set(-3_i64..=6, 0..4),
        since in -60_i64..3000,
    ) {
        let tz: Tz = ZONES[zone].parse().unwrap();
        // A day on which the offset differs from that of the day before, if the year has one.
        let first = 11_000 + near as i64 * 180;
        let offset = |day: i64| shown(tz, day * DAY_MS) - day * DAY_MS;
        let change = (first..first + 366).find(|day| offset(*day) != offset(*day + 1));
        let day = change.unwrap_or(first) + off;
        let text = format!("{:02}:{:02}", minute / 60, minute % 60);
        let mut rules = daily(ZONES[zone], &text);
        let holidays: BTreeSet<i64> = closed.iter().map(|offset| day + offset).collect();
        rules["holidays"] = json!(holidays.iter().map(|day| Date::from_day(*day)).collect::<Vec<_>>());
        let calendar = calendar(&rules);
        let oracle: Vec<(i64, i64)> = (day - 3..day + 9)
            .filter(|day| !holidays.contains(day))
            .filter_map(|day| Some((day, first_shown(tz, day, minute)?)))
            .collect();
        let found: Vec<(i64, i64)> = calendar
            .dealing_days(Date::from_day(day - 3), Date::from_day(day + 8))
            .map(|day| (day.date.day(), day.cut_off.as_millis()))
            .collect();
        prop_assert_eq!(&found, &oracle);
        let after = day * DAY_MS + since * 60_000;
        let next = calendar.next_dealing(Timestamp::from_millis(after)).unwrap();
        let expected = oracle.iter().find(|(_, cut_off)| *cut_off > after);
        prop_assert_eq!(Some(&(next.date.day(), next.cut_off.as_millis())), expected);
        let begun = (day - 2) * DAY_MS;
        let passed = calendar.passed(None, Timestamp::from_millis(begun), Timestamp::from_millis(after));
        let passed: Vec<i64> = passed.map(|day| day.date.day()).collect();
        let expected = oracle.iter().filter(|(_, cut)| *cut > begun && *cut <= after);
        prop_assert_eq!(passed, expected.map(|(day, _)| *day).collect::<Vec<_>>());
    }

    /// Proves reviews against a count of each month's and week's dealing days: one a month at its place, at most one a week.
    #[test]
    fn reviews_are_counted(
        week in proptest::collection::btree_set(0_usize..7, 1..7),
        closed in proptest::collection::btree_set(0_i64..365, 0..60),
        place in prop_oneof![1_i8..=31, -31_i8..=-1],
        weekday in 0_usize..7,
        year in 2000_i64..2099,
    ) {
        let first = date(&format!("{year}-01-01")).day();
        let last = date(&format!("{year}-12-31")).day();
        let mut rules = daily("Europe/Berlin", "16:00");
        rules["weekdays"] = json!(week.iter().map(|day| WEEK[*day]).collect::<Vec<_>>());
        rules["holidays"] = json!(closed.iter().map(|day| Date::from_day(first + day)).collect::<Vec<_>>());
        let is_open = |day: i64| {
            let weekday = Weekday::of(Date::from_day(day));
            week.iter().any(|place| Weekday::ALL[*place] == weekday) && !closed.contains(&(day - first))
        };
        rules["review"] = json!({ "every": "month", "day": place });
        let monthly = calendar(&rules);
        for month in 1..=12 {
            let of_month = |day: &i64| Date::from_day(*day).month() == (year, month);
            let open: Vec<i64> = (first..=last).filter(of_month).filter(|day| is_open(*day)).collect();
            let at = if place > 0 { i64::from(place) - 1 } else { open.len() as i64 + i64::from(place) };
            let expected = open.get(at.clamp(0, (open.len() as i64 - 1).max(0)) as usize).copied();
            let found: Vec<i64> = (first..=last)
                .filter(of_month)
                .filter(|day| monthly.is_review(Date::from_day(*day)))
                .collect();
            prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
        }
        rules["review"] = json!({ "every": "week", "weekday": WEEK[weekday] });
        let weekly = calendar(&rules);
        let mut is_due = false;
        for day in first..=last {
            is_due |= Weekday::of(Date::from_day(day)) == Weekday::ALL[weekday];
            let expected = is_due && is_open(day);
            // Before the year's first such weekday a week has begun in the year before.
            if day >= first + 7 {
                prop_assert_eq!(weekly.is_review(Date::from_day(day)), expected);
            }
            is_due &= !expected;
        }
    }
}
