//! The stock Hugging Face client, three releases of it, against the real server under `/hf`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]
#![expect(dead_code, reason = "support is shared with tests that use more of it")]

mod hub_environment;
#[path = "../../crates/domain/tests/support/split.rs"]
mod split;
mod support;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use client::Client;
use domain::digest::Digest;
use hub_environment::{environment_or_reason, said};
use serde_json::{Value, json};
use support::{Place, ask, serve, token};

/// The releases that people run: the last without xet by default, the first of the new line, the newest.
const RELEASES: [&str; 3] = ["0.36.2", "1.5.0", "2.4.0"];

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("hub/conformance.py")
}

fn demo(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/cli/demo/mlp").join(file)
}

/// All environments; `None` where they cannot be made and the check does not insist.
fn environments() -> Option<Vec<PathBuf>> {
    RELEASES.into_iter().map(environment_or_reason).collect()
}

/// Runs the script; what it says in its last line.
async fn conformance(python: &Path, url: &str, token: &str, without_xet: bool) -> Value {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(python);
    command
        .args([script(), demo("step-0010.safetensors"), demo("graph.onnx")])
        .env("HF_ENDPOINT", format!("{url}/hf"))
        .env("HF_TOKEN", token)
        .env("HF_HOME", home.path())
        .env("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        .env("HF_HUB_DISABLE_TELEMETRY", "1")
        .env_remove("HF_HUB_DISABLE_XET");
    if without_xet {
        command.env("HF_HUB_DISABLE_XET", "1");
    }
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}:\n{}", python.display(), said(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(text.lines().last().expect("the script says what it made")).unwrap()
}

/// Proves that three releases of the stock client do all that their users do, the newest with and without xet's switch, and
/// that the commit with a checkpoint and its graph is a version like every other.
#[tokio::test]
async fn the_stock_client_works() {
    let Some(environments) = environments() else { return };
    let place = Place::sqlite();
    let (_server, url) = serve(&place);
    let token = token(&place, "lab", "publish");
    let client = Client::new(&url, Some(token.clone())).unwrap();
    let newest = environments.last().unwrap();
    let runs = environments.iter().map(|python| (python, true)).chain([(newest, false)]);
    for (python, without_xet) in runs {
        let made = conformance(python, &url, &token, without_xet).await;
        let (name, version) = (made["repo"].as_str().unwrap(), made["version"].as_str().unwrap());
        let query = format!(
            "{{ model(name: \"{name}\") {{ versions {{ nodes {{ name checkpoint {{ digest }} }} }} }} }}"
        );
        let answer = ask(&client, &query).await;
        let versions = answer["model"]["versions"]["nodes"].as_array().unwrap();
        assert_eq!(versions.len(), 1, "one commit of many is a version: {answer}");
        assert_eq!(versions[0]["name"], json!(version));
        let digest = format!("sha256:{}", made["checkpoint"].as_str().unwrap());
        assert_eq!(versions[0]["checkpoint"]["digest"], json!(digest));
    }
}

/// Proves that three releases of the stock client put a folder of shards into a repository, which is one version then, and read its
/// headers, its elements by type and its bytes.
#[tokio::test]
async fn the_stock_client_knows_shards() {
    let Some(environments) = environments() else { return };
    let place = Place::sqlite();
    let (_server, url) = serve(&place);
    let token = token(&place, "lab", "publish");
    let client = Client::new(&url, Some(token.clone())).unwrap();
    let folder = place.path().join("sharded");
    std::fs::create_dir(&folder).unwrap();
    split::split_into(&std::fs::read(demo("step-0010.safetensors")).unwrap(), 3, &folder);
    std::fs::copy(demo("graph.onnx"), folder.join("graph.onnx")).unwrap();
    let document = service_digest(&folder);
    for python in environments {
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new(&python);
        command
            .arg(script().with_file_name("shards.py"))
            .arg(&folder)
            .env("HF_ENDPOINT", format!("{url}/hf"))
            .env("HF_TOKEN", &token)
            .env("HF_HOME", home.path())
            .env("HF_HUB_DISABLE_PROGRESS_BARS", "1")
            .env("HF_HUB_DISABLE_TELEMETRY", "1")
            .env("HF_HUB_DISABLE_XET", "1");
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        assert!(output.status.success(), "{}:\n{}", python.display(), said(&output));
        let text = String::from_utf8(output.stdout).unwrap();
        let made: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        let query = format!(
            "{{ model(name: {}) {{ versions {{ nodes {{ name checkpoint {{ digest }} }} }} }} }}",
            made["repo"]
        );
        let answer = ask(&client, &query).await;
        let expected = json!([{ "name": made["version"], "checkpoint": { "digest": document } }]);
        assert_eq!(answer["model"]["versions"]["nodes"], expected);
    }
}

