//! What moves a price and what does not, with a real server and a real worker.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]
#![expect(dead_code, reason = "support is shared with tests that use more of it")]

mod support;

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use bytes::Bytes;
use client::{Client, ObjectKind};
use serde_json::{Value, json};
use support::{PROGRAM, Place, Running, ask, serve, token};

const GRAPH: &[u8] = include_bytes!("../../crates/cli/demo/mlp/graph.onnx");
const EARLY: &[u8] = include_bytes!("../../crates/cli/demo/mlp/step-0090.safetensors");
const LATE: &[u8] = include_bytes!("../../crates/cli/demo/mlp/step-1600.safetensors");
const CASES: &[u8] = include_bytes!("../../crates/cli/demo/suite/cases.safetensors");
const REFERENCE: &[u8] = include_bytes!("../../crates/cli/demo/suite/reference/model.safetensors");
const METHODOLOGY: &str = include_str!("../../crates/cli/demo/methodology.json");

/// A server with a worker, one lab that may do everything, and the demo's suite.
struct Market {
    lab: Client,
    url: String,
    suite: String,
    place: Place,
    worker: Option<Running>,
    _server: Running,
}

/// A worker of the same installation.
fn work(place: &Place) -> Running {
    let mut worker = Command::new(PROGRAM);
    worker.args(["worker", "--clock", "manual"]).args(place.arguments()).stderr(Stdio::null());
    Running(worker.spawn().unwrap())
}

impl Market {
    async fn open() -> Self {
        let place = Place::sqlite();
        let (server, url) = serve(&place);
        let worker = Some(work(&place));
        let lab = Client::new(&url, Some(token(&place, "lab", "operate,publish,invest"))).unwrap();
        let mut market = Self { lab, url, suite: String::new(), place, worker, _server: server };
        let cases = market.upload(CASES, ObjectKind::Checkpoint).await;
        let (checkpoint, graph) = market.pair(REFERENCE, GRAPH).await;
        let manifest = include_str!("../../crates/cli/demo/suite/suite.toml");
        let input = json!({ "manifest": manifest, "cases": cases, "referenceCheckpoint": checkpoint, "referenceGraph": graph });
        let answer = market.mutate("suiteRegister", "suite", input, "suite { id }").await.unwrap();
        market.suite = answer["suite"]["id"].as_str().unwrap().to_owned();
        market
            .mutate("modelCreate", "model", json!({ "name": "m" }), "model { name }")
            .await
            .unwrap();
        market
    }

    async fn upload(&self, bytes: &[u8], kind: ObjectKind) -> String {
        let bytes = Bytes::copy_from_slice(bytes);
        self.lab.upload_bytes(bytes, kind).await.unwrap().digest.to_string()
    }

    /// A checkpoint and a graph beside it, uploaded.
    async fn pair(&self, checkpoint: &[u8], graph: &[u8]) -> (String, String) {
        let checkpoint = self.upload(checkpoint, ObjectKind::Checkpoint).await;
        let kind = ObjectKind::Graph { checkpoint: checkpoint.parse().unwrap() };
        let graph = self.upload(graph, kind).await;
        (checkpoint, graph)
    }

    /// A mutation: its payload, or the code that refused it.
    async fn mutate(
        &self,
        field: &str,
        key: &str,
        input: Value,
        selection: &str,
    ) -> Result<Value, String> {
        self.mutate_as(&self.lab, (field, key), input, selection).await
    }

    async fn mutate_as(
        &self,
        client: &Client,
        (field, key): (&str, &str),
        mut input: Value,
        selection: &str,
    ) -> Result<Value, String> {
        input["idempotencyKey"] = json!(key);
        let name = format!("{}{}", field[..1].to_uppercase(), &field[1..]);
        let query = format!(
            "mutation($input: {name}Input!) {{ {field}(input: $input) {{ {selection} }} }}"
        );
        let answer: Result<Value, _> = client.graphql(&query, json!({ "input": input })).await;
        answer.map(|mut data| data[field].take()).map_err(|e| e.code().unwrap_or("none").to_owned())
    }

    async fn publish(&self, version: &str, checkpoint: &[u8]) {
        self.publish_pair(version, checkpoint, GRAPH).await;
    }

