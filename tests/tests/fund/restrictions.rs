//! Who may hold shares: codes over HTTP, and every way out behind them.

use client::Client;
use serde_json::{Value, json};

use crate::{
    exits::{Market, ORDER},
    support::ask,
    world::{METHODOLOGY, mutate, refused},
};

const FUND: &str = "fund { restrictions { allowListOn paused subscriptionsHeld } }";

impl Market {
    /// Changes a restriction of the fund.
    async fn restrict(&self, field: &str, input: Value) -> Value {
        let done = mutate(&self.world.operator, field, self.of_fund(input), FUND).await;
        done.unwrap_or_else(|code| panic!("{field}: {code}"))["fund"]["restrictions"].take()
    }

    /// An input about the fund under a key of its own.
    fn of_fund(&self, mut input: Value) -> Value {
        input["fund"] = json!("F");
        input["idempotencyKey"] = json!(self.key());
        input
    }

    async fn refused_order(&self, who: &Client) -> String {
        let input = self.of_fund(json!({ "amount": "10.000000" }));
        refused(who, "subscriptionOrderPlace", input, ORDER).await
    }

    async fn give(&self, who: &Client, to: &str) -> Result<Value, String> {
        let asset = "SHARE:F";
        let input = json!({ "to": to, "asset": asset, "amount": "1.000000000", "idempotencyKey": self.key() });
        mutate(who, "assetTransfer", input, "account { cash }").await
    }

    /// Leaves by each way that there is; all of them are open.
    async fn leave(&self, who: &Client) {
        self.redeem(who, "1.000000000").await;
        let order = self.redeem(who, "1.000000000").await;
        self.cancel(who, &order).await.unwrap();
        let input = self.of_fund(json!({ "shares": "1.000000000" }));
        mutate(who, "inKindRedeem", input, "cash").await.unwrap();
    }
}

/// Proves that a frozen owner, one who is not on the list and a paused fund are refused with codes of their own where shares would come in
/// or move, that leaving is open in each of them, that an order of an owner who is frozen by the strike comes back whole, that a pause
/// keeps orders waiting and strikes go on and are proven, and who may say and see it.
#[tokio::test(flavor = "multi_thread")]
async fn frozen_owners_and_paused_funds() {
    let market = Market::open().await;
    let (ann, bob) = (&market.ann, &market.bob);
    for who in [ann, bob] {
        market.subscribe(who, "500.000000").await;
    }
    market.strike().await;
    market.rebalance().await;
    let freeze = |on: bool| json!({ "owner": "ann", "frozen": on });
    let waits = market.subscribe(ann, "70.000000").await;
    market.restrict("ownerFreeze", freeze(true)).await;
    assert_eq!(market.refused_order(ann).await, "frozen");
    assert_eq!(market.give(ann, "bob").await.unwrap_err(), "frozen");
    assert_eq!(market.give(bob, "ann").await.unwrap_err(), "frozen");
    market.leave(ann).await;
    lists(&market).await;
    let before = market.account(ann).await[0];
    market.strike().await;
    let back = market.state_of(ann, &waits).await;
    assert_eq!(
        (&back["state"], &back["fill"]["shares"]),
        (&json!("SETTLED"), &json!("0.000000000"))
    );
    assert_eq!(market.account(ann).await[0], before + 70_000_000, "all of it came back");
    let claim = json!({ "idempotencyKey": market.key() });
    mutate(ann, "cashClaim", claim, "account { cash }").await.unwrap();
    market.restrict("ownerFreeze", freeze(false)).await;

    market.restrict("ownerAllow", json!({ "owner": "bob", "allowed": true })).await;
    let said = market.restrict("allowListSet", json!({ "on": true })).await;
    assert_eq!(said, json!({ "allowListOn": true, "paused": false, "subscriptionsHeld": false }));
    assert_eq!(market.refused_order(ann).await, "not_allowed");
    assert_eq!(market.give(bob, "ann").await.unwrap_err(), "not_allowed");
    market.give(ann, "bob").await.unwrap();
    market.subscribe(bob, "1.000000").await;
    market.leave(ann).await;
    market.restrict("allowListSet", json!({ "on": false })).await;
    a_pause(&market).await;
}