/// What a folder's shards are called as one checkpoint.
fn service_digest(folder: &Path) -> String {
    let output = Command::new(support::PROGRAM).arg("inspect").arg(folder).arg("--json").output();
    let found: Value = serde_json::from_slice(&output.unwrap().stdout).unwrap();
    found["digest"].as_str().unwrap().to_owned()
}

/// What a link's answer and refusal look like without the client.
async fn put(url: &str, bytes: Vec<u8>) -> u16 {
    reqwest::Client::new().put(url).body(bytes).send().await.unwrap().status().as_u16()
}

/// Proves that a link takes the bytes that it was made for and no others, that another's bytes cannot be named, and that a
/// stranger writes nothing.
#[tokio::test]
async fn links_permit_one_object() {
    let place = Place::sqlite();
    let (_server, url) = serve(&place);
    Client::new(&url, None).unwrap(); // installs the TLS provider that reqwest asks for
    let http = reqwest::Client::new();
    let post = async |token: &str, path: &str, body: Value| {
        let request = http.post(format!("{url}/hf/{path}")).bearer_auth(token).json(&body);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    let (lab, rival) = (token(&place, "lab", "publish"), token(&place, "rival", "publish"));
    for (token, name) in [(&lab, "net"), (&rival, "copy")] {
        let (status, answer) = post(token, "api/repos/create", json!({ "name": name })).await;
        assert_eq!(status, 200, "{answer}");
    }
    let (bytes, oid) = (b"some weights".to_vec(), Digest::of(b"some weights").hex());
    let wanted = json!({ "operation": "upload", "objects": [{ "oid": oid, "size": bytes.len() }] });
    let (status, answer) = post(&lab, "lab/net.git/info/lfs/objects/batch", wanted.clone()).await;
    assert_eq!(status, 200, "{answer}");
    let href = answer["objects"][0]["actions"]["upload"]["href"].as_str().unwrap();
    let other = Digest::of(b"other weights").hex();
    for (forged, why) in [
        (href.replace(&oid, &other), "another object"),
        (href.replace("owner=lab", "owner=rival"), "another owner"),
        (href.replace("size=12", "size=13"), "another size"),
        (href.replace("expires=1", "expires=2"), "a later end"),
        (href.split("&signature").next().unwrap().to_owned(), "no signature"),
    ] {
        assert_eq!(put(&forged, bytes.clone()).await, 401, "{why}");
    }
    assert_eq!(put(href, b"same length.".to_vec()).await, 400, "other bytes of the same length");
    assert_eq!(put(href, bytes).await, 200);
    let (_, again) = post(&lab, "lab/net.git/info/lfs/objects/batch", wanted.clone()).await;
    assert!(again["objects"][0].get("actions").is_none(), "stored bytes are asked for: {again}");
    let (_, theirs) = post(&rival, "rival/copy.git/info/lfs/objects/batch", wanted).await;
    assert!(theirs["objects"][0].get("actions").is_some(), "bytes of another are given away");
    let line = json!({ "key": "lfsFile", "value": { "path": "w", "algo": "sha256", "oid": oid } });
    for (token, repo, status) in [(&rival, "rival/copy", 400), (&rival, "lab/net", 403)] {
        let (found, answer) =
            post(token, &format!("api/models/{repo}/commit/main"), line.clone()).await;
        assert_eq!(found, status, "{answer}");
    }
    let (status, answer) = post(&lab, "api/models/lab/net/commit/main", line).await;
    assert_eq!(status, 200, "{answer}");
}
