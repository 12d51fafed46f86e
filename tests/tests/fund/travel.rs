//! Questions about the past, end to end: bytes of answers, kept while a fund lives, and asked for again after a restart.

use client::Client;
use serde_json::{Value, json};

use crate::{
    exits::Market,
    support::{ask, serve},
    world::{STEPS, mutate, refused},
};

/// Everything that is told of funds, and of one's own orders and balances.
const EVERYTHING: &str = "fund(name: \"F\"@) { name recordedAt day winding shares nav navPerShare level cash cashCoverage \
    markedToModel sigmaLnBound quorum methodology { digest text } \
    holdings(first: 100) { nodes { model units price value weight } } \
    quoteExit(shares: \"1.000000007\") { day shares supply cash units { model units } batches } \
    strikes(first: 100) { nodes { number day nav ask shares navPerShare level winding struckAt \
        proof { leafIndex path head { size root at signature } } } } } \
    funds(first: 9@) { nodes { name nav } pageInfo { hasNextPage } }";
const OWN: &str = "orders(first: 100@) { nodes { id state amount shares placedAt fill { strike shares cost levy } \
    slice { strike cash units { model units } } } } \
    account(owner: \"ann\"@) { owner recordedAt cash claim shares(fund: \"F\") units(model: \"lab/net\") }";

/// The bytes of an answer: as it is now, or as of a moment.
async fn bytes(url: &str, token: &str, question: &str, moment: &str) -> String {
    let query = format!("{{ {} }}", question.replace('@', moment));
    let request = reqwest::Client::new().post(format!("{url}/graphql")).bearer_auth(token);
    let response = request.json(&json!({ "query": query })).send().await.unwrap();
    let text = response.text().await.unwrap();
    assert!(!text.contains("\"errors\""), "{query}: {text}");
    text
}

/// An answer that was given live, with the moment that it told of itself.
struct Told {
    at: String,
    fund: String,
    own: String,
}

/// The code of a question's refusal.
async fn code(client: &Client, question: &str) -> String {
    let error = client.graphql::<Value>(question, json!({})).await.expect_err(question);
    error.code().unwrap_or_else(|| panic!("{question}: {error}")).to_owned()
}

async fn tell(market: &Market, token: &str, told: &mut Vec<Told>) {
    let fund = bytes(&market.world.url, token, EVERYTHING, "").await;
    let own = bytes(&market.world.url, token, OWN, "").await;
    let answer: Value = serde_json::from_str(&fund).unwrap();
    let at = answer["data"]["fund"]["recordedAt"].as_str().unwrap().to_owned();
    told.push(Told { at, fund, own });
}

async fn check(url: &str, token: &str, told: &[Told]) {
    for Told { at, fund, own } in told {
        for moment in [
            format!(", asOf: \"{at}\""),
            format!(", knownAt: \"{at}\""),
            format!(", asOf: \"{at}\", knownAt: \"{at}\""),
        ] {
            assert_eq!(&bytes(url, token, EVERYTHING, &moment).await, fund, "{moment}");
            assert_eq!(&bytes(url, token, OWN, &moment).await, own, "{moment}");
        }
    }
}

