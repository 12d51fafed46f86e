//! Orders are taken back, slices paid, units handed out: the exit, with a real server.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use client::Client;
use serde_json::{Value, json};

use crate::{
    support::{PROGRAM, Running, ask, token},
    world::{METHODOLOGY, STEPS, World, mutate, refused},
};

pub(crate) const ORDER: &str = "order { id state amount shares fill { strike shares cost levy } slice { strike cash units { model units } } }";

/// A fund over one model, seeded with 1,000 credits, with two investors.
pub(crate) struct Market {
    pub(crate) world: World,
    pub(crate) suite: String,
    pub(crate) ann: Client,
    pub(crate) bob: Client,
    turn: std::cell::Cell<u32>,
}

impl Market {
    pub(crate) async fn open() -> Self {
        Self::inside(World::new(), METHODOLOGY).await
    }

    /// The same under other rules.
    pub(crate) async fn under(rules: &str) -> Self {
        Self::inside(World::new(), rules).await
    }

    /// The same in a world that is there.
    pub(crate) async fn inside(world: World, rules: &str) -> Self {
        let [ann, bob] = ["ann", "bob"]
            .map(|owner| world.anybody.with_token(token(&world.place, owner, "invest")));
        let suite = world.register_suite().await;
        world.publish("lab/net", false, &[STEPS[0]]).await;
        let job = world.evaluate(&world.lab, "lab/net", "v1", &suite).await.unwrap();
        world.work_until_done(&job).await;
        let operator = &world.operator;
        let rules = json!({ "name": "F", "methodology": rules });
        mutate(operator, "fundCreate", rules, "fund { name }").await.unwrap();
        for (owner, amount) in [
            ("lab", "100.000000"),
            ("operator", "1000.000000"),
            ("LP", "20000.000000"),
            ("ann", "5000.000000"),
            ("bob", "5000.000000"),
        ] {
            let deposit = json!({ "owner": owner, "amount": amount });
            mutate(operator, "cashDeposit", deposit, "account { owner }").await.unwrap();
        }
        let admit = json!({ "fund": "F", "model": "lab/net", "bond": "100.000000" });
        mutate(operator, "modelAdmit", admit, "fund { name }").await.unwrap();
        let seed = json!({ "fund": "F", "owner": "operator", "amount": "1000.000000" });
        mutate(operator, "fundSeed", seed, "fund { name }").await.unwrap();
        Self { world, suite, ann, bob, turn: std::cell::Cell::new(0) }
    }

    pub(crate) fn suite(&self) -> &str {
        &self.suite
    }

    pub(crate) fn key(&self) -> String {
        self.turn.set(self.turn.get() + 1);
        format!("turn {}", self.turn.get())
    }

    pub(crate) async fn strike(&self) -> i64 {
        let input = json!({ "fund": "F", "idempotencyKey": self.key() });
        let done = mutate(&self.world.operator, "fundStrike", input, "strike { number }").await;
        done.unwrap()["strike"]["number"].as_i64().unwrap()
    }

    pub(crate) async fn rebalance(&self) {
        let input = json!({ "fund": "F", "idempotencyKey": self.key() });
        mutate(&self.world.operator, "fundRebalance", input, "trades").await.unwrap();
    }

    pub(crate) async fn subscribe(&self, who: &Client, amount: &str) -> Value {
        let input = json!({ "fund": "F", "amount": amount, "idempotencyKey": self.key() });
        mutate(who, "subscriptionOrderPlace", input, ORDER).await.unwrap()["order"].take()
    }

    pub(crate) async fn redeem(&self, who: &Client, shares: &str) -> Value {
        let input = json!({ "fund": "F", "shares": shares, "idempotencyKey": self.key() });
        mutate(who, "redemptionOrderPlace", input, ORDER).await.unwrap()["order"].take()
    }

    pub(crate) async fn cancel(&self, who: &Client, order: &Value) -> Result<Value, String> {
        let input = json!({ "order": order["id"], "idempotencyKey": self.key() });
        mutate(who, "orderCancel", input, ORDER).await
    }

    /// Credits, claims, shares and units of an investor.
    pub(crate) async fn account(&self, who: &Client) -> [u128; 4] {
        let owner = if std::ptr::eq(who, &self.ann) { "ann" } else { "bob" };
        let query = format!(
            "{{ account(owner: \"{owner}\") {{ cash claim shares(fund: \"F\") units(model: \"lab/net\") }} }}"
        );
        let account = ask(who, &query).await["account"].take();
        ["cash", "claim", "shares", "units"].map(|field| steps(&account[field]))
    }

