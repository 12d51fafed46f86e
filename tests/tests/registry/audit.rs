//! The audit log: every mutation of the schema leaves exactly one entry.

use std::collections::BTreeSet;

use client::Client;
use domain::{digest::Digest, fund::bid_commitment};
use serde_json::{Value, json};

use crate::{
    support::{ask, token},
    world::{GRAPH, METHODOLOGY, STEPS, World, mutate},
};

const SCHEMA: &str = include_str!("../../../schema/schema.graphql");

/// Mutations whose entry is not looked for here, with the reason.
const ELSEWHERE: [(&str, &str); 4] = [
    ("likenessReview", "likeness.rs looks for it"),
    ("suiteRegister", "its input is made by the helper that every test of suites uses"),
    ("suiteActivate", "tests/rotation.rs looks for it"),
    ("suiteReveal", "tests/rotation.rs looks for it"),
];

/// Names of all mutations in the schema.
fn mutations() -> BTreeSet<&'static str> {
    let (_, rest) = SCHEMA.split_once("\ntype Mutation {").unwrap();
    let (body, _) = rest.split_once("\n}").unwrap();
    let field = |line: &'static str| line.trim().split_once("(input: ").map(|(name, _)| name);
    body.lines().filter_map(field).collect()
}

/// All entries of the log: operation, actor, subject.
async fn entries(world: &World) -> Vec<Value> {
    let mut all = Vec::new();
    let mut after = Value::Null;
    loop {
        let query = format!(
            "{{ audit(first: 100, after: {after}) {{ nodes {{ number operation actor subject token }} pageInfo {{ hasNextPage endCursor }} }} }}"
        );
        let page = ask(&world.operator, &query).await["audit"].clone();
        all.extend(page["nodes"].as_array().unwrap().iter().cloned());
        if page["pageInfo"]["hasNextPage"] == json!(false) {
            return all;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}

struct Walk<'a> {
    world: &'a World,
    walked: BTreeSet<&'static str>,
}

impl Walk<'_> {
    /// Runs a mutation twice under one key, and sees one new entry, of this actor and with his token.
    async fn step(
        &mut self,
        (client, actor): (&Client, &str),
        field: &'static str,
        input: Value,
        selection: &str,
    ) -> Value {
        let before = entries(self.world).await.len();
        let answer = mutate(client, field, input.clone(), selection)
            .await
            .unwrap_or_else(|code| panic!("{field}: {code}"));
        mutate(client, field, input, selection).await.unwrap_or_else(|code| {
            panic!("{field} again: {code}");
        });
        let new = entries(self.world).await.split_off(before);
        assert_eq!(new.len(), 1, "{field}: {new:?}");
        assert_eq!(new[0]["actor"], actor, "{field}");
        assert!(new[0]["token"].is_string(), "{field}");
        self.walked.insert(field);
        answer
    }
}