/// Proves invariant 36 over HTTP: the bytes that fund, funds, orders and account answered at many moments of a fund's life are those that
/// they answer about these moments after everything that was written later (prices, strikes, batches, orders, exits, a delisting) and
/// after a restart, twice; that a strike's number names its moment; and which moments are refused or empty.
#[tokio::test(flavor = "multi_thread")]
async fn inv_36_bytes_of_the_past() {
    let market = Market::open().await;
    let (ann, bob, operator) = (&market.ann, &market.bob, &market.world.operator);
    let token = crate::support::token(&market.world.place, "ann", "invest");
    let mut told = Vec::new();
    tell(&market, &token, &mut told).await;
    let first = market.subscribe(ann, "500.000000").await;
    tell(&market, &token, &mut told).await;
    market.subscribe(bob, "300.000000").await;
    market.strike().await;
    tell(&market, &token, &mut told).await;
    market.rebalance().await;
    tell(&market, &token, &mut told).await;
    let later = market.subscribe(ann, "7.000000").await;
    market.redeem(ann, "200.000000000").await;
    tell(&market, &token, &mut told).await;
    mutate(ann, "orderCancel", json!({ "order": later["id"] }), "order { id }").await.unwrap();
    tell(&market, &token, &mut told).await;
    // A better version: its price waits for a confirmation, and changes nothing that was said.
    let world = &market.world;
    let (checkpoint, graph) =
        world.upload_pair(&world.lab_token, STEPS[1], crate::world::GRAPH).await;
    let input =
        json!({ "model": "lab/net", "version": "v2", "checkpoint": checkpoint, "graph": graph });
    mutate(&world.lab, "versionPublish", input, "version { name }").await.unwrap();
    let job = world.evaluate(&world.lab, "lab/net", "v2", market.suite()).await.unwrap();
    world.work_until_done(&job).await;
    check(&world.url, &token, &told).await;
    let day = ask(&world.anybody, "{ clock { day } }").await["clock"]["day"].as_i64().unwrap();
    advance(operator, day + 3).await;
    market.strike().await;
    tell(&market, &token, &mut told).await;
    market.rebalance().await;
    let input = json!({ "fund": "F", "shares": "3.000000000" });
    mutate(bob, "inKindRedeem", input, "cash").await.unwrap();
    tell(&market, &token, &mut told).await;
    let delist = json!({ "fund": "F", "model": "lab/net" });
    mutate(operator, "modelDelist", delist, "model").await.unwrap();
    market.strike().await;
    tell(&market, &token, &mut told).await;
    check(&world.url, &token, &told).await;

    statement(&market, &told).await;
    strikes_and_edges(&market, &told, &first["id"], day).await;
    advance(operator, day + 6).await;
    let told_by_another = {
        let (_server, url) = serve(&world.place);
        check(&url, &token, &told).await;
        bytes(&url, &token, EVERYTHING, ", asOf: \"2026-01-09T12:00:00Z\"").await
    };
    // The horizon that the other server's question has set holds here too.
    mutate(
        operator,
        "cashDeposit",
        json!({ "owner": "ann", "amount": "1.000000" }),
        "account { cash }",
    )
    .await
    .unwrap();
    let again = bytes(&world.url, &token, EVERYTHING, ", asOf: \"2026-01-09T12:00:00Z\"").await;
    assert_eq!(again, told_by_another);
}

/// A statement over the life that was told: opening and postings make closing, for the owner and the operator alone.
async fn statement(market: &Market, told: &[Told]) {
    let (from, to) = (&told[0].at, &told[told.len() - 1].at);
    let question = |owner: &str, from: &str, to: &str| {
        format!(
            "{{ account(owner: \"{owner}\") {{ statement(from: \"{from}\", to: \"{to}\") {{ owner from to \
             opening(first: 9) {{ nodes {{ asset purse amount }} }} closing(first: 9) {{ nodes {{ asset purse amount }} }} \
             postings(first: 100) {{ nodes {{ event at kind asset purse delta counter }} pageInfo {{ hasNextPage }} }} }} }} }}"
        )
    };
    let found = ask(&market.ann, &question("ann", from, to)).await;
    let by_operator = ask(&market.world.operator, &question("ann", from, to)).await;
    assert_eq!(found, by_operator);
    let told = &found["account"]["statement"];
    assert_eq!((&told["from"], &told["to"]), (&json!(from), &json!(to)));
    let mut sums = std::collections::BTreeMap::<(String, String), i128>::new();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let steps = |value: &Value| text(value).replace('.', "").parse::<i128>().unwrap();
    for row in told["opening"]["nodes"].as_array().unwrap() {
        sums.insert((text(&row["asset"]), text(&row["purse"])), steps(&row["amount"]));
    }
    let postings = told["postings"]["nodes"].as_array().unwrap();
    assert!(postings.len() > 5 && told["postings"]["pageInfo"]["hasNextPage"] == false, "{told}");
    for row in postings {
        *sums.entry((text(&row["asset"]), text(&row["purse"]))).or_default() +=
            steps(&row["delta"]);
    }
    sums.retain(|_, sum| *sum != 0);
    let closing = told["closing"]["nodes"].as_array().unwrap().iter();
    let closing =
        closing.map(|row| ((text(&row["asset"]), text(&row["purse"])), steps(&row["amount"])));
    assert_eq!(sums, closing.collect(), "{told}");
    assert_eq!(code(&market.bob, &question("ann", from, to)).await, "not_owner");
    assert_eq!(code(&market.ann, &question("ann", to, from)).await, "invalid");
    assert_eq!(code(&market.ann, &question("ann", from, "2099-01-01T00:00:00Z")).await, "not_yet");
}

