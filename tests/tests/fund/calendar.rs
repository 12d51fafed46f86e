//! Funds are struck by their calendar: on time, over weekends and changes of the clock, after an outage, by several servers once.

use client::Client;
use serde_json::{Value, json};

use crate::{
    exits::Market,
    support::{Place, Running, ask, serve, serve_with, token},
    world::{METHODOLOGY, mutate, refused},
};

/// Weekdays in Frankfurt until four in the afternoon, without Epiphany, reviewed once a week.
fn frankfurt() -> Value {
    json!({
        "cut_off": "16:00",
        "holidays": ["2026-01-06"],
        "review": { "every": "week", "weekday": "monday" },
        "time_zone": "Europe/Berlin",
        "weekdays": ["monday", "tuesday", "wednesday", "thursday", "friday"],
    })
}

/// A server that somebody talks to as its operator.
struct Desk {
    _server: Running,
    operator: Client,
}

impl Desk {
    fn open(place: &Place, token: &str, arguments: &[&str]) -> Self {
        let (server, url) = serve_with(place, arguments);
        let operator = Client::new(&url, None).unwrap().with_token(token);
        Self { _server: server, operator }
    }
}

async fn set_calendar(operator: &Client, fund: &str, rules: Option<&Value>) -> Value {
    let input = json!({ "fund": fund, "calendar": rules.map(Value::to_string) });
    let selection =
        "fund { nextCutOff calendar { json digest timeZone setBy nextCutOff nextReview } }";
    mutate(operator, "fundCalendarSet", input, selection).await.unwrap()["fund"].take()
}

async fn move_to(operator: &Client, to: &str) {
    let input = json!({ "to": to, "idempotencyKey": format!("to {to}") });
    mutate(operator, "clockAdvance", input, "clock { now }").await.unwrap();
}

/// Days of all strikes of a fund.
async fn strikes(client: &Client, fund: &str) -> Vec<i64> {
    let query =
        format!("{{ fund(name: \"{fund}\") {{ strikes(first: 100) {{ nodes {{ day }} }} }} }}");
    let nodes = ask(client, &query).await["fund"]["strikes"]["nodes"].take();
    nodes.as_array().unwrap().iter().map(|strike| strike["day"].as_i64().unwrap()).collect()
}

/// All words about the dealing days of a fund after a cursor: `date STATE strike code`.
async fn dealings(client: &Client, fund: &str, after: u64) -> Vec<String> {
    let query = format!(
        "{{ fund(name: \"{fund}\") {{ dealingDays(first: 100, after: \"{after}\") \
         {{ nodes {{ date state strike code reason cutOff recordedAt }} }} }} }}"
    );
    let nodes = ask(client, &query).await["fund"]["dealingDays"]["nodes"].take();
    let word = |day: &Value| {
        let text = |field: &str| day[field].as_str().unwrap_or("-").to_owned();
        format!("{} {} {} {}", text("date"), text("state"), day["strike"], text("code"))
    };
    nodes.as_array().unwrap().iter().map(word).collect()
}

