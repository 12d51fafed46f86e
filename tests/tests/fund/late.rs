//! A server that dies before a cut-off, and orders that come after it: no strike of that cut-off has them.

use client::Client;
use serde_json::{Value, json};

use crate::{
    support::{PROGRAM, Place, Running, ask, serve_with, token},
    world::{METHODOLOGY, mutate, refused},
};

const NOON: &str = r#"{"cut_off":"12:00","review":{"every":"never"},"time_zone":"UTC",
    "weekdays":["monday","tuesday","wednesday","thursday","friday","saturday","sunday"]}"#;
const ORDER: &str = "order { id state dealing { strike cutOff closed heldSince } fill { strike } }";

fn start(place: &Place, arguments: &[&str]) -> (Running, String) {
    serve_with(place, arguments)
}

async fn move_to(operator: &Client, who: &str, to: &str) {
    let input = json!({ "to": to, "idempotencyKey": format!("{who} {to}") });
    mutate(operator, "clockAdvance", input, "clock { now }").await.unwrap();
}

async fn join(client: &Client, key: &str) -> Value {
    let input = json!({ "fund": "F", "amount": "10.000000", "idempotencyKey": key });
    mutate(client, "subscriptionOrderPlace", input, ORDER).await.unwrap()["order"].take()
}

async fn find(client: &Client, order: &Value) -> Value {
    let selection = ORDER.replacen("order", &format!("order(id: {})", order["id"]), 1);
    ask(client, &format!("{{ {selection} }}")).await["order"].take()
}

/// Proves with two servers on one database that a cut-off which nobody keeps, because one server is killed and the other looks at no
/// calendar, is the end of its book all the same: orders after it say the strike after it, what is in the book is not taken back, the
/// strike of the servers that come up again has the book alone, and its bundle verifies and shows the cut-off.
#[tokio::test(flavor = "multi_thread")]
async fn a_missed_cut_off_takes_nobody_in() {
    let place = Place::postgres("late").unwrap_or_else(|| {
        eprintln!("MODELFOLIO_TEST_POSTGRES is not set: two servers share a SQLite file instead");
        Place::sqlite()
    });
    let (keeper, url) = start(&place, &[]);
    let (other, elsewhere) = start(&place, &["--calendar-interval", "0s"]);
    let secret = token(&place, "operator", "operate");
    let [operator, second] =
        [&url, &elsewhere].map(|url| Client::new(url, None).unwrap().with_token(&secret));
    let ann = second.with_token(token(&place, "ann", "invest"));
    for owner in ["operator", "ann"] {
        let deposit = json!({ "owner": owner, "amount": "3000.000000", "idempotencyKey": owner });
        mutate(&operator, "cashDeposit", deposit, "account { owner }").await.unwrap();
    }
    let create = json!({ "name": "F", "methodology": METHODOLOGY });
    mutate(&operator, "fundCreate", create, "fund { name }").await.unwrap();
    let seed = json!({ "fund": "F", "owner": "operator", "amount": "1000.000000" });
    mutate(&operator, "fundSeed", seed, "fund { name }").await.unwrap();
    move_to(&operator, "keeper", "2026-01-05T09:00:00Z").await;
    let calendar = json!({ "fund": "F", "calendar": NOON });
    mutate(&operator, "fundCalendarSet", calendar, "fund { name }").await.unwrap();
    let early = join(&ann, "early").await;
    let (noon, next) = ("2026-01-05T12:00:00.000Z", "2026-01-06T12:00:00.000Z");
    let dealing = |strike: i64, cut_off: &str, closed: bool| json!({ "strike": strike, "cutOff": cut_off, "closed": closed, "heldSince": null });
    assert_eq!(early["dealing"], dealing(1, noon, false));

    // The server that keeps calendars is killed; noon passes at the other one.
    drop(keeper);
    move_to(&second, "other", "2026-01-05T12:00:05Z").await;
    let late = join(&ann, "late").await;
    assert_eq!(late["dealing"], dealing(2, next, false));
    assert_eq!(find(&ann, &early).await["dealing"], dealing(1, noon, true));
    let cancel = json!({ "order": early["id"], "idempotencyKey": "cancel" });
    assert_eq!(refused(&ann, "orderCancel", cancel, ORDER).await, "closed");
    drop(other);

    let (_keeper, url) = start(&place, &[]);
    let operator = Client::new(&url, None).unwrap().with_token(&secret);
    let ann = operator.with_token(token(&place, "ann", "invest"));
    let mut settled = Value::Null;
    for _ in 0..100 {
        settled = find(&ann, &early).await;
        if settled["state"] == "SETTLED" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(settled["fill"], json!({ "strike": 1 }), "{settled}");
    assert_eq!(settled["dealing"], Value::Null);
    let waits = find(&ann, &late).await;
    assert_eq!((&waits["state"], &waits["fill"]), (&json!("WAITING"), &Value::Null));
    move_to(&operator, "again", "2026-01-06T12:00:00Z").await;
    assert_eq!(find(&ann, &late).await["fill"], json!({ "strike": 2 }));
    proven(&place, &url, &secret).await;
}

/// Both strikes verify, and the cut-off of the first stands between the two orders.
async fn proven(place: &Place, url: &str, secret: &str) {
    let path = place.path().join("strike.json");
    for number in [1, 2] {
        let address = format!("{url}/v1/strikes/F/{number}/bundle");
        let asked = reqwest::Client::new().get(address).bearer_auth(secret);
        let bundle = asked.send().await.unwrap().json::<Value>().await.unwrap();
        std::fs::write(&path, bundle.to_string()).unwrap();
        let ran = std::process::Command::new(PROGRAM).arg("verify").arg(&path).output().unwrap();
        let said = String::from_utf8([ran.stdout, ran.stderr].concat()).unwrap();
        assert!(ran.status.success(), "{said}");
        let facts = &bundle["record"]["facts"];
        assert_eq!(facts["orders"].as_array().unwrap().len(), 1, "{facts}");
        let journal = bundle["journal"].as_array().unwrap();
        let cut = journal.iter().position(|event| event["op"] == "cut_off").unwrap() as u64 + 1;
        if number == 1 {
            assert_eq!(facts["cut_off"], json!(cut), "{facts}");
        }
        let order = facts["orders"][0]["sequence"].as_u64().unwrap();
        assert_eq!(order < cut, number == 1, "{facts}");
    }
}