    async fn publish_pair(&self, version: &str, checkpoint: &[u8], graph: &[u8]) {
        let (checkpoint, graph) = self.pair(checkpoint, graph).await;
        let input =
            json!({ "model": "m", "version": version, "checkpoint": checkpoint, "graph": graph });
        self.mutate("versionPublish", &format!("publish {version}"), input, "version { digest }")
            .await
            .unwrap();
    }

    /// Evaluates a version; the finished job, which did not fail.
    async fn evaluate(&self, version: &str, seed: u32) -> Value {
        let job = self.end(version, seed).await;
        assert_eq!(job["state"], "DONE", "{job}");
        job
    }

    /// Evaluates a version; the job, done or failed.
    async fn end(&self, version: &str, seed: u32) -> Value {
        let id = self.queue(version, "quick", seed).await;
        self.reach(&id, &["DONE", "FAILED"]).await
    }

    /// Queues an evaluation; the job's id.
    async fn queue(&self, version: &str, protocol: &str, seed: u32) -> String {
        let input = json!({ "model": "m", "version": version, "suite": self.suite, "protocol": protocol, "seed": seed.to_string() });
        let key = format!("evaluate {version} {seed}");
        let answer = self.mutate("evaluationRequest", &key, input, "job { id }").await.unwrap();
        answer["job"]["id"].as_str().unwrap().to_owned()
    }