/// Proves that a fund with a calendar is struck and reviewed at its cut-offs in its zone and at no other time; that a strike by hand
/// before the cut-off is one more and one after it is the day's; that a review which is refused is told with its code, is tried again
/// and keeps no other fund back; and that after an outage over a change of the clock the fund is struck once and every day is told.
#[tokio::test(flavor = "multi_thread")]
async fn funds_are_struck_by_their_calendar() {
    let market = Market::open().await;
    let operator = &market.world.operator;
    let fund = set_calendar(operator, "F", Some(&frankfurt())).await;
    assert_eq!(fund["nextCutOff"], "2026-01-05T15:00:00.000Z");
    assert_eq!(fund["calendar"]["nextReview"], "2026-01-05T15:00:00.000Z");
    assert_eq!(fund["calendar"]["timeZone"], "Europe/Berlin");
    assert!(fund["calendar"]["json"].as_str().unwrap().contains("\"grace_minutes\":60"), "{fund}");
    refusals(&market).await;
    stubborn_fund(operator).await;

    let order = market.subscribe(&market.ann, "500.000000").await;
    move_to(operator, "2026-01-05T14:59:59.999Z").await;
    assert_eq!(strikes(operator, "F").await, [0_i64; 0]);
    move_to(operator, "2026-01-05T15:00:00Z").await;
    let query = format!("{{ order(id: {}) {{ state fill {{ strike }} }} }}", order["id"]);
    let settled = ask(&market.ann, &query).await["order"].take();
    assert_eq!(settled, json!({ "state": "SETTLED", "fill": { "strike": 1 } }));
    assert_eq!(
        dealings(operator, "F", 0).await,
        ["2026-01-05 STRUCK 1 -", "2026-01-05 REVIEWED 1 -"]
    );
    assert_eq!(
        dealings(operator, "G", 0).await,
        ["2026-01-05 STRUCK 1 -", "2026-01-05 REVIEW_FAILED null invalid"]
    );
    // A holiday passes; the day after it is struck late and in time.
    move_to(operator, "2026-01-06T20:00:00Z").await;
    move_to(operator, "2026-01-07T15:59:59Z").await;
    assert_eq!(strikes(operator, "F").await, [20_458, 20_460]);
    for day in ["2026-01-08T15:00:00Z", "2026-01-09T15:00:00Z", "2026-01-11T23:00:00Z"] {
        move_to(operator, day).await;
    }
    assert_eq!(strikes(operator, "F").await, [20_458, 20_460, 20_461, 20_462], "a weekend");
    // By hand in the morning: one more. The afternoon is struck all the same, and reviewed, for it is Monday.
    move_to(operator, "2026-01-12T10:00:00Z").await;
    market.strike().await;
    move_to(operator, "2026-01-12T15:00:00Z").await;
    assert_eq!(strikes(operator, "F").await[4..], [20_465, 20_465]);
    let told = dealings(operator, "F", 2).await;
    let expected = [
        "2026-01-07 STRUCK 2 -",
        "2026-01-08 STRUCK 3 -",
        "2026-01-09 STRUCK 4 -",
        "2026-01-12 STRUCK 6 -",
        "2026-01-12 REVIEWED 6 -",
    ];
    assert_eq!(told, expected);
    let told = dealings(operator, "G", 2).await;
    let tries = told.iter().filter(|word| word.contains("REVIEW_FAILED")).count();
    assert!(
        tries > 3 && told.iter().filter(|word| word.contains("STRUCK")).count() == 4,
        "{told:?}"
    );
    audited(operator).await;
    outage(market).await;
}

/// What is no calendar, from whom it is not taken, and for what.
async fn refusals(market: &Market) {
    let operator = &market.world.operator;
    let calendar = frankfurt().to_string();
    let payload = "fund { name }";
    for (client, fund, calendar, code) in [
        (operator, "F", "{}", "invalid"),
        (operator, "F", &calendar.replace("Berlin", "Bonn"), "invalid"),
        (operator, "X", &calendar, "absent"),
        (&market.ann, "F", &calendar, "scope_missing"),
        (&market.world.anybody, "F", &calendar, "unauthenticated"),
    ] {
        let input = json!({ "fund": fund, "calendar": calendar });
        assert_eq!(refused(client, "fundCalendarSet", input, payload).await, code, "{calendar}");
    }
    let query = "{ fund(name: \"F\") { calendar { dealingDays(from: \"2026-03-27\", to: \"2026-03-31\", first: 2) \
                 { nodes { date cutOff isReview } pageInfo { endCursor hasNextPage } } } } }";
    let page = ask(operator, query).await["fund"]["calendar"]["dealingDays"].take();
    let days = json!([
        { "date": "2026-03-27", "cutOff": "2026-03-27T15:00:00.000Z", "isReview": false },
        { "date": "2026-03-30", "cutOff": "2026-03-30T14:00:00.000Z", "isReview": true },
    ]);
    assert_eq!((&page["nodes"], &page["pageInfo"]["hasNextPage"]), (&days, &json!(true)));
    let query = query.replace("first: 2", "first: 2, after: \"2026-03-30\"");
    let page = ask(operator, &query).await["fund"]["calendar"]["dealingDays"].take();
    assert_eq!(page["nodes"][0]["date"], "2026-03-31");
}

