//! The instant window with a real server: asked, quoted, paid at the strike, proven, and there after a restart.

use client::Client;
use serde_json::{Value, json};

use crate::{
    exits::Market,
    proofs::{bundle, verify},
    support::{ask, serve, token},
    world::{GRAPH, METHODOLOGY, STEPS, mutate},
};

const PAID: &str = "order { id side state shares payment { strike shares levy cash } }";
const WINDOW: &str = "window { budgetShare levyOut budget bidNavPerShare waiting shut clearing { model overMark units } }";

async fn request(market: &Market, who: &Client, shares: &str) -> Result<Value, String> {
    let input = json!({ "fund": "F", "shares": shares, "idempotencyKey": market.key() });
    mutate(who, "windowRequestPlace", input, PAID).await
}

/// The publisher knows his version before the mark does: he asks for nothing, and what he had asked for returns.
async fn insiders_wait(market: &Market) {
    let world = &market.world;
    let lab = world.anybody.with_token(token(&world.place, "lab", "invest"));
    assert_eq!(request(market, &lab, "1.000000000").await.unwrap_err(), "funds");
    let gift = json!({ "to": "lab", "asset": "SHARE:F", "amount": "7.000000000", "idempotencyKey": market.key() });
    mutate(&market.ann, "assetTransfer", gift, "account { owner }").await.unwrap();
    let early = request(market, &lab, "5.000000000").await.unwrap()["order"].take();
    let other = request(market, &market.ann, "5.000000000").await.unwrap()["order"].take();
    let (checkpoint, graph) = world.upload_pair(&world.lab_token, STEPS[1], GRAPH).await;
    let version =
        json!({ "model": "lab/net", "version": "v2", "checkpoint": checkpoint, "graph": graph });
    mutate(&world.lab, "versionPublish", version, "version { name }").await.unwrap();
    assert_eq!(request(market, &lab, "1.000000000").await.unwrap_err(), "own_dealing");
    // What he asked for before is his again; others wait on.
    for (who, placed, state) in [(&lab, &early, "CANCELLED"), (&market.ann, &other, "WAITING")] {
        let query = format!("{{ order(id: {}) {{ state }} }}", placed["id"]);
        assert_eq!(ask(who, &query).await["order"]["state"], state);
    }
    let held = ask(&lab, "{ account(owner: \"lab\") { shares(fund: \"F\") } }").await;
    assert_eq!(held["account"]["shares"], "7.000000000");
}

/// A request shows the least that it takes; one for any price shows none.
async fn least_is_shown(market: &Market) {
    for (least, told) in
        [(json!("99.000000000"), json!("99.000000000")), (Value::Null, Value::Null)]
    {
        let input = json!({
            "fund": "F", "shares": "5.000000000", "least": least, "idempotencyKey": market.key()
        });
        let placed = mutate(&market.ann, "windowRequestPlace", input, "order { id least }").await;
        let order = placed.unwrap()["order"].take();
        assert_eq!(order["least"], told);
        market.cancel(&market.ann, &order).await.unwrap();
    }
}

/// Proves that a fund without a window refuses and shows none; that one with it tells what it would pay, pays it at the strike and gives
/// the rest back, to the last micro-credit of the quote; that requests close with the book and a withheld strike gives them back; that an
/// insider waits for the mark to know his version; that every strike proves itself; and that all of it is there after a restart.
#[tokio::test(flavor = "multi_thread")]
async fn the_window_is_open() {
    let plain = Market::open().await;
    assert_eq!(request(&plain, &plain.ann, "1.000000000").await.unwrap_err(), "window");
    let none = ask(&plain.ann, &format!("{{ fund(name: \"F\") {{ {WINDOW} }} }}")).await;
    assert_eq!(none["fund"]["window"], Value::Null);
    drop(plain);

    let mut rules: Value = serde_json::from_str(METHODOLOGY).unwrap();
    rules["window"] = json!({ "budget": 250_000_000, "levy_out": 5_000_000 });
    let market = Market::under(&rules.to_string()).await;
    let (world, operator) = (&market.world, &market.world.operator);
    market.subscribe(&market.ann, "500.000000").await;
    market.strike().await;
    market.rebalance().await;
    let query = format!(
        "{{ fund(name: \"F\") {{ {WINDOW} quoteExit(shares: \"50.000000000\") {{ windowCash }} }} }}"
    );
    let told = ask(&market.ann, &query).await["fund"].take();
    let quoted = told["quoteExit"]["windowCash"].clone();
    assert_eq!((&told["window"]["waiting"], &told["window"]["shut"]), (&json!(0), &Value::Null));
    assert!(told["window"]["bidNavPerShare"].is_string(), "{told}");
    let before = market.account(&market.ann).await;
    let placed = request(&market, &market.ann, "50.000000000").await.unwrap()["order"].take();
    assert_eq!((&placed["side"], &placed["state"]), (&json!("WINDOW"), &json!("WAITING")));
    assert_eq!(request(&market, &market.ann, "1.000000000").await.unwrap_err(), "exists");
    let number = market.strike().await;
    let found =
        format!("{{ {} }}", PAID.replacen("order", &format!("order(id: {})", placed["id"]), 1));
    let paid = ask(&market.ann, &found).await["order"].take();
    assert_eq!(paid["state"], "SETTLED");
    assert_eq!((&paid["payment"]["strike"], &paid["payment"]["cash"]), (&json!(number), &quoted));
    let after = market.account(&market.ann).await;
    let micro = |text: &Value| text.as_str().unwrap().replace('.', "").parse::<u128>().unwrap();
    assert_eq!(after[0], before[0] + micro(&quoted));
    assert_eq!(after[2], before[2] - micro(&paid["payment"]["shares"]));

    // A closed book: what is in it is not taken back, and a withheld strike gives it back.
    let key = || json!({ "fund": "F", "idempotencyKey": market.key() });
    mutate(operator, "pricesCommit", key(), "commitment").await.unwrap();
    let shut = request(&market, &market.ann, "5.000000000").await.unwrap()["order"].take();
    mutate(operator, "ordersClose", key(), "bookRoot").await.unwrap();
    assert_eq!(market.cancel(&market.ann, &shut).await.unwrap_err(), "closed");
    let mut withheld = key();
    withheld["withhold"] = json!(true);
    mutate(operator, "fundStrike", withheld, "strike { number }").await.unwrap();
    let found_shut =
        format!("{{ {} }}", PAID.replacen("order", &format!("order(id: {})", shut["id"]), 1));
    let back = ask(&market.ann, &found_shut).await["order"].take();
    assert_eq!(
        (&back["state"], &back["payment"]["shares"]),
        (&json!("SETTLED"), &json!("0.000000000"))
    );
    assert_eq!(market.account(&market.ann).await[2], after[2]);

    for strike in 1..=number + 1 {
        let (status, text) =
            bundle(world, Some(world.operator_token.as_str()), &format!("F/{strike}")).await;
        assert_eq!(status, 200, "{text}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bundle.json");
        std::fs::write(&path, &text).unwrap();
        let (ok, said) = verify(&[path.to_str().unwrap()]);
        assert!(ok, "{said}");
        let bundle: Value = serde_json::from_str(&text).unwrap();
        let window = &bundle["record"]["facts"]["window"];
        assert_eq!(window.is_array(), strike == number, "{window}");
    }

    least_is_shown(&market).await;
    insiders_wait(&market).await;
    let (_again, url) = serve(&world.place);
    let again = Client::new(&url, None).unwrap();
    let again = again.with_token(token(&world.place, "ann", "invest"));
    assert_eq!(ask(&again, &found).await["order"], paid);
}
