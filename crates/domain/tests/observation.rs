//! The acceptance of a price in whole numbers: every boundary of the golden vectors, and invariant 27 by its number.

use domain::evaluation::{
    Breaker, Status,
    acceptance::accept,
    observation::{AcceptanceRule, ObservedStatus},
};
use proptest::prelude::*;
use serde_json::Value;

/// Proves all ten golden cases by the code that decides prices: status, price and median on both sides of every boundary.
#[test]
fn golden_price_accept() {
    let golden: Value = serde_json::from_str(include_str!("golden/index_math.json")).unwrap();
    let cases = golden["price_accept"].as_array().unwrap();
    assert_eq!(cases.len(), 10);
    let mut seen = std::collections::BTreeSet::new();
    for case in cases {
        let part = |name: &str| case[name].as_u64().unwrap();
        let rule = AcceptanceRule {
            quorum: usize::try_from(part("quorum")).unwrap(),
            spread_ppb: part("max_spread_ppb"),
            deadband_ppb: part("deadband_ppb"),
            breaker_ppb: part("breaker_ppb"),
        };
        let observations: Vec<i64> =
            case["obs"].as_array().unwrap().iter().map(|o| o.as_i64().unwrap()).collect();
        let got = rule.observe(case["old"].as_i64().unwrap(), &observations);
        assert_eq!(got.status.as_str(), case["status"].as_str().unwrap(), "{case}");
        assert_eq!(Some(got.price), case["price"].as_i64(), "{case}");
        assert_eq!(got.median, case["median"].as_i64(), "{case}");
        seen.insert(got.status.as_str());
    }
    assert_eq!(seen.len(), 5, "every status: {seen:?}");
    let none = AcceptanceRule { quorum: 0, ..AcceptanceRule::of_consensus(1) };
    assert_eq!(none.observe(5, &[]).status, ObservedStatus::NoQuorum);
}

/// `|new − old|·1e9` against `parts·old`.
fn way(old: i64, new: i64) -> i128 {
    (i128::from(new) - i128::from(old)).abs() * 1_000_000_000
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Proves invariant 27 on the rule in whole numbers: an accepted price is further than the deadband and no further than the breaker
    /// from the last one, and any other status leaves the price where it was.
    #[test]
    fn inv_27_an_accepted_price_moved_more_than_noise_and_less_than_the_breaker(
        old in 1..1_000_000_000_000_i64,
        moves in prop::collection::vec(-400_000_000..1_500_000_000_i64, 0..6),
        (deadband_ppb, breaker_ppb, spread_ppb) in (0..50_000_000_u64, 0..1_000_000_000_u64, 0..2_000_000_000_u64),
        quorum in 0..4_usize,
    ) {
        let rule = AcceptanceRule { quorum, spread_ppb, deadband_ppb, breaker_ppb };
        let seen: Vec<i64> = moves
            .iter()
            .map(|m| i64::try_from(i128::from(old) * i128::from(1_000_000_000 + m) / 1_000_000_000).unwrap())
            .collect();
        let got = rule.observe(old, &seen);
        if got.status == ObservedStatus::Accepted {
            let way = way(old, got.price);
            prop_assert!(way > i128::from(deadband_ppb) * i128::from(old));
            prop_assert!(way <= i128::from(breaker_ppb) * i128::from(old));
        } else {
            prop_assert_eq!(got.price, old);
        }
        if got.status == ObservedStatus::Tripped {
            prop_assert!(way(old, got.median.unwrap()) > i128::from(breaker_ppb) * i128::from(old));
        }
    }

    /// Proves invariant 27 on what prices are decided by: what the band lets through and the breaker does not trip lies between the two.
    #[test]
    fn inv_27_in_production(old in 1..1_000_000_000_i64, change in -999_999_999..1_500_000_000_i64, sigma in 0.0..0.5_f64, same in any::<bool>()) {
        let new = i64::try_from(i128::from(old) * i128::from(1_000_000_000 + change) / 1_000_000_000).unwrap();
        let got = accept(Some(old), new, sigma);
        let breaker = Breaker::DEMO;
        let trips = breaker.trips(old, new, same);
        if got.status == Status::Accepted && !trips {
            let limit = if same { breaker.re_evaluation_ppb } else { breaker.new_version_ppb };
            prop_assert!(way(old, new) <= i128::from(limit) * i128::from(old));
            let moved = (new as f64 / old as f64).ln().abs();
            prop_assert!(moved >= got.band.unwrap() - 1e-9, "{moved}");
            prop_assert_eq!(got.price_micro, Some(new));
        }
        if got.status == Status::Deadband {
            prop_assert_eq!(got.price_micro, Some(old));
        }
    }
}