    /// Cash, units and shares of the fund.
    async fn fund(&self) -> [u128; 3] {
        let query = "{ fund(name: \"F\") { cash shares holdings(first: 9) { nodes { units } } } }";
        let fund = ask(&self.world.anybody, query).await["fund"].take();
        let units = &fund["holdings"]["nodes"][0]["units"];
        [steps(&fund["cash"]), steps(units), steps(&fund["shares"])]
    }

    /// Units that were sold for the only leaver, whose slice had so much cash: what she was paid beyond it, at the mark.
    async fn sold(&self, slice: u128) -> u128 {
        let query = "{ fund(name: \"F\") { disclosure { soldForLeavers models(first: 1) { nodes { price lastOverMark } } } } }";
        let told = ask(&self.world.anybody, query).await["fund"]["disclosure"].take();
        let proceeds = steps(&told["soldForLeavers"]);
        assert_eq!(self.account(&self.ann).await[1], slice + proceeds, "{told}");
        let model = &told["models"]["nodes"][0];
        if proceeds == 0 {
            return 0;
        }
        assert_eq!(model["lastOverMark"], "1.000000000", "{told}");
        // The fund pays for units rounded up: the whole units below that.
        proceeds * 1_000_000_000 / steps(&model["price"])
    }

    pub(crate) async fn state_of(&self, who: &Client, order: &Value) -> Value {
        let query =
            format!("{{ {} }}", ORDER.replacen("order", &format!("order(id: {})", order["id"]), 1));
        ask(who, &query).await["order"].take()
    }
}

/// A decimal text in its smallest steps.
fn steps(text: &Value) -> u128 {
    text.as_str().unwrap_or_else(|| panic!("{text} is no text")).replace('.', "").parse().unwrap()
}

/// Proves that an order is taken back by its owner alone and before the strike alone, with its money; that a redemption gets exactly
/// ⌊X·r/S⌋ of everything and no mark's worth; that units are sold for the leaver or handed to him by the third batch; that leaving in
/// kind needs no strike; and that what was received can be claimed, given away and taken out.
#[tokio::test(flavor = "multi_thread")]
async fn the_exit_is_open() {
    let market = Market::open().await;
    let (ann, bob) = (&market.ann, &market.bob);
    let first = market.subscribe(ann, "500.000000").await;
    let second = market.subscribe(bob, "300.000000").await;
    assert_eq!(first["state"], "WAITING");
    assert_eq!(market.account(bob).await[0], 4_700_000_000);
    assert_eq!(market.cancel(ann, &second).await.unwrap_err(), "absent", "another's order");
    let gone = market.cancel(bob, &second).await.unwrap();
    assert_eq!(
        (&gone["order"]["state"], &gone["order"]["fill"]),
        (&json!("CANCELLED"), &json!(null))
    );
    assert_eq!(market.account(bob).await[0], 5_000_000_000, "the money came back");
    let strike = market.strike().await;
    let filled = market.state_of(ann, &first).await;
    assert_eq!((&filled["state"], &filled["fill"]["strike"]), (&json!("SETTLED"), &json!(strike)));
    assert_eq!(market.cancel(ann, &first).await.unwrap_err(), "invalid", "after the cut-off");
    assert_eq!(market.cancel(bob, &second).await.unwrap_err(), "invalid", "twice");
    market.rebalance().await;

    let [cash, units, shares] = market.fund().await;
    let before = market.account(ann).await;
    let asked = "{ fund(name: \"F\") { quoteExit(shares: \"200.000000000\") { cash units { model units } batches windowCash } } }";
    let quote = ask(&market.world.anybody, asked).await["fund"]["quoteExit"].take();
    let order = market.redeem(ann, "200.000000000").await;
    assert_eq!(market.account(ann).await[2], before[2] - 200_000_000_000, "in escrow");
    market.strike().await;
    let settled = market.state_of(ann, &order).await;
    let part = |held: u128| held * 200_000_000_000 / shares;
    assert_eq!(steps(&settled["slice"]["cash"]), part(cash), "{settled}");
    assert_eq!(steps(&settled["slice"]["units"][0]["units"]), part(units), "{settled}");
    assert_eq!(
        (&quote["cash"], &quote["units"]),
        (&settled["slice"]["cash"], &settled["slice"]["units"])
    );
    assert_eq!(market.account(ann).await[1], part(cash), "to be claimed");
    assert_eq!((&quote["batches"], &quote["windowCash"]), (&json!(3), &json!(null)));
    // What the counterparties buy is sold for her; the rest is hers by the third batch. She is the only one who left, so that no unit of
    // what was quoted goes elsewhere.
    for _ in 0..3 {
        market.rebalance().await;
        market.strike().await;
    }
    let after = market.account(ann).await;
    assert_eq!(market.sold(part(cash)).await + after[3], part(units), "{after:?}");
    let input = json!({ "idempotencyKey": market.key() });
    mutate(ann, "cashClaim", input, "account { cash }").await.unwrap();
    let claimed = market.account(ann).await;
    assert_eq!((claimed[0], claimed[1]), (after[0] + after[1], 0));
    let again = json!({ "idempotencyKey": market.key() });
    assert_eq!(refused(ann, "cashClaim", again, "account { cash }").await, "nothing");

    leave_in_kind(&market, claimed[2]).await;
    give_away(&market).await;
    publishers(&market).await;
}

