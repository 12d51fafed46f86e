//! Weights under caps, the level, and `mul_div`, against golden vectors.

#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

use std::{collections::BTreeMap, str::FromStr};

use domain::{
    amount::{Ppb, PriceNano, Rounding, U256, mul_div},
    index::{
        GroupCap, IndexLevel, Infeasible, InfeasiblePolicy, PpbCaps, Weights, capped_weights,
        capped_weights_ppb,
    },
    name::Name,
};
use num_bigint::BigInt;
use num_rational::BigRational;
use serde_json::Value;

fn rational(text: &str) -> BigRational {
    let (numerator, denominator) = text.split_once('/').unwrap_or((text, "1"));
    let integer = |part: &str| BigInt::from_str(part).unwrap();
    BigRational::new(integer(numerator), integer(denominator))
}

fn rationals(values: &Value) -> Vec<BigRational> {
    values.as_array().unwrap().iter().map(|v| rational(v.as_str().unwrap())).collect()
}

fn compute(case: &Value) -> Result<Weights, Infeasible> {
    let groups: Option<Vec<&str>> = case.get("groups").map(|groups| {
        groups.as_array().unwrap().iter().map(|group| group.as_str().unwrap()).collect()
    });
    let groups = groups
        .as_ref()
        .map(|groups| GroupCap { groups, cap: rational(case["group_cap"].as_str().unwrap()) });
    let policy: InfeasiblePolicy = serde_json::from_value(case["policy"].clone()).unwrap();
    let cap = rational(case["cap"].as_str().unwrap());
    capped_weights(&rationals(&case["scores"]), &cap, policy, groups.as_ref())
}

/// Proves every case of the capping vectors exactly: rationals, parts per billion, cash, rounds, and the refusals.
#[test]
fn golden_capped_weights() {
    let file: Value = serde_json::from_str(include_str!("golden/capped_weights.json")).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 19);
    for case in cases {
        let (name, got) = (&case["name"], compute(case));
        if case.get("error").is_some() {
            assert!(matches!(got, Err(Infeasible::Cap { .. })), "{name}: {got:?}");
            continue;
        }
        let got = got.unwrap();
        assert_eq!(got.exact, rationals(&case["weights_exact"]), "{name}");
        assert_eq!(got.cash_exact, rational(case["cash_exact"].as_str().unwrap()), "{name}");
        assert_eq!(serde_json::json!(got.ppb), case["weights_ppb"], "{name}");
        assert_eq!(got.cash_ppb, case["cash_ppb"], "{name}");
        assert_eq!(got.rounds, case["rounds"], "{name}");
        if let Some(cap) = case.get("effective_cap") {
            assert_eq!(got.cap, rational(cap.as_str().unwrap()), "{name}");
        }
    }
}

/// Proves every case of the capping vectors by the integers that a fund's weights are made with.
#[test]
fn golden_capped_weights_ppb() {
    let file: Value = serde_json::from_str(include_str!("golden/capped_weights.json")).unwrap();
    let billion = BigRational::from_integer(1_000_000_000.into());
    let whole = |value: BigRational| -> i64 {
        assert!(value.is_integer(), "{value}");
        value.to_integer().try_into().unwrap()
    };
    for case in file["cases"].as_array().unwrap() {
        let name = &case["name"];
        let scores: Vec<i64> = rationals(&case["scores"]).into_iter().map(whole).collect();
        let parts = |key: &str| -> Option<i64> {
            Some(whole(rational(case.get(key)?.as_str().unwrap()) * &billion))
        };
        // Any distinct number will do for a group: its first place.
        let places = |groups: &Vec<Value>| -> Vec<usize> {
            groups.iter().map(|g| groups.iter().position(|other| other == g).unwrap()).collect()
        };
        let groups = case["groups"].as_array().map(places).unwrap_or_default();
        let policy = serde_json::from_value(case["policy"].clone()).unwrap();
        let caps = PpbCaps { name: parts("cap").unwrap(), group: parts("group_cap"), policy };
        let got = capped_weights_ppb(&scores, &groups, caps);
        if case.get("error").is_some() {
            assert_eq!(got.unwrap_err(), compute(case).unwrap_err(), "{name}");
            continue;
        }
        let got = got.unwrap();
        assert_eq!(serde_json::json!(got.ppb), case["weights_ppb"], "{name}");
        assert_eq!(got.cash, case["cash_ppb"], "{name}");
    }
}

fn weigh(
    scores: &[i64],
    cap: &str,
    policy: InfeasiblePolicy,
    groups: &[&str],
    group_cap: &str,
) -> Weights {
    let scores: Vec<_> = scores.iter().map(|s| BigRational::from_integer((*s).into())).collect();
    let groups = GroupCap { groups, cap: rational(group_cap) };
    capped_weights(&scores, &rational(cap), policy, Some(&groups)).unwrap()
}