/// What a strike's number means, and what is refused or nothing.
async fn strikes_and_edges(market: &Market, told: &[Told], order: &Value, day: i64) {
    let (ann, anybody) = (&market.ann, &market.world.anybody);
    let token = crate::support::token(&market.world.place, "ann", "invest");
    let fund = "{ fund(name: \"F\"@) { recordedAt nav strikes(first: 9) { nodes { number } } } }";
    let at = |moment: &str| fund.replace('@', moment);
    let first = ask(anybody, &at(", atStrike: 1")).await["fund"].take();
    assert_eq!(first["recordedAt"], told[2].at.as_str(), "right after the strike");
    assert_eq!(first["strikes"]["nodes"], json!([{ "number": 1 }]));
    let same = ask(anybody, &at(&format!(", asOf: \"{}\"", told[2].at))).await["fund"].take();
    assert_eq!(first, same);
    let long_ago = ", asOf: \"2020-01-01T00:00:00Z\"";
    for (question, pointer, expected) in [
        (at(", atStrike: 99"), "/fund", Value::Null),
        (at(long_ago), "/fund", Value::Null),
        (
            format!("{{ funds(first: 9{long_ago}) {{ nodes {{ name }} }} }}"),
            "/funds/nodes",
            json!([]),
        ),
        (format!("{{ order(id: {order}{long_ago}) {{ id }} }}"), "/order", Value::Null),
        (
            format!("{{ account(owner: \"ann\"{long_ago}) {{ cash }} }}"),
            "/account/cash",
            json!("0.000000"),
        ),
    ] {
        let client = anybody.with_token(&token);
        assert_eq!(ask(&client, &question).await.pointer(pointer), Some(&expected), "{question}");
    }
    // The clock stands at the beginning of a day: its last minute is still open, unless something was recorded since.
    advance(&market.world.operator, day + 4).await;
    for (question, expected) in [
        (at(", asOf: \"2099-01-01T00:00:00Z\""), "not_yet"),
        (at(", knownAt: \"2099-01-01T00:00:00Z\""), "not_yet"),
        (at(", asOf: \"2026-01-09T00:00:00Z\""), "not_yet"),
        (at(", asOf: \"2020-01-01T00:00:00Z\", knownAt: \"2099-01-01T00:00:00Z\""), "not_yet"),
        (at(", asOf: \"2026-01-08T00:00:00Z\", atStrike: 1"), "invalid"),
        (at(", asOf: \"yesterday\""), "query_invalid"),
        (at(", asOf: \"2026-13-01T00:00:00Z\""), "query_invalid"),
        (at(", asOf: 12"), "query_invalid"),
        (format!("{{ order(id: {order}{long_ago}) {{ id }} }}"), "unauthenticated"),
        (format!("{{ account(owner: \"bob\"{long_ago}) {{ cash }} }}"), "not_owner"),
    ] {
        let client = if expected == "unauthenticated" { anybody } else { ann };
        assert_eq!(code(client, &question).await, expected, "{question}");
    }
    // Moments cost: a question that asks for many at once is refused before anything is replayed.
    let many: String = (0..20)
        .map(|number| format!("f{number}: fund(name: \"F\"{long_ago}) {{ nav }} "))
        .collect();
    assert_eq!(code(anybody, &format!("{{ {many} }}")).await, "query_invalid");
    let input = json!({ "fund": "G", "amount": "1.000000" });
    assert_eq!(refused(ann, "subscriptionOrderPlace", input, "order { id }").await, "absent");
}

async fn advance(operator: &Client, day: i64) {
    let input = json!({ "day": day.to_string(), "idempotencyKey": format!("day {day}") });
    mutate(operator, "clockAdvance", input, "clock { day }").await.unwrap();
}
