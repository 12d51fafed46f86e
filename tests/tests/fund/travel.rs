//! Questions about the past, end to end: bytes of answers, kept while a fund lives, and asked for again after a restart.

use std::collections::BTreeMap;

use client::Client;
use domain::time::Timestamp;
use serde_json::{Value, json};

use crate::{
    exits::Market,
    questions::{self, Question},
    support::{Place, ask, serve, token},
    world::{METHODOLOGY, STEPS, World, mutate, refused},
};

/// What the life that is told must have shown at some moment, so that its questions are about something.
const SHOWN: [&str; 18] = [
    "\"owner\":\"cy\"",
    "\"openCommitment\":{",
    "\"bookRoot\":\"sha256:",
    "\"calendar\":{",
    "\"calendar\":null",
    "\"state\":\"STRUCK\"",
    "\"state\":\"REVIEWED\"",
    "\"state\":\"WITHDRAWN\"",
    "\"state\":\"PROPOSED\"",
    "\"state\":\"SUPERSEDED\"",
    "\"state\":\"CANCELLED\"",
    "\"errorPpb\":",
    "\"kind\":\"SUBSCRIPTION\"",
    "\"errorBudget\":{",
    "\"turnoverPpb\":",
    "\"slice\":{\"strike\":",
    "\"leafIndex\":",
    "\"shareReturn\":",
];

/// What is asked, by whom, of which server.
struct Asker {
    http: reqwest::Client,
    url: String,
    /// What the operator asks, who sees everything; and what an owner asks who sees what is his.
    asked: Vec<(String, Question)>,
    order: Value,
    from: Value,
}

/// The answers about a moment, one for each question; and the moment that they told of themselves.
struct Told {
    at: String,
    said: Vec<String>,
}

