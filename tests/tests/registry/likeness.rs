//! Copies under another name: found, flagged, without fees, and out of every fund until a person has looked.

use client::Client;
use domain::checkpoint::Header;
use serde_json::{Value, json};

use crate::{
    support::ask,
    world::{GRAPH, METHODOLOGY, STEPS, World, mutate, refused},
};

const LINEAR: &[u8] = include_bytes!("../../../crates/cli/demo/linear/step-1600.safetensors");
const LINEAR_GRAPH: &[u8] = include_bytes!("../../../crates/cli/demo/linear/graph.onnx");

/// The numbers of one tensor, and their place in the file.
fn tensor(file: &[u8], name: &str) -> (usize, Vec<f32>) {
    let header = Header::parse(file, Some(file.len() as u64)).unwrap();
    let found = header.find_tensor(name).unwrap();
    let start = (header.data_offset() + found.begin) as usize;
    let bytes = &file[start..start + (found.end - found.begin) as usize];
    (start, bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect())
}

fn put(file: &mut [u8], start: usize, values: &[f32]) {
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    file[start..start + bytes.len()].copy_from_slice(&bytes);
}

/// The same weights with noise of some per cent of the large tensor's spread.
fn noisy(file: &[u8], per_cent: f32) -> Vec<u8> {
    let mut copy = file.to_vec();
    let (start, mut values) = tensor(file, "fc1.weight");
    let spread = (values.iter().map(|v| v * v).sum::<f32>() / values.len() as f32).sqrt();
    for (place, value) in values.iter_mut().enumerate() {
        // Equal steps of an irrational number: as even as dice, and the same on every machine.
        let dice = (place as f64 * 0.618_033_988_749_895).fract() as f32 - 0.5;
        *value += dice * 3.46 * spread * per_cent / 100.0;
    }
    put(&mut copy, start, &values);
    copy
}

/// The same function with its hidden neurons in the opposite order: no weight stays where it was.
fn permuted(file: &[u8]) -> Vec<u8> {
    let mut copy = file.to_vec();
    let (bias_at, bias) = tensor(file, "fc1.bias");
    let (in_at, into) = tensor(file, "fc1.weight");
    let (out_at, out) = tensor(file, "fc2.weight");
    let hidden = bias.len();
    let classes = out.len() / hidden;
    let columns = |row: &[f32]| row.iter().rev().copied().collect::<Vec<_>>();
    put(&mut copy, bias_at, &columns(&bias));
    let into: Vec<f32> = into.chunks_exact(hidden).flat_map(columns).collect();
    put(&mut copy, in_at, &into);
    let out: Vec<f32> = out.chunks_exact(classes).rev().flatten().copied().collect();
    put(&mut copy, out_at, &out);
    copy
}

impl World {
    /// Creates a model and publishes one version of it.
    async fn offer(
        &self,
        (client, token): (&Client, &str),
        model: &str,
        (checkpoint, graph): (&[u8], &[u8]),
        base: Option<&str>,
    ) {
        mutate(client, "modelCreate", json!({ "name": model }), "model { name }").await.unwrap();
        let (checkpoint, graph) = self.upload_pair(token, checkpoint, graph).await;
        let base = base.map(|model| json!({ "model": model, "version": "v1" }));
        let input = json!({
            "model": model, "version": "v1", "checkpoint": checkpoint, "graph": graph, "base": base,
        });
        mutate(client, "versionPublish", input, "version { name }").await.unwrap();
    }

    async fn measure(&self, client: &Client, model: &str, suite: &str) {
        let job = self.evaluate(client, model, "v1", suite).await.unwrap();
        self.work_until_done(&job).await;
    }

    /// What is said of the version's likeness.
    async fn likeness(&self, model: &str) -> Value {
        let query = format!(
            "{{ model(name: \"{model}\") {{ version(name: \"v1\") {{ feeShare {{ share priors }} \
             eligibility {{ eligible reason review {{ cleared reviewedBy }} }} \
             similar(first: 10) {{ nodes {{ similarity weightAgreement answerCorrelation flagged prior {{ model {{ name }} }} }} }} }} }} }}"
        );
        ask(&self.anybody, &query).await["model"]["version"].take()
    }
}