/// All shares that are left, at once, for a part of everything.
async fn leave_in_kind(market: &Market, rest: u128) {
    let ann = &market.ann;
    let [cash, units, shares] = market.fund().await;
    let text = format!("{}.{:09}", rest / 1_000_000_000, rest % 1_000_000_000);
    let input = json!({ "fund": "F", "shares": text, "idempotencyKey": market.key() });
    let leave = "cash units { model units } account { cash }";
    let left = mutate(ann, "inKindRedeem", input.clone(), leave).await.unwrap();
    assert_eq!(steps(&left["cash"]), cash * rest / shares);
    assert_eq!(steps(&left["units"][0]["units"]), units * rest / shares);
    assert_eq!(
        mutate(ann, "inKindRedeem", input, leave).await.unwrap()["cash"],
        left["cash"],
        "a repetition"
    );
    let more = json!({ "fund": "F", "shares": "0.000000001", "idempotencyKey": market.key() });
    assert_eq!(refused(ann, "inKindRedeem", more, leave).await, "funds");
}

/// What was received is given away and taken out, exactly and no more than there is.
async fn give_away(market: &Market) {
    let (ann, bob) = (&market.ann, &market.bob);
    let holder = "account { cash }";
    let give = |asset: &str, amount: &str| json!({ "to": "bob", "asset": asset, "amount": amount, "idempotencyKey": market.key() });
    mutate(ann, "assetTransfer", give("U:lab/net", "1.000000"), holder).await.unwrap();
    assert_eq!(market.account(bob).await[3], 1_000_000);
    for (asset, amount, code) in [
        ("U:lab/net", "1.0000001", "invalid"),
        ("GOLD", "1.000000", "invalid"),
        ("SHARE:F", "1.000000000", "funds"),
        ("SHARE:G", "1.000000000", "asset"),
        ("CASH", "0.000000", "amount"),
    ] {
        let given = give(asset, amount);
        assert_eq!(refused(ann, "assetTransfer", given, holder).await, code, "{asset} {amount}");
    }
    let out = |amount: &str| json!({ "amount": amount, "idempotencyKey": market.key() });
    let cash = market.account(ann).await[0];
    mutate(ann, "cashWithdraw", out("1000.000000"), holder).await.unwrap();
    assert_eq!(market.account(ann).await[0], cash - 1_000_000_000);
    assert_eq!(refused(ann, "cashWithdraw", out("1000000.000000"), holder).await, "funds");
    assert_eq!(
        refused(
            &market.world.lab,
            "redemptionOrderPlace",
            json!({ "fund": "F", "shares": "1.000000000" }),
            ORDER
        )
        .await,
        "scope_missing"
    );
}