impl Asker {
    /// The bytes of an answer, errors and all: about now, or about a moment.
    async fn bytes(
        &self,
        token: Option<&str>,
        question: &Question,
        [as_of, known_at]: [Option<&str>; 2],
    ) -> String {
        let mut variables = json!({ "asOf": as_of, "knownAt": known_at });
        for (name, value) in [("order", &self.order), ("from", &self.from)] {
            if question.text.contains(&format!("${name}:")) {
                variables[name] = value.clone();
            }
        }
        let body = json!({ "query": question.text, "variables": variables });
        let mut request = self.http.post(format!("{}/graphql", self.url)).json(&body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        request.send().await.unwrap().text().await.unwrap()
    }

    /// Tells what is, which is the same as what is told of the moment that it names.
    async fn tell(&self, market: &Market, told: &mut Vec<Told>) -> usize {
        let now = ask(&market.world.anybody, "{ fund(name: \"F\") { recordedAt } }").await;
        let at = now["fund"]["recordedAt"].as_str().unwrap().to_owned();
        let (mut said, mut differ) = (Vec::new(), Vec::new());
        for (token, question) in &self.asked {
            let then = self.bytes(Some(token), question, [Some(&at), None]).await;
            assert!(!then.contains("query_invalid"), "{}: {then}", question.text);
            if question.live {
                let live = self.bytes(Some(token), question, [None, None]).await;
                if then != live {
                    differ.push(format!("{}\nnow:  {live}\nthen: {then}", question.text));
                }
            }
            said.push(then);
        }
        assert!(differ.is_empty(), "at {at}: {}", differ.join("\n"));
        told.push(Told { at, said });
        told.len() - 1
    }

    /// Asks everything again, by `asOf`, by `knownAt` or by both.
    async fn check(&self, told: &[Told], turn: usize) {
        for (number, Told { at, said }) in told.iter().enumerate() {
            let at = Some(at.as_str());
            for (place, ((token, question), said)) in self.asked.iter().zip(said).enumerate() {
                let moment = [[at, None], [None, at], [at, at]][(turn + number + place) % 3];
                let again = self.bytes(Some(token), question, moment).await;
                assert_eq!(&again, said, "{} at {moment:?}", question.text);
            }
        }
    }

    /// Strangers read what is open, and nobody's name in it.
    async fn leaks_nothing(&self, told: &[Told]) {
        for Told { at, .. } in told.iter().step_by(3) {
            for (_, question) in self.asked.iter().filter(|(_, question)| question.open) {
                let said = self.bytes(None, question, [Some(at), None]).await;
                for name in ["\"ann\"", "\"bob\"", "\\\"ann"] {
                    assert!(!said.contains(name), "{} at {at}: {said}", question.text);
                }
            }
        }
    }
}

/// The code of a question's refusal.
async fn code(client: &Client, question: &str) -> String {
    let error = client.graphql::<Value>(question, json!({})).await.expect_err(question);
    error.code().unwrap_or_else(|| panic!("{question}: {error}")).to_owned()
}

/// A day, and its instant at an hour.
fn instant(day: i64, hour: i64) -> String {
    Timestamp::from_millis((day * 24 + hour) * 3_600_000).to_string()
}

async fn today(market: &Market) -> i64 {
    let day = ask(&market.world.anybody, "{ clock { day } }").await["clock"]["day"].take();
    day.as_i64().unwrap()
}

/// Proves invariant 36 over HTTP, for every field that the schema reaches from a fund, an account or an order: the bytes that were
/// answered at many moments of a fund's life are those that are answered about these moments after everything that was written later
/// (prices, strikes, commitments, batches, orders, exits, calendars set and taken away, words about dealing days, rules proposed,
/// withdrawn, adopted and proposed again, roles, a restatement, a delisting) and by another server, twice; that a strike's number names
/// its moment; which moments are refused or empty; and that no name of an owner is in what strangers read.
#[tokio::test(flavor = "multi_thread")]
async fn inv_36_bytes_of_the_past() {
    live_and_ask(Market::open().await).await;
}

/// Proves the same on PostgreSQL.
#[tokio::test(flavor = "multi_thread")]
async fn inv_36_bytes_of_the_past_on_postgres() {
    let Some(place) = Place::postgres("travel") else {
        let required = std::env::var("MODELFOLIO_CHECK").is_ok_and(|value| value == "1");
        assert!(!required, "MODELFOLIO_TEST_POSTGRES is not set");
        eprintln!("PostgreSQL: not run (MODELFOLIO_TEST_POSTGRES is not set)");
        return;
    };
    live_and_ask(Market::inside(World::at(place), METHODOLOGY).await).await;
}

async fn live_and_ask(market: Market) {
    let (operator, place) = (&market.world.operator, &market.world.place);
    let first = market.subscribe(&market.ann, "500.000000").await;
    let born = ask(&market.world.anybody, "{ fund(name: \"F\") { recordedAt } }").await;
    let own = token(place, "ann", "invest");
    let mut asked = Vec::new();
    for question in questions::all(&market.world.anybody).await {
        if !question.open {
            asked.push((own.clone(), question.clone()));
        }
        asked.push((market.world.operator_token.clone(), question));
    }
    let mut asker = Asker {
        http: reqwest::Client::new(),
        url: market.world.url.clone(),
        asked,
        order: first["id"].clone(),
        from: born["fund"]["recordedAt"].clone(),
    };
    let mut told = Vec::new();
    asker.tell(&market, &mut told).await;
    deal(&market, &asker, &mut told).await;
    bind_prices(&market, &asker, &mut told).await;
    publish(&market, &asker, &mut told).await;
    change_rules(&market, &asker, &mut told).await;
    restate(&market, &asker, &mut told).await;
    leave(&market, &asker, &mut told).await;
    asker.check(&told, 0).await;
    asker.leaks_nothing(&told).await;
    let all: String = told.iter().flat_map(|told| told.said.clone()).collect();
    for shown in SHOWN {
        assert!(all.contains(shown), "no moment of this life shows {shown}");
    }
    for (place, (_, question)) in asker.asked.iter().enumerate() {
        let answered = told.iter().any(|told| !told.said[place].contains("\"errors\""));
        assert!(answered, "answered at no moment: {}: {}", question.text, told[0].said[place]);
    }

    statement(&market, &told).await;
    strikes_and_edges(&market, &told, &first["id"]).await;
    let open = asker.asked.iter().position(|(_, question)| question.open).unwrap();
    let quiet = instant(today(&market).await + 1, 12);
    advance(operator, today(&market).await + 3).await;
    let told_by_another = {
        let (_server, url) = serve(place);
        let here = std::mem::replace(&mut asker.url, url);
        asker.check(&told, 1).await;
        let said = asker.bytes(None, &asker.asked[open].1, [Some(&quiet), None]).await;
        asker.url = here;
        said
    };
    // The horizon that the other server's question has set holds here too.
    deposit(operator, "ann").await;
    let again = asker.bytes(None, &asker.asked[open].1, [Some(&quiet), None]).await;
    assert_eq!(again, told_by_another);
}

async fn deposit(operator: &Client, key: &str) {
    let input =
        json!({ "owner": "ann", "amount": "1.000000", "idempotencyKey": format!("more {key}") });
    mutate(operator, "cashDeposit", input, "account { cash }").await.unwrap();
}

async fn set_calendar(market: &Market, cut_off: Option<&str>) {
    let rules = cut_off.map(|cut_off| {
        json!({
            "cut_off": cut_off, "time_zone": "Europe/Berlin",
            "review": { "every": "week", "weekday": "monday" },
            "weekdays": ["monday", "tuesday", "wednesday", "thursday", "friday"],
        })
    });
    let rules = rules.map(|rules| rules.to_string());
    let input = json!({ "fund": "F", "calendar": rules, "idempotencyKey": market.key() });
    mutate(&market.world.operator, "fundCalendarSet", input, "fund { name }").await.unwrap();
}

/// Orders, strikes by hand and by a calendar that is set and set anew.
async fn deal(market: &Market, asker: &Asker, told: &mut Vec<Told>) {
    let (ann, bob, operator) = (&market.ann, &market.bob, &market.world.operator);
    let maintainer = json!({ "model": "lab/net", "login": "bob", "granted": true });
    mutate(&market.world.lab, "modelMaintainerSet", maintainer, "model { name }").await.unwrap();
    market.subscribe(bob, "300.000000").await;
    asker.tell(market, told).await;
    market.strike().await;
    asker.tell(market, told).await;
    market.rebalance().await;
    set_calendar(market, Some("16:00")).await;
    let later = market.subscribe(ann, "7.000000").await;
    market.redeem(ann, "200.000000000").await;
    asker.tell(market, told).await;
    mutate(ann, "orderCancel", json!({ "order": later["id"] }), "order { id }").await.unwrap();
    asker.tell(market, told).await;
    let input = json!({ "to": "2026-01-05T15:00:00Z", "idempotencyKey": "cut-off" });
    mutate(operator, "clockAdvance", input, "clock { now }").await.unwrap();
    asker.tell(market, told).await;
    set_calendar(market, Some("20:00")).await;
    let freeze = json!({ "fund": "F", "owner": "cy", "frozen": true });
    mutate(operator, "ownerFreeze", freeze, "fund { name }").await.unwrap();
    asker.tell(market, told).await;
    set_calendar(market, None).await;
    let free = json!({ "fund": "F", "owner": "cy", "frozen": false });
    mutate(operator, "ownerFreeze", free, "fund { name }").await.unwrap();
    asker.tell(market, told).await;
}

/// Prices are bound, orders closed, prices told: as of the moments between nobody is told one.
async fn bind_prices(market: &Market, asker: &Asker, told: &mut Vec<Told>) {
    let operator = &market.world.operator;
    let mut open = Vec::new();
    for (field, selection) in [("pricesCommit", "commitment"), ("ordersClose", "bookRoot")] {
        market.subscribe(&market.ann, "5.000000").await;
        let input = json!({ "fund": "F", "idempotencyKey": market.key() });
        mutate(operator, field, input, selection).await.unwrap();
        open.push(asker.tell(market, told).await);
    }
    market.strike().await;
    market.rebalance().await;
    asker.tell(market, told).await;
    let sealed = "openCommitment { number cutOff { event } revealedAt salt prices { model price estimate } }";
    for (place, closed) in open.into_iter().zip([false, true]) {
        let query = format!("{{ fund(name: \"F\", asOf: \"{}\") {{ {sealed} }} }}", told[place].at);
        let found = ask(operator, &query).await["fund"]["openCommitment"].take();
        assert_eq!(found["number"], 3, "{found}");
        assert_eq!(found["cutOff"].is_object(), closed, "{found}");
        assert!(found["salt"].is_null() && found["revealedAt"].is_null(), "{found}");
        assert_eq!(found["prices"], json!([]), "as of a moment before the reveal");
    }
}

/// A better version: its price waits for a confirmation, and changes nothing that was said. A maintainer goes.
async fn publish(market: &Market, asker: &Asker, told: &mut Vec<Told>) {
    let world = &market.world;
    let (checkpoint, graph) =
        world.upload_pair(&world.lab_token, STEPS[1], crate::world::GRAPH).await;
    let input =
        json!({ "model": "lab/net", "version": "v2", "checkpoint": checkpoint, "graph": graph });
    mutate(&world.lab, "versionPublish", input, "version { name }").await.unwrap();
    let redeem = market.redeem(&market.bob, "1.000000000").await;
    mutate(&market.bob, "orderCancel", json!({ "order": redeem["id"] }), "order { id }")
        .await
        .unwrap();
    asker.tell(market, told).await;
    let job = world.evaluate(&world.lab, "lab/net", "v2", market.suite()).await.unwrap();
    world.work_until_done(&job).await;
    let gone = json!({ "model": "lab/net", "login": "bob", "granted": false });
    mutate(&world.lab, "modelMaintainerSet", gone, "model { name }").await.unwrap();
    asker.tell(market, told).await;
    asker.check(&told[told.len() - 3..], 1).await;
}

/// Rules: proposed, withdrawn, proposed again and adopted, others adopted, the first ones proposed a third time.
async fn change_rules(market: &Market, asker: &Asker, told: &mut Vec<Told>) {
    let operator = &market.world.operator;
    let rules = |fee: i64| {
        let mut rules: Value = serde_json::from_str(METHODOLOGY).unwrap();
        rules["management_fee_ppb"] = json!(fee);
        rules.to_string()
    };
    let propose = async |fee: i64| {
        let input =
            json!({ "fund": "F", "methodology": rules(fee), "idempotencyKey": market.key() });
        let made = mutate(operator, "methodologyPropose", input, "methodology { version }").await;
        made.unwrap()["methodology"]["version"].as_i64().unwrap()
    };
    let adopt = async || {
        advance(operator, today(market).await + 8).await;
        market.strike().await;
    };
    assert_eq!(propose(20_000_000).await, 2);
    asker.tell(market, told).await;
    let withdraw = json!({ "fund": "F", "version": 2 });
    mutate(operator, "methodologyWithdraw", withdraw, "methodology { state }").await.unwrap();
    asker.tell(market, told).await;
    assert_eq!(propose(20_000_000).await, 3);
    adopt().await;
    let third = asker.tell(market, told).await;
    assert_eq!(propose(15_000_000).await, 4);
    adopt().await;
    assert_eq!(propose(20_000_000).await, 5);
    asker.tell(market, told).await;
    let query = format!(
        "{{ fund(name: \"F\", asOf: \"{}\") {{ methodology {{ version }} methodologies(first: 9) {{ nodes {{ version state }} }} }} }}",
        told[third].at
    );
    let found = ask(operator, &query).await["fund"].take();
    assert_eq!(found["methodology"]["version"], 3, "not the later one of the same rules");
    let states = found["methodologies"]["nodes"].as_array().unwrap().iter();
    let states: BTreeMap<i64, &str> = states
        .map(|node| (node["version"].as_i64().unwrap(), node["state"].as_str().unwrap()))
        .collect();
    assert_eq!(states, [(1, "SUPERSEDED"), (2, "WITHDRAWN"), (3, "IN_FORCE")].into());
}

/// A strike is restated with an error that is only recorded: no event of the ledger, and a moment of its own.
async fn restate(market: &Market, asker: &Asker, told: &mut Vec<Told>) {
    let operator = &market.world.operator;
    let query = "{ fund(name: \"F\", atStrike: 1) { holdings(first: 1) { nodes { model } } strikes(first: 1) { nodes { number } } } }";
    ask(operator, query).await;
    let input = json!({
        "fund": "F", "strike": 1, "payer": null, "reason": "a wrong report", "idempotencyKey": "r",
        "prices": [{ "model": "lab/net", "price": "50.000000000" }],
    });
    mutate(operator, "navRestate", input, "restatement { number }").await.unwrap();
    asker.tell(market, told).await;
}

/// Who leaves in kind, and the end of a model.
async fn leave(market: &Market, asker: &Asker, told: &mut Vec<Told>) {
    let input = json!({ "fund": "F", "shares": "3.000000000" });
    mutate(&market.bob, "inKindRedeem", input, "cash").await.unwrap();
    asker.tell(market, told).await;
    let delist = json!({ "fund": "F", "model": "lab/net" });
    mutate(&market.world.operator, "modelDelist", delist, "model").await.unwrap();
    market.strike().await;
    asker.tell(market, told).await;
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
    let mut sums = BTreeMap::<(String, String), i128>::new();
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
async fn strikes_and_edges(market: &Market, told: &[Told], order: &Value) {
    let (ann, anybody) = (&market.ann, &market.world.anybody);
    let token = token(&market.world.place, "ann", "invest");
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
    let next = today(market).await + 1;
    advance(&market.world.operator, next).await;
    let open = format!(", asOf: \"{}\"", instant(next, 0));
    for (question, expected) in [
        (at(", asOf: \"2099-01-01T00:00:00Z\""), "not_yet"),
        (at(", knownAt: \"2099-01-01T00:00:00Z\""), "not_yet"),
        (at(&open), "not_yet"),
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
