//! Creation in kind, corrections of entries, restatements of strikes, with a real server.

use client::Client;
use serde_json::{Value, json};

use crate::{
    exits::Market,
    support::{ask, token},
    world::{mutate, refused},
};

/// A decimal text in its smallest steps.
fn steps(text: &Value) -> i128 {
    text.as_str().unwrap_or_else(|| panic!("{text} is no text")).replace('.', "").parse().unwrap()
}

async fn account(operator: &Client, owner: &str) -> [i128; 4] {
    let query = format!(
        "{{ account(owner: \"{owner}\") {{ cash claim shares(fund: \"F\") units(model: \"lab/net\") }} }}"
    );
    let account = ask(operator, &query).await["account"].take();
    ["cash", "claim", "shares", "units"].map(|field| steps(&account[field]))
}

/// Cash, units and shares of the fund.
async fn fund(operator: &Client) -> [i128; 3] {
    let query = "{ fund(name: \"F\") { cash shares holdings(first: 9) { nodes { units } } } }";
    let fund = ask(operator, query).await["fund"].take();
    [&fund["cash"], &fund["holdings"]["nodes"][0]["units"], &fund["shares"]].map(steps)
}

/// Proves that shares are made for the exact slice, as it was quoted, rounded up, and give at most that back; that what nobody has is not
/// made; and that a repetition makes none.
#[tokio::test(flavor = "multi_thread")]
async fn shares_are_made_in_kind() {
    let market = Market::open().await;
    let (ann, operator) = (&market.ann, &market.world.operator);
    market.subscribe(ann, "500.000000").await;
    market.strike().await;
    market.rebalance().await;
    let create =
        |shares: &str, key: &str| json!({ "fund": "F", "shares": shares, "idempotencyKey": key });
    let given = "cash units { model units } account { cash }";
    let none = refused(ann, "inKindCreate", create("1.000000000", "none"), given).await;
    assert_eq!(none, "funds", "she has no units");
    let leave = json!({ "fund": "F", "shares": "100.000000000", "idempotencyKey": "leave" });
    mutate(ann, "inKindRedeem", leave, "cash").await.unwrap();
    let (before, held) = (account(operator, "ann").await, fund(operator).await);
    let asked = "{ fund(name: \"F\") { quoteCreate(shares: \"33.333333333\") { cash supply units { model units } } } }";
    let quote = ask(&market.world.anybody, asked).await["fund"]["quoteCreate"].take();
    let made = mutate(ann, "inKindCreate", create("33.333333333", "make"), given).await.unwrap();
    assert_eq!((&made["cash"], &made["units"]), (&quote["cash"], &quote["units"]));
    let again = mutate(ann, "inKindCreate", create("33.333333333", "make"), given).await.unwrap();
    assert_eq!(made, again);
    let (after, now) = (account(operator, "ann").await, fund(operator).await);
    let supply = steps(&quote["supply"]);
    let part = |held: i128| (held * 33_333_333_333 + supply - 1) / supply;
    assert_eq!(steps(&made["cash"]), part(held[0]));
    assert_eq!(steps(&made["units"][0]["units"]), part(held[1]));
    assert_eq!(after[0], before[0] - steps(&made["cash"]));
    assert_eq!((after[2], now[2]), (before[2] + 33_333_333_333, held[2] + 33_333_333_333));
    assert_eq!([now[0] - held[0], now[1] - held[1]], [part(held[0]), part(held[1])]);
    let leave = json!({ "fund": "F", "shares": "33.333333333", "idempotencyKey": "again" });
    mutate(ann, "inKindRedeem", leave, "cash").await.unwrap();
    let end = account(operator, "ann").await;
    assert!((0..=1).contains(&(before[0] - end[0])) && (0..=1).contains(&(before[3] - end[3])));
    assert_eq!(refused(ann, "inKindCreate", create("0.000000000", "zero"), given).await, "amount");
    let key = refused(ann, "inKindCreate", create("2.000000000", "make"), given).await;
    assert_eq!(key, "key", "another body under a key that was used");
    let lab = &market.world.lab;
    let scope = refused(lab, "inKindCreate", create("1.000000000", "lab"), given).await;
    assert_eq!(scope, "scope_missing");
}

