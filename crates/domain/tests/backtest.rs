//! Backtests: the golden path of bt, the live functions bit for bit, the history's text and its refusals.

#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    amount::{Cash, PriceNano},
    backtest::{
        Backtest, BacktestError, DAYS_MAX, Figures, History, HistoryError, Schedule, Settings,
        days_csv, figures, parse_csv, run, to_json, weights_csv,
    },
    digest::Digest,
    fund::Methodology,
    index::{IndexLevel, InfeasiblePolicy, LevelError},
    name::Name,
    time::Date,
};
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{Signed, ToPrimitive};
use proptest::prelude::*;
use serde_json::Value;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

fn demo() -> Methodology {
    Methodology::parse(include_str!("../../cli/demo/methodology.json")).unwrap()
}

/// The demo's rules without cash and with caps of their own.
fn rules(name_cap_ppb: i64) -> Methodology {
    Methodology { cash_ppb: 0, name_cap_ppb, publisher_cap_ppb: 1_000_000_000, ..demo() }
}

fn settings<'a>(
    methodology: &'a Methodology,
    publishers: &'a BTreeMap<Name, Name>,
    schedule: Schedule,
) -> Settings<'a> {
    Settings { methodology, publishers, schedule, capital: None }
}

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/bt_nav_path.json")).unwrap()
}

fn golden_history(golden: &Value) -> History {
    let dates = golden["dates"].as_array().unwrap();
    let dates = dates.iter().map(|d| date(d.as_str().unwrap())).collect();
    let models = (0..5).map(|i| name(&format!("M{i:03}"))).collect();
    let rows = golden["prices_micro"].as_array().unwrap();
    let prices: Vec<Option<i64>> =
        rows.iter().flat_map(|row| row.as_array().unwrap()).map(Value::as_i64).collect();
    History::try_new(dates, models, &prices).unwrap()
}

/// `|a·d/(b·c) − 1|`: how far `a/b` is from `c/d`, where the two paths begin at `b` and `d`.
fn apart(value: &BigInt, start: &BigInt, path: &BigRational, base: &BigRational) -> f64 {
    let ratio = BigRational::new(value.clone(), start.clone()) * base / path;
    (ratio - BigRational::from_integer(1.into())).abs().to_f64().unwrap()
}

fn decimal(text: &str) -> BigRational {
    let (whole, part) = text.split_once('.').unwrap();
    let scale = BigInt::from(10).pow(u32::try_from(part.len()).unwrap());
    BigRational::new(format!("{whole}{part}").parse().unwrap(), scale)
}

/// Proves both golden paths, level and NAV, to 1e-9 on every day: equal weights are prices under a cap of 1/n.
#[test]
fn golden_bt_nav_path() {
    let golden = golden();
    let history = golden_history(&golden);
    for (path, cap) in [("equal_weight", 200_000_000), ("price_weight_cap_30pct", 300_000_000)] {
        let (rules, none) = (rules(cap), BTreeMap::new());
        let mut settings = settings(&rules, &none, Schedule::Monthly);
        settings.capital = Some("1000000000".parse().unwrap());
        let got = run(&history, &settings).unwrap();
        let changes: Vec<usize> = got
            .rebalances
            .iter()
            .map(|change| history.dates().binary_search(&change.date).unwrap())
            .collect();
        assert_eq!(serde_json::json!(changes), golden["rebalance_rows"]);
        let expected = golden["paths"][path]["decimal50_12dp"].as_array().unwrap();
        assert_eq!(expected.len(), got.days.len());
        let base = decimal(expected[0].as_str().unwrap());
        let nav = |day: usize| BigInt::from(got.days[day].nav.unwrap().as_femto().unwrap());
        let level = |day: usize| BigInt::from(got.days[day].level.unwrap().as_nano());
        for (day, expected) in expected.iter().enumerate() {
            let expected = decimal(expected.as_str().unwrap());
            let nav = apart(&nav(day), &nav(0), &expected, &base);
            let level = apart(&level(day), &level(0), &expected, &base);
            assert!(nav <= 1e-9 && level <= 1e-9, "{path}, day {day}: {nav}, {level}");
        }
    }
}

/// Publishers of the models, two for each but the last.
fn publishers(models: &[Name]) -> BTreeMap<Name, Name> {
    let owner = |place: usize| name(&format!("pub{}", place / 2));
    models.iter().skip(1).enumerate().map(|(place, m)| (m.clone(), owner(place))).collect()
}

