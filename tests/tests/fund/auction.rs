//! A fund whose rebalances trade with sealed bids: sealed at home, called by the calendar, opened or lost, over a restart, and proven.

use std::process::Command;

use client::Client;
use serde_json::{Value, json};

use crate::{
    exits::Market,
    proofs::verify,
    support::{PROGRAM, Running, ask, serve, token},
    world::{METHODOLOGY, mutate, refused},
};

/// The demo's rules with an auction: a band of 1 %, a deposit of its width, a day to open bids.
fn rules() -> String {
    let mut rules: Value = serde_json::from_str(METHODOLOGY).unwrap();
    rules["auction"] = json!({
        "band": 10_000_000, "deposit": 20_000_000, "minimum": 1_000_000, "opening_days": 1,
    });
    rules["levy_in_ppb"] = json!(10_000_000);
    rules["counterparties"] = json!([]);
    rules.to_string()
}

/// Bids and what the program says of them.
struct Sealed {
    bids: Value,
    commitment: String,
    salt: String,
}

/// Seals with the program, which asks no server.
fn seal_at_home(owner: &str, units: &str, limit: &str) -> Sealed {
    let bids = json!([{ "model": "lab/net", "side": "BUYS", "units": units, "limit": limit }]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bids.json");
    std::fs::write(&path, bids.to_string()).unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["bids", "seal", path.to_str().unwrap(), "--fund", "G", "--owner", owner]);
    let out = command.output().unwrap();
    assert!(out.status.success(), "{out:?}");
    let told: Value = serde_json::from_slice(&out.stdout).unwrap();
    let text = |field: &str| told[field].as_str().unwrap().to_owned();
    Sealed { bids, commitment: text("commitment"), salt: text("salt") }
}

const AUCTION: &str = "fund { auction { sealed called opened calledOn openingUntil awaitsStrike own { deposit called bids { units } } \
    last { afterStrike forfeited markets(first: 5) { nodes { model side price units } } } } }";

async fn seal(who: &Client, budget: &str, sealed: &Sealed, key: &str) -> Result<Value, String> {
    let input = json!({ "fund": "G", "budget": budget, "commitment": sealed.commitment,
        "idempotencyKey": key });
    Ok(mutate(who, "bidsSeal", input, AUCTION).await?["fund"]["auction"].take())
}

fn opening(sealed: &Sealed, key: &str) -> Value {
    json!({ "fund": "G", "bids": sealed.bids, "salt": sealed.salt, "idempotencyKey": key })
}

async fn auction(client: &Client) -> Value {
    let query = format!("{{ {} }}", AUCTION.replacen("fund ", "fund(name: \"G\") ", 1));
    ask(client, &query).await["fund"]["auction"].take()
}

async fn move_to(operator: &Client, to: &str) {
    let input = json!({ "to": to, "idempotencyKey": format!("to {to}") });
    mutate(operator, "clockAdvance", input, "clock { now }").await.unwrap();
}

async fn cash(client: &Client, owner: &str) -> (String, String, String) {
    let query =
        format!("{{ account(owner: \"{owner}\") {{ cash claim units(model: \"lab/net\") }} }}");
    let account = ask(client, &query).await["account"].take();
    let text = |field: &str| account[field].as_str().unwrap().to_owned();
    (text("cash"), text("claim"), text("units"))
}

/// Opens a fund with an auction and a calendar, struck and invested on a Monday, with `ann` in it.
async fn invested() -> Market {
    let market = Market::open().await;
    let operator = &market.world.operator;
    for (owner, amount) in [("operator", "1000.000000"), ("lab", "100.000000")] {
        let deposit = json!({ "owner": owner, "amount": amount, "idempotencyKey": owner });
        mutate(operator, "cashDeposit", deposit, "account { owner }").await.unwrap();
    }
    // A levy that does not cover the band is refused, and so is a deposit that is smaller than the choice is worth.
    for (field, value) in [("levy", 8_000_000), ("deposit", 1_000)] {
        let mut drained: Value = serde_json::from_str(&rules()).unwrap();
        match field {
            "levy" => drained["levy_in_ppb"] = json!(value),
            _ => drained["auction"]["deposit"] = json!(value),
        }
        let create = json!({ "name": "D", "methodology": drained.to_string() });
        assert_eq!(refused(operator, "fundCreate", create, "fund { name }").await, "drainable");
    }
    let create = json!({ "name": "G", "methodology": rules() });
    mutate(operator, "fundCreate", create, "fund { name }").await.unwrap();
    let admit = json!({ "fund": "G", "model": "lab/net", "bond": "100.000000" });
    mutate(operator, "modelAdmit", admit, "fund { name }").await.unwrap();
    let seed = json!({ "fund": "G", "owner": "operator", "amount": "1000.000000" });
    mutate(operator, "fundSeed", seed, "fund { name }").await.unwrap();
    let calendar = json!({
        "cut_off": "12:00", "review": { "every": "week", "weekday": "monday" }, "time_zone": "UTC",
        "weekdays": ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"],
    });
    let set = json!({ "fund": "G", "calendar": calendar.to_string() });
    mutate(operator, "fundCalendarSet", set, "fund { name }").await.unwrap();
    let input = json!({ "fund": "G", "amount": "1000.000000", "idempotencyKey": "joins" });
    mutate(&market.ann, "subscriptionOrderPlace", input, "order { id }").await.unwrap();
    move_to(operator, "2026-01-05T12:00:00Z").await;
    assert_eq!(auction(operator).await["last"], Value::Null, "no bids, no auction");
    market
}