/// The number of the last event of a kind by the bundle's journal.
async fn event_number(market: &Market, op: &str) -> String {
    let url = format!("{}/v1/strikes/F/1/bundle", market.world.url);
    let answer = reqwest::Client::new().get(url).bearer_auth(&market.world.operator_token);
    let bundle: Value = answer.send().await.unwrap().json().await.unwrap();
    let journal = bundle["journal"].as_array().unwrap();
    let found = journal.iter().rposition(|event| event["op"] == op);
    (found.unwrap_or_else(|| panic!("no {op}")) + 1).to_string()
}

/// Proves that an entry is reversed once, by the operator alone, with the reason in the audit log; that what settled with others is not;
/// and that what is spent stays.
#[tokio::test(flavor = "multi_thread")]
async fn an_entry_is_reversed_once() {
    let market = Market::open().await;
    let (ann, operator) = (&market.ann, &market.world.operator);
    let holder = "account { cash }";
    let gift = json!({ "to": "bob", "asset": "CASH", "amount": "70.000000" });
    mutate(ann, "assetTransfer", gift, holder).await.unwrap();
    market.strike().await;
    let (transfer, struck) =
        (event_number(&market, "transfer").await, event_number(&market, "strike").await);
    let before = [account(operator, "ann").await[0], account(operator, "bob").await[0]];
    let correct = |event: &str, key: &str| json!({ "event": event, "reason": "the wrong bob", "idempotencyKey": key });
    let scope = refused(ann, "entryCorrect", correct(&transfer, "ann"), "event").await;
    assert_eq!(scope, "scope_missing");
    let done = mutate(operator, "entryCorrect", correct(&transfer, "one"), "event").await.unwrap();
    let again = mutate(operator, "entryCorrect", correct(&transfer, "one"), "event").await.unwrap();
    assert_eq!(done, again);
    let after = [account(operator, "ann").await[0], account(operator, "bob").await[0]];
    assert_eq!(after, [before[0] + 70_000_000, before[1] - 70_000_000]);
    for (event, key, code) in [
        (transfer.as_str(), "two", "corrected"),
        (&struck, "three", "irreversible"),
        (done["event"].as_str().unwrap(), "four", "irreversible"),
        ("999999", "five", "absent"),
        ("-1", "six", "absent"),
        ("x", "seven", "invalid"),
    ] {
        assert_eq!(refused(operator, "entryCorrect", correct(event, key), "event").await, code);
    }
    let mut silent = correct(&transfer, "eight");
    silent["reason"] = json!(" ");
    assert_eq!(refused(operator, "entryCorrect", silent, "event").await, "invalid");
    let log = "{ audit(first: 9, filter: { operation: \"entry_correct\" }) { nodes { subject } } }";
    let log = ask(operator, log).await["audit"]["nodes"].take();
    assert_eq!(log, json!([{ "subject": format!("event {transfer}: the wrong bob") }]));
    // What was given is spent: nothing can be taken back, and nothing is.
    let deposit = json!({ "owner": "new", "amount": "10.000000", "idempotencyKey": "new" });
    mutate(operator, "cashDeposit", deposit, holder).await.unwrap();
    let given = (done["event"].as_str().unwrap().parse::<i64>().unwrap() + 1).to_string();
    let own = token(&market.world.place, "new", "invest");
    let new = market.world.anybody.with_token(&own);
    let spend = json!({ "amount": "0.000001", "idempotencyKey": "spend" });
    mutate(&new, "cashWithdraw", spend, holder).await.unwrap();
    assert_eq!(refused(operator, "entryCorrect", correct(&given, "nine"), "event").await, "funds");
}

const RESTATEMENT: &str = "restatement { number navPublished navRight errorPpb askErrorPpb passesThreshold ownersPaid fundPaid fundLoss payer }";

