//! Rules change with notice: proposed beside a backtest, in force after the strike of their day, proven by the strikes that follow.

use client::Client;
use domain::{digest::Digest, fund::Methodology, proof::StrikeRecord};
use serde_json::{Value, json};

use crate::{
    exits::Market,
    proofs::{bundle, verify},
    support::{ask, serve},
    world::{METHODOLOGY, World, mutate, refused},
};

const VERSION: &str = "methodology { version digest state effectiveDay adoptedAtStrike comparison { firstDay lastDay \
    current { days levelEnd levelsDigest return volatility drawdownMax turnover remark weightsRemark } \
    proposed { days levelEnd return volatility remark weights(first: 9) { nodes { model weightPpb } } } } }";

/// The demo's rules with other values.
fn rules(changes: &[(&str, Value)]) -> String {
    let mut rules: Value = serde_json::from_str(METHODOLOGY).unwrap();
    for (field, value) in changes {
        rules[*field] = value.clone();
    }
    rules.to_string()
}

fn digest(text: &str) -> Digest {
    Methodology::parse(text).unwrap().digest().unwrap()
}

async fn propose(
    client: &Client,
    rules: &str,
    days: Option<i64>,
    key: &str,
) -> Result<Value, String> {
    let input =
        json!({ "fund": "F", "methodology": rules, "noticeDays": days, "idempotencyKey": key });
    Ok(mutate(client, "methodologyPropose", input, VERSION).await?["methodology"].take())
}

/// What a refused proposal is told.
async fn told(client: &Client, rules: &str) -> String {
    let input = json!({ "fund": "F", "methodology": rules, "idempotencyKey": Digest::of(rules.as_bytes()).hex() });
    let query = "mutation($input: MethodologyProposeInput!) { methodologyPropose(input: $input) { methodology { version } } }";
    client.graphql::<Value>(query, json!({ "input": input })).await.unwrap_err().to_string()
}

async fn today(world: &World) -> u64 {
    let day = ask(&world.anybody, "{ clock { day } }").await["clock"]["day"].to_string();
    day.trim_matches('"').parse().unwrap()
}

async fn advance(world: &World, day: u64) {
    let input = json!({ "day": day.to_string() });
    mutate(&world.operator, "clockAdvance", input, "clock { day }").await.unwrap();
}

async fn fund(world: &World, selection: &str) -> Value {
    ask(&world.anybody, &format!("{{ fund(name: \"F\") {{ {selection} }} }}")).await["fund"].take()
}

async fn shares(world: &World) -> u128 {
    let shares = fund(world, "shares").await["shares"].take();
    shares.as_str().unwrap().replace('.', "").parse().unwrap()
}

/// Version, state and the strike of adoption of all rules.
async fn versions(world: &World) -> Vec<(i64, String, Option<i64>)> {
    let selection = "methodologies(first: 9) { nodes { version state adoptedAtStrike } }";
    let found = fund(world, selection).await["methodologies"]["nodes"].take();
    let version = |node: &Value| {
        let state = node["state"].as_str().unwrap().to_owned();
        (node["version"].as_i64().unwrap(), state, node["adoptedAtStrike"].as_i64())
    };
    found.as_array().unwrap().iter().map(version).collect()
}

async fn record(world: &World, strike: usize) -> StrikeRecord {
    let query = "{ fund(name: \"F\") { strikes(first: 20) { nodes { record } } } }";
    let strikes = ask(&world.operator, query).await["fund"]["strikes"]["nodes"].take();
    serde_json::from_str(strikes[strike - 1]["record"].as_str().unwrap()).unwrap()
}

/// Shares of the management fee (FUND 2.5): what a day leaves of one at 1e18, to the power of the days by squaring, each product rounded
/// up; the fee rounded down.
fn fee(supply: u128, left_a_day: u128, days: u32) -> u128 {
    const ONE: u128 = 1_000_000_000_000_000_000;
    let mut left = ONE;
    for bit in (0..32 - days.leading_zeros()).rev() {
        left = (left * left).div_ceil(ONE);
        if (days >> bit) & 1 == 1 {
            left = (left * left_a_day).div_ceil(ONE);
        }
    }
    supply * (ONE - left) / left
}

/// What a day of 1 % and of 2 % a year leaves, from the reference engine.
const ONE_PERCENT: u128 = 999_972_465_212_367_303;
const TWO_PERCENT: u128 = 999_944_651_648_714_820;