/// Proves that each mutation of the schema leaves one entry and its repetition none, that a publisher reads what is about his model
/// and nobody else's, and that filters filter.
#[tokio::test]
async fn every_mutation_leaves_one_entry() {
    let world = World::new();
    let investor = world.anybody.with_token(token(&world.place, "ann", "invest"));
    let (lab, operator, ann) =
        ((&world.lab, "lab"), (&world.operator, "operator"), (&investor, "ann"));
    let mut walk = Walk { world: &world, walked: BTreeSet::new() };
    let model = "model { name }";
    walk.step(lab, "modelCreate", json!({ "name": "lab/net" }), model).await;
    let (checkpoint, graph) = world.upload_pair(&world.lab_token, STEPS[2], GRAPH).await;
    let version =
        json!({ "model": "lab/net", "version": "v1", "checkpoint": checkpoint, "graph": graph });
    walk.step(lab, "versionPublish", version, "version { name }").await;
    let alias = json!({ "model": "lab/net", "alias": "champion", "version": "v1", "reason": "x" });
    walk.step(lab, "aliasMove", alias, "alias { number }").await;
    walk.step(lab, "modelCardWrite", json!({ "model": "lab/net", "text": "x" }), model).await;
    let split = json!([{ "login": "ann", "sharePpb": 1_000_000_000 }]);
    walk.step(
        lab,
        "modelContributorsSet",
        json!({ "model": "lab/net", "contributors": split }),
        model,
    )
    .await;
    walk.step(lab, "modelGateSet", json!({ "model": "lab/net", "mode": "MANUAL" }), model).await;
    let role = json!({ "model": "lab/net", "login": "helper", "granted": true });
    walk.step(lab, "modelMaintainerSet", role, model).await;
    let request = "request { state }";
    walk.step(ann, "accessRequest", json!({ "model": "lab/net", "message": "x" }), request).await;
    let decision = json!({ "model": "lab/net", "login": "ann", "granted": true, "reason": "x" });
    walk.step(lab, "accessRequestDecide", decision, request).await;
    let grant = json!({ "model": "lab/net", "grantee": "rival" });
    walk.step(lab, "accessGrant", grant.clone(), model).await;
    walk.step(lab, "accessRevoke", grant, model).await;
    walk.step(lab, "modelVisibilitySet", json!({ "model": "lab/net", "private": false }), model)
        .await;
    let hook = json!({ "url": "https://example.invalid/", "events": ["version.yanked"] });
    let made = walk.step(lab, "webhookCreate", hook, "webhook { id }").await;
    let hook = json!({ "id": made["webhook"]["id"] });
    walk.step(lab, "webhookTest", hook.clone(), "webhook { id }").await;
    walk.step(lab, "webhookDelete", hook, "id").await;
    let wanted = json!({ "label": "ci", "scopes": ["publish"] });
    let made = walk.step(lab, "tokenCreate", wanted, "token { id }").await;
    walk.step(lab, "tokenRevoke", json!({ "id": made["token"]["id"] }), "token { id }").await;
    funds(&world, &mut walk, lab, operator, ann).await;
    evaluators(&mut walk, operator).await;
    let pin = json!({ "model": "lab/net", "pinned": true, "reason": "x" });
    walk.step(lab, "listedPinSet", pin, model).await;
    let yank = json!({ "model": "lab/net", "version": "v1", "reason": "x" });
    walk.step(lab, "versionYank", yank, "version { name }").await;
    let elsewhere: BTreeSet<&str> = ELSEWHERE.iter().map(|(name, _)| *name).collect();
    let seen: BTreeSet<&str> = walk.walked.union(&elsewhere).copied().collect();
    assert_eq!(seen, mutations(), "a mutation is not looked at");
    filters(&world).await;
}

