//! Performance and attribution against golden vectors of 50 digits, and where a statistic does not exist.

#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

use std::str::FromStr;

use domain::{
    amount::Ppb,
    analytics::{
        AttributionError, PERIODS_A_YEAR, Relative, Returns, ReturnsError, Segment,
        annual_turnover, brinson_fachler, compare, contributions, growth_a_year, link,
        max_drawdown, performance,
    },
};
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::ToPrimitive;
use proptest::prelude::*;
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/perf_metrics.json")).unwrap()
}

/// Values of six digits behind the point, as integers.
fn values(golden: &Value, key: &str) -> Vec<i128> {
    let micro = |v: &Value| {
        let (whole, part) = v.as_str().unwrap().split_once('.').unwrap();
        assert_eq!(part.len(), 6);
        format!("{whole}{part}").parse().unwrap()
    };
    golden[key].as_array().unwrap().iter().map(micro).collect()
}

/// Proves every metric of the vectors to 1e-12 against the column of 50-digit decimals, and the places of peak and trough.
#[test]
fn golden_performance() {
    let golden = golden();
    let (nav, benchmark) = (values(&golden, "nav_6dp"), values(&golden, "benchmark_6dp"));
    let days = golden["calendar_days"].as_i64().unwrap();
    let ours = performance(&nav, Some(days)).unwrap();
    let beside = compare(&nav, &benchmark).unwrap();
    let expected = golden["ours_decimal"].as_object().unwrap();
    let mut left = expected.len();
    let mut near = |key: &str, got: Option<f64>| {
        let expected: f64 = expected[key].as_str().unwrap().parse().unwrap();
        let got = got.unwrap();
        assert!((got - expected).abs() <= 1e-12, "{key}: {got} is not {expected}");
        left -= 1;
    };
    near("total_return", Some(ours.total_return));
    near("cagr_252", ours.cagr);
    near("cagr_act365", ours.cagr_calendar);
    near("cagr_act365_25", growth_a_year(ours.total_return, days as f64 / 365.25));
    near("vol_ann", ours.volatility);
    near("sharpe_rf0", ours.sharpe);
    near("sortino_rf0", ours.sortino);
    near("max_drawdown", Some(ours.max_drawdown));
    near("calmar_cagr252", ours.calmar);
    near("hist_var_95_linear", ours.value_at_risk_95);
    near("hist_cvar_95", ours.expected_shortfall_95);
    near("downside_dev_ann", Some(ours.downside_deviation));
    near("tracking_error_ann", beside.tracking_error);
    near("information_ratio_ann", beside.information_ratio);
    near("beta", beside.beta);
    near("alpha_ann_simple", beside.alpha);
    assert_eq!(left, 0, "every metric of the vectors was compared");
    assert_eq!(serde_json::json!(ours.returns), golden["n_returns"]);
    assert_eq!(serde_json::json!(ours.peak), golden["peak_index"]);
    assert_eq!(serde_json::json!(ours.trough), golden["trough_index"]);
    let of_benchmark = performance(&benchmark, None).unwrap();
    assert_eq!(beside.tracking_difference, ours.total_return - of_benchmark.total_return);
    assert_eq!(of_benchmark.cagr_calendar, None);
}

/// Proves what peers compute by the same convention, from the vectors' own columns: quantstats, empyrical and ffn, to 1e-11.
#[test]
fn golden_peers() {
    let golden = golden();
    let ours = performance(&values(&golden, "nav_6dp"), Some(725)).unwrap();
    for (peer, key, got) in [
        ("quantstats_0.0.86", "cagr", ours.cagr),
        ("quantstats_0.0.86", "volatility", ours.volatility),
        ("quantstats_0.0.86", "sortino", ours.sortino),
        ("empyrical_reloaded_0.7.1", "sharpe_ratio", ours.sharpe),
        ("empyrical_reloaded_0.7.1", "value_at_risk(0.05)", ours.value_at_risk_95),
        ("empyrical_reloaded_0.7.1", "conditional_value_at_risk(0.05)", ours.expected_shortfall_95),
        ("empyrical_reloaded_0.7.1", "downside_risk", Some(ours.downside_deviation)),
        ("ffn_1.4.1", "calc_max_drawdown", Some(ours.max_drawdown)),
    ] {
        let expected = golden[peer][key].as_f64().unwrap();
        let got = got.unwrap();
        assert!((got - expected).abs() <= 1e-11, "{peer} {key}: {got} is not {expected}");
    }
}

/// Proves where a statistic does not exist, and what has no returns at all.
#[test]
fn no_statistic() {
    assert_eq!(Returns::of(&[5]), Err(ReturnsError::Few { given: 1 }));
    assert_eq!(Returns::of(&[5, 0, 5]), Err(ReturnsError::Value { place: 1, value: 0 }));
    assert_eq!(Returns::of(&[5, -1]), Err(ReturnsError::Value { place: 1, value: -1 }));
    let lost = performance(&[5, 0], None).unwrap();
    assert_eq!((lost.total_return, lost.cagr, lost.volatility), (-1.0, Some(-1.0), None));
    let flat = performance(&[7, 7, 7], Some(0)).unwrap();
    assert_eq!((flat.sharpe, flat.sortino, flat.calmar), (None, None, None));
    assert_eq!((flat.max_drawdown, flat.peak, flat.trough, flat.cagr_calendar), (0.0, 0, 0, None));
    let first = max_drawdown(&[5, 5, 3, 4, 3]).unwrap();
    assert_eq!((first.depth, first.peak, first.trough), (-0.4, 0, 2), "the first of equals");
    let (two, three) = (Returns::of(&[1, 2]).unwrap(), Returns::of(&[1, 2, 4]).unwrap());
    let lengths = ReturnsError::Lengths { given: 1, other: 2 };
    assert_eq!(Relative::of(&two, &three).err(), Some(lengths));
    let same = Relative::of(&three, &three).unwrap();
    assert_eq!((same.beta(), same.information_ratio(PERIODS_A_YEAR)), (None, None));
    assert_eq!(two.value_at_risk(Ppb::from_ppb(-1)), None);
    assert_eq!(two.value_at_risk(Ppb::from_ppb(1_000_000_000)), Some(1.0));
    assert_eq!(three.expected_shortfall(Ppb::ZERO), Some(1.0), "the limit itself counts");
    let turnovers = [Ppb::from_ppb(250_000_000), Ppb::from_ppb(500_000_000)];
    assert_eq!(annual_turnover(&turnovers, 1.5), Some(0.5));
    assert_eq!(annual_turnover(&turnovers, 0.0), None);
}