/// What publishers and holders of units are paid, and what a delisting leaves.
async fn publishers(market: &Market) {
    let operator = &market.world.operator;
    let input = json!({ "model": "lab/net", "amount": "10.000000" });
    let before = market.account(&market.bob).await[0];
    mutate(operator, "royaltyPay", input, "model").await.unwrap();
    assert_eq!(market.account(&market.bob).await[0], before + 10, "a unit is a millionth of it");
    let vest = json!({ "fund": "F", "model": "lab/net" });
    assert_eq!(
        refused(&market.world.lab, "modelVest", vest.clone(), "paid").await,
        "nothing",
        "before 90 days"
    );
    let day = ask(&market.world.anybody, "{ clock { day } }").await["clock"]["day"].to_string();
    let day: u64 = day.trim_matches('"').parse().unwrap();
    let later = json!({ "day": (day + 400).to_string() });
    mutate(operator, "clockAdvance", later, "clock { day }").await.unwrap();
    let mut vest = vest;
    vest["idempotencyKey"] = json!("later");
    let paid = mutate(&market.world.lab, "modelVest", vest, "paid").await.unwrap();
    assert!(steps(&paid["paid"]) > 0, "{paid}");
    let delist = json!({ "fund": "F", "model": "lab/net" });
    assert_eq!(
        refused(&market.world.lab, "modelDelist", delist.clone(), "model").await,
        "scope_missing"
    );
    mutate(operator, "modelDelist", delist, "model").await.unwrap();
    let again = json!({ "fund": "F", "model": "lab/net", "idempotencyKey": "again" });
    assert_eq!(refused(operator, "modelDelist", again, "model").await, "delisted");
}

/// Proves that one owner cannot fill the queue that is for everybody: his orders beyond a hundred are refused with the limit, on that side
/// alone, and another's are taken.
#[tokio::test(flavor = "multi_thread")]
async fn the_queue_is_for_everybody() {
    let market = Market::open().await;
    let (ann, bob) = (&market.ann, &market.bob);
    for _ in 0..100 {
        market.subscribe(bob, "1.000000").await;
    }
    let more = json!({ "fund": "F", "amount": "1.000000", "idempotencyKey": "one more" });
    assert_eq!(refused(bob, "subscriptionOrderPlace", more, ORDER).await, "limit");
    assert_eq!(market.account(bob).await[0], 4_900_000_000, "what is refused takes nothing");
    market.subscribe(ann, "1.000000").await;
    market.strike().await;
    market.subscribe(bob, "1.000000").await;
    market.redeem(bob, "0.000000001").await;
}

/// Proves that a price in doubt keeps joiners waiting and nobody who leaves: the strike happens, the redemption is settled, the
/// subscription waits with its money in escrow, can be taken back, and is filled once a second run has confirmed the price.
#[tokio::test(flavor = "multi_thread")]
async fn doubt_keeps_nobody_in() {
    let market = Market::open().await;
    let (ann, bob) = (&market.ann, &market.bob);
    market.subscribe(ann, "500.000000").await;
    market.strike().await;
    market.rebalance().await;
    let world = &market.world;
    let (checkpoint, graph) =
        world.upload_pair(&world.lab_token, STEPS[2], crate::world::GRAPH).await;
    let input =
        json!({ "model": "lab/net", "version": "v2", "checkpoint": checkpoint, "graph": graph });
    mutate(&world.lab, "versionPublish", input, "version { name }").await.unwrap();
    let job = world.evaluate(&world.lab, "lab/net", "v2", &market.suite).await.unwrap();
    let job = world.work_until_done(&job).await;
    assert_eq!(job["decision"]["status"], "TRIPPED", "{job}");

    let joins = market.subscribe(bob, "400.000000").await;
    let joins_too = market.subscribe(ann, "50.000000").await;
    let leaves = market.redeem(ann, "10.000000000").await;
    let strike = market.strike().await;
    let left = market.state_of(ann, &leaves).await;
    assert_eq!((&left["state"], &left["slice"]["strike"]), (&json!("SETTLED"), &json!(strike)));
    assert_eq!(market.state_of(bob, &joins).await["state"], "WAITING");
    market.cancel(ann, &joins_too).await.unwrap();
    assert_eq!(market.state_of(bob, &joins).await["state"], "WAITING", "another's is another's");
    // The confirmation was queued by itself: a second run of the same version.
    confirm(world).await;
    let strike = market.strike().await;
    let joined = market.state_of(bob, &joins).await;
    assert_eq!(
        (&joined["state"], &joined["fill"]["strike"]),
        (&json!("SETTLED"), &json!(strike)),
        "{joined}"
    );
}

/// Lets a worker take what waits until the price is accepted.
pub(crate) async fn confirm(world: &World) {
    let mut worker = Command::new(PROGRAM);
    worker.args(["worker", "--clock", "manual"]).args(world.place.arguments());
    let _worker = Running(worker.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    for _ in 0..600 {
        let prices = "{ model(name: \"lab/net\") { prices(first: 9) { nodes { status } } } }";
        let found = ask(&world.anybody, prices).await["model"]["prices"]["nodes"].take();
        if found.as_array().unwrap().last().unwrap()["status"] == "ACCEPTED" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the price was not confirmed");
}
