//! A suite is rotated: the new draw is a shadow, prices once it moves no fund far, and the old cases are revealed.
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
use domain::checkpoint::Header;
use serde_json::{Value, json};
use support::{PROGRAM, Place, Running, ask, serve, token};

const GRAPH: &[u8] = include_bytes!("../../crates/cli/demo/mlp/graph.onnx");
const MODEL: &[u8] = include_bytes!("../../crates/cli/demo/mlp/step-1600.safetensors");
const CASES: &[u8] = include_bytes!("../../crates/cli/demo/suite/cases.safetensors");
const REFERENCE: &[u8] = include_bytes!("../../crates/cli/demo/suite/reference/model.safetensors");
const MANIFEST: &str = include_str!("../../crates/cli/demo/suite/suite.toml");
const METHODOLOGY: &str = include_str!("../../crates/cli/demo/methodology.json");

struct Desk {
    lab: Client,
    place: Place,
    _server: Running,
    _worker: Running,
}

impl Desk {
    fn open() -> Self {
        let place = Place::sqlite();
        let (server, url) = serve(&place);
        let mut worker = Command::new(PROGRAM);
        worker.args(["worker", "--clock", "manual"]).args(place.arguments()).stderr(Stdio::null());
        let worker = Running(worker.spawn().unwrap());
        let lab = Client::new(&url, Some(token(&place, "lab", "operate,publish,invest"))).unwrap();
        Self { lab, place, _server: server, _worker: worker }
    }

    async fn upload(&self, bytes: &[u8], kind: ObjectKind) -> String {
        let bytes = Bytes::copy_from_slice(bytes);
        self.lab.upload_bytes(bytes, kind).await.unwrap().digest.to_string()
    }

    /// A mutation's payload, or code and sentence of its refusal.
    async fn change(
        &self,
        field: &str,
        key: &str,
        mut input: Value,
        select: &str,
    ) -> Result<Value, String> {
        input["idempotencyKey"] = json!(key);
        let name = format!("{}{}", field[..1].to_uppercase(), &field[1..]);
        let query =
            format!("mutation($input: {name}Input!) {{ {field}(input: $input) {{ {select} }} }}");
        let answer: Result<Value, _> = self.lab.graphql(&query, json!({ "input": input })).await;
        answer.map(|mut data| data[field].take()).map_err(|e| e.to_string())
    }

    /// Registers the demo's suite as another epoch, with cases that `cases` holds; its id.
    async fn register(&self, epoch: u32, cases: &[u8]) -> String {
        let manifest =
            MANIFEST.replacen("version = 1", &format!("version = 1\nepoch = {epoch}"), 1);
        let cases = self.upload(cases, ObjectKind::Checkpoint).await;
        let checkpoint = self.upload(REFERENCE, ObjectKind::Checkpoint).await;
        let kind = ObjectKind::Graph { checkpoint: checkpoint.parse().unwrap() };
        let graph = self.upload(GRAPH, kind).await;
        let input = json!({ "manifest": manifest, "cases": cases, "referenceCheckpoint": checkpoint, "referenceGraph": graph });
        let key = format!("suite {epoch}");
        let answer = self.change("suiteRegister", &key, input, "suite { id }").await.unwrap();
        answer["suite"]["id"].as_str().unwrap().to_owned()
    }