/// The live order of a strike and the rebalance after it, by the public functions that `service::strikes` calls.
fn by_hand(
    history: &History,
    settings: &Settings<'_>,
    changes: &BTreeSet<Date>,
) -> Result<Vec<Option<i64>>, LevelError> {
    let mut level: Option<IndexLevel> = None;
    let mut levels = Vec::new();
    for (day, date) in history.dates().iter().enumerate() {
        let marks: BTreeMap<Name, PriceNano> = history
            .models()
            .iter()
            .cloned()
            .zip(history.row(day).iter().map(|nano| PriceNano::from_nano(*nano)))
            .filter(|(_, price)| *price >= PriceNano::ZERO)
            .collect();
        let at_strike = level.as_ref().map(|level| level.level(&marks)).transpose()?;
        if changes.contains(date) {
            let owner = |model: &Name| settings.publishers.get(model).unwrap_or(model).clone();
            let scores: Vec<_> = marks.iter().map(|(m, p)| (m.clone(), owner(m), *p)).collect();
            let weights = settings.methodology.target_weights(&scores).unwrap();
            match &mut level {
                Some(level) => level.rebase(&weights, &marks)?,
                None => level = Some(IndexLevel::start(&weights, &marks)?),
            }
            let base = level.as_ref().unwrap().base();
            // Invariant 32: the level goes through the change, and the new basket begins where the old one ended.
            assert!(at_strike.is_none_or(|before| before == base));
            assert_eq!(level.as_ref().unwrap().level(&marks).unwrap(), base);
        }
        levels.push(level.as_ref().map(|level| level.level(&marks).unwrap().as_nano()));
    }
    Ok(levels)
}

fn levels(backtest: &Backtest) -> Vec<Option<i64>> {
    backtest.days.iter().map(|day| day.level.map(PriceNano::as_nano)).collect()
}

/// Consecutive days, models `m0` and so on; a model has no price before its admission.
fn history(rows: &[Vec<i64>], admitted: &[usize]) -> History {
    let dates =
        (0..rows.len()).map(|day| date(&format!("2026-{:02}-{:02}", day / 28 + 1, day % 28 + 1)));
    let models = (0..admitted.len()).map(|i| name(&format!("m{i}"))).collect();
    let cells = rows.iter().enumerate().flat_map(|(day, row)| {
        row.iter().zip(admitted).map(move |(price, from)| (day >= *from).then_some(*price))
    });
    History::try_new(dates.collect(), models, &cells.collect::<Vec<_>>()).unwrap()
}

