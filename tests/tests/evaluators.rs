//! Three evaluators, each a worker process with a key of its own: one is killed between commitment and reveal.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]
#![expect(dead_code, reason = "support is shared with tests that use more of it")]

mod support;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use bytes::Bytes;
use client::{Client, ObjectKind};
use domain::digest::Digest;
use serde_json::{Value, json};
use support::{PROGRAM, Place, Running, serve, token};

const GRAPH: &[u8] = include_bytes!("../../crates/cli/demo/mlp/graph.onnx");
const EARLY: &[u8] = include_bytes!("../../crates/cli/demo/mlp/step-0090.safetensors");
const CASES: &[u8] = include_bytes!("../../crates/cli/demo/suite/cases.safetensors");
const REFERENCE: &[u8] = include_bytes!("../../crates/cli/demo/suite/reference/model.safetensors");
const MANIFEST: &str = include_str!("../../crates/cli/demo/suite/suite.toml");
const METHODOLOGY: &str = include_str!("../../crates/cli/demo/methodology.json");
/// Looks at a round, a fifth of a second apart: the runs of a busy machine take minutes.
const LOOKS_MAX: usize = 1_500;

fn modelfolio(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().unwrap()
}

fn work(place: &Place, key: &Path) -> Running {
    let mut worker = Command::new(PROGRAM);
    worker.args(["worker", "--clock", "manual", "--key"]).arg(key).args(place.arguments());
    Running(worker.stderr(Stdio::null()).spawn().unwrap())
}

async fn mutate(client: &Client, field: &str, mut input: Value, selection: &str) -> Value {
    input["idempotencyKey"] =
        json!(format!("{field} {}", Digest::of(input.to_string().as_bytes())));
    let name = format!("{}{}", field[..1].to_uppercase(), &field[1..]);
    let query =
        format!("mutation($input: {name}Input!) {{ {field}(input: $input) {{ {selection} }} }}");
    let mut answer: Value = client.graphql(&query, json!({ "input": input })).await.unwrap();
    answer[field].take()
}

async fn upload(client: &Client, bytes: &[u8], kind: ObjectKind) -> String {
    client.upload_bytes(Bytes::copy_from_slice(bytes), kind).await.unwrap().digest.to_string()
}

async fn pair(client: &Client, checkpoint: &[u8]) -> (String, String) {
    let checkpoint = upload(client, checkpoint, ObjectKind::Checkpoint).await;
    let kind = ObjectKind::Graph { checkpoint: checkpoint.parse().unwrap() };
    let graph = upload(client, GRAPH, kind).await;
    (checkpoint, graph)
}

async fn round(client: &Client, id: &str) -> Value {
    let query = "query($id: ID!) { evaluationRound(id: $id) { number quorum phase
        seats { evaluator owner jobId commitment salt outcome report { digest attestation { publicKey } } }
        verdict { agreed reason } } }";
    let mut answer: Value = client.graphql(query, json!({ "id": id })).await.unwrap();
    answer["evaluationRound"].take()
}