/// Proves that rules come with seven days of notice and their backtest or not at all, that a strike before their day keeps those before,
/// that the strike of their day brings them by itself, that the fee of the days before is the old one's and after it the new one's, and
/// that the strikes prove themselves under both, in this server and in one that follows the journal from the start.
#[tokio::test(flavor = "multi_thread")]
async fn rules_change_with_notice() {
    let market = Market::open().await;
    let (world, operator) = (&market.world, &market.world.operator);
    market.subscribe(&market.ann, "500.000000").await;
    market.strike().await;
    market.rebalance().await;
    let start = today(world).await;
    let new = rules(&[
        ("management_fee_ppb", json!(20_000_000)),
        ("cash_ppb", json!(200_000_000)),
        ("minimum_order_micro", json!(2_000_000)),
    ]);
    refusals(&market, &new).await;
    withdrawn(&market, &new, start).await;

    advance(world, start + 3).await;
    market.strike().await;
    let proposed = propose(operator, &new, None, "third").await.unwrap();
    assert_eq!(proposed["effectiveDay"], start + 10, "{proposed}");
    assert_eq!((&proposed["version"], &proposed["state"]), (&json!(3), &json!("PROPOSED")));
    let current = &proposed["comparison"]["current"];
    assert_eq!((&current["days"], &current["levelEnd"]), (&json!(2), &json!("1000.000000000")));
    assert_eq!((&current["return"], &current["drawdownMax"]), (&json!(0.0), &json!(0.0)));
    assert!(current["volatility"].is_null() && current["levelsDigest"].is_string(), "{current}");
    let weights = &proposed["comparison"]["proposed"]["weights"]["nodes"];
    assert_eq!(*weights, json!([{ "model": "lab/net", "weightPpb": 1_000_000_000 }]));

    advance(world, start + 9).await;
    assert_eq!(market.strike().await, 3);
    market.rebalance().await;
    assert_eq!(fund(world, "methodology { version }").await["methodology"]["version"], 1);
    market.subscribe(&market.bob, "1.500000").await;

    advance(world, start + 10).await;
    let before = shares(world).await;
    assert_eq!(market.strike().await, 4);
    let old = record(world, 4).await;
    assert_eq!(old.methodology, digest(METHODOLOGY), "the strike itself is the old rules'");
    let charged = old.facts.fees.management.as_nano() as u128;
    assert_eq!((old.facts.fees.days, charged), (1, fee(before, ONE_PERCENT, 1)));
    let in_force = fund(world, "methodology { version digest text }").await["methodology"].take();
    let wanted = json!({ "version": 3, "digest": digest(&new), "text": new });
    assert_eq!(in_force, wanted);
    let state = |text: &str| text.to_owned();
    let wanted = [
        (1, state("SUPERSEDED"), None),
        (2, state("WITHDRAWN"), None),
        (3, state("IN_FORCE"), Some(4)),
    ];
    assert_eq!(versions(world).await, wanted);
    market.rebalance().await;
    let order = json!({ "fund": "F", "amount": "1.500000" });
    assert_eq!(
        refused(&market.bob, "subscriptionOrderPlace", order, "order { id }").await,
        "invalid"
    );

    advance(world, start + 20).await;
    let before = shares(world).await;
    assert_eq!(market.strike().await, 5);
    let next = record(world, 5).await;
    assert_eq!(next.methodology, digest(&new));
    let charged = next.facts.fees.management.as_nano() as u128;
    assert_eq!((next.facts.fees.days, charged), (10, fee(before, TWO_PERCENT, 10)));
    proofs(&market).await;
}

/// Too little notice, the rules in force, what gives no weights, what is none, and who may not.
async fn refusals(market: &Market, new: &str) {
    let (world, operator) = (&market.world, &market.world.operator);
    let input = json!({ "fund": "F", "methodology": new });
    assert_eq!(refused(&world.lab, "methodologyPropose", input, VERSION).await, "scope_missing");
    let input = json!({ "fund": "G", "methodology": new });
    assert_eq!(refused(operator, "methodologyPropose", input, VERSION).await, "absent");
    for (days, key) in [(6, "six"), (-1, "past"), (3651, "ages")] {
        assert_eq!(propose(operator, new, Some(days), key).await.unwrap_err(), "invalid", "{days}");
    }
    let strict = rules(&[("infeasible", json!("reject"))]);
    for (rules, said) in [
        (METHODOLOGY, "is version 1, which is in force"),
        (strict.as_str(), "weights: "),
        (&rules(&[("quorum", json!(3))]), "quorum is 3"),
        (&rules(&[("management_fee_ppb", json!(-1))]), "management_fee_ppb is -1"),
        ("{}", "no methodology"),
    ] {
        let found = told(operator, rules).await;
        assert!(found.contains(said), "{said}: {found}");
    }
    let found = told(operator, &strict).await;
    assert!(found.contains("300000000"), "the cap is named: {found}");
    assert_eq!(versions(world).await.len(), 1, "nothing of it was kept");
}

