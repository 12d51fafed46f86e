//! The two-sided strike with a real server: prices are bound, orders closed, prices told, and all of it proven; or withheld.

use std::{collections::BTreeMap, process::Command};

use client::Client;
use domain::{amount::PriceNano, digest::Digest, fund::PriceSet, name::Name};
use serde_json::{Value, json};

use crate::{
    exits::Market,
    proofs::{bundle, verify},
    support::{Running, ask, serve, token},
    world::{GRAPH, STEPS, mutate, refused},
};

const COMMITMENT: &str = "number digest event committedAt cutOff { event at orders } bookRoot revealedAt salt prices { model price estimate }";
const ORDER: &str = "order { id state fill { strike shares cost } slice { strike } }";

async fn step(operator: &Client, field: &str, key: &str) -> Result<Value, String> {
    let selection = match field {
        "pricesCommit" => format!("commitment fund {{ openCommitment {{ {COMMITMENT} }} }}"),
        "ordersClose" => format!("bookRoot fund {{ openCommitment {{ {COMMITMENT} }} }}"),
        _ => format!("strike {{ number commitment {{ {COMMITMENT} }} }}"),
    };
    mutate(operator, field, json!({ "fund": "F", "idempotencyKey": key }), &selection).await
}

async fn order(who: &Client, id: &Value) -> Value {
    let query = format!("{{ {} }}", ORDER.replacen("order", &format!("order(id: {id})"), 1));
    ask(who, &query).await["order"].take()
}

/// The commitment of what was told, derived anew.
fn derived(made: &Value) -> String {
    let fund: Name = "F".parse().unwrap();
    let (mut prices, mut estimates) = (BTreeMap::new(), BTreeMap::new());
    for bound in made["prices"].as_array().unwrap() {
        let model: Name = bound["model"].as_str().unwrap().parse().unwrap();
        for (map, field) in [(&mut prices, "price"), (&mut estimates, "estimate")] {
            if let Some(text) = bound[field].as_str() {
                map.insert(model.clone(), text.parse::<PriceNano>().unwrap());
            }
        }
    }
    let salt = made["salt"].as_str().unwrap().parse().unwrap();
    let number = made["number"].as_u64().unwrap();
    let set = PriceSet { fund: &fund, number, prices: &prices, estimates: &estimates, salt: &salt };
    set.commitment().unwrap().to_string()
}

async fn proven(market: &Market, strike: i64) -> Value {
    let (status, text) =
        bundle(&market.world, Some(&market.world.operator_token), &format!("F/{strike}")).await;
    assert_eq!(status, 200, "{text}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle.json");
    std::fs::write(&path, text).unwrap();
    let (ok, said) = verify(&[path.to_str().unwrap(), "--json"]);
    assert!(ok, "{said}");
    serde_json::from_str(&said).unwrap()
}

