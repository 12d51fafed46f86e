//! Own dealing: who may know more than the mark waits for it, and the register says who dealt when.

use client::Client;
use serde_json::{Value, json};

use crate::{
    exits::{Market, ORDER, confirm},
    support::{ask, token},
    world::{GRAPH, STEPS, mutate, refused},
};

const HOLDER: &str = "account { cash }";

/// A market with a publisher who invests in the fund himself.
struct Insiders {
    market: Market,
    lab: Client,
}

impl Insiders {
    async fn open() -> Self {
        let market = Market::open().await;
        let lab = market.world.anybody.with_token(token(&market.world.place, "lab", "invest"));
        let deposit = json!({ "owner": "lab", "amount": "2000.000000" });
        mutate(&market.world.operator, "cashDeposit", deposit, "account { owner }").await.unwrap();
        Self { market, lab }
    }

    async fn publish(&self, version: &str, step: usize) {
        let world = &self.market.world;
        let (checkpoint, graph) = world.upload_pair(&world.lab_token, STEPS[step], GRAPH).await;
        let input = json!({ "model": "lab/net", "version": version, "checkpoint": checkpoint, "graph": graph });
        mutate(&world.lab, "versionPublish", input, "version { name }").await.unwrap();
    }

    async fn maintainer(&self, granted: bool) {
        let input = json!({ "model": "lab/net", "login": "bob", "granted": granted });
        mutate(&self.market.world.lab, "modelMaintainerSet", input, "model { name }")
            .await
            .unwrap();
    }

    /// What an order to buy is answered with.
    async fn joins(&self, who: &Client) -> String {
        let input =
            json!({ "fund": "F", "amount": "5.000000", "idempotencyKey": self.market.key() });
        let placed = mutate(who, "subscriptionOrderPlace", input, ORDER).await;
        placed.err().unwrap_or_default()
    }

    /// What a gift of a share is answered with.
    async fn gives(&self, who: &Client, to: &str) -> String {
        let input = json!({ "to": to, "asset": "SHARE:F", "amount": "1.000000000", "idempotencyKey": self.market.key() });
        mutate(who, "assetTransfer", input, HOLDER).await.err().unwrap_or_default()
    }

    /// The register, in pages of three: owner, kind, window.
    async fn register(&self) -> Vec<(String, String, Value)> {
        let (mut rows, mut after) = (Vec::new(), Value::Null);
        loop {
            let query = format!(
                "{{ fund(name: \"F\") {{ dealingRegister(first: 3, after: {after}) {{ nodes {{ event owner kind model window }} pageInfo {{ hasNextPage endCursor }} }} }} }}"
            );
            let page =
                ask(&self.market.world.operator, &query).await["fund"]["dealingRegister"].take();
            for row in page["nodes"].as_array().unwrap() {
                assert_eq!(row["model"], "lab/net");
                let text = |field: &str| row[field].as_str().unwrap().to_owned();
                rows.push((text("owner"), text("kind"), row["window"].clone()));
            }
            if page["pageInfo"]["hasNextPage"] == json!(false) {
                return rows;
            }
            after = page["pageInfo"]["endCursor"].clone();
        }
    }
}

