//! The folder of hostile files: each is refused by `inspect` and by a server, with the refusal that stands beside it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]
#![expect(dead_code, reason = "support is shared with tests that use more of it")]

mod support;

use std::{path::PathBuf, process::Command};

use domain::digest::Digest;
use serde_json::Value;
use support::{PROGRAM, Place, serve, token};

/// Every exhibit: its file, its bytes, and the refusal that it gets.
fn exhibits() -> Vec<(PathBuf, Vec<u8>, Value)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("hostile");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.extension().is_some_and(|e| e == "safetensors"));
    let exhibit = |path: PathBuf| {
        let refusal = std::fs::read(path.with_extension("json")).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        (path, bytes, serde_json::from_slice(&refusal).unwrap())
    };
    files.map(exhibit).collect()
}

/// Proves that `inspect` ends with 1 on every hostile file and says file, tensor and rule.
#[test]
fn inspect_refuses_every_hostile_file() {
    let exhibits = exhibits();
    assert!(exhibits.len() >= 25, "{} exhibits", exhibits.len());
    for (path, _, refusal) in exhibits {
        let output = Command::new(PROGRAM).arg("inspect").arg(&path).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{}: {said}", path.display());
        assert!(output.stdout.is_empty(), "{}", path.display());
        for words in [path.to_str(), refusal["tensor"].as_str(), refusal["sentence"].as_str()] {
            let words = words.unwrap_or_default();
            assert!(said.contains(words), "{}: {said:?} lacks {words:?}", path.display());
        }
    }
}

/// Proves that a server refuses every hostile file with 422, the code, the tensor and the sentence, and stores none of it.
#[tokio::test]
async fn server_refuses_every_hostile_file() {
    let place = Place::sqlite();
    let (_server, url) = serve(&place);
    client::Client::new(&url, None).unwrap(); // installs the TLS provider that reqwest asks for
    let token = token(&place, "lab", "publish");
    let http = reqwest::Client::new();
    for (path, bytes, refusal) in exhibits() {
        let name = path.display();
        let object = format!("{url}/v1/objects/{}", Digest::of(&bytes).hex());
        let request = http.put(format!("{object}?kind=checkpoint")).bearer_auth(&token).body(bytes);
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let problem: Value = response.json().await.unwrap();
        assert_eq!(status, 422, "{name}: {problem}");
        assert_eq!(problem["code"], refusal["code"], "{name}: {problem}");
        assert_eq!(problem["tensor"], refusal["tensor"], "{name}: {problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(refusal["sentence"].as_str().unwrap()), "{name}: {detail}");
        let read = http.get(&object).bearer_auth(&token).send().await.unwrap();
        assert_eq!(read.status().as_u16(), 404, "{name} was stored");
    }
}