/// Proves that bound prices are told to nobody before the cut-off and stay bound through a restart; that no order of the closed book is
/// taken back and none behind it is in the strike; that one query tells commitment, cut-off, reveal and proof, from which anybody
/// derives the commitment; and that the bundle is verified offline with it.
#[tokio::test(flavor = "multi_thread")]
async fn prices_are_bound_before_orders_are_known() {
    let mut market = Market::open().await;
    let operator = market.world.operator.clone();
    assert_eq!(step(&operator, "ordersClose", "early").await.unwrap_err(), "commitment");
    let first = market.subscribe(&market.ann, "500.000000").await;
    let made = step(&operator, "pricesCommit", "c").await.unwrap();
    assert_eq!(
        step(&operator, "pricesCommit", "c").await.unwrap()["commitment"],
        made["commitment"]
    );
    let open = &made["fund"]["openCommitment"];
    assert_eq!((&open["digest"], &open["number"]), (&made["commitment"], &json!(1)));
    assert!(open["salt"].is_null() && open["cutOff"].is_null() && open["revealedAt"].is_null());
    assert_eq!(open["prices"], json!([]), "nobody is told what is bound");
    assert_eq!(step(&operator, "pricesCommit", "again").await.unwrap_err(), "commitment");
    assert_eq!(step(&operator, "fundStrike", "open").await.unwrap_err(), "commitment");
    let second = market.subscribe(&market.bob, "200.000000").await;
    let closed = step(&operator, "ordersClose", "o").await.unwrap();
    let open = &closed["fund"]["openCommitment"];
    assert_eq!((&open["bookRoot"], &open["cutOff"]["orders"]), (&closed["bookRoot"], &json!(2)));
    let cancel = json!({ "order": second["id"] });
    assert_eq!(refused(&market.bob, "orderCancel", cancel, ORDER).await, "closed");
    let late = market.subscribe(&market.bob, "300.000000").await;

    // The server dies between cut-off and reveal; what is bound lies in the database.
    let nobody = Running(Command::new("true").spawn().unwrap());
    drop(std::mem::replace(&mut market.world._server, nobody));
    let (server, url) = serve(&market.world.place);
    market.world._server = server;
    market.world.url = url.clone();
    let operator = Client::new(&url, Some(market.world.operator_token.clone())).unwrap();
    let invest = |who| Client::new(&url, Some(token(&market.world.place, who, "invest"))).unwrap();
    let (ann, bob) = (invest("ann"), invest("bob"));
    let struck = step(&operator, "fundStrike", "s").await.unwrap();
    assert_eq!(struck["strike"]["number"], 1);
    let query = format!(
        "{{ fund(name: \"F\") {{ openCommitment {{ digest }} strikes(first: 9) {{ nodes {{ commitment {{ {COMMITMENT} }} proof {{ leafIndex }} }} }} }} }}"
    );
    let fund = ask(&Client::new(&url, None).unwrap(), &query).await["fund"].take();
    assert!(fund["openCommitment"].is_null());
    let told = &fund["strikes"]["nodes"][0]["commitment"];
    assert_eq!(told["digest"], made["commitment"]);
    assert_eq!(derived(told), told["digest"].as_str().unwrap());
    let events = [&told["event"], &told["cutOff"]["event"]].map(|event| event.as_i64().unwrap());
    let ids =
        [&first, &second, &late].map(|order| order["id"].as_str().unwrap().parse::<i64>().unwrap());
    assert!(ids[0] < events[0] && events[0] < ids[1], "{ids:?} {events:?}");
    assert!(ids[1] < events[1] && events[1] < ids[2], "{ids:?} {events:?}");
    let leaf = fund["strikes"]["nodes"][0]["proof"]["leafIndex"].as_i64().unwrap();
    let kinds = ask(&operator, "{ log { leaves(first: 20) { nodes { index kind } } } }").await;
    let kinds = kinds["log"]["leaves"]["nodes"].as_array().unwrap().clone();
    let place = |kind: &str| {
        kinds.iter().find(|leaf| leaf["kind"] == kind).unwrap()["index"].as_i64().unwrap()
    };
    assert!(place("commitment") < place("orders") && place("orders") < leaf);
    for (who, id, state) in [(&ann, &first, "SETTLED"), (&bob, &second, "SETTLED")] {
        let found = order(who, &id["id"]).await;
        assert_eq!(found["state"], state, "{found}");
        assert_ne!(found["fill"]["shares"], "0.000000000");
    }
    assert_eq!(order(&bob, &late["id"]).await["state"], "WAITING");
    let verified = proven(&market, 1).await;
    assert_eq!(verified["commitment"]["digest"], made["commitment"]);
    assert_eq!(verified["cut_off"], told["cutOff"]["event"]);
    assert!(verified["commitment"]["revealed"].is_u64(), "{verified}");
    let plain = step(&operator, "fundStrike", "plain").await.unwrap();
    assert!(plain["strike"]["commitment"].is_null(), "without a commitment the record shows none");
    assert_eq!(order(&bob, &late["id"]).await["state"], "SETTLED");
    assert!(proven(&market, 2).await["commitment"].is_null());
}