/// Mostly of one order of size: a level that grows by many of them passes its bound, here and live.
fn price() -> impl Strategy<Value = i64> {
    prop_oneof![1 => Just(0), 2 => 100_000..1_000_000_i64, 20 => 1_000_000..20_000_000_i64]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Proves that no text ends the parser otherwise than by a history or a refusal, near to good ones as they are.
    #[test]
    fn any_text(text in "date,model,price_micro\n((2026-01-0[0-4]|x),(a|b|),(-?[0-9]{1,20}|)(,1)?\r?\n){0,6}[ -~]{0,9}") {
        if let Ok(history) = parse_csv(&text) {
            prop_assert_eq!(history.row(0).len(), history.models().len());
            prop_assert!(history.dates().is_sorted());
        }
    }

    /// Proves invariant 37: the live functions, called by hand over the same prices, give the same level bit for bit, whatever the caps,
    /// the schedule, the publishers and the days of admission; and invariants 29 and 32 on the way.
    #[test]
    fn backtest_is_live(
        rows in prop::collection::vec(prop::collection::vec(price(), 7), 1..40),
        admitted in prop::collection::vec(0..30_usize, 7),
        name_cap_ppb in prop_oneof![1..1_000_000_000_i64, Just(1_000_000_000)],
        publisher_cap_ppb in prop_oneof![1..1_000_000_000_i64, Just(1_000_000_000)],
        is_cash in any::<bool>(),
        picks in prop::collection::vec(any::<bool>(), 40),
        schedule in 0..3_usize,
    ) {
        let mut admitted = admitted;
        admitted[3] = 0;
        let history = history(&rows, &admitted);
        let infeasible = if is_cash { InfeasiblePolicy::Cash } else { InfeasiblePolicy::Relax };
        let methodology = Methodology { name_cap_ppb, publisher_cap_ppb, infeasible, ..demo() };
        let owners = publishers(history.models());
        let schedule = match schedule {
            0 => Schedule::Monthly,
            1 => Schedule::EveryStrike,
            _ => Schedule::On(history.dates().iter().zip(picks).filter(|(_, p)| *p).map(|(d, _)| *d).collect()),
        };
        let mut settings = settings(&methodology, &owners, schedule);
        settings.capital = Some(Cash::from_micro(1_000_000_000));
        let got = match run(&history, &settings) {
            Ok(got) => got,
            Err(error) => {
                // A level beyond the bound is beyond it live too.
                prop_assert!(matches!(error, BacktestError::Level { .. }), "{error}");
                let all: BTreeSet<Date> = history.dates().iter().copied().collect();
                let days = if let Schedule::On(days) = &settings.schedule { days } else { &all };
                prop_assert!(settings.schedule == Schedule::Monthly || by_hand(&history, &settings, days).is_err());
                return Ok(());
            }
        };
        let changes: BTreeSet<Date> = got.rebalances.iter().map(|change| change.date).collect();
        prop_assert_eq!(Ok(levels(&got)), by_hand(&history, &settings, &changes));
        for change in &got.rebalances {
            let day = got.days.iter().find(|day| day.date == change.date).unwrap();
            prop_assert_eq!(day.level, Some(change.level));
            let sum: i64 = change.weights.iter().map(|w| w.weight.as_ppb()).sum();
            prop_assert_eq!(sum + change.cash.as_ppb(), 1_000_000_000);
            prop_assert!((0..=1_000_000_000).contains(&change.turnover.as_ppb()));
            if is_cash {
                prop_assert!(change.weights.iter().all(|w| w.weight.as_ppb() <= name_cap_ppb));
                let mut of_owner = BTreeMap::<&Name, i64>::new();
                for w in &change.weights {
                    let model = &got.models[w.column];
                    *of_owner.entry(owners.get(model).unwrap_or(model)).or_default() += w.weight.as_ppb();
                }
                prop_assert!(of_owner.values().all(|sum| *sum <= publisher_cap_ppb));
            }
        }
        prop_assert_eq!(run(&history, &settings).unwrap(), got, "the same again");
    }
}

/// Proves by numbers: a late model enters at the next rebalance, turnover counts the left-out cash, the portfolio keeps its cash part and pays its spread.
#[test]
fn a_small_backtest() {
    let rows = [[100, 100, 300], [200, 100, 300], [200, 100, 300], [200, 100, 300]]
        .map(|row| row.map(|p| p * 1_000_000).to_vec());
    let history = history(&rows, &[0, 0, 1]);
    let methodology = Methodology {
        spread_ppb: 10_000_000,
        cash_ppb: 100_000_000,
        infeasible: InfeasiblePolicy::Cash,
        ..rules(400_000_000)
    };
    let (none, days) = (BTreeMap::new(), ["2026-01-01", "2026-01-03"].map(date));
    let mut settings = settings(&methodology, &none, Schedule::On(days.into_iter().collect()));
    settings.capital = Some("1000".parse().unwrap());
    let got = run(&history, &settings).unwrap();
    let levels: Vec<String> = got.days.iter().map(|day| day.level.unwrap().to_string()).collect();
    // Two names at 40 %, one doubles: the basket is half as much again.
    assert_eq!(levels, ["1000.000000000", "1500.000000000", "1500.000000000", "1500.000000000"]);
    let [first, second] = &got.rebalances[..] else { unreachable!("two days were given") };
    assert_eq!((first.cash.as_ppb(), first.turnover.as_ppb()), (200_000_000, 800_000_000));
    // Worth 80, 40 and 20 in cash of 140; the targets are 1/3, 1/6 and 1/2 of it by price, 4/10 at most, the rest 4 to 2 by price.
    let weights: Vec<i64> = second.weights.iter().map(|w| w.weight.as_ppb()).collect();
    assert_eq!(weights, [400_000_000, 200_000_000, 400_000_000]);
    assert_eq!(second.turnover.as_ppb(), 400_000_000);
    // 900 are invested, 360 each at 101: the units cost a hundredth more than they count.
    let nav: Vec<String> = got.days.iter().map(|day| day.nav.unwrap().to_credits_text()).collect();
    // Then 1.16496 of both are sold at 198 and 99, and what is above the cash of 135.28 buys at 303.
    assert_eq!(nav[..2], ["1000.000000000000000", "1352.800000000000000"]);
    assert_eq!(nav[2..], ["1352.800000000000000", "1344.517864000000000"]);
    let reserved = Methodology { reserve_micro: 200_000_000, ..methodology.clone() };
    let reserved = run(&history, &Settings { methodology: &reserved, ..settings.clone() }).unwrap();
    assert_eq!(reserved.days[3].nav.unwrap().to_credits_text(), "1345.158655000000000");
    let text = days_csv(&got);
    assert!(
        text.starts_with("date,level,nav\n2026-01-01,1000.000000000,1000.000000000000000\n"),
        "{text}"
    );
    assert!(weights_csv(&got).ends_with("2026-01-03,m2,400000000\n"));
    let value = to_json(&got);
    assert_eq!(value["days"][1]["level"], "1500.000000000");
    assert_eq!(value["rebalances"][1]["weights_ppb"]["m1"], 200_000_000);
    settings.capital = Some(Cash::ZERO);
    assert_eq!(run(&history, &settings), Err(BacktestError::Capital { given: 0 }));
    let late = self::settings(&methodology, &none, Schedule::On([date("2026-01-02")].into()));
    let late = run(&history, &late).unwrap();
    assert_eq!((late.days[0].level, late.days[0].nav, late.rebalances.len()), (None, None, 1));
    assert_eq!((late.levels(), late.navs()), (vec![1_000_000_000_000; 3], Vec::new()));
    assert_eq!(got.navs()[1], 1_352_800_000_000_000_000);
    let absent = self::settings(&methodology, &none, Schedule::On([date("2026-02-02")].into()));
    assert!(matches!(run(&history, &absent), Err(BacktestError::Schedule { .. })));
    let strict = Methodology { infeasible: InfeasiblePolicy::Reject, ..methodology.clone() };
    let strict = self::settings(&strict, &none, Schedule::Monthly);
    assert!(matches!(run(&history, &strict), Err(BacktestError::Weights { .. })));
}