/// The mutations of the fund.
async fn funds(
    world: &World,
    walk: &mut Walk<'_>,
    lab: (&Client, &str),
    operator: (&Client, &str),
    ann: (&Client, &str),
) {
    let suite = world.register_suite().await;
    let job = json!({ "model": "lab/net", "version": "v1", "suite": suite, "protocol": "quick", "seed": "7" });
    let job = walk.step(lab, "evaluationRequest", job, "job { id }").await;
    world.work_until_done(job["job"]["id"].as_str().unwrap()).await;
    let log: Vec<Value> = entries(world).await.iter().map(|e| e["operation"].clone()).collect();
    for operation in
        ["object_upload", "token_mint", "suite_register", "report_record", "price_decide"]
    {
        assert!(log.contains(&json!(operation)), "{operation} is not in {log:?}");
    }
    let fund = "fund { name }";
    let window = "\"window\": { \"budget\": 250000000, \"levy_out\": 5000000 }, \"quorum\"";
    let rules = METHODOLOGY.replacen("\"quorum\"", window, 1);
    let rules = json!({ "name": "F", "methodology": rules });
    walk.step(operator, "fundCreate", rules, fund).await;
    for (owner, amount) in
        [("lab", "1000.000000"), ("ann", "5000.000000"), ("operator", "9000.000000")]
    {
        let deposit = json!({ "owner": owner, "amount": amount });
        walk.step(operator, "cashDeposit", deposit, "account { owner }").await;
    }
    let dearer =
        METHODOLOGY.replace("\"management_fee_ppb\": 10000000", "\"management_fee_ppb\": 1");
    let dearer = json!({ "fund": "F", "methodology": dearer });
    walk.step(operator, "methodologyPropose", dearer, "methodology { version }").await;
    let gone = json!({ "fund": "F", "version": 2 });
    walk.step(operator, "methodologyWithdraw", gone, "methodology { version }").await;
    let admit = json!({ "fund": "F", "model": "lab/net", "bond": "100.000000" });
    walk.step(operator, "modelAdmit", admit, fund).await;
    let seed = json!({ "fund": "F", "owner": "operator", "amount": "1000.000000" });
    walk.step(operator, "fundSeed", seed, fund).await;
    restrictions(walk, operator).await;
    bids(walk, operator, ann).await;
    let order = json!({ "fund": "F", "amount": "100.000000" });
    walk.step(ann, "subscriptionOrderPlace", order, "order { id }").await;
    walk.step(operator, "pricesCommit", json!({ "fund": "F" }), "commitment").await;
    walk.step(operator, "ordersClose", json!({ "fund": "F" }), "bookRoot").await;
    let calendar =
        r#"{"cut_off":"16:00","review":{"every":"never"},"time_zone":"UTC","weekdays":["monday"]}"#;
    let calendar = json!({ "fund": "F", "calendar": calendar });
    walk.step(operator, "fundCalendarSet", calendar, fund).await;
    walk.step(operator, "fundStrike", json!({ "fund": "F" }), "strike { number }").await;
    walk.step(operator, "fundRebalance", json!({ "fund": "F" }), "trades").await;
    exits(world, walk, lab, operator, ann).await;
    let quota = json!({ "login": "lab", "bytes": "1000000000" });
    walk.step(operator, "storageQuotaSet", quota, "storage { login }").await;
}

/// A fund whose rebalances trade with sealed bids: seal, take back, call, open.
async fn bids(walk: &mut Walk<'_>, operator: (&Client, &str), ann: (&Client, &str)) {
    let mut rules: Value = serde_json::from_str(METHODOLOGY).unwrap();
    rules["auction"] =
        json!({ "band": 0, "deposit": 1_000_000, "minimum": 1_000_000, "opening_days": 1 });
    rules["counterparties"] = json!([]);
    let fund = "fund { name }";
    let (create, money) = (
        json!({ "name": "B", "methodology": rules.to_string() }),
        json!({ "owner": "operator", "amount": "10.000000", "idempotencyKey": "bids" }),
    );
    let seed = json!({ "fund": "B", "owner": "operator", "amount": "10.000000" });
    mutate(operator.0, "fundCreate", create, fund).await.unwrap();
    mutate(operator.0, "cashDeposit", money, "account { owner }").await.unwrap();
    mutate(operator.0, "fundSeed", seed, fund).await.unwrap();
    let (salt, names) = (Digest::of(b"salt"), ["B", "ann"].map(|name| name.parse().unwrap()));
    let commitment = bid_commitment(&names[0], &names[1], &salt, &[]).to_string();
    let sealed = json!({ "fund": "B", "budget": "10.000000", "commitment": commitment });
    walk.step(ann, "bidsSeal", sealed.clone(), fund).await;
    // A fund without a model has nothing that they could be for.
    walk.step(ann, "bidsTakeBack", json!({ "fund": "B" }), fund).await;
    let mut again = sealed;
    again["idempotencyKey"] = json!("sealed again");
    mutate(ann.0, "bidsSeal", again, fund).await.unwrap();
    walk.step(operator, "bidsCall", json!({ "fund": "B" }), fund).await;
    let opening = json!({ "fund": "B", "bids": [], "salt": salt.hex() });
    walk.step(ann, "bidsOpen", opening, fund).await;
}