/// A fund that can be struck, and not rebalanced: its caps leave no room and it wants none made.
async fn stubborn_fund(operator: &Client) {
    let rules = METHODOLOGY.replace("relax", "reject");
    let create = json!({ "name": "G", "methodology": rules });
    mutate(operator, "fundCreate", create, "fund { name }").await.unwrap();
    for owner in ["lab", "operator"] {
        let deposit = json!({ "owner": owner, "amount": "100.000000", "idempotencyKey": format!("G {owner}") });
        mutate(operator, "cashDeposit", deposit, "account { owner }").await.unwrap();
    }
    let admit = json!({ "fund": "G", "model": "lab/net", "bond": "100.000000" });
    mutate(operator, "modelAdmit", admit, "fund { name }").await.unwrap();
    let seed = json!({ "fund": "G", "owner": "operator", "amount": "100.000000" });
    mutate(operator, "fundSeed", seed, "fund { name }").await.unwrap();
    set_calendar(operator, "G", Some(&frankfurt())).await;
}

/// The calendar acts under its own name and with no token, and nobody gets one of that name.
async fn audited(operator: &Client) {
    let query = "{ audit(first: 100, filter: { actor: \"calendar\" }) { nodes { operation subject token } } }";
    let entries = ask(operator, query).await["audit"]["nodes"].take();
    let entries = entries.as_array().unwrap();
    let count = |operation: &str| entries.iter().filter(|e| e["operation"] == operation).count();
    assert_eq!((count("fund_strike"), count("fund_rebalance")), (10, 2), "{entries:?}");
    assert!(count("dealing_day_fail") > 3 && entries.iter().all(|e| e["token"].is_null()));
}

