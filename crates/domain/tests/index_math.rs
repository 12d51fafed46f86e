//! Divisor, turnover cap, membership buffer, weight band and levy against the golden vectors, exactly; attribution stands in `analytics.rs`.

#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
};

use domain::{
    amount::Ppb,
    index::{
        Buffer, Candidate, DenseError, DenseLevel, Divisor, IndexLevel, Move, Relaxation,
        TurnoverError, WeightBand, least_levy, one_way, plan_trades, ranked,
    },
    name::Name,
};
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Zero};
use proptest::prelude::*;
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/index_math.json")).unwrap()
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn ratio(text: &str) -> BigRational {
    let (numerator, denominator) = text.split_once('/').unwrap_or((text, "1"));
    let integer = |part: &str| BigInt::from_str(part).unwrap();
    BigRational::new(integer(numerator), integer(denominator))
}

fn exact(value: &Value) -> BigRational {
    ratio(value.as_str().unwrap())
}

fn list(values: &Value) -> Vec<BigRational> {
    values.as_array().unwrap().iter().map(exact).collect()
}

/// Proves the divisor vectors exactly: divisors, and a level that a change of the basket leaves where it is (invariant 32).
#[test]
fn golden_divisor() {
    let case = &golden()["divisor"];
    let value = |quantities: &str, prices: &str| -> BigRational {
        let held = case[quantities].as_object().unwrap();
        held.iter().map(|(model, q)| exact(q) * exact(&case[prices][model])).sum()
    };
    let first = Divisor::at(&value("q0", "p0"), &ratio("1000")).unwrap();
    assert_eq!(*first.value(), exact(&case["divisor0"]));
    assert_eq!(first.level(&value("q0", "p0")), exact(&case["level0"]));
    assert_eq!(first.level(&value("q0", "p1")), exact(&case["level1_before"]));
    let second = first.changed(&value("q0", "p1"), &value("q1", "p1")).unwrap();
    assert_eq!(*second.value(), exact(&case["divisor1"]));
    assert_eq!(second.level(&value("q1", "p1")), exact(&case["level1_after"]));
    assert_eq!(second.level(&value("q1", "p2")), exact(&case["level2"]));
    let (zero, one) = (BigRational::zero(), BigRational::one());
    assert!(Divisor::at(&zero, &one).is_none() && Divisor::at(&one, &zero).is_none());
    assert!(first.changed(&zero, &one).is_none() && first.changed(&one, &zero).is_none());
}

fn moves(current: &[BigRational], target: &[BigRational], forced: &[usize]) -> Vec<Move> {
    let pairs = current.iter().zip(target).enumerate();
    pairs
        .map(|(place, (w, t))| Move {
            current: w.clone(),
            target: t.clone(),
            is_forced: forced.contains(&place),
        })
        .collect()
}

/// Proves every turnover vector exactly: the turnover of the whole way, the scale, the weights, what was executed.
#[test]
fn golden_turnover_cap() {
    let cases = golden()["turnover_cap"].as_array().unwrap().clone();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let (current, target) = (list(&case["current"]), list(&case["target"]));
        let cap = exact(&case["max_one_way"]);
        let got = plan_trades(&moves(&current, &target, &[]), &cap).unwrap();
        assert_eq!(got.turnover, exact(&case["one_way_turnover"]), "{case}");
        assert_eq!(got.scale, exact(&case["scale"]), "{case}");
        assert_eq!(got.weights, list(&case["traded_to"]), "{case}");
        assert_eq!(got.executed, exact(&case["executed_turnover"]), "{case}");
        assert!(got.relaxations.is_empty(), "{case}");
    }
}

fn ratios(texts: &[&str]) -> Vec<BigRational> {
    texts.iter().map(|text| ratio(text)).collect()
}