fn ratio(text: &str) -> BigRational {
    let (numerator, denominator) = text.split_once('/').unwrap_or((text, "1"));
    let integer = |part: &str| BigInt::from_str(part).unwrap();
    BigRational::new(integer(numerator), integer(denominator))
}

fn list(values: &Value) -> Vec<BigRational> {
    values.as_array().unwrap().iter().map(|v| ratio(v.as_str().unwrap())).collect()
}

fn index_math() -> Value {
    serde_json::from_str(include_str!("golden/index_math.json")).unwrap()
}

/// Proves the contributions of the vectors exactly, and Carino's linking to 1e-15 of its 25 digits.
#[test]
fn golden_carino() {
    let case = &index_math()["contribution_carino"];
    let rows = |key: &str| -> Vec<_> { case[key].as_array().unwrap().iter().map(list).collect() };
    let periods: Vec<Vec<BigRational>> = rows("weights_start")
        .iter()
        .zip(rows("returns"))
        .map(|(weights, returns)| contributions(weights, &returns))
        .collect();
    assert_eq!(periods, rows("contribution"));
    let changes: Vec<BigRational> = periods.iter().map(|parts| parts.iter().sum()).collect();
    assert_eq!(changes, list(&case["period_return"]));
    let linked = link(&periods).unwrap();
    assert_eq!(linked.total, ratio(case["total_return"].as_str().unwrap()));
    let expected = case["linked_contribution_25dp"].as_array().unwrap();
    assert_eq!(expected.len(), linked.names.len());
    for (got, expected) in linked.names.iter().zip(expected) {
        let expected: f64 = expected.as_str().unwrap().parse().unwrap();
        assert!((got - expected).abs() <= 1e-15, "{got} is not {expected}");
    }
    assert_eq!(link(&[]).unwrap().total, ratio("0"));
    let zero = link(&[vec![ratio("1/10"), ratio("-1/10")]]).unwrap();
    assert_eq!(zero.names, [0.1, -0.1], "the limit of the factors at 0");
    let lost = link(&[vec![ratio("1/2")], vec![ratio("-1")]]);
    assert!(matches!(lost, Err(AttributionError::Lost { period: 1, .. })));
    let names = link(&[vec![ratio("1/2")], vec![]]);
    assert_eq!(names, Err(AttributionError::Names { period: 1, given: 0, first: 1 }));
}

/// Proves the Brinson-Fachler vectors exactly, and that the effects sum to the difference of returns.
#[test]
fn golden_brinson_fachler() {
    let case = &index_math()["brinson_fachler"];
    let [wp, wb, rp, rb] = ["wp", "wb", "rp", "rb"].map(|key| list(&case[key]));
    let segment = |i: usize| Segment {
        weight: wp[i].clone(),
        benchmark_weight: wb[i].clone(),
        change: rp[i].clone(),
        benchmark_change: rb[i].clone(),
    };
    let got = brinson_fachler(&(0..wp.len()).map(segment).collect::<Vec<_>>());
    let of = |effect: fn(&domain::analytics::Effects) -> &BigRational| -> Vec<BigRational> {
        got.segments.iter().map(|effects| effect(effects).clone()).collect()
    };
    let all = [of(|e| &e.allocation), of(|e| &e.selection), of(|e| &e.interaction)];
    assert_eq!(all, ["allocation", "selection", "interaction"].map(|key| list(&case[key])));
    assert_eq!(got.active, ratio(case["active"].as_str().unwrap()));
    assert_eq!(all.iter().flatten().sum::<BigRational>(), got.active);
}

proptest! {
    /// Proves that linked contributions sum to the total, and that a drawdown is the least quotient of a later value over an earlier one.
    #[test]
    fn linking_and_drawdown(
        parts in prop::collection::vec(prop::collection::vec(-200_i64..250, 3), 1..12),
        values in prop::collection::vec(1..1_000_000_i128, 2..40),
    ) {
        let periods: Vec<Vec<BigRational>> = parts
            .iter()
            .map(|row| row.iter().map(|p| BigRational::new((*p).into(), 1000.into())).collect())
            .collect();
        let linked = link(&periods).unwrap();
        let gap = linked.names.iter().sum::<f64>() - linked.total.to_f64().unwrap();
        prop_assert!(gap.abs() <= 1e-12 * (1.0 + linked.total.to_f64().unwrap().abs()), "{gap}");
        let got = max_drawdown(&values).unwrap();
        let falls = (0..values.len()).flat_map(|from| (from..values.len()).map(move |to| (from, to)));
        let least = falls.map(|(from, to)| BigRational::new(values[to].into(), values[from].into())).min().unwrap();
        let found = BigRational::new(values[got.trough].into(), values[got.peak].into());
        prop_assert!(got.peak <= got.trough);
        prop_assert_eq!(found, least);
    }
}