/// Waits until a round is as wanted.
async fn reach(client: &Client, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    for _ in 0..LOOKS_MAX {
        last = round(client, id).await;
        if wanted(&last) {
            return last;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("the round stays {last}");
}

fn has_committed(round: &Value, evaluator: &str) -> bool {
    let seats = round["seats"].as_array().unwrap();
    seats.iter().any(|seat| seat["evaluator"] == evaluator && !seat["commitment"].is_null())
}

/// An installation of quorum 3 with three evaluators and a round of one version.
async fn open(place: &Place, url: &str) -> (Client, Vec<PathBuf>, String) {
    let lab = Client::new(url, Some(token(place, "lab", "operate,publish,invest"))).unwrap();
    let mut keys = Vec::new();
    for number in 0..3 {
        let file = place.path().join(format!("e{number}.key"));
        let made = modelfolio(&["evaluator", "keygen", file.to_str().unwrap()]);
        assert!(made.status.success(), "{made:?}");
        let public_key = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        let input = json!({ "name": format!("e{number}"), "owner": format!("owner-{number}"),
            "publicKey": public_key, "weightPpb": "1000000000" });
        mutate(&lab, "evaluatorRegister", input, "evaluator { active }").await;
        keys.push(file);
    }
    let input = json!({ "quorum": 3, "commitSeconds": "3600", "revealSeconds": "600" });
    mutate(&lab, "quorumSet", input, "quorum { quorum }").await;
    let cases = upload(&lab, CASES, ObjectKind::Checkpoint).await;
    let (checkpoint, graph) = pair(&lab, REFERENCE).await;
    let input = json!({ "manifest": MANIFEST, "cases": cases, "referenceCheckpoint": checkpoint,
        "referenceGraph": graph });
    let suite = mutate(&lab, "suiteRegister", input, "suite { id }").await;
    mutate(&lab, "modelCreate", json!({ "name": "m" }), "model { name }").await;
    let (checkpoint, graph) = pair(&lab, EARLY).await;
    let input = json!({ "model": "m", "version": "one", "checkpoint": checkpoint, "graph": graph });
    mutate(&lab, "versionPublish", input, "version { digest }").await;
    let input = json!({ "model": "m", "version": "one", "suite": suite["suite"]["id"],
        "protocol": "quick", "seed": "1" });
    let asked = mutate(&lab, "evaluationRequest", input, "job { id } round { id }").await;
    assert!(asked["job"].is_null());
    let id = asked["round"]["id"].as_str().unwrap().to_owned();
    (lab, keys, id)
}

/// What a worker keeps to itself: the digest of its report.
fn sealed_report(place: &Place) -> String {
    let folder = std::fs::read_dir(place.path().join("sealed")).unwrap();
    let files = folder.flat_map(|entry| std::fs::read_dir(entry.unwrap().path()).unwrap());
    let file = files.map(|entry| entry.unwrap().path()).next().unwrap();
    let sealed: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    sealed["attestation"]["report"].as_str().unwrap().to_owned()
}

/// Proves that a worker killed between commitment and reveal reveals after its restart what it had sealed, that until then nobody
/// reads it over HTTP or GraphQL, and that the signature of a served report verifies while a changed one ends `verify` with 1.
#[tokio::test]
async fn three_workers_commit_and_reveal() {
    let place = Place::sqlite();
    let (_server, url) = serve(&place);
    let (lab, keys, id) = open(&place, &url).await;

    let worker = work(&place, &keys[2]);
    reach(&lab, &id, |round| has_committed(round, "e2")).await;
    drop(worker); // SIGKILL
    let report = sealed_report(&place);
    let found = lab.find_object_size(report.parse().unwrap()).await.unwrap();
    assert_eq!(found, None, "the operator's token, and still nothing to read");
    let query = "query($digest: Sha256!) { report(digest: $digest) { digest } }";
    let seen: Value = lab.graphql(query, json!({ "digest": report })).await.unwrap();
    assert!(seen["report"].is_null());
    let now = round(&lab, &id).await;
    let seat = now["seats"].as_array().unwrap().iter().find(|s| s["evaluator"] == "e2").unwrap();
    let query =
        "query($id: ID!) { evaluationJob(id: $id) { state failureCode report { digest } } }";
    let job: Value = lab.graphql(query, json!({ "id": seat["jobId"] })).await.unwrap();
    let expected = json!({ "state": "COMMITTED", "failureCode": null, "report": null });
    assert_eq!(job["evaluationJob"], expected);

    // One after another, so that they do not disturb each other's times.
    let first = work(&place, &keys[0]);
    reach(&lab, &id, |round| has_committed(round, "e0")).await;
    let second = work(&place, &keys[1]);
    let waiting = reach(&lab, &id, |round| {
        let seats = round["seats"].as_array().unwrap();
        seats.iter().filter(|seat| !seat["report"].is_null()).count() == 2
    })
    .await;
    assert_eq!(waiting["phase"], "revealing");
    let third = work(&place, &keys[2]);
    let settled = reach(&lab, &id, |round| round["phase"] == "settled").await;
    drop((first, second, third));
    let seats = settled["seats"].as_array().unwrap();
    let revealed = seats.iter().find(|s| s["evaluator"] == "e2").unwrap();
    assert_eq!(revealed["report"]["digest"], report.as_str(), "what was sealed before the kill");
    // Times of a busy machine may lie apart; then the one that lies off is told apart and the price is held.
    let told = |seat: &Value| seat["outcome"] == "kept" || seat["outcome"] == "rejected";
    assert!(seats.iter().all(told), "{settled}");

    let address = format!("{url}/v1/objects/{}", report.trim_start_matches("sha256:"));
    let verified = modelfolio(&["verify", &address]);
    let text = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(verified.status.success() && text.contains("signature  by e2, key "), "{verified:?}");
    let key = revealed["report"]["attestation"]["publicKey"].as_str().unwrap();
    let forged = place.path().join("forged.json");
    let attestation = json!({ "report": report, "evaluator": "e2", "public_key": key,
        "signature": "0".repeat(128) });
    std::fs::write(&forged, attestation.to_string()).unwrap();
    let refused = modelfolio(&["verify", &address, "--attestation", forged.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let again = modelfolio(&["evaluator", "keygen", keys[0].to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(1), "a key is never overwritten");
    if settled["verdict"]["agreed"] == true {
        prove(&place, &lab).await;
    }
}

/// A strike at the round's price proves itself: every vote is in the bundle, and another weight is refused.
async fn prove(place: &Place, lab: &Client) {
    let rules = json!({ "name": "F", "methodology": METHODOLOGY });
    mutate(lab, "fundCreate", rules, "fund { name }").await;
    let deposit = json!({ "owner": "lab", "amount": "1000.000000" });
    mutate(lab, "cashDeposit", deposit, "account { owner }").await;
    let admit = json!({ "fund": "F", "model": "m", "bond": "100.000000" });
    mutate(lab, "modelAdmit", admit, "fund { name }").await;
    let seed = json!({ "fund": "F", "owner": "lab", "amount": "500.000000" });
    mutate(lab, "fundSeed", seed, "fund { name }").await;
    mutate(lab, "fundStrike", json!({ "fund": "F" }), "strike { number }").await;
    let bundle = lab.strike_bundle(&"F".parse().unwrap(), 1, true).await.unwrap();
    let file = place.path().join("bundle.json");
    let verify = || modelfolio(&["verify", file.to_str().unwrap()]);
    std::fs::write(&file, &bundle).unwrap();
    let verified = verify();
    let text = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(verified.status.success(), "{verified:?}");
    assert!(text.contains("1 decisions on 3 reports, 3 of them from their samples, 3 signed"));
    let mut bundle: Value = serde_json::from_slice(&bundle).unwrap();
    bundle["decisions"]["m"][0]["round"]["votes"][0]["weight"] = json!(0.5);
    std::fs::write(&file, bundle.to_string()).unwrap();
    let refused = verify();
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(1) && text.contains("decisions.m[0]"), "{text}");
}
