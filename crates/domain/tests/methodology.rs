//! The methodology file of the demo, and what a methodology may not say.

#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

use domain::{
    amount::{Ppb, PriceNano},
    fund::{FundParams, Methodology, MethodologyError, Score},
    index::InfeasiblePolicy,
    name::Name,
};
use serde_json::{Value, json};

fn demo() -> Value {
    json!({
        "score": "accepted_price", "name_cap_ppb": 300_000_000, "publisher_cap_ppb": 300_000_000,
        "infeasible": "relax", "cash_ppb": 80_000_000, "turnover_ppb": null, "membership": null,
        "max_primary_purchase_ppb": null, "quorum": 1, "breaker_reevaluation_ppb": 200_000_000,
        "breaker_new_version_ppb": 1_000_000_000, "nav_breaker_ppb": null, "levy_in_ppb": 0,
        "spread_ppb": 0, "management_fee_ppb": 10_000_000, "performance_fee_ppb": 0,
        "publisher_share_ppb": 500_000_000, "minimum_order_micro": 1_000_000, "reserve_micro": 0,
        "counterparties": ["LP"]
    })
}

fn parse(value: &Value) -> Result<Methodology, MethodologyError> {
    Methodology::parse(&value.to_string())
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// Proves that the demo's file is what the design says, and that its canonical text and digest do not depend on how it is written.
#[test]
fn demo_methodology() {
    let methodology = parse(&demo()).unwrap();
    let file = include_str!("../../cli/demo/methodology.json");
    assert_eq!(Methodology::parse(file).unwrap(), methodology);
    assert_eq!(methodology.score, Score::AcceptedPrice);
    assert_eq!(methodology.infeasible, InfeasiblePolicy::Relax);
    let text = methodology.canonical_json().unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    assert!(value.as_object().unwrap().keys().is_sorted());
    assert_eq!(Methodology::parse(&text).unwrap().digest().unwrap(), methodology.digest().unwrap());
    let params = FundParams { management_fee: Ppb::from_ppb(10_000_000), ..FundParams::default() };
    assert_eq!(methodology.fund_params(), params);
}

/// Proves that a rule which came later changes no digest while it is off, and that all of them together are read and written again.
#[test]
fn rules_that_came_later() {
    let digest = parse(&demo()).unwrap().digest().unwrap().hex();
    assert_eq!(digest, "458265733a5a00093f4b2c200ad4c9f471b87dc0c7586bec41712f48a8eb03bb");
    let mut all = demo();
    for (field, value) in [
        ("membership", json!(5)),
        ("membership_enter", json!(3)),
        ("membership_keep", json!(9)),
        ("turnover_ppb", json!(200_000_000)),
        ("weight_band_absolute_ppb", json!(5_000_000)),
        ("weight_band_relative_ppb", json!(100_000_000)),
        ("cure_rebalances", json!(2)),
        ("ramp_up_rebalances", json!(4)),
        ("max_primary_purchase_ppb", json!(10_000_000)),
        ("nav_breaker_ppb", json!(150_000_000)),
        ("price_age_days_max", json!(7)),
        ("tracks", json!([{"name": "cpu", "weight_ppb": 1_000_000_000, "models": ["a"]}])),
    ] {
        all[field] = value;
        let rules = parse(&all).unwrap();
        assert_ne!(rules.digest().unwrap().hex(), digest, "{field}");
        assert_eq!(Methodology::parse(&rules.canonical_json().unwrap()).unwrap(), rules);
    }
    let mut bad = all.clone();
    bad["membership_keep"] = json!(4);
    let message = parse(&bad).unwrap_err().to_string();
    assert!(message.starts_with("membership: a buffer of 5 names enters at rank 3"), "{message}");
}

/// Proves that every bad value is refused by the name of its field, and that no rule is taken which would do nothing.
#[test]
fn bad_values() {
    for (field, value) in [
        ("name_cap_ppb", json!(0)),
        ("publisher_cap_ppb", json!(1_000_000_001)),
        ("cash_ppb", json!(-1)),
        ("levy_in_ppb", json!(1_000_000_000)),
        ("spread_ppb", json!(1_000_000_000)),
        ("management_fee_ppb", json!(1_000_000_000)),
        ("performance_fee_ppb", json!(-1)),
        ("publisher_share_ppb", json!(1_000_000_001)),
        ("breaker_reevaluation_ppb", json!(0)),
        ("breaker_new_version_ppb", json!(-5)),
        ("quorum", json!(0)),
        ("minimum_order_micro", json!(0)),
        ("reserve_micro", json!(-1)),
        ("performance_fee_ppb", json!(500_000_001)),
        ("turnover_ppb", json!(0)),
        ("turnover_ppb", json!(1_000_000_001)),
        ("membership", json!(0)),
        ("membership_enter", json!(5)),
        ("membership_keep", json!(5)),
        ("max_primary_purchase_ppb", json!(-1)),
        ("nav_breaker_ppb", json!(0)),
        ("price_age_days_max", json!(0)),
        ("ramp_up_rebalances", json!(0)),
        ("cure_rebalances", json!(3)),
        ("weight_band_absolute_ppb", json!(-1)),
        ("weight_band_relative_ppb", json!(1_000_000_001)),
        ("tracks", json!([{"name": "a", "weight_ppb": 999_999_999, "models": []}])),
        (
            "tracks",
            json!([{"name": "a", "weight_ppb": 500_000_000, "models": []}, {"name": "a", "weight_ppb": 500_000_000, "models": []}]),
        ),
        (
            "tracks.models",
            json!([{"name": "a", "weight_ppb": 500_000_000, "models": ["m"]}, {"name": "b", "weight_ppb": 500_000_000, "models": ["m"]}]),
        ),
        ("tracks.weight_ppb", json!([{"name": "a", "weight_ppb": 0, "models": []}])),
        ("counterparties", json!(["LP", "LP"])),
    ] {
        let mut bad = demo();
        bad[field.split('.').next().unwrap()] = value.clone();
        let message = parse(&bad).unwrap_err().to_string();
        assert!(message.starts_with(field), "{field} = {value}: {message}");
    }
    for (field, value) in [
        ("score", json!("x")),
        ("infeasible", json!("x")),
        ("cash_ppb", json!(0.08)),
        ("typo", json!(1)),
    ] {
        let mut bad = demo();
        bad[field] = value;
        assert!(matches!(parse(&bad), Err(MethodologyError::Json(_))), "{field}");
    }
    let mut missing = demo();
    missing.as_object_mut().unwrap().shift_remove("cash_ppb");
    assert!(parse(&missing).unwrap_err().to_string().contains("cash_ppb"));
}

/// Proves target weights: in proportion to price under both caps, sorted by model, whatever the order of the input.
#[test]
fn target_weights() {
    let methodology = parse(&demo()).unwrap();
    let row = |model: &str, publisher: &str, price: i64| {
        (name(model), name(publisher), PriceNano::from_nano(price))
    };
    let four =
        [row("rnn", "D", 10), row("cnn", "A", 80), row("mlp", "B", 30), row("linear", "C", 20)];
    let weights = methodology.target_weights(&four).unwrap();
    let ppb: Vec<(&str, i64)> = weights.iter().map(|(m, w)| (m.as_str(), w.as_ppb())).collect();
    assert_eq!(
        ppb,
        [("cnn", 300_000_000), ("linear", 266_666_667), ("mlp", 300_000_000), ("rnn", 133_333_333)]
    );
    let one = methodology.target_weights(&four[..1]).unwrap();
    assert_eq!(one.values().map(|w| w.as_ppb()).sum::<i64>(), 1_000_000_000, "relaxed to one name");
    let two = [row("a", "P", 3), row("b", "P", 1)];
    let two = methodology.target_weights(&two).unwrap();
    assert_eq!(
        two[&name("a")].as_ppb(),
        500_000_000,
        "two names of one publisher: the name cap is 1/2"
    );
    let five =
        [row("a", "A", 4), row("b", "A", 4), row("c", "B", 4), row("d", "C", 4), row("e", "D", 4)];
    let five = methodology.target_weights(&five).unwrap();
    let of_one = five[&name("a")].as_ppb() + five[&name("b")].as_ppb();
    assert_eq!(of_one, 300_000_000, "the publisher cap binds where no name cap does");
    assert!(methodology.target_weights(&[]).unwrap().is_empty());
    assert!(methodology.target_weights(&[row("a", "P", 1), row("a", "Q", 1)]).is_err());
    let strict = Methodology { infeasible: InfeasiblePolicy::Reject, ..methodology };
    assert!(matches!(strict.target_weights(&four[..3]), Err(MethodologyError::Weights(_))));
}