/// Proves that figures are those of the run they stand for, and that a history too short for one says so instead of being empty.
#[test]
fn figures_of_a_run() {
    let rows = [[100, 100], [200, 100], [100, 100], [110, 100]]
        .map(|row| row.map(|p| p * 1_000_000).to_vec());
    let (rules, none) = (rules(500_000_000), BTreeMap::new());
    let of = |days: usize| figures(Some(&history(&rows[..days], &[0, 0])), &rules, &none);
    let whole = of(4);
    let done = run(&history(&rows, &[0, 0]), &settings(&rules, &none, Schedule::EveryStrike));
    let done = done.unwrap();
    assert_eq!(whole.level_end, done.days[3].level);
    assert_eq!(whole.levels, Some(Digest::of(days_csv(&done).as_bytes())));
    // Half of it doubles, then a half of that is halved, then a half rises by a tenth: 1.5 · 0.75 · 1.05.
    let close = |found: Option<f64>, wanted: f64| (found.unwrap() - wanted).abs() < 1e-6;
    assert!(close(whole.total_return, 0.18125), "{whole:?}");
    assert!(close(whole.drawdown_max, -0.25), "{whole:?}");
    // A sixth, a sixth, and 1/42, over three days.
    let turnover = (1.0 / 6.0 + 1.0 / 6.0 + 1.0 / 42.0) * 365.25 / 3.0;
    assert!(close(whole.turnover, turnover), "{whole:?}");
    assert!(whole.volatility.is_some() && whole.remark.is_none() && whole.days == 4);
    for (days, remark) in [(1, "1 day of prices: "), (2, "1 return: ")] {
        let short = of(days);
        assert!(short.remark.as_ref().unwrap().starts_with(remark), "{short:?}");
        assert_eq!((short.volatility, short.total_return.is_some()), (None, days == 2));
        assert_eq!(short.days, days as u64);
    }
    let nothing = figures(None, &rules, &none);
    assert!(nothing.remark.as_ref().unwrap().starts_with("no day of prices: "), "{nothing:?}");
    let strict = Methodology { infeasible: InfeasiblePolicy::Reject, ..self::rules(400_000_000) };
    let refused = figures(Some(&history(&rows, &[0, 0])), &strict, &none);
    assert!(refused.remark.as_ref().unwrap().starts_with("weights on 2026-01-01: "), "{refused:?}");
    let text = serde_json::to_string(&whole).unwrap();
    assert_eq!(serde_json::from_str::<Figures>(&text).unwrap(), whole);
}