/// The one earlier version that a version is like.
fn only(likeness: &Value) -> &Value {
    let nodes = likeness["similar"]["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 1, "{likeness}");
    &nodes[0]
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// Proves that a copy with noise and one with its neurons in another order are found, earn fees on next to nothing and stay out of a
/// fund until the operator clears them; that a declared base is no offence and pays the same; that an honest model of another
/// architecture is untouched; and that the copy is the later published one, whichever was measured first.
#[tokio::test(flavor = "multi_thread")]
async fn copies_are_found() {
    let world = World::new();
    let suite = world.register_suite().await;
    let lab = (&world.lab, world.lab_token.as_str());
    let rival = (&world.stranger, world.stranger_token.as_str());
    let original = STEPS[2];
    world.offer(lab, "lab/net", (original, GRAPH), None).await;
    let next = json!({ "day": "21000" });
    mutate(&world.operator, "clockAdvance", next, "clock { day }").await.unwrap();
    world.offer(rival, "rival/copy", (&noisy(original, 1.0), GRAPH), None).await;
    // The copy is measured first: that makes nobody the original.
    world.measure(rival.0, "rival/copy", &suite).await;
    assert_eq!(world.likeness("rival/copy").await["eligibility"]["eligible"], json!(true));
    world.measure(lab.0, "lab/net", &suite).await;

    let copy = world.likeness("rival/copy").await;
    let found = only(&copy);
    assert_eq!(
        (&found["prior"]["model"]["name"], &found["flagged"]),
        (&json!("lab/net"), &json!(true))
    );
    assert!(number(&found["similarity"]) > 0.95, "{found}");
    assert!(number(&copy["feeShare"]["share"]) < 0.05, "{copy}");
    assert_eq!(copy["eligibility"]["eligible"], json!(false));
    let honest = world.likeness("lab/net").await;
    assert_eq!(honest["feeShare"], json!({ "share": 1.0, "priors": 0 }));
    assert_eq!(honest["eligibility"]["eligible"], json!(true));

    world.offer(rival, "rival/turned", (&permuted(original), GRAPH), None).await;
    world.measure(rival.0, "rival/turned", &suite).await;
    let turned = world.likeness("rival/turned").await;
    let nodes = turned["similar"]["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 2, "like the original and like the other copy: {turned}");
    let of_lab = nodes.iter().find(|n| n["prior"]["model"]["name"] == "lab/net").unwrap();
    assert!(number(&of_lab["weightAgreement"]) < 0.65, "the weights give nothing away: {of_lab}");
    assert!(number(&of_lab["answerCorrelation"]) >= 0.9995, "{of_lab}");
    assert_eq!((&of_lab["similarity"], &of_lab["flagged"]), (&json!(1.0), &json!(true)));
    assert_eq!(turned["eligibility"]["eligible"], json!(false));
    assert!(number(&turned["feeShare"]["share"]) < 0.05, "{turned}");

    let declared = noisy(original, 2.0);
    world.offer(rival, "rival/derived", (&declared, GRAPH), Some("lab/net")).await;
    world.measure(rival.0, "rival/derived", &suite).await;
    let derived = world.likeness("rival/derived").await;
    assert_eq!(derived["eligibility"], json!({ "eligible": true, "reason": null, "review": null }));
    assert!(
        number(&derived["feeShare"]["share"]) < 0.1,
        "declared pays by the same formula: {derived}"
    );

    world.offer(rival, "rival/own", (LINEAR, LINEAR_GRAPH), None).await;
    world.measure(rival.0, "rival/own", &suite).await;
    let own = world.likeness("rival/own").await;
    assert_eq!(own["feeShare"], json!({ "share": 1.0, "priors": 0 }), "{own}");
    assert_eq!(own["eligibility"]["eligible"], json!(true));
    assert!(own["similar"]["nodes"].as_array().unwrap().is_empty(), "{own}");
    funds(&world).await;
    a_later_copy_loses_its_weight(&world, &suite).await;
}

/// What a fund does with a flagged version, and what a review changes.
async fn funds(world: &World) {
    let operator = &world.operator;
    let rules = json!({ "name": "F", "methodology": METHODOLOGY });
    mutate(operator, "fundCreate", rules, "fund { name }").await.unwrap();
    for owner in ["lab", "rival"] {
        let deposit = json!({ "owner": owner, "amount": "1000.000000" });
        mutate(operator, "cashDeposit", deposit, "account { owner }").await.unwrap();
    }
    let admit = |model: &str| json!({ "fund": "F", "model": model, "bond": "100.000000" });
    let fund = "fund { name }";
    mutate(operator, "modelAdmit", admit("lab/net"), fund).await.unwrap();
    assert_eq!(refused(operator, "modelAdmit", admit("rival/copy"), fund).await, "not_eligible");
    assert_eq!(refused(operator, "modelAdmit", admit("rival/turned"), fund).await, "not_eligible");
    let review = |cleared: bool, reason: &str| json!({ "model": "rival/copy", "version": "v1", "cleared": cleared, "reason": reason });
    let version = "version { name }";
    let own = review(true, "trust me");
    assert_eq!(refused(&world.stranger, "likenessReview", own, version).await, "scope_missing");
    assert_eq!(refused(operator, "likenessReview", review(true, " "), version).await, "invalid");
    let honest = json!({ "model": "lab/net", "version": "v1", "cleared": true, "reason": "x" });
    assert_eq!(refused(operator, "likenessReview", honest, version).await, "invalid");
    let kept_out = review(false, "a copy");
    mutate(operator, "likenessReview", kept_out, version).await.unwrap();
    // Another key: the first refusal left none behind, and a review is what changes the answer.
    assert_eq!(refused(operator, "modelAdmit", admit("rival/copy"), fund).await, "not_eligible");
    let cleared = review(true, "licensed by the lab");
    for _ in 0..2 {
        mutate(operator, "likenessReview", cleared.clone(), version).await.unwrap();
    }
    let said = &world.likeness("rival/copy").await["eligibility"];
    let expected = json!({ "cleared": true, "reviewedBy": "operator" });
    assert_eq!((&said["eligible"], &said["review"]), (&json!(true), &expected), "{said}");
    mutate(operator, "modelAdmit", admit("rival/copy"), fund).await.unwrap();
    let audit = "{ audit(first: 100, filter: { operation: \"likeness_review\" }) { nodes { subject actor } } }";
    let entries = ask(operator, audit).await["audit"]["nodes"].take();
    let entry = json!({ "subject": "rival/copy/v1", "actor": "operator" });
    assert_eq!(entries, json!([entry, entry]), "two reviews, the repetition left none");
}

/// A fund holds a model; then its publisher offers another's weights as the next version: no weight at the next rebalance, and weight
/// again once a person has looked. Every strike before, between and after is proven.
async fn a_later_copy_loses_its_weight(world: &World, suite: &str) {
    let operator = &world.operator;
    for (owner, amount) in [("operator", "1000.000000"), ("LP", "20000.000000")] {
        let deposit = json!({ "owner": owner, "amount": amount });
        mutate(operator, "cashDeposit", deposit, "account { owner }").await.unwrap();
    }
    let admit = json!({ "fund": "F", "model": "rival/own", "bond": "100.000000" });
    mutate(operator, "modelAdmit", admit, "fund { name }").await.unwrap();
    let seed = json!({ "fund": "F", "owner": "operator", "amount": "1000.000000" });
    mutate(operator, "fundSeed", seed, "fund { name }").await.unwrap();
    let deal = async |turn: u32| {
        let input = json!({ "fund": "F", "idempotencyKey": format!("strike {turn}") });
        mutate(operator, "fundStrike", input, "strike { number }").await.unwrap();
        let input = json!({ "fund": "F", "idempotencyKey": format!("rebalance {turn}") });
        mutate(operator, "fundRebalance", input, "trades").await.unwrap();
        let query = "{ fund(name: \"F\") { holdings(first: 10) { nodes { model units price } } } }";
        let rows = ask(&world.anybody, query).await["fund"]["holdings"]["nodes"].take();
        let rows = rows.as_array().unwrap().clone();
        move |model: &str| rows.iter().find(|row| row["model"] == model).cloned()
    };
    let held = |row: Option<Value>| row.is_some_and(|row| row["units"] != json!("0.000000"));
    let before = deal(1).await;
    assert!(held(before("rival/own")) && held(before("lab/net")));
    let (checkpoint, graph) =
        world.upload_pair(&world.stranger_token, &noisy(STEPS[2], 0.5), GRAPH).await;
    let input = json!({
        "model": "rival/own", "version": "v2", "checkpoint": checkpoint, "graph": graph,
    });
    mutate(&world.stranger, "versionPublish", input, "version { name }").await.unwrap();
    let job = world.evaluate(&world.stranger, "rival/own", "v2", suite).await.unwrap();
    world.work_until_done(&job).await;
    let query = "{ model(name: \"rival/own\") { listed { name eligibility { eligible } } } }";
    let listed = ask(&world.anybody, query).await["model"]["listed"].take();
    assert_eq!(listed, json!({ "name": "v2", "eligibility": { "eligible": false } }));
    let after = deal(2).await;
    assert!(!held(after("rival/own")), "{:?}", after("rival/own"));
    assert!(held(after("lab/net")));
    // The strike itself gives its orders by the journal: the third follows a rebalance without the copy.
    let still_out = deal(3).await;
    assert!(!held(still_out("rival/own")));
    let cleared = json!({ "model": "rival/own", "version": "v2", "cleared": true, "reason": "x" });
    mutate(operator, "likenessReview", cleared, "version { name }").await.unwrap();
    let back = deal(4).await;
    assert!(held(back("rival/own")), "{:?}", back("rival/own"));
    let last = deal(5).await;
    assert!(held(last("lab/net")));
    proven(world, 5).await;
}

/// Every strike of the fund has its place in the log, and the last one's bundle is verified.
async fn proven(world: &World, strikes: usize) {
    let query = "{ fund(name: \"F\") { strikes(first: 9) { nodes { proof { leafIndex } } } } }";
    let rows = ask(&world.anybody, query).await["fund"]["strikes"]["nodes"].take();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), strikes);
    assert!(rows.iter().all(|row| !row["proof"].is_null()), "{rows:?}");
    let url = format!("{}/v1/strikes/F/{strikes}/bundle", world.url);
    let request = reqwest::Client::new().get(url).bearer_auth(&world.operator_token);
    let text = request.send().await.unwrap().text().await.unwrap();
    let bundle = serde_json::from_str(&text).unwrap();
    let verified = domain::proof::verify_bundle(&bundle, None).unwrap();
    assert_eq!(verified.number as usize, strikes);
    let said = bundle.journal.iter().filter(|event| event.op() == "set_eligible").count();
    assert_eq!(said, 2, "out and back, and nothing where nothing changed");
}