/// A proposal over one day of prices, which says so; a second beside it; and its end.
async fn withdrawn(market: &Market, new: &str, start: u64) {
    let operator = &market.world.operator;
    let proposed = propose(operator, new, Some(30), "second").await.unwrap();
    assert_eq!(proposed["effectiveDay"], start + 30, "{proposed}");
    let sides = ["current", "proposed"].map(|side| proposed["comparison"][side].clone());
    for side in sides {
        assert_eq!((&side["days"], &side["return"]), (&json!(1), &json!(null)), "{side}");
        assert!(side["remark"].as_str().unwrap().starts_with("1 day of prices"), "{side}");
    }
    let other = rules(&[("cash_ppb", json!(1))]);
    assert_eq!(propose(operator, &other, None, "beside").await.unwrap_err(), "exists");
    let withdraw =
        |version: i64, key: &str| json!({ "fund": "F", "version": version, "idempotencyKey": key });
    let gone = mutate(operator, "methodologyWithdraw", withdraw(2, "a"), VERSION).await.unwrap();
    assert_eq!(gone["methodology"]["state"], "WITHDRAWN");
    for (version, key, code) in [(2, "b", "invalid"), (9, "c", "absent"), (1, "d", "absent")] {
        let input = withdraw(version, key);
        assert_eq!(refused(operator, "methodologyWithdraw", input, VERSION).await, code);
    }
}

/// The strikes on both sides of the change verify, also the one that a second server makes, and not without the rules of before.
async fn proofs(market: &Market) {
    let world = &market.world;
    let operator = Some(world.operator_token.as_str());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle.json");
    let path = path.to_str().unwrap();
    for strike in [4, 5] {
        let (status, text) = bundle(world, operator, &format!("F/{strike}")).await;
        assert_eq!(status, 200, "{text}");
        std::fs::write(path, text).unwrap();
        let (ok, said) = verify(&[path]);
        assert!(ok, "strike {strike}: {said}");
        let rules = if strike == 4 { "1 so far" } else { "2 so far" };
        assert!(said.contains(rules), "{said}");
    }
    let mut bad: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    bad.as_object_mut().unwrap().remove("methodologies").unwrap();
    std::fs::write(path, bad.to_string()).unwrap();
    let (ok, said) = verify(&[path]);
    assert!(!ok && said.contains("params.management_fee"), "{said}");
    let query = "{ log { leaves(first: 100) { nodes { kind body hash } } } }";
    let leaves = ask(&world.anybody, query).await["log"]["leaves"]["nodes"].take();
    let about = |kind: &str| -> Vec<Value> {
        let leaves = leaves.as_array().unwrap().iter().filter(|leaf| leaf["kind"] == kind);
        leaves.map(|leaf| serde_json::from_str(leaf["body"].as_str().unwrap()).unwrap()).collect()
    };
    let (announced, gone, adopted) =
        (about("methodology"), about("methodology_withdrawal"), about("methodology_adoption"));
    assert_eq!((announced.len(), gone.len(), adopted.len()), (3, 1, 1));
    let hash = |at: usize| {
        let kinds = leaves.as_array().unwrap().iter().filter(|leaf| leaf["kind"] == "methodology");
        kinds.map(|leaf| leaf["hash"].clone()).nth(at).unwrap()
    };
    assert_eq!(gone[0]["announcement"], hash(1));
    assert_eq!((&adopted[0]["announcement"], &adopted[0]["strike"]), (&hash(2), &json!(4)));
    // Another process has no watch of its own: it follows the journal, and reads the rules of the adoption from its row.
    let (_server, url) = serve(&world.place);
    let there = Client::new(&url, Some(world.operator_token.clone())).unwrap();
    let input = json!({ "fund": "F", "idempotencyKey": "there" });
    let done = mutate(&there, "fundStrike", input, "strike { number }").await.unwrap();
    assert_eq!(done["strike"]["number"], 6);
    let (status, text) = bundle(world, operator, "F/6").await;
    assert_eq!(status, 200, "{text}");
    std::fs::write(path, text).unwrap();
    let (ok, said) = verify(&[path]);
    assert!(ok, "{said}");
}