const GOOD: &str = "date,model,price_micro\n2026-01-02,b,7\n2026-01-01,a,5\n2026-01-02,a,6\n";

/// Proves that a history is read whatever the order of lines and columns, line ends included, and that a late model has no earlier price.
#[test]
fn csv_history() {
    let got = parse_csv(GOOD).unwrap();
    assert_eq!(got.models(), ["a", "b"].map(name));
    assert_eq!(got.dates(), ["2026-01-01", "2026-01-02"].map(date));
    assert_eq!((got.row(0), got.row(1)), (&[5000, -1][..], &[6000, 7000][..]));
    assert!(got.row(2).is_empty());
    let turned = "price_micro,date,model\r\n5,2026-01-01,a\r\n7,2026-01-02,b\r\n6,2026-01-02,a";
    assert_eq!(parse_csv(turned).unwrap(), got);
}

/// Proves that every fault of a history is refused by its line and field.
#[test]
fn csv_refusals() {
    for (text, message) in [
        ("", "line 1: unknown column \"\": expected date, model and price_micro"),
        (
            "date,model,price\n",
            "line 1: unknown column \"price\": expected date, model and price_micro",
        ),
        ("date,model\n", "line 1: column price_micro stands there 0 times: expected once"),
        (
            "date,model,date,price_micro\n",
            "line 1: column date stands there 2 times: expected once",
        ),
        ("date,model,price_micro\n", "no prices"),
        ("date,model,price_micro\n\n", "line 2 has 1 fields: expected 3"),
        ("date,model,price_micro\n2026-01-01,a,1,2\n", "line 2 has 4 fields: expected 3"),
        (
            "date,model,price_micro\n2026-02-30,a,1\n",
            "line 2, date: \"2026-02-30\" is no date: expected YYYY-MM-DD such as 2026-01-05",
        ),
        ("date,model,price_micro\n2026-01-01,a b,1\n", "line 2, model: \"a b\" is no name"),
        ("date,model,price_micro\n2026-01-01,a,-5\n", "line 2, price_micro: \"-5\" is no price"),
        ("date,model,price_micro\n2026-01-01,a,+5\n", "line 2, price_micro: \"+5\" is no price"),
        ("date,model,price_micro\n2026-01-01,a,1.5\n", "line 2, price_micro: \"1.5\" is no price"),
        (
            "date,model,price_micro\n2026-01-01,a,9000000000000001\n",
            "line 2, price_micro: \"9000000000000001\" is no price",
        ),
        (&format!("{GOOD}2026-01-01,a,5\n"), "line 5: a has a price on 2026-01-01 already"),
        (&format!("{GOOD}2026-01-03,b,5\n"), "a has no price on 2026-01-03, but on 2026-01-02"),
    ] {
        let got = parse_csv(text).unwrap_err().to_string();
        assert!(got.starts_with(message), "{text:?}: {got}");
    }
}

/// Proves that a matrix is refused as its text would be.
#[test]
fn matrix_refusals() {
    let days = || ["2026-01-01", "2026-01-02"].map(date).to_vec();
    let models = || ["a", "b"].map(name).to_vec();
    let some = [Some(1); 4];
    assert!(History::try_new(days(), models(), &some).is_ok());
    let reversed: Vec<Name> = models().into_iter().rev().collect();
    let order = HistoryError::Order { what: "models", place: 1 };
    assert_eq!(History::try_new(days(), reversed, &some), Err(order));
    let size = HistoryError::Size { given: 3, days: 2, models: 2 };
    assert_eq!(History::try_new(days(), models(), &some[1..]), Err(size));
    for bad in [Some(-1), Some(9_000_000_000_000_001)] {
        let got = History::try_new(days(), models(), &[Some(1), bad, Some(1), Some(1)]);
        assert!(matches!(got, Err(HistoryError::Range { .. })));
    }
    let gap = History::try_new(days(), models(), &[Some(1), None, None, Some(1)]);
    assert!(matches!(gap, Err(HistoryError::Gap { .. })));
    assert_eq!(History::try_new(Vec::new(), models(), &[]), Err(HistoryError::Empty));
    let many = History::try_new(vec![date("2026-01-01"); DAYS_MAX + 1], models(), &[]);
    assert_eq!(many.unwrap_err().to_string(), "50001 days; at most 50000");
}