/// Proves what the vectors leave open: forced sales go first and in full, the cap gives way in logged steps, and bad weights are refused.
#[test]
fn forced_sales() {
    let current = ratios(&["1/4", "1/4", "1/4", "1/4"]);
    let target = ratios(&["0", "1/8", "3/8", "1/2"]);
    let plan = |forced: &[usize], cap: &str| {
        plan_trades(&moves(&current, &target, forced), &ratio(cap)).unwrap()
    };
    // The whole way is 3/8; the delisted name is 1/4 of it, what it brought is spent 1 to 2, and 1/20 of the last 1/8 is left to go.
    let got = plan(&[0], "3/10");
    assert_eq!(got.scale, ratio("2/5"));
    assert_eq!(got.weights, ratios(&["0", "1/5", "7/20", "9/20"]));
    assert_eq!((got.executed, got.relaxations.len()), (ratio("3/10"), 0));
    let got = plan(&[0], "1/10");
    let steps: Vec<BigRational> = got
        .relaxations
        .iter()
        .map(|step| match step {
            Relaxation::Step { cap } | Relaxation::ForcedOnly { cap } => cap.clone(),
        })
        .collect();
    assert_eq!(steps, ratios(&["3/20", "1/5", "1/4"]));
    assert_eq!((got.scale, got.executed), (BigRational::zero(), ratio("1/4")));
    assert_eq!(got.weights, ratios(&["0", "1/4", "1/3", "5/12"]));
    let got = plan(&[0, 1], "1/4");
    assert_eq!(
        got.relaxations,
        [Relaxation::Step { cap: ratio("3/10") }, Relaxation::ForcedOnly { cap: ratio("3/8") }]
    );
    assert_eq!(got.weights, target, "all that is left is spent");
    assert_eq!(plan(&[2, 3], "1/10").relaxations, [], "a purchase is never forced");
    let bad = |current: &[&str], target: &[&str], cap: &str| {
        plan_trades(&moves(&ratios(current), &ratios(target), &[]), &ratio(cap)).unwrap_err()
    };
    assert!(matches!(bad(&["1"], &["1"], "-1"), TurnoverError::Cap { .. }));
    assert!(matches!(bad(&["2", "-1"], &["1", "0"], "1"), TurnoverError::Negative { .. }));
    let message = bad(&["1", "0"], &["1/2", "1/4"], "1").to_string();
    assert_eq!(message, "target weights sum to 3/4: expected 1, with the cash as a name");
}

/// Proves every buffer vector, the ranks' defaults and their refusals, and the order of a tie.
#[test]
fn golden_buffer() {
    let cases = golden()["buffer"].as_array().unwrap().clone();
    assert_eq!(cases.len(), 4);
    let names = |v: &Value| -> Vec<Name> {
        v.as_array().unwrap().iter().map(|n| name(n.as_str().unwrap())).collect()
    };
    for case in cases {
        let rank = |key: &str| usize::try_from(case[key].as_u64().unwrap()).unwrap();
        let buffer = Buffer::try_new(rank("N"), rank("auto_in_rank"), rank("keep_rank")).unwrap();
        assert_eq!(Buffer::usual(rank("N")), Ok(buffer));
        let members: BTreeSet<Name> = names(&case["current"]).into_iter().collect();
        assert_eq!(buffer.select(&names(&case["ranked"]), &members), names(&case["selected"]));
    }
    let few = Buffer::usual(3).unwrap();
    assert_eq!(Some(few), Buffer::try_new(3, 2, 4).ok());
    assert_eq!(few.select(&[name("a"), name("b")], &BTreeSet::new()), [name("a"), name("b")]);
    for (names, enter, keep) in [(0, 0, 0), (3, 4, 5), (3, 2, 2)] {
        assert!(Buffer::try_new(names, enter, keep).is_err());
    }
    let candidate = |n: &str, score, admitted| Candidate { name: name(n), score, admitted };
    let order = ranked(&[
        candidate("d", 5, 1),
        candidate("c", 7, 2),
        candidate("b", 5, 0),
        candidate("a", 5, 1),
    ]);
    assert_eq!(order, ["c", "b", "a", "d"].map(name));
}

/// Proves the levy's vector, and the weight band on both sides of its edge.
#[test]
fn levy_and_band() {
    for case in golden()["deadband_vs_levy"].as_array().unwrap() {
        let names: Vec<_> =
            list(&case["weights"]).into_iter().zip(list(&case["deadband"])).collect();
        assert_eq!(least_levy(&names), exact(&case["max_relative_nav_error_inside_deadbands"]));
        assert_eq!(least_levy(&names), exact(&case["min_one_way_levy_for_no_arbitrage"]));
    }
    let ppb = Ppb::from_ppb;
    let band = WeightBand { absolute: ppb(1_000_000), relative: ppb(50_000_000) };
    for (actual, target, forced, trades) in [
        (105_000_000, 100_000_000, false, false),
        (105_000_001, 100_000_000, false, true),
        (94_999_999, 100_000_000, false, true),
        (11_000_000, 10_000_000, false, false),
        (11_000_001, 10_000_000, false, true),
        (100_000_001, 100_000_000, true, true),
        (100_000_000, 100_000_001, true, false),
    ] {
        assert_eq!(band.trades(ppb(actual), ppb(target), forced), trades, "{actual} {target}");
    }
}

/// Weights that sum to one, out of whole parts.
fn shares(parts: &[u32]) -> Vec<BigRational> {
    let sum: u64 = parts.iter().map(|part| u64::from(*part)).sum();
    parts.iter().map(|part| BigRational::new((*part).into(), sum.into())).collect()
}