/// The restatements of a strike as somebody sees them.
async fn restatements(reader: &Client, strike: i64, known_at: Option<&str>) -> Vec<Value> {
    let known = known_at.map_or_else(String::new, |at| format!(", knownAt: \"{at}\""));
    let query = format!(
        "{{ fund(name: \"F\") {{ strikes(first: 9) {{ nodes {{ number nav restatements(first: 9{known}) {{ nodes {{ number recordedAt reason ownersPaid payer record parts(first: 9) {{ nodes {{ owner loss paid }} }} windUp {{ published right }} trades(first: 9) {{ nodes {{ counterparty fund leavers }} }} }} }} }} }} }} }}"
    );
    let strikes = ask(reader, &query).await["fund"]["strikes"]["nodes"].take();
    // Told of each, and here the test would not have come out otherwise.
    let nodes = strikes.as_array().unwrap().iter();
    for told in nodes.flat_map(|s| s["restatements"]["nodes"].as_array().unwrap()) {
        assert_eq!(told["windUp"], json!({ "published": false, "right": false }), "{told}");
        assert!(told["trades"]["nodes"].is_array(), "{told}");
    }
    let strikes = strikes.as_array().unwrap();
    let found = strikes.iter().find(|found| found["number"] == strike).unwrap();
    found["restatements"]["nodes"].as_array().unwrap().clone()
}

/// Ann has joined, the fund has bought, and at the second strike bob joins and ann leaves in part; its number.
async fn struck_twice(market: &Market) -> i64 {
    let (ann, bob, operator) = (&market.ann, &market.bob, &market.world.operator);
    market.subscribe(ann, "500.000000").await;
    market.strike().await;
    market.rebalance().await;
    let own = json!({ "owner": "operator", "amount": "500.000000", "idempotencyKey": "own" });
    mutate(operator, "cashDeposit", own, "account { cash }").await.unwrap();
    market.subscribe(bob, "700.000000").await;
    market.redeem(ann, "10.000000000").await;
    market.strike().await
}