/// Proves that withheld prices give joiners of the book everything back, leave marks alone, slice for leavers, are on record for
/// everybody and are proven too; that a book that nobody strikes opens when an owner takes his order back after three days; and that
/// a price which is accepted between commitment and strike does not enter, and fills nobody at the old one.
#[tokio::test(flavor = "multi_thread")]
async fn withheld_prices_take_nothing_from_anybody() {
    let market = Market::open().await;
    let operator = &market.world.operator;
    market.subscribe(&market.ann, "500.000000").await;
    assert_eq!(market.strike().await, 1);
    market.rebalance().await;
    let no = json!({ "fund": "F", "withhold": true, "idempotencyKey": "nothing" });
    assert_eq!(refused(operator, "fundStrike", no, "strike { number }").await, "invalid");

    step(operator, "pricesCommit", "c2").await.unwrap();
    let joins = market.subscribe(&market.bob, "200.000000").await;
    let leaves = market.redeem(&market.ann, "10.000000000").await;
    step(operator, "ordersClose", "o2").await.unwrap();
    let withhold = json!({ "fund": "F", "withhold": true, "idempotencyKey": "s2" });
    let selection = format!("strike {{ number commitment {{ {COMMITMENT} }} }}");
    let struck = mutate(operator, "fundStrike", withhold, &selection).await.unwrap();
    let made = &struck["strike"]["commitment"];
    assert!(made["revealedAt"].is_null() && made["salt"].is_null() && !made["cutOff"].is_null());
    assert_eq!(made["prices"], json!([]));
    let back = order(&market.bob, &joins["id"]).await;
    assert_eq!(
        (&back["fill"]["shares"], &back["fill"]["cost"]),
        (&json!("0.000000000"), &json!("0.000000"))
    );
    assert_eq!(order(&market.ann, &leaves["id"]).await["slice"]["strike"], 2);
    let account = ask(&market.bob, "{ account(owner: \"bob\") { cash } }").await;
    assert_eq!(account["account"]["cash"], "5000.000000");
    let verified = proven(&market, 2).await;
    assert!(
        verified["commitment"]["revealed"].is_null() && !verified["commitment"]["book"].is_null()
    );

    step(operator, "pricesCommit", "c3").await.unwrap();
    let joins = market.subscribe(&market.bob, "200.000000").await;
    let leaves = market.redeem(&market.ann, "10.000000000").await;
    step(operator, "ordersClose", "o3").await.unwrap();
    let cancel = |order: &Value| json!({ "order": order["id"] });
    assert_eq!(refused(&market.ann, "orderCancel", cancel(&leaves), ORDER).await, "closed");
    let day = ask(operator, "{ clock { day } }").await["clock"]["day"].to_string();
    let later = json!({ "day": (day.trim_matches('"').parse::<i64>().unwrap() + 3).to_string() });
    mutate(operator, "clockAdvance", later, "clock { day }").await.unwrap();
    let key = json!({ "order": leaves["id"], "idempotencyKey": Digest::of(b"later").hex() });
    let taken = mutate(&market.ann, "orderCancel", key, ORDER).await.unwrap();
    assert_eq!(taken["order"]["state"], "CANCELLED");
    assert_eq!(order(&market.bob, &joins["id"]).await["state"], "CANCELLED");
    let account = ask(&market.bob, "{ account(owner: \"bob\") { cash } }").await;
    assert_eq!(account["account"]["cash"], "5000.000000");
    let plain = step(operator, "fundStrike", "s3").await.unwrap();
    assert!(plain["strike"]["commitment"].is_null());
    proven(&market, 3).await;

    // A price that is accepted between commitment and strike is not in the strike, and nobody deals at the old one.
    let price = "{ fund(name: \"F\") { holdings(first: 1) { nodes { price } } } }";
    let before = ask(operator, price).await;
    step(operator, "pricesCommit", "c4").await.unwrap();
    let joins = market.subscribe(&market.bob, "200.000000").await;
    step(operator, "ordersClose", "o4").await.unwrap();
    let world = &market.world;
    let (checkpoint, graph) = world.upload_pair(&world.lab_token, STEPS[2], GRAPH).await;
    let version =
        json!({ "model": "lab/net", "version": "v2", "checkpoint": checkpoint, "graph": graph });
    mutate(&world.lab, "versionPublish", version, "version { name }").await.unwrap();
    let job = world.evaluate(&world.lab, "lab/net", "v2", &market.suite).await.unwrap();
    let done = world.work_until_done(&job).await;
    step(operator, "fundStrike", "s4").await.unwrap();
    assert_eq!(ask(operator, price).await, before, "{done}");
    let back = order(&market.bob, &joins["id"]).await;
    assert_eq!(back["fill"]["shares"], "0.000000000", "{done}");
    assert!(proven(&market, 4).await["commitment"]["revealed"].is_u64());
}