/// A server over the same data, and its parties.
async fn again(market: Market) -> (Running, String, String, [Client; 3], tempfile::TempDir) {
    let world = market.world;
    let (place, operator) = (world.place, world.operator_token.clone());
    drop(world._server);
    let (server, url) = serve(&place);
    let tokens = [operator.clone(), token(&place, "ann", "invest"), token(&place, "bob", "invest")];
    let clients = tokens.map(|token| Client::new(&url, None).unwrap().with_token(&token));
    (server, url, operator, clients, place.data)
}

/// Proves an auction from end to end: rules that an attack drains are refused; bids are sealed at home, by nobody twice and by no
/// publisher of a model of the fund, not taken back, opened not before their call, which the calendar makes in time for its review, and not
/// by others; nobody hurries the batch; a
/// restart and a strike in between lose nothing; then, with the strike of the review and at its marks, leavers sell first, all at the price
/// of the last bid needed; who stayed shut has lost his deposit and who opened has his back; and the strike after it proves all of it.
#[tokio::test(flavor = "multi_thread")]
async fn sealed_called_opened_traded() {
    let market = invested().await;
    let operator = &market.world.operator;
    let limit = below_the_mark(operator).await;
    let [bob, ann] = [("bob", "100.000000"), ("ann", "1.000000")]
        .map(|(owner, units)| seal_at_home(owner, units, &limit));
    assert_eq!(seal(operator, "9.000000", &bob, "x").await.unwrap_err(), "scope_missing");
    let told = seal(&market.bob, "900.000000", &bob, "bob").await.unwrap();
    assert_eq!((&told["sealed"], &told["own"]["deposit"]), (&json!(1), &json!("18.000000")));
    assert_eq!(seal(&market.bob, "900.000000", &bob, "bob").await.unwrap(), told, "the same key");
    assert_eq!(seal(&market.bob, "900.000000", &bob, "bob again").await.unwrap_err(), "exists");
    let back = |key: &str| json!({ "fund": "G", "idempotencyKey": key });
    assert_eq!(refused(&market.bob, "bidsTakeBack", back("soon"), AUCTION).await, "auction");
    assert_eq!(
        refused(&market.world.lab, "bidsTakeBack", back("lab"), AUCTION).await,
        "scope_missing"
    );
    let lab = operator.with_token(token(&market.world.place, "lab", "invest"));
    let part = seal(&lab, "9.000000", &bob, "part").await.unwrap_err();
    assert_eq!(part, "own_dealing", "who publishes a model of the fund does not bid");
    seal(&market.ann, "100.000000", &ann, "ann").await.unwrap();
    let early = opening(&bob, "early");
    assert_eq!(refused(&market.bob, "bidsOpen", early, AUCTION).await, "auction");
    let leave = json!({ "fund": "G", "shares": "500.000000000", "idempotencyKey": "leaves" });
    // The review is on Monday, day 20,465: bids that are called on Saturday are opened on Sunday.
    move_to(operator, "2026-01-09T23:00:00Z").await;
    assert_eq!(auction(operator).await["called"], 0);
    move_to(operator, "2026-01-10T00:00:00Z").await;
    let called = until(operator, |auction| auction["called"] == 2).await;
    assert_eq!(
        (&called["calledOn"], &called["openingUntil"], &called["opened"]),
        (&json!(20_463), &json!(20_465), &json!(0)),
        "{called}"
    );
    let hurry = json!({ "fund": "G", "idempotencyKey": "hurry" });
    assert_eq!(refused(operator, "fundRebalance", hurry, "trades").await, "auction");
    let twice = json!({ "fund": "G", "idempotencyKey": "twice" });
    assert_eq!(refused(operator, "bidsCall", twice, AUCTION).await, "auction");
    assert_eq!(refused(&market.bob, "bidsTakeBack", back("late"), AUCTION).await, "auction");
    let stolen = opening(&bob, "stolen");
    assert_eq!(refused(&market.ann, "bidsOpen", stolen, AUCTION).await, "auction");
    let made = json!({ "fund": "G", "shares": "1.000000000", "idempotencyKey": "made" });
    assert_eq!(refused(&market.bob, "inKindCreate", made, "account { owner }").await, "auction");
    let opened = mutate(&market.bob, "bidsOpen", opening(&bob, "opens"), AUCTION).await.unwrap();
    let own = &opened["fund"]["auction"]["own"];
    assert_eq!(own["bids"][0]["units"], "100.000000", "{opened}");
    mutate(&market.ann, "redemptionOrderPlace", leave, "order { id }").await.unwrap();

    let (_server, url, token, [operator, ann, bob], _data) = again(market).await;
    let (bob_before, ann_before) = (cash(&bob, "bob").await, cash(&ann, "ann").await);
    move_to(&operator, "2026-01-11T12:00:00Z").await;
    until(&operator, |auction| auction["opened"] == 1).await;
    move_to(&operator, "2026-01-12T11:59:59Z").await;
    assert_eq!(auction(&operator).await["opened"], 1, "strikes in between");
    move_to(&operator, "2026-01-12T12:00:00Z").await;
    let done = until(&operator, |auction| auction["sealed"] == 0).await;
    let last = &done["last"];
    assert_eq!((&done["calledOn"], &done["openingUntil"]), (&Value::Null, &Value::Null), "{done}");
    assert_eq!(last["forfeited"], "2.000000", "{done}");
    let sold = &last["markets"]["nodes"][0];
    assert_eq!((&sold["side"], &sold["price"]), (&json!("BUYS"), &json!(limit)), "{done}");
    let (bob_after, ann_after) = (cash(&bob, "bob").await, cash(&ann, "ann").await);
    assert_eq!(bob_after.2, sold["units"].as_str().unwrap(), "he has all that was sold");
    assert_ne!(ann_after.1, ann_before.1, "a leaver is paid first");
    assert_eq!(ann_after.0, ann_before.0, "and her deposit is lost");
    assert_ne!(bob_after.0, bob_before.0);
    disclosed(&operator).await;
    proven(&operator, &url, &token).await;
}