/// Proves that a strike at a wrong price is restated beside itself: a small error is only recorded, a large one pays joiners from who
/// answers for it, a second restatement pays what is missing, leavers get nothing; what was known before reads the same afterwards; each
/// sees his own part; and later strikes verify.
#[tokio::test(flavor = "multi_thread")]
async fn a_strike_is_restated() {
    let market = Market::open().await;
    let operator = &market.world.operator;
    let strike = struck_twice(&market).await;
    let marked = ask(operator, "{ fund(name: \"F\") { holdings(first: 9) { nodes { price units } } strikes(first: 9) { nodes { number nav ask shares } } } }").await["fund"].take();
    let price = steps(&marked["holdings"]["nodes"][0]["price"]);
    let decimal = |nano: i128| format!("{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000);
    let restate = |nano: i128, payer: Value, key: &str| {
        json!({
            "fund": "F", "strike": strike, "payer": payer, "reason": "a wrong report", "idempotencyKey": key,
            "prices": [{ "model": "lab/net", "price": decimal(nano) }],
        })
    };
    let call = async |input: Value| mutate(operator, "navRestate", input, RESTATEMENT).await;
    // A thousandth too high: below half a percent, so nobody pays.
    let small = call(restate(price / 1001 * 1000, Value::Null, "small")).await.unwrap();
    let small = &small["restatement"];
    assert_eq!(
        (&small["passesThreshold"], &small["payer"]),
        (&json!(false), &json!(null)),
        "{small}"
    );
    assert!(
        small["errorPpb"].as_i64().unwrap() > 0 && small["ownersPaid"] == "0.000000",
        "{small}"
    );
    let first_known = restatements(operator, strike, None).await;
    let later = json!({ "day": next_day(operator).await });
    mutate(operator, "clockAdvance", later, "clock { day }").await.unwrap();

    let cash = async || {
        let mut all = Vec::new();
        for owner in ["ann", "bob", "operator"] {
            all.push(account(operator, owner).await[0]);
        }
        all
    };
    let had = cash().await;
    let wrong = price / 11 * 10;
    for (payer, code) in
        [(Value::Null, "invalid"), (json!("LP"), "invalid"), (json!("MANAGER"), "funds")]
    {
        let key = format!("payer {payer}");
        let found = refused(operator, "navRestate", restate(wrong, payer, &key), RESTATEMENT).await;
        assert_eq!(found, code);
    }
    assert_eq!(
        restatements(operator, strike, None).await.len(),
        1,
        "what is refused is not recorded"
    );
    let large = call(restate(wrong, json!("operator"), "large")).await.unwrap();
    assert_eq!(large, call(restate(wrong, json!("operator"), "large")).await.unwrap());
    let large = &large["restatement"];
    assert_eq!((&large["number"], &large["passesThreshold"]), (&json!(2), &json!(true)), "{large}");
    let paid = steps(&large["ownersPaid"]);
    let now = cash().await;
    assert_eq!([now[0] - had[0], now[1] - had[1], had[2] - now[2]], [0, paid, paid]);
    by_hand(&marked, &large["navRight"], (paid, 700_000_000));
    // Further off than was thought: the rest is paid; less far: nobody gives back.
    let more = call(restate(price / 12 * 10, json!("operator"), "more")).await.unwrap();
    let more = steps(&more["restatement"]["ownersPaid"]);
    assert!(more > 0);
    let less = call(restate(wrong, Value::Null, "less")).await.unwrap();
    assert_eq!(less["restatement"]["ownersPaid"], "0.000000");
    assert_eq!(cash().await[1], had[1] + paid + more);

    known_and_seen(&market, &marked, (strike, &first_known)).await;
    bad_restatements(&market, strike).await;
    later_strikes_verify(&market).await;
}

/// What was known reads the same, the strike stands, and each sees what is his.
async fn known_and_seen(market: &Market, marked: &Value, (strike, first_known): (i64, &[Value])) {
    let (ann, bob, world) = (&market.ann, &market.bob, &market.world);
    let operator = &world.operator;
    let then = first_known[0]["recordedAt"].as_str().unwrap();
    // The strike stands, and what was known then reads the same.
    let still = ask(
        operator,
        "{ fund(name: \"F\") { strikes(first: 9) { nodes { number nav ask shares } } } }",
    )
    .await;
    assert_eq!(still["fund"]["strikes"], marked["strikes"]);
    assert_eq!(restatements(operator, strike, Some(then)).await, first_known);
    let all = restatements(operator, strike, None).await;
    assert_eq!(all.len(), 4);
    assert_eq!(all[1]["parts"]["nodes"].as_array().unwrap().len(), 1);
    assert_eq!(all[1]["parts"]["nodes"][0]["owner"], "bob");
    assert!(all[1]["record"].as_str().unwrap().contains("\"bob\""));
    for (reader, parts) in [(bob, 1), (ann, 0), (&world.anybody, 0)] {
        let seen = restatements(reader, strike, None).await;
        assert_eq!(seen[1]["parts"]["nodes"].as_array().unwrap().len(), parts);
        assert_eq!((&seen[1]["record"], &seen[1]["payer"]), (&json!(null), &json!(null)));
        assert_eq!(seen[1]["reason"], "a wrong report");
    }
    let leaves = "{ log { leaves(first: 100) { nodes { kind body } } } }";
    let leaves = ask(&world.anybody, leaves).await["log"]["leaves"]["nodes"].take();
    let kinds = leaves.as_array().unwrap().iter().filter(|leaf| leaf["kind"] == "restatement");
    assert_eq!(kinds.count(), 4);
}

/// Bob's loss: what he paid less what his shares are worth at the right NAV, to a micro-credit and what the last share costs.
fn by_hand(marked: &Value, right: &Value, (paid, spent): (i128, i128)) {
    let strike = marked["strikes"]["nodes"].as_array().unwrap().last().unwrap().clone();
    // He dealt at the ask; at the right price, which is given without an estimate, ask and NAV are one.
    let (ask, right) = (steps(&strike["ask"]), steps(right));
    let loss = spent - spent * (right / 1_000_000) / (ask / 1_000_000);
    assert!((paid - loss).abs() <= 5, "{paid} {loss}");
}

async fn next_day(operator: &Client) -> String {
    let day = ask(operator, "{ clock { day } }").await["clock"]["day"].to_string();
    (day.trim_matches('"').parse::<u64>().unwrap() + 1).to_string()
}

/// What cannot be restated, with its code.
async fn bad_restatements(market: &Market, strike: i64) {
    let operator = &market.world.operator;
    let input = |strike: i64, prices: Value, key: &str| json!({ "fund": "F", "strike": strike, "prices": prices, "reason": "x", "idempotencyKey": key });
    let right = json!([{ "model": "lab/net", "price": "1.000000000" }]);
    for (input, code) in [
        (input(99, right.clone(), "no strike"), "absent"),
        (input(-1, right.clone(), "no number"), "absent"),
        (input(strike, json!([]), "no price"), "invalid"),
        (input(strike, json!([{ "model": "lab/net" }]), "no price of it"), "invalid"),
        (
            input(strike, json!([{ "model": "lab/other", "price": "1.000000000" }]), "other"),
            "invalid",
        ),
        (input(strike, json!([right[0], right[0]]), "twice"), "invalid"),
    ] {
        assert_eq!(
            refused(operator, "navRestate", input.clone(), RESTATEMENT).await,
            code,
            "{input}"
        );
    }
    let mut input = input(strike, right, "threshold");
    input["thresholdPpb"] = json!(-1);
    assert_eq!(refused(operator, "navRestate", input.clone(), RESTATEMENT).await, "invalid");
    input["thresholdPpb"] = json!(0);
    assert_eq!(refused(&market.ann, "navRestate", input, RESTATEMENT).await, "scope_missing");
}

/// A strike whose journal has compensations, a distribution of fees and a correction proves itself.
async fn later_strikes_verify(market: &Market) {
    let operator = &market.world.operator;
    let deposit = json!({ "owner": "ann", "amount": "3.000000", "idempotencyKey": "wrong" });
    mutate(operator, "cashDeposit", deposit, "account { cash }").await.unwrap();
    let strike = market.strike().await;
    let folder = tempfile::tempdir().unwrap();
    let bundle = async |strike: i64| {
        let url = format!("{}/v1/strikes/F/{strike}/bundle", market.world.url);
        let asked = reqwest::Client::new().get(url).bearer_auth(&market.world.operator_token);
        asked.send().await.unwrap().json::<Value>().await.unwrap()
    };
    let fees = |key: &str| json!({ "fund": "F", "idempotencyKey": key });
    let told = "from to receivers shares";
    let paid = mutate(operator, "feesDistribute", fees("fees"), told).await.unwrap();
    assert_eq!((&paid["from"], &paid["to"]), (&json!(1), &json!(strike)));
    assert_eq!(account(operator, "lab").await[2], steps(&paid["shares"]));
    assert!(paid["receivers"] == 1 && steps(&paid["shares"]) > 0, "{paid}");
    assert_eq!(refused(operator, "feesDistribute", fees("again"), told).await, "nothing");
    let journal = bundle(strike).await["journal"].take();
    let deposit = journal.as_array().unwrap().iter().rposition(|event| event["op"] == "deposit");
    let event = (deposit.unwrap() + 1).to_string();
    let correct = json!({ "event": event, "reason": "twice", "idempotencyKey": "undo" });
    mutate(operator, "entryCorrect", correct, "event").await.unwrap();
    let strike = market.strike().await;
    let mut good = bundle(strike).await;
    let path = folder.path().join("strike.json");
    let verified = |bundle: &Value| {
        std::fs::write(&path, bundle.to_string()).unwrap();
        let ran =
            std::process::Command::new(crate::support::PROGRAM).arg("verify").arg(&path).output();
        let ran = ran.unwrap();
        let said = String::from_utf8([ran.stdout, ran.stderr].concat()).unwrap();
        (ran.status.success(), said)
    };
    let (ok, said) = verified(&good);
    assert!(ok, "{said}");
    let events = good["journal"].as_array_mut().unwrap();
    let compensation = events.iter_mut().find(|event| event["op"] == "compensate").unwrap();
    compensation["payer"] = json!("LP");
    let (ok, said) = verified(&good);
    assert!(!ok && said.contains("payer"), "{said}");
}