/// Proves that from the publishing of a version to the strike whose mark knows it its publisher and a maintainer, one who has left too,
/// neither buy nor take an order back nor move shares, that they leave freely and others deal as before, that neither a strike that knows
/// nothing nor a tripped price ends it, that a yank does; that his order from before waits until then and is dealt with at the mark that
/// knows the version, that nobody who is named afterwards is held, that the operator gives a held order back; and that the register finds
/// no fill in the window.
#[tokio::test(flavor = "multi_thread")]
async fn insiders_wait_for_the_mark() {
    let insiders = Insiders::open().await;
    let Insiders { market, lab } = &insiders;
    let (ann, bob) = (&market.ann, &market.bob);
    for who in [lab, ann, bob] {
        market.subscribe(who, "100.000000").await;
    }
    market.strike().await;
    market.rebalance().await;
    // He is named after he ordered: nobody traps his order by that.
    let named = market.subscribe(bob, "7.000000").await;
    insiders.maintainer(true).await;
    let early = market.subscribe(lab, "50.000000").await;
    let given_back = market.subscribe(lab, "4.000000").await;
    assert_eq!(held(lab, &early).await, (json!("WAITING"), json!(2), json!(null)));
    insiders.publish("v2", 2).await;
    insiders.maintainer(false).await;
    let since = held(lab, &early).await.2;
    assert!(since.is_i64(), "{since}");
    assert_eq!(held(bob, &named).await.2, json!(null));
    market.cancel(bob, &named).await.unwrap();
    let input = json!({ "order": given_back["id"], "idempotencyKey": market.key() });
    assert_eq!(refused(lab, "orderGiveBack", input.clone(), ORDER).await, "scope_missing");
    mutate(&market.world.operator, "orderGiveBack", input, ORDER).await.unwrap();
    let again = json!({ "order": named["id"], "idempotencyKey": market.key() });
    assert_eq!(refused(&market.world.operator, "orderGiveBack", again, ORDER).await, "invalid");
    assert_eq!(held(lab, &given_back).await.0, json!("CANCELLED"));

    for who in [lab, bob] {
        assert_eq!(insiders.joins(who).await, "own_dealing");
        assert_eq!(insiders.gives(who, "ann").await, "own_dealing");
    }
    assert_eq!(insiders.joins(ann).await, "suspended", "nobody buys at a price that is open");
    assert_eq!(insiders.gives(ann, "lab").await, "own_dealing", "receiving is dealing");
    assert_eq!(insiders.gives(ann, "cy").await, "");
    assert_eq!(market.cancel(lab, &early).await.unwrap_err(), "own_dealing");
    let order = market.redeem(lab, "1.000000000").await;
    market.cancel(lab, &order).await.unwrap();
    let leave = json!({ "fund": "F", "shares": "1.000000000", "idempotencyKey": market.key() });
    mutate(lab, "inKindRedeem", leave, "cash").await.unwrap();

    market.strike().await;
    assert_eq!(insiders.joins(lab).await, "own_dealing", "that strike knew nothing of it");
    assert_eq!(held(lab, &early).await, (json!("WAITING"), json!(3), since.clone()));
    let world = &market.world;
    let job = world.evaluate(&world.lab, "lab/net", "v2", market.suite()).await.unwrap();
    let job = world.work_until_done(&job).await;
    assert_eq!(job["decision"]["status"], "TRIPPED", "{job}");
    market.strike().await;
    assert_eq!(insiders.joins(lab).await, "own_dealing", "a price that tripped is not the mark");
    assert_eq!(held(lab, &early).await, (json!("WAITING"), json!(4), since));
    confirm(world).await;
    assert_eq!(insiders.joins(lab).await, "own_dealing", "accepted, and not the mark yet");
    let knows = market.strike().await;
    let dealt = market.state_of(lab, &early).await;
    assert_eq!(dealt["fill"]["strike"], json!(knows), "at the mark that knows it: {dealt}");
    assert_eq!(insiders.joins(lab).await, "");
    let [long, short] =
        [market.subscribe(lab, "6.000000").await, market.subscribe(lab, "8.000000").await];
    insiders.publish("v3", 1).await;
    assert_eq!(insiders.joins(lab).await, "own_dealing");
    // Nobody's money is kept longer than thirty days.
    for (days, wanted) in [(29, Err("own_dealing".to_owned())), (30, Ok(()))] {
        let since = held(lab, &long).await.2.as_i64().unwrap();
        let later = json!({ "day": (since + days).to_string(), "idempotencyKey": market.key() });
        mutate(&market.world.operator, "clockAdvance", later, "clock { day }").await.unwrap();
        assert_eq!(market.cancel(lab, &long).await.map(drop), wanted, "{days} days");
    }
    assert!(held(lab, &short).await.2.is_i64());
    let yank = json!({ "model": "lab/net", "version": "v3", "reason": "no good" });
    mutate(&world.lab, "versionYank", yank, "version { name }").await.unwrap();
    assert_eq!(held(lab, &short).await.2, json!(null), "the yank lets it go");
    assert_eq!(insiders.gives(lab, "ann").await, "");
    the_register(&insiders).await;
}

/// State of an order, the strike that it waits for, and since when it is held back.
async fn held(who: &Client, order: &Value) -> (Value, Value, Value) {
    let query = format!(
        "{{ order(id: {}) {{ state dealing {{ strike cutOff closed heldSince }} }} }}",
        order["id"]
    );
    let mut found = ask(who, &query).await["order"].take();
    let dealing = &mut found["dealing"];
    let (strike, since) = (dealing["strike"].take(), dealing["heldSince"].take());
    (found["state"].take(), strike, since)
}

async fn the_register(insiders: &Insiders) {
    let Insiders { market, lab } = insiders;
    let rows = insiders.register().await;
    let of = |who: &str| {
        let own = rows.iter().filter(|row| row.0 == who);
        own.map(|row| (row.1.as_str(), row.2.as_str())).collect::<Vec<_>>()
    };
    assert_eq!(
        of("lab"),
        [
            ("SUBSCRIPTION", None),
            ("FILL", None),
            ("SUBSCRIPTION", None),
            ("SUBSCRIPTION", None),
            // What the operator gave back, and below what waited for thirty days: the only things inside, and no fill.
            ("CANCELLATION", Some("v2")),
            ("REDEMPTION", None),
            ("IN_KIND", None),
            ("FILL", None),
            ("SUBSCRIPTION", None),
            ("SUBSCRIPTION", None),
            ("SUBSCRIPTION", None),
            ("CANCELLATION", Some("v3")),
            ("GIVEN", None),
        ]
    );
    assert!(of("ann").is_empty() && of("cy").is_empty(), "{rows:?}");
    let query = "{ fund(name: \"F\") { dealingRegister { nodes { event } } } }";
    for client in [&market.world.anybody, lab] {
        assert!(ask(client, query).await["fund"]["dealingRegister"].is_null());
    }
    let query = "{ fund(name: \"F\") { dealingRegister(after: \"x\") { nodes { event } } } }";
    let wrong = market.world.operator.graphql::<Value>(query, json!({})).await.unwrap_err();
    assert_eq!(wrong.code(), Some("invalid"));
    let nobody = json!({ "fund": "G", "amount": "5.000000", "idempotencyKey": market.key() });
    assert_eq!(refused(lab, "subscriptionOrderPlace", nobody, ORDER).await, "absent");
}