/// A price half a hundredth below the mark.
async fn below_the_mark(client: &Client) -> String {
    let price =
        ask(client, "{ fund(name: \"G\") { holdings(first: 1) { nodes { price } } } }").await;
    let price = price["fund"]["holdings"]["nodes"][0]["price"].as_str().unwrap().to_owned();
    let nano: i64 = price.replace('.', "").parse().unwrap();
    let below = nano - nano / 200;
    format!("{}.{:09}", below / 1_000_000_000, below % 1_000_000_000)
}

/// The auction when the calendar has come so far.
async fn until(client: &Client, is_so: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..200 {
        let found = auction(client).await;
        if is_so(&found) {
            return found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the calendar did not come: {}", auction(client).await);
}

/// The sale counts among what third parties paid, and the day's entries tie out.
async fn disclosed(operator: &Client) {
    let query = "{ fund(name: \"G\") { disclosure { soldForLeavers models(first: 1) { nodes { lastOverMark } } } \
        attribution(fromStrike: 0, toStrike: 4) { change } } }";
    let told = ask(operator, query).await["fund"].take();
    let model = &told["disclosure"]["models"]["nodes"][0];
    assert!(model["lastOverMark"].as_str().unwrap().starts_with("0.995"), "{told}");
    assert_ne!(told["disclosure"]["soldForLeavers"], "0.000000", "{told}");
}

/// The bundle of the next strike holds, and one with another bid does not.
async fn proven(operator: &Client, url: &str, token: &str) {
    let strike = json!({ "fund": "G", "idempotencyKey": "the next" });
    let struck = mutate(operator, "fundStrike", strike, "strike { number }").await.unwrap();
    let number = struck["strike"]["number"].as_i64().unwrap();
    let address = format!("{url}/v1/strikes/G/{number}/bundle?samples=true");
    let answer = reqwest::Client::new().get(address).bearer_auth(token).send().await.unwrap();
    let bundle = answer.text().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle.json");
    std::fs::write(&path, &bundle).unwrap();
    let (holds, said) = verify(&[path.to_str().unwrap()]);
    assert!(holds, "{said}");
    let mut changed: Value = serde_json::from_str(&bundle).unwrap();
    let events = changed["journal"].as_array_mut().unwrap();
    let opening = events.iter_mut().find(|event| event["op"] == "open_bids").unwrap();
    opening["bids"][0]["units"] = json!(99_000_000);
    std::fs::write(&path, changed.to_string()).unwrap();
    let (holds, said) = verify(&[path.to_str().unwrap()]);
    assert!(!holds && said.contains("open_bids"), "{said}");
}