    /// The job once it is in one of these states.
    async fn reach(&self, id: &str, states: &[&str]) -> Value {
        let query = format!(
            r#"{{ evaluationJob(id: "{id}") {{ state attempts failureCode failureMessage report {{ correct finite protocol }} decision {{ status price }} }} }}"#
        );
        for _ in 0..6_000 {
            let job = ask(&self.lab, &query).await["evaluationJob"].take();
            if job["state"].as_str().is_some_and(|state| states.contains(&state)) {
                return job;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("evaluation {id} does not end");
    }

    /// An investor without a login recomputes the report of a version from the server's own bytes.
    async fn verify(&self, version: &str) {
        let query = format!(
            r#"{{ model(name: "m") {{ version(name: "{version}") {{ reports(first: 1) {{ nodes {{ digest }} }} }} }} }}"#
        );
        let answer = ask(&self.lab, &query).await;
        let report = &answer["model"]["version"]["reports"]["nodes"][0];
        let digest = report["digest"].as_str().expect("a report").to_owned();
        let verify = |digest: String| {
            let address = format!("{}/v1/objects/{digest}", self.url);
            Command::new(PROGRAM).args(["verify", &address, "--json"]).output().unwrap()
        };
        let output = verify(digest.clone());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(said["report"], digest.as_str());
        assert!(said["price_micro"].is_string(), "{said}");
        let absent = verify("0".repeat(64));
        assert_eq!(absent.status.code(), Some(1), "{}", String::from_utf8_lossy(&absent.stderr));
    }

    /// Name of the listed version, accepted price, and the statuses of all decisions.
    async fn model(&self) -> (String, String, Vec<String>) {
        let query = r#"{ model(name: "m") { listed { name } price { price } prices(first: 50) { nodes { status } } } }"#;
        let model = ask(&self.lab, query).await["model"].take();
        let text = |pointer: &str| {
            model.pointer(pointer).and_then(Value::as_str).expect(pointer).to_owned()
        };
        let statuses = model["prices"]["nodes"].as_array().unwrap().iter();
        let statuses = statuses.map(|d| d["status"].as_str().unwrap().to_owned()).collect();
        (text("/listed/name"), text("/price/price"), statuses)
    }
}

/// The late checkpoint with its first weight no number.
fn broken() -> Vec<u8> {
    let mut bytes = LATE.to_vec();
    let data = 8 + u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    bytes[data..data + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    bytes
}

/// Proves that measuring an old version again says nothing about the price, and that outputs which are no numbers give quality 0,
/// are named as such, and take a price to 0 only after a second run has confirmed it.
#[tokio::test]
async fn old_versions_and_broken_ones() {
    let market = Market::open().await;
    market.publish("v1", EARLY).await;
    assert_eq!(market.evaluate("v1", 1).await["decision"]["status"], "ADMITTED");
    market.publish("v2", LATE).await;
    assert_eq!(market.evaluate("v2", 1).await["decision"]["status"], "ACCEPTED");
    let before = market.model().await;
    assert_eq!(before.0, "v2");
    market.verify("v2").await;
    let again = market.evaluate("v1", 2).await;
    assert_eq!((&again["report"]["correct"], &again["decision"]), (&json!(3097), &Value::Null));
    assert_eq!(market.model().await, before, "an old version prices no more");
    market.publish("v3", &broken()).await;
    let job = market.evaluate("v3", 1).await;
    assert_eq!(
        (&job["report"]["finite"], &job["decision"]["status"]),
        (&json!(false), &json!("TRIPPED")),
        "{job}"
    );
    assert_eq!(job["decision"]["price"], before.1.as_str(), "held until it is confirmed");
    for _ in 0..300 {
        if market.model().await.2.len() == 4 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (listed, price, statuses) = market.model().await;
    assert_eq!(statuses, ["ADMITTED", "ACCEPTED", "TRIPPED", "ACCEPTED"]);
    assert_eq!(
        (listed.as_str(), price.as_str()),
        ("v3", "0.000000000"),
        "the second run says the same"
    );
}

/// Proves that a fund promises nothing that is not kept, and that subscriptions wait while a published version has no price.
#[tokio::test]
async fn funds_promise_what_is_kept() {
    let market = Market::open().await;
    for (from, to) in [
        ("\"quorum\": 1", "\"quorum\": 5"),
        ("\"breaker_new_version_ppb\": 1000000000", "\"breaker_new_version_ppb\": 5"),
    ] {
        let changed = METHODOLOGY.replace(from, to);
        assert_ne!(changed, METHODOLOGY, "{from}");
        let refused = market
            .mutate(
                "fundCreate",
                to,
                json!({ "name": "f", "methodology": changed }),
                "fund { name }",
            )
            .await;
        assert_eq!(refused.unwrap_err(), "invalid", "{to}");
    }
    market
        .mutate(
            "fundCreate",
            "fund",
            json!({ "name": "f", "methodology": METHODOLOGY }),
            "fund { name }",
        )
        .await
        .unwrap();
    market
        .mutate(
            "cashDeposit",
            "cash",
            json!({ "owner": "lab", "amount": "1000" }),
            "account { owner }",
        )
        .await
        .unwrap();
    let admit = json!({ "fund": "f", "model": "m", "bond": "100" });
    assert_eq!(
        market.mutate("modelAdmit", "early", admit.clone(), "fund { name }").await.unwrap_err(),
        "unpriced"
    );
    market.publish("v1", EARLY).await;
    market.evaluate("v1", 1).await;
    market.mutate("modelAdmit", "admit", admit, "fund { name }").await.unwrap();
    market
        .mutate(
            "fundSeed",
            "seed",
            json!({ "fund": "f", "owner": "lab", "amount": "100" }),
            "fund { name }",
        )
        .await
        .unwrap();
    market.publish("v2", LATE).await;
    let order = json!({ "fund": "f", "amount": "50" });
    let cash = json!({ "owner": "ann", "amount": "100" });
    market.mutate("cashDeposit", "ann's", cash, "account { owner }").await.unwrap();
    let ann = Client::new(&market.url, Some(token(&market.place, "ann", "invest"))).unwrap();
    let place = |client, key: &'static str| {
        let step = ("subscriptionOrderPlace", key);
        market.mutate_as(client, step, order.clone(), "order { id }")
    };
    assert_eq!(place(&ann, "known only to some").await.unwrap_err(), "suspended");
    assert_eq!(place(&market.lab, "to its publisher first").await.unwrap_err(), "own_dealing");
    market.evaluate("v2", 1).await;
    place(&ann, "known to all").await.unwrap();
    assert_eq!(place(&market.lab, "no strike knows it").await.unwrap_err(), "own_dealing");
}

/// Proves that hidden cases stay hidden, and that no body and no page size harms the server.
#[tokio::test]
async fn the_server_guards_itself() {
    let market = Market::open().await;
    let cases = format!("{}/v1/objects/{}", market.url, domain::digest::Digest::of(CASES).hex());
    assert_eq!(reqwest::get(&cases).await.unwrap().status().as_u16(), 404);
    let publisher = token(&market.place, "other", "publish");
    let http = reqwest::Client::new();
    assert_eq!(
        http.get(&cases).bearer_auth(&publisher).send().await.unwrap().status().as_u16(),
        404
    );
    let evaluator = token(&market.place, "judge", "evaluate");
    assert_eq!(
        http.get(&cases).bearer_auth(&evaluator).send().await.unwrap().status().as_u16(),
        200
    );
    let deep = "{ models(first: 2147483647) { nodes { versions(first: 2147483647) { nodes { checkpoint { \
                tensors(first: 2147483647) { nodes { name } } } } } } } }";
    let refused: Result<Value, _> = market.lab.graphql(deep, json!({})).await;
    assert!(["query_invalid", "invalid"].contains(&refused.unwrap_err().code().unwrap()));
    let large = json!({ "query": "{ clock { day } }", "variables": { "x": "a".repeat(2 << 20) } });
    let answer = http.post(format!("{}/graphql", market.url)).json(&large).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 413);
    assert_eq!(answer.headers()["connection"], "close");
    let lost = http.get(format!("{}/v1/nothing", market.url)).send().await.unwrap();
    assert_eq!(
        (lost.status().as_u16(), lost.json::<Value>().await.unwrap()["code"].as_str()),
        (404, Some("absent"))
    );
}

/// Proves that a graph which asks for 64 GiB fails its own job by name, prices nothing, and leaves the worker to the next job.
#[tokio::test]
async fn a_hostile_graph_fails_alone() {
    const BOMB: &[u8] = include_bytes!("../hostile/graphs/memory-bomb.onnx");
    let market = Market::open().await;
    market.publish_pair("bomb", EARLY, BOMB).await;
    let job = market.end("bomb", 1).await;
    assert_eq!(
        (&job["state"], &job["failureCode"]),
        (&json!("FAILED"), &json!("out_of_memory")),
        "{job}"
    );
    assert_eq!((&job["report"], &job["decision"]), (&Value::Null, &Value::Null));
    market.publish("v1", EARLY).await;
    assert_eq!(market.evaluate("v1", 1).await["decision"]["status"], "ADMITTED");
    let id = market.queue("v1", "full", 2).await;
    let job = market.reach(&id, &["DONE", "FAILED"]).await;
    // A machine that other tests load may fail the stricter control; that is no report, and no other failure.
    let ended = job["report"]["protocol"] == "full" || job["failureCode"] == "void";
    assert!(ended, "{job}");
    let input = json!({ "model": "m", "version": "v1", "suite": market.suite, "protocol": "slow", "seed": "1" });
    let refused = market.mutate("evaluationRequest", "slow", input, "job { id }").await;
    assert_eq!(refused.unwrap_err(), "invalid");
}

/// Proves that the job of a worker that is killed in the middle is taken over when its lease has run out, and gives one report.
#[tokio::test]
async fn a_killed_worker_is_replaced() {
    let mut market = Market::open().await;
    market.publish("v1", EARLY).await;
    let mut seed = 0;
    let id = loop {
        seed += 1;
        assert!(seed < 30, "no run was caught in the middle");
        let id = market.queue("v1", "quick", seed).await;
        market.reach(&id, &["LEASED", "DONE"]).await;
        market.worker = None;
        let state = market.reach(&id, &["LEASED", "DONE"]).await;
        if state["state"] == "LEASED" {
            break id;
        }
        market.worker = Some(work(&market.place));
    };
    market.worker = Some(work(&market.place));
    let job = market.reach(&id, &["DONE", "FAILED"]).await;
    assert_eq!((&job["state"], &job["attempts"]), (&json!("DONE"), &json!(2)), "{job}");
    assert_eq!(job["failureCode"], Value::Null, "a job that is done has not failed");
    let query = r#"{ model(name: "m") { version(name: "v1") { reports(first: 50) { nodes { digest } } } } }"#;
    let answer = ask(&market.lab, query).await;
    let reports = answer["model"]["version"]["reports"]["nodes"].as_array().unwrap();
    assert_eq!(reports.len(), seed as usize, "one report for each job");
}