/// What the operator may say and sees, and nobody else.
async fn lists(market: &Market) {
    let world = &market.world;
    for (field, input) in [
        ("ownerFreeze", json!({ "owner": "bob", "frozen": true })),
        ("ownerAllow", json!({ "owner": "bob", "allowed": true })),
        ("allowListSet", json!({ "on": true })),
        ("fundPause", json!({ "paused": true })),
    ] {
        let mine = market.of_fund(input.clone());
        assert_eq!(refused(&market.ann, field, mine, FUND).await, "scope_missing", "{field}");
        let mut elsewhere = market.of_fund(input);
        elsewhere["fund"] = json!("G");
        assert_eq!(refused(&world.operator, field, elsewhere, FUND).await, "absent", "{field}");
    }
    for (input, code) in [
        (json!({ "owner": "ann", "frozen": true }), "nothing"),
        (json!({ "owner": "MANAGER", "frozen": true }), "owner"),
        (json!({ "owner": "PUBPOOL", "frozen": true }), "owner"),
    ] {
        let input = market.of_fund(input);
        assert_eq!(refused(&world.operator, "ownerFreeze", input, FUND).await, code);
    }
    let query = "{ fund(name: \"F\") { restrictions { frozen(first: 1) { nodes { owner } } allowed { nodes { owner } } } } }";
    let seen = ask(&world.operator, query).await["fund"]["restrictions"].take();
    assert_eq!(
        seen,
        json!({ "frozen": { "nodes": [{ "owner": "ann" }] }, "allowed": { "nodes": [] } })
    );
    for client in [&world.anybody, &market.ann] {
        let seen = ask(client, query).await["fund"]["restrictions"].take();
        assert_eq!(seen, json!({ "frozen": null, "allowed": null }));
    }
}

/// A pause from its first refusal to the orders that are filled after it.
async fn a_pause(market: &Market) {
    let (ann, bob) = (&market.ann, &market.bob);
    let joins = market.subscribe(bob, "20.000000").await;
    market.restrict("fundPause", json!({ "paused": true })).await;
    assert_eq!(market.refused_order(ann).await, "paused");
    assert_eq!(market.give(ann, "bob").await.unwrap_err(), "paused");
    market.leave(ann).await;
    let units = market.account(ann).await[3];
    market.strike().await;
    let input = market.of_fund(json!({}));
    assert_eq!(refused(&market.world.operator, "fundRebalance", input, "trades").await, "paused");
    assert_eq!(market.state_of(bob, &joins).await["state"], "WAITING");
    let claim = json!({ "idempotencyKey": market.key() });
    mutate(ann, "cashClaim", claim, "account { cash }").await.unwrap();
    // Three strikes later her units have come to her, although nothing was traded.
    for _ in 0..3 {
        market.strike().await;
    }
    assert!(market.account(ann).await[3] > units, "a pause keeps nobody from his units");
    let told = market.restrict("fundPause", json!({ "paused": false })).await;
    assert_eq!(told["paused"], json!(false));
    market.strike().await;
    market.rebalance().await;
    assert_eq!(market.state_of(bob, &joins).await["state"], "SETTLED");
    let last = market.strike().await;
    let query = "{ fund(name: \"F\") { strikes(first: 20) { nodes { proof { leafIndex } } } } }";
    let strikes = ask(&market.world.anybody, query).await["fund"]["strikes"]["nodes"].take();
    let strikes = strikes.as_array().unwrap();
    assert_eq!(strikes.len() as i64, last);
    assert!(strikes.iter().all(|strike| !strike["proof"].is_null()), "{strikes:?}");
}

/// Proves that a fund that was never seeded, does not exist or winds up refuses orders with codes of their own and takes nothing, that what
/// waits at a winding up comes back whole, and that leaving is open.
#[tokio::test(flavor = "multi_thread")]
async fn closed_funds() {
    let market = Market::open().await;
    let (operator, ann) = (&market.world.operator, &market.ann);
    let rules = json!({ "name": "E", "methodology": METHODOLOGY });
    mutate(operator, "fundCreate", rules, "fund { name }").await.unwrap();
    let order =
        |fund: &str| json!({ "fund": fund, "amount": "10.000000", "idempotencyKey": market.key() });
    for (fund, code) in [("E", "unseeded"), ("G", "absent")] {
        assert_eq!(
            refused(ann, "subscriptionOrderPlace", order(fund), ORDER).await,
            code,
            "{fund}"
        );
    }
    let pause = json!({ "fund": "E", "paused": true });
    mutate(operator, "fundPause", pause, FUND).await.unwrap();
    let seed = json!({ "fund": "E", "owner": "LP", "amount": "10.000000" });
    assert_eq!(refused(operator, "fundSeed", seed, "fund { name }").await, "paused");
    assert_eq!(market.account(ann).await[0], 5_000_000_000);
    market.subscribe(ann, "100.000000").await;
    market.strike().await;
    market.rebalance().await;
    let waits = market.subscribe(ann, "70.000000").await;
    let before = market.account(ann).await[0];
    let delist = json!({ "fund": "F", "model": "lab/net" });
    mutate(operator, "modelDelist", delist, "model").await.unwrap();
    market.strike().await;
    let winding =
        ask(operator, "{ fund(name: \"F\") { winding } }").await["fund"]["winding"].take();
    assert_eq!(winding, json!(true), "more than nine tenths of NAV are gone");
    assert_eq!(market.refused_order(ann).await, "winding");
    let back = market.state_of(ann, &waits).await;
    assert_eq!(back["fill"]["shares"], json!("0.000000000"));
    assert_eq!(market.account(ann).await[0], before + 70_000_000);
    market.leave(ann).await;
}