/// Proves what the vectors leave open: group caps under the policies cash and relax, and that no group passes its cap in parts per billion.
#[test]
fn group_caps_and_policies() {
    let cash = weigh(&[40, 30, 30], "1/2", InfeasiblePolicy::Cash, &["A", "A", "B"], "2/5");
    assert_eq!(cash.ppb, [228_571_429, 171_428_571, 400_000_000]);
    assert_eq!(cash.cash_ppb, 200_000_000);
    let relax = weigh(&[40, 30, 30], "1/2", InfeasiblePolicy::Relax, &["A", "A", "B"], "2/5");
    assert_eq!(relax.ppb, [285_714_286, 214_285_714, 500_000_000]);
    let small = weigh(&[5, 1, 1, 1], "1/5", InfeasiblePolicy::Relax, &["A", "B", "C", "C"], "1/5");
    assert_eq!(small.ppb, [250_000_000; 4], "four names below five caps share equally");
    // Two of group A have the largest remainders, but A is at its cap.
    let bound = weigh(
        &[1, 1, 1, 1, 1],
        "1/2",
        InfeasiblePolicy::Reject,
        &["A", "A", "B", "C", "D"],
        "333333333/1000000000",
    );
    assert_eq!(bound.ppb.iter().sum::<u64>(), 1_000_000_000);
    assert!(bound.ppb[0] + bound.ppb[1] <= 333_333_333, "{:?}", bound.ppb);
    let none = capped_weights(&[], &rational("1/2"), InfeasiblePolicy::Reject, None).unwrap();
    assert_eq!((none.ppb.len(), none.cash_ppb), (0, 1_000_000_000));
}