    async fn publish_and_price(&self, suite: &str) {
        self.change("modelCreate", "m", json!({ "name": "m" }), "model { name }").await.unwrap();
        let checkpoint = self.upload(MODEL, ObjectKind::Checkpoint).await;
        let kind = ObjectKind::Graph { checkpoint: checkpoint.parse().unwrap() };
        let graph = self.upload(GRAPH, kind).await;
        let input =
            json!({ "model": "m", "version": "v1", "checkpoint": checkpoint, "graph": graph });
        self.change("versionPublish", "v1", input, "version { digest }").await.unwrap();
        self.evaluate(suite, "first").await.unwrap();
        self.until(r#"{ model(name: "m") { price { price } } }"#, |a| {
            a["model"]["price"]["price"].is_string()
        })
        .await;
    }

    async fn evaluate(&self, suite: &str, key: &str) -> Result<Value, String> {
        let input = json!({ "model": "m", "version": "v1", "suite": suite, "protocol": "quick", "seed": "7" });
        self.change("evaluationRequest", key, input, "job { id }").await
    }

    /// A fund that holds units of the model.
    async fn open_fund(&self) {
        let fund = |rest: Value| {
            let mut input = json!({ "fund": "f" });
            input.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
            input
        };
        let deposit = |owner: &str, amount: &str| json!({ "owner": owner, "amount": format!("{amount}.000000") });
        let steps = [
            ("fundCreate", json!({ "name": "f", "methodology": METHODOLOGY }), "fund { name }"),
            ("cashDeposit", deposit("lab", "1100"), "account { owner }"),
            ("cashDeposit", deposit("LP", "20000"), "account { owner }"),
            ("modelAdmit", fund(json!({ "model": "m", "bond": "100.000000" })), "fund { name }"),
            ("fundSeed", fund(json!({ "owner": "lab", "amount": "1000.000000" })), "fund { name }"),
            ("fundStrike", fund(json!({})), "strike { number }"),
            ("fundRebalance", fund(json!({})), "trades"),
        ];
        for (k, (field, input, select)) in steps.into_iter().enumerate() {
            if let Err(error) = self.change(field, &format!("open {k}"), input, select).await {
                panic!("{field}: {error}");
            }
        }
    }

    /// The answer of a query once it holds.
    async fn until(&self, query: &str, holds: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..6_000 {
            let answer = ask(&self.lab, query).await;
            if holds(&answer) {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never: {query}");
    }

    async fn suite(&self, id: &str) -> Value {
        let query = format!(
            r#"{{ suite(id: "{id}") {{ stage moves(first: 9) {{ nodes {{ stage }} }} rotation {{ missing refusal prices {{ model price shadow }} funds {{ fund nav shadowNav tooFar }} }} }} }}"#
        );
        ask(&self.lab, &query).await["suite"].take()
    }
}

/// The demo's cases with the labels of the first `wrong` items moved on by one class.
fn relabelled(wrong: usize) -> Vec<u8> {
    let mut bytes = CASES.to_vec();
    let header = Header::parse(&bytes, Some(bytes.len() as u64)).unwrap();
    let label = header.find_tensor("label").unwrap();
    let start = (header.data_offset() + label.begin) as usize;
    for item in 0..wrong {
        let at = start + 8 * item;
        bytes[at] = (bytes[at] + 1) % 10;
    }
    bytes
}

/// Proves the whole life of an epoch: a first suite prices; a new draw that would move the fund by more than 1 % is refused, with both
/// NAVs; one that moves it less prices, and its reports count; the old one then takes no runs; its cases are hidden until they are
/// revealed, and then everybody reads them under the digest that was the commitment. Nobody but the operator measures on a shadow.
#[tokio::test]
async fn a_suite_is_rotated() {
    let desk = Desk::open();
    let first = desk.register(1, CASES).await;
    assert_eq!(desk.suite(&first).await["stage"], "ACTIVE");
    desk.publish_and_price(&first).await;
    desk.open_fund().await;
    let price = r#"{ model(name: "m") { price { price } prices(first: 9) { nodes { status } } } fund(name: "f") { nav } }"#;
    let before = ask(&desk.lab, price).await;
    assert!(before["fund"]["nav"].is_string(), "{before}");

    // A tenth of the labels is wrong: model and reference both fall, and not by the same.
    let far = desk.register(2, &relabelled(400)).await;
    let outsider =
        Client::new(desk.lab.base(), Some(token(&desk.place, "lab", "publish"))).unwrap();
    let ask_for = json!({ "input": { "model": "m", "version": "v1", "suite": far, "protocol": "quick", "seed": "1", "idempotencyKey": "x" } });
    let query = "mutation($input: EvaluationRequestInput!) { evaluationRequest(input: $input) { job { id } } }";
    let refused: Result<Value, _> = outsider.graphql(query, ask_for).await;
    assert!(refused.unwrap_err().to_string().contains("SHADOW"));
    let rotation = |id: &str| {
        format!(
            r#"{{ suite(id: "{id}") {{ stage rotation {{ missing refusal prices {{ price shadow }} funds {{ nav shadowNav tooFar }} }} }} }}"#
        )
    };
    let measured = |a: &Value| a["suite"]["rotation"]["missing"].as_array().unwrap().is_empty();
    let shadow = desk.until(&rotation(&far), measured).await["suite"].take();
    assert_eq!(shadow["stage"], "SHADOW");
    assert_eq!(shadow["rotation"]["funds"][0]["tooFar"], true, "{shadow}");
    let refusal = shadow["rotation"]["refusal"].as_str().unwrap();
    assert!(refusal.contains("NAV of f from") && refusal.contains("more than 1 %"), "{refusal}");
    let input = |id: &str| json!({ "suite": id, "reason": "the next epoch" });
    let error = desk.change("suiteActivate", "far", input(&far), "suite { id }").await.unwrap_err();
    assert!(error.contains("more than 1 %"), "{error}");
    assert_eq!(ask(&desk.lab, price).await, before, "a shadow moved something");

    // A few wrong labels are within the noise.
    let near = desk.register(3, &relabelled(4)).await;
    let shadow = desk.until(&rotation(&near), measured).await["suite"].take();
    assert_eq!(shadow["rotation"]["refusal"], Value::Null, "{shadow}");
    desk.change("suiteActivate", "near", input(&near), "suite { id }").await.unwrap();
    assert_eq!(desk.suite(&near).await["stage"], "ACTIVE");
    assert_eq!(desk.suite(&near).await["rotation"], Value::Null);
    assert_eq!(desk.suite(&first).await["stage"], "CLOSED");
    let after = ask(&desk.lab, price).await;
    assert_eq!(after["model"]["prices"]["nodes"].as_array().unwrap().len(), 2, "{after}");
    let error = desk.evaluate(&first, "again").await.unwrap_err();
    assert!(error.contains("CLOSED"), "{error}");

    let anyone = Client::new(desk.lab.base(), None).unwrap();
    let cases = domain::digest::Digest::of(CASES);
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str| folder.path().join(name);
    assert!(anyone.download(cases, &read("hidden"), |_| ()).await.is_err());
    desk.change("suiteReveal", "reveal", input(&first), "suite { id }").await.unwrap();
    anyone.download(cases, &read("cases"), |_| ()).await.unwrap();
    assert_eq!(std::fs::read(read("cases")).unwrap(), CASES);
    let error = desk.change("suiteReveal", "n", input(&near), "suite { id }").await.unwrap_err();
    assert!(error.contains("only a CLOSED suite"), "{error}");
    let log = ask(&desk.lab, "{ audit(first: 100) { nodes { operation subject } } }").await;
    let log = log["audit"]["nodes"].as_array().unwrap();
    for (operation, suite) in [("suite_activate", &near), ("suite_reveal", &first)] {
        let entry = json!({ "operation": operation, "subject": suite });
        assert_eq!(log.iter().filter(|line| **line == entry).count(), 1, "{log:?}");
    }
    let stages = desk.suite(&first).await["moves"]["nodes"].take();
    assert_eq!(stages, json!([{ "stage": "CLOSED" }, { "stage": "REVEALED" }]));
}