/// Who may hold shares, and what is paused; all of it is undone.
async fn restrictions(walk: &mut Walk<'_>, operator: (&Client, &str)) {
    let fund = "fund { name }";
    for (field, on, off) in [
        (
            "ownerFreeze",
            json!({ "owner": "bob", "frozen": true }),
            json!({ "owner": "bob", "frozen": false }),
        ),
        (
            "ownerAllow",
            json!({ "owner": "bob", "allowed": true }),
            json!({ "owner": "bob", "allowed": false }),
        ),
        ("allowListSet", json!({ "on": true }), json!({ "on": false })),
        ("fundPause", json!({ "paused": true }), json!({ "paused": false })),
    ] {
        for mut input in [on, off] {
            input["fund"] = json!("F");
            walk.step(operator, field, input, fund).await;
        }
    }
}

/// What an owner does with what is his, and what a model's end does.
async fn exits(
    world: &World,
    walk: &mut Walk<'_>,
    lab: (&Client, &str),
    operator: (&Client, &str),
    ann: (&Client, &str),
) {
    let order = json!({ "fund": "F", "shares": "10.000000000" });
    let placed = walk.step(ann, "redemptionOrderPlace", order.clone(), "order { id }").await;
    let cancel = json!({ "order": placed["order"]["id"] });
    walk.step(ann, "orderCancel", cancel, "order { state }").await;
    let asked = walk.step(ann, "windowRequestPlace", order.clone(), "order { id }").await;
    let back = json!({ "order": asked["order"]["id"], "idempotencyKey": "asked" });
    mutate(ann.0, "orderCancel", back, "order { state }").await.unwrap();
    let mut again = order.clone();
    again["idempotencyKey"] = json!("again");
    let left = mutate(ann.0, "redemptionOrderPlace", again, "order { id }").await.unwrap();
    let strike = json!({ "fund": "F", "idempotencyKey": "second" });
    mutate(operator.0, "fundStrike", strike, "strike { number }").await.unwrap();
    walk.step(ann, "cashClaim", json!({}), "account { owner }").await;
    walk.step(ann, "inKindRedeem", order, "cash").await;
    let create = json!({ "fund": "F", "shares": "1.000000000" });
    walk.step(ann, "inKindCreate", create, "cash").await;
    let right = json!([{ "model": "lab/net", "price": "1.000000000" }]);
    let wrong = json!({ "fund": "F", "strike": 1, "prices": right, "reason": "x" });
    walk.step(operator, "navRestate", wrong, "restatement { number }").await;
    // After her order came the marks, the strike, and her claim.
    let order: u64 = left["order"]["id"].as_str().unwrap().parse().unwrap();
    let entry = json!({ "event": (order + 3).to_string(), "reason": "x" });
    walk.step(operator, "entryCorrect", entry, "event").await;
    let gift = json!({ "to": "bob", "asset": "CASH", "amount": "1.000000" });
    walk.step(ann, "assetTransfer", gift, "account { owner }").await;
    walk.step(ann, "cashWithdraw", json!({ "amount": "1.000000" }), "account { owner }").await;
    let income = json!({ "model": "lab/net", "amount": "1.000000" });
    walk.step(operator, "royaltyPay", income, "model").await;
    let day = ask(&world.operator, "{ clock { day } }").await["clock"]["day"].to_string();
    let day: u64 = day.trim_matches('"').parse().unwrap();
    let later = json!({ "day": (day + 400).to_string() });
    mutate(operator.0, "clockAdvance", later, "clock { day }").await.unwrap();
    let sold = json!({ "fund": "F", "model": "lab/net" });
    walk.step(lab, "modelVest", sold.clone(), "paid").await;
    let strike = json!({ "fund": "F", "idempotencyKey": "third" });
    mutate(operator.0, "fundStrike", strike, "strike { number }").await.unwrap();
    let fees = json!({ "fund": "F" });
    let paid = walk.step(operator, "feesDistribute", fees, "from to receivers shares").await;
    assert_eq!((&paid["from"], &paid["to"], &paid["receivers"]), (&json!(1), &json!(4), &json!(1)));
    give_back(world, walk, lab, operator, ann).await;
    walk.step(operator, "modelDelist", sold, "model").await;
}