/// Proves that bad input of the capping is refused and not computed.
#[test]
fn capping_refuses() {
    let one = rational("1");
    for (scores, cap) in [(vec![rational("-1")], &one), (vec![one.clone()], &rational("0"))] {
        let got = capped_weights(&scores, cap, InfeasiblePolicy::Relax, None);
        assert!(matches!(got, Err(Infeasible::Input(_))));
    }
    let groups = GroupCap { groups: &[], cap: one.clone() };
    let got =
        capped_weights(std::slice::from_ref(&one), &one, InfeasiblePolicy::Relax, Some(&groups));
    assert!(matches!(got, Err(Infeasible::Input(_))));
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn prices(values: &Value) -> BTreeMap<Name, PriceNano> {
    let nano = |text: &str| rational(text) * BigRational::from_integer(1_000_000_000.into());
    let price = |text: &Value| {
        PriceNano::from_nano(nano(text.as_str().unwrap()).to_integer().try_into().unwrap())
    };
    values.as_object().unwrap().iter().map(|(model, p)| (name(model), price(p))).collect()
}

fn quantities(values: &Value) -> BTreeMap<Name, u128> {
    let micro = BigRational::from_integer(1_000_000.into());
    let quantity =
        |text: &Value| (rational(text.as_str().unwrap()) * &micro).to_integer().try_into().unwrap();
    values.as_object().unwrap().iter().map(|(model, q)| (name(model), quantity(q))).collect()
}

/// Proves that the level follows the divisor vectors through a change of the basket, within the nano-steps that its two floors can cost.
#[test]
fn golden_divisor() {
    let file: Value = serde_json::from_str(include_str!("golden/index_math.json")).unwrap();
    let case = &file["divisor"];
    let expect = |level: PriceNano, exact: &Value, floors: i64| {
        let nano =
            rational(exact.as_str().unwrap()) * BigRational::from_integer(1_000_000_000.into());
        let exact: i64 = nano.to_integer().try_into().unwrap();
        assert!((exact - floors..=exact).contains(&level.as_nano()), "{level} is not {exact}");
    };
    let (p0, p1, p2) = (prices(&case["p0"]), prices(&case["p1"]), prices(&case["p2"]));
    let mut level = IndexLevel::start(&BTreeMap::new(), &p0).unwrap();
    level.replace(quantities(&case["q0"]), &p0).unwrap();
    expect(level.level(&p0).unwrap(), &case["level0"], 0);
    expect(level.level(&p1).unwrap(), &case["level1_before"], 0);
    level.replace(quantities(&case["q1"]), &p1).unwrap();
    expect(level.level(&p1).unwrap(), &case["level1_after"], 0);
    expect(level.level(&p2).unwrap(), &case["level2"], 2);
}

/// Proves the level's own numbers: start, quantities, names without value, errors, JSON.
#[test]
fn index_level() {
    let prices = |a: i64, b: i64| {
        BTreeMap::from([(name("a"), PriceNano::from_nano(a)), (name("b"), PriceNano::from_nano(b))])
    };
    let weights = |a: i64, b: i64| {
        BTreeMap::from([(name("a"), Ppb::from_ppb(a)), (name("b"), Ppb::from_ppb(b))])
    };
    let start = prices(100_000_000_000, 3_000_000_000);
    let mut level = IndexLevel::start(&weights(600_000_000, 400_000_000), &start).unwrap();
    assert_eq!(level.level(&start).unwrap().to_string(), "1000.000000000");
    // 600,000 credits at 100, and 400,000 at 3, in steps of 1e-6 unit.
    assert_eq!(level.quantities()[&name("a")], 6_000_000_000);
    assert_eq!(level.quantities()[&name("b")], 133_333_333_333);
    let up = prices(110_000_000_000, 3_000_000_000);
    assert_eq!(level.level(&up).unwrap().to_string(), "1060.000000000");
    level.rebase(&weights(0, 1_000_000_000), &up).unwrap();
    assert_eq!(level.level(&up).unwrap().to_string(), "1060.000000000");
    let text = serde_json::to_string(&level).unwrap();
    assert_eq!(serde_json::from_str::<IndexLevel>(&text).unwrap(), level);
    let before = level.clone();
    for (bad_weights, bad_prices) in [
        (weights(0, 1_000_000_001), up.clone()),
        (weights(-1, 0), up.clone()),
        (weights(0, 1), prices(1, -1)),
        (weights(0, 1), BTreeMap::new()),
    ] {
        assert!(level.rebase(&bad_weights, &bad_prices).is_err());
        assert_eq!(level, before);
    }
    level.rebase(&weights(500_000_000, 500_000_000), &prices(0, 5)).unwrap();
    // 1060 fell with b from 3 to 0.000000005.
    assert_eq!(level.level(&prices(0, 5)).unwrap().as_nano(), 1766);
    level.rebase(&weights(1_000_000_000, 0), &prices(0, 5)).unwrap();
    assert_eq!(level.level(&up).unwrap().as_nano(), 1766, "a basket of nothing stays where it is");
}

/// Proves `mul_div` on the edges that OpenZeppelin's contract was run on, and its refusals.
#[test]
fn golden_mul_div() {
    let file: Value = serde_json::from_str(include_str!("golden/erc4626_oz.json")).unwrap();
    let number = |v: &Value| U256::from_str_radix(v.as_str().unwrap(), 10).unwrap();
    let cases = file["muldiv"].as_array().unwrap();
    assert!(cases.len() >= 3);
    for case in cases {
        let rounding = if case["ceil"] == true { Rounding::Ceil } else { Rounding::Floor };
        let got = mul_div(number(&case["a"]), number(&case["b"]), number(&case["c"]), rounding);
        assert_eq!(got, Some(number(&case["result"])), "{case}");
    }
    assert_eq!(mul_div(U256::MAX, U256::MAX, U256::ONE, Rounding::Floor), None);
    assert_eq!(mul_div(U256::ONE, U256::ONE, U256::ZERO, Rounding::Floor), None);
    assert_eq!(mul_div(U256::MAX, U256::MAX, U256::MAX, Rounding::Ceil), Some(U256::MAX));
}

/// Proves all four conversions of 40 real ERC-4626 vaults by `mul_div` alone, with the contract's virtual offset of three digits.
#[test]
fn golden_vault_conversions() {
    let file: Value = serde_json::from_str(include_str!("golden/erc4626_oz.json")).unwrap();
    let cases = file["conversions"].as_array().unwrap();
    assert_eq!(cases.len(), 40);
    for case in cases {
        let number = |key: &str| U256::from_str_radix(case[key].as_str().unwrap(), 10).unwrap();
        let assets = number("total_assets") + U256::ONE;
        let supply = number("total_supply") + U256::from(1000);
        let to_shares = |r| mul_div(number("assets"), supply, assets, r).unwrap();
        let to_assets = |r| mul_div(number("shares"), assets, supply, r).unwrap();
        for (key, got) in [
            ("convertToShares", to_shares(Rounding::Floor)),
            ("previewDeposit", to_shares(Rounding::Floor)),
            ("previewWithdraw", to_shares(Rounding::Ceil)),
            ("convertToAssets", to_assets(Rounding::Floor)),
            ("previewRedeem", to_assets(Rounding::Floor)),
            ("previewMint", to_assets(Rounding::Ceil)),
        ] {
            assert_eq!(got, number(key), "{key} of {case}");
        }
    }
}
