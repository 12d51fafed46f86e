//! Rules of a methodology over HTTP: refused where they drain, told where they act.

use serde_json::{Value, json};

use crate::{
    exits::Market,
    support::ask,
    world::{METHODOLOGY, mutate},
};

fn changed(changes: &[(&str, Value)]) -> String {
    let mut rules: Value = serde_json::from_str(METHODOLOGY).unwrap();
    for (field, value) in changes {
        rules[*field] = value.clone();
    }
    rules.to_string()
}

/// Proves that a fund under rules that an attack drains is refused with a code of its own and is not there; that one under new rules is
/// created; and that each rebalance tells its weights and what its rules did, page by page.
#[tokio::test(flavor = "multi_thread")]
async fn rules_are_kept_and_told() {
    let market = Market::open().await;
    let operator = &market.world.operator;
    let create = |name: &'static str, rules: String| {
        let input = json!({ "name": name, "methodology": rules });
        async move { mutate(operator, "fundCreate", input, "fund { name }").await }
    };
    let drained = changed(&[("spread_ppb", json!(10_000_000))]);
    assert_eq!(create("G", drained).await.unwrap_err(), "drainable");
    let none = ask(operator, "{ fund(name: \"G\") { name } }").await;
    assert_eq!(none["fund"], Value::Null);
    let wrong = changed(&[("cure_rebalances", json!(2))]);
    assert_eq!(create("G", wrong).await.unwrap_err(), "invalid");
    let rules = changed(&[
        ("membership", json!(1)),
        ("turnover_ppb", json!(200_000_000)),
        ("ramp_up_rebalances", json!(2)),
        ("max_primary_purchase_ppb", json!(10_000_000)),
        ("nav_breaker_ppb", json!(150_000_000)),
        ("price_age_days_max", json!(7)),
    ]);
    create("G", rules).await.unwrap();
    let admit = json!({ "fund": "G", "model": "lab/net", "bond": "0.000001" });
    let deposit = json!({ "owner": "lab", "amount": "1.000000" });
    mutate(operator, "cashDeposit", deposit, "account { owner }").await.unwrap();
    mutate(operator, "modelAdmit", admit, "fund { name }").await.unwrap();
    let more = json!({ "owner": "operator", "amount": "200.000000" });
    mutate(operator, "cashDeposit", more, "account { owner }").await.unwrap();
    let seed = json!({ "fund": "G", "owner": "operator", "amount": "100.000000" });
    mutate(operator, "fundSeed", seed, "fund { name }").await.unwrap();
    for turn in 0..2 {
        let input = json!({ "fund": "G", "idempotencyKey": format!("G {turn}") });
        let strike = "strike { number proof { leafIndex } }";
        let struck = mutate(operator, "fundStrike", input, strike).await.unwrap();
        assert!(
            struck["strike"]["proof"].is_object(),
            "the verifier derives the same plan: {struck}"
        );
        let input = json!({ "fund": "G", "idempotencyKey": format!("G {turn} rebalance") });
        mutate(operator, "fundRebalance", input, "trades").await.unwrap();
    }
    let query = "{ fund(name: \"G\") { rebalances(first: 1, after: AFTER) { pageInfo { hasNextPage } nodes { \
                 number strike day level cashPpb turnoverPpb turnoverWantedPpb weights { model weightPpb } \
                 notes { kind models name ppb count of } } } } }";
    let page = |after: &str| {
        let query = query.replace("AFTER", after);
        async move { ask(operator, &query).await["fund"]["rebalances"].take() }
    };
    let first = page("null").await;
    assert_eq!(first["pageInfo"]["hasNextPage"], true);
    let first = &first["nodes"][0];
    assert_eq!((&first["number"], &first["strike"]), (&json!(1), &json!(1)));
    let half = json!([{ "model": "lab/net", "weightPpb": 500_000_000 }]);
    assert_eq!((&first["weights"], &first["cashPpb"]), (&half, &json!(500_000_000)));
    let kinds: Vec<&str> =
        first["notes"].as_array().unwrap().iter().map(|n| n["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["SELECTED", "RELAXED_CAP", "RAMP_UP"]);
    let second = page("\"1\"").await;
    assert_eq!(second["nodes"][0]["weights"][0]["weightPpb"], 1_000_000_000);
    let holdings =
        ask(operator, "{ fund(name: \"G\") { nav holdings(first: 1) { nodes { weight } } } }")
            .await;
    // A hundredth of NAV at each rebalance from the primary offer; the provider has none.
    let weight = holdings["fund"]["holdings"]["nodes"][0]["weight"].as_f64().unwrap();
    assert!((0.019..=0.02).contains(&weight), "{holdings}");
}