proptest! {
    /// Proves invariant 31: executed turnover passes the cap only where a relaxation is logged, weights stay weights, and forced sales are done.
    #[test]
    fn turnover_holds(
        current in prop::collection::vec(1..1000_u32, 8),
        target in prop::collection::vec(1..1000_u32, 8),
        forced in prop::collection::btree_set(0..8_usize, 0..4),
        cap in 0..500_u32,
    ) {
        let (current, target) = (shares(&current), shares(&target));
        let forced: Vec<usize> = forced.into_iter().collect();
        let cap = BigRational::new(cap.into(), 1000.into());
        let got = plan_trades(&moves(&current, &target, &forced), &cap).unwrap();
        prop_assert!(got.weights.iter().sum::<BigRational>().is_one());
        let most = match got.relaxations.last() {
            None => &cap,
            Some(Relaxation::Step { cap } | Relaxation::ForcedOnly { cap }) => cap,
        };
        prop_assert!(got.executed <= *most, "{} of {most}", got.executed);
        prop_assert_eq!(&got.executed, &got.turnover.clone().min(most.clone()));
        for place in forced {
            prop_assert!(target[place] >= current[place] || got.weights[place] == target[place]);
        }
        for (place, weight) in got.weights.iter().enumerate() {
            let (from, to) = (&current[place], &target[place]);
            prop_assert!(weight >= from.min(to) && weight <= from.max(to), "between actual and target");
        }
        prop_assert_eq!(one_way(&current, &got.weights), got.executed);
    }

    /// Proves that the dense level is [`IndexLevel`] bit for bit through changes of weights and prices, values of nothing and all.
    #[test]
    fn dense_is_index_level(
        rows in prop::collection::vec(prop::collection::vec(price(), 6), 1..20),
        weights in prop::collection::vec(prop::collection::vec(weight(), 6), 20),
    ) {
        let names: Vec<Name> = (0..6).map(|i| name(&format!("m{i}"))).collect();
        let mut pair: Option<(DenseLevel, IndexLevel)> = None;
        for (day, (row, weights)) in rows.iter().zip(&weights).enumerate() {
            let prices: BTreeMap<Name, _> =
                names.iter().cloned().zip(row.iter().map(|p| domain::amount::PriceNano::from_nano(*p))).collect();
            let named: BTreeMap<Name, Ppb> =
                names.iter().cloned().zip(weights.iter().map(|w| Ppb::from_ppb(i64::try_from(*w).unwrap()))).collect();
            let Some((dense, level)) = &mut pair else {
                pair = Some((DenseLevel::start(weights, row).unwrap(), IndexLevel::start(&named, &prices).unwrap()));
                continue;
            };
            let (a, b) = (dense.level(row), level.level(&prices));
            prop_assert_eq!(a.ok(), b.ok());
            if a.is_err() || day % 3 != 0 {
                continue;
            }
            prop_assert_eq!(dense.rebase(weights, row).is_ok(), level.rebase(&named, &prices).is_ok());
            prop_assert_eq!(dense.base(), level.base());
            prop_assert_eq!(dense.level(row).ok(), level.level(&prices).ok());
            for (name, quantity) in names.iter().zip(dense.quantities()) {
                prop_assert_eq!(level.quantities().get(name).copied().unwrap_or_default(), *quantity);
            }
        }
    }
}

fn price() -> impl Strategy<Value = i64> {
    prop_oneof![1 => Just(0), 1 => 1..10_i64, 8 => 1_000_000_000..9_000_000_000_i64, 1 => Just(domain::amount::LIMIT)]
}

fn weight() -> impl Strategy<Value = u64> {
    prop_oneof![1 => Just(0), 4 => 0..300_000_000_u64]
}

/// Proves the refusals of the dense level: a held column without a price, a short row, a weight above one; nothing changes then.
#[test]
fn dense_refuses() {
    let mut level = DenseLevel::start(&[500_000_000, 500_000_000, 0], &[5, 7, -1]).unwrap();
    assert_eq!(level.left_out(), 3, "the dust of a price of 7");
    let before = level.clone();
    assert_eq!(level.level(&[5, -1, 1]), Err(DenseError::Price { column: 1 }));
    assert_eq!(level.level(&[5]), Err(DenseError::Price { column: 1 }));
    assert_eq!(level.rebase(&[0, 0, 1], &[5, 7, -1]), Err(DenseError::Price { column: 2 }));
    let above = DenseError::Weight { column: 0, value: 1_000_000_001 };
    assert_eq!(level.rebase(&[1_000_000_001], &[5, 7, 1]), Err(above));
    assert_eq!(level, before);
}