/// Nobody is there for eleven weeks, while the clocks of Frankfurt are changed.
async fn outage(market: Market) {
    let operator_token = market.world.operator_token.clone();
    let world = market.world;
    let place = world.place;
    drop(world._server);
    let desk = Desk::open(&place, &operator_token, &["--calendar-interval", "0s"]);
    let operator = &desk.operator;
    // After a cut-off somebody strikes by hand: that is the day's strike.
    move_to(operator, "2026-01-13T15:30:00Z").await;
    assert_eq!(strikes(operator, "F").await.len(), 6, "nobody keeps the calendar");
    let by_hand = json!({ "fund": "F", "idempotencyKey": "by hand" });
    mutate(operator, "fundStrike", by_hand, "strike { number }").await.unwrap();
    assert_eq!(dealings(operator, "F", 7).await, ["2026-01-13 STRUCK 7 -"]);
    move_to(operator, "2026-03-30T14:00:01Z").await;
    drop(desk);
    // It is killed, and started anew twice: the second finds nothing to do.
    let mut told = Vec::new();
    for _ in 0..2 {
        let desk = Desk::open(&place, &operator_token, &[]);
        for _ in 0..100 {
            told = dealings(&desk.operator, "F", 8).await;
            if told.last().is_some_and(|word| word.contains("REVIEWED")) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        assert_eq!(strikes(&desk.operator, "F").await.len(), 8, "once for all that waited");
    }
    // 54 weekdays from 2026-01-14 to 2026-03-30.
    assert_eq!(told.len(), 54 + 1, "{told:?}");
    assert_eq!(told[0], "2026-01-14 MISSED 8 outage");
    assert_eq!(told[52], "2026-03-27 MISSED 8 outage");
    assert_eq!(told[53..], ["2026-03-30 STRUCK 8 -", "2026-03-30 REVIEWED 8 -"]);
    // From then on by summer time.
    let desk = Desk::open(&place, &operator_token, &[]);
    let operator = &desk.operator;
    move_to(operator, "2026-03-31T13:59:59Z").await;
    assert_eq!(strikes(operator, "F").await.len(), 8);
    move_to(operator, "2026-03-31T14:00:00Z").await;
    assert_eq!(strikes(operator, "F").await.len(), 9);
    // A calendar that is taken away strikes no more, and one that comes later on the same date does not strike it twice.
    let mut evening = frankfurt();
    evening["cut_off"] = json!("20:00");
    let fund = set_calendar(operator, "F", Some(&evening)).await;
    assert_eq!(fund["nextCutOff"], "2026-04-01T18:00:00.000Z", "the 31st is struck");
    let fund = set_calendar(operator, "F", None).await;
    assert_eq!((&fund["calendar"], &fund["nextCutOff"]), (&Value::Null, &Value::Null));
    move_to(operator, "2026-04-02T20:00:00Z").await;
    assert_eq!(strikes(operator, "F").await.len(), 9);
}

/// Proves that two servers on one database strike a fund once a dealing day, also where both see the clock move in the same moment, and
/// that a fund without shares is told as missed and never struck.
#[tokio::test(flavor = "multi_thread")]
async fn two_servers_strike_once() {
    let place = Place::postgres("calendar").unwrap_or_else(|| {
        eprintln!("MODELFOLIO_TEST_POSTGRES is not set: two servers share a SQLite file instead");
        Place::sqlite()
    });
    let ((one, url), (two, other)) = (serve(&place), serve(&place));
    let _servers = (one, two);
    let token = token(&place, "operator", "operate");
    let [a, b] = [&url, &other].map(|url| Client::new(url, None).unwrap().with_token(&token));
    let noon = json!({
        "cut_off": "12:00", "review": { "every": "never" }, "time_zone": "UTC",
        "weekdays": ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"],
    });
    let deposit = json!({ "owner": "operator", "amount": "3000.000000" });
    mutate(&a, "cashDeposit", deposit, "account { owner }").await.unwrap();
    for fund in ["A", "B", "C", "Unseeded"] {
        let create = json!({ "name": fund, "methodology": METHODOLOGY });
        mutate(&a, "fundCreate", create, "fund { name }").await.unwrap();
        if fund != "Unseeded" {
            let seed = json!({ "fund": fund, "owner": "operator", "amount": "1000.000000" });
            mutate(&a, "fundSeed", seed, "fund { name }").await.unwrap();
        }
        set_calendar(&a, fund, Some(&noon)).await;
    }
    let days = 6_i64;
    for day in 0..days {
        let to = format!("2026-01-{:02}T12:00:00Z", 5 + day);
        let move_by = async |client: &Client, who: &str| {
            let input = json!({ "to": to, "idempotencyKey": format!("{who} {to}") });
            mutate(client, "clockAdvance", input, "clock { now }").await
        };
        let (one, two) = tokio::join!(move_by(&a, "a"), move_by(&b, "b"));
        assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
    }
    let expected: Vec<i64> = (0..days).map(|day| 20_458 + day).collect();
    for fund in ["A", "B", "C"] {
        for client in [&a, &b] {
            assert_eq!(strikes(client, fund).await, expected, "{fund}");
        }
        let told = dealings(&b, fund, 0).await;
        let all = (1..).zip(&told).all(|(n, word)| word.ends_with(&format!(" STRUCK {n} -")));
        assert!(told.len() as i64 == days && all, "{told:?}");
    }
    let told = dealings(&a, "Unseeded", 0).await;
    assert!(
        told.len() as i64 == days && told.iter().all(|w| w.ends_with("MISSED null unseeded")),
        "{told:?}"
    );
    assert!(strikes(&a, "Unseeded").await.is_empty());
}