/// An order of a contributor from before a publishing is held back, and given back.
async fn give_back(
    world: &World,
    walk: &mut Walk<'_>,
    lab: (&Client, &str),
    operator: (&Client, &str),
    ann: (&Client, &str),
) {
    let order = json!({ "fund": "F", "amount": "10.000000", "idempotencyKey": "held" });
    let held = mutate(ann.0, "subscriptionOrderPlace", order, "order { id }").await.unwrap();
    let (checkpoint, graph) = world.upload_pair(&world.lab_token, STEPS[1], GRAPH).await;
    let version = json!({
        "model": "lab/net", "version": "v2", "checkpoint": checkpoint, "graph": graph,
        "idempotencyKey": "v2",
    });
    mutate(lab.0, "versionPublish", version, "version { name }").await.unwrap();
    let order = json!({ "order": held["order"]["id"] });
    walk.step(operator, "orderGiveBack", order, "order { state }").await;
}

async fn filters(world: &World) {
    let count = async |client: &Client, filter: &str| {
        let query = format!(
            "{{ audit(first: 100, filter: {{ {filter} }}) {{ nodes {{ operation actor subject }} }} }}"
        );
        client
            .graphql::<Value>(&query, json!({}))
            .await
            .map(|answer| answer["audit"]["nodes"].as_array().unwrap().len())
    };
    for (filter, least) in [
        ("actor: \"ann\"", 2),
        ("operation: \"cash_deposit\"", 3),
        ("subjectPrefix: \"lab/net\"", 10),
        ("model: \"lab/net\"", 10),
        ("since: \"1970-01-01T00:00:00Z\"", 30),
    ] {
        assert!(count(&world.operator, filter).await.unwrap() >= least, "{filter}");
    }
    for (filter, none) in [
        ("actor: \"nobody\"", 0),
        ("subjectPrefix: \"_ab\"", 0),
        ("since: \"2999-01-01T00:00:00Z\"", 0),
    ] {
        assert_eq!(count(&world.operator, filter).await.unwrap(), none, "{filter}");
    }
    let own = count(&world.lab, "model: \"lab/net\"").await.unwrap();
    assert_eq!(own, count(&world.operator, "model: \"lab/net\"").await.unwrap());
    for (client, filter, code) in [
        (&world.lab, "actor: \"lab\"", "scope_missing"),
        (&world.stranger, "model: \"lab/net\"", "not_owner"),
        (&world.stranger, "model: \"lab/nothing\"", "absent"),
    ] {
        assert_eq!(count(client, filter).await.unwrap_err().code(), Some(code), "{filter}");
    }
}

/// An evaluator comes, stands aside, and the quorum is set to what it is.
async fn evaluators(walk: &mut Walk<'_>, operator: (&Client, &str)) {
    // The first public key of RFC 8032, section 7.1.
    let key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let input =
        json!({ "name": "e1", "owner": "ann", "publicKey": key, "weightPpb": "1000000000" });
    walk.step(operator, "evaluatorRegister", input, "evaluator { active }").await;
    let input =
        json!({ "name": "e1", "active": false, "weightPpb": "1000000000", "reason": "it rests" });
    walk.step(operator, "evaluatorStandingSet", input, "evaluator { active }").await;
    let input = json!({ "quorum": 1, "commitSeconds": "3600", "revealSeconds": "600" });
    walk.step(operator, "quorumSet", input, "quorum { quorum }").await;
}
