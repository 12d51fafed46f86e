//! Folders of shards with the real program: `push`, `pull`, `inspect` and `evaluate` take them like a folder of one file.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]
#![expect(dead_code, reason = "support is shared with tests that use more of it")]

#[path = "../../crates/domain/tests/support/split.rs"]
mod split;
mod support;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use domain::checkpoint::INDEX_FILE;
use serde_json::Value;
use support::{PROGRAM, Place, serve, token};

const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/cli/demo");

/// A step of the demo's mlp in three shards, beside its graph.
fn folder_of(place: &Place, step: &str) -> PathBuf {
    let folder = place.path().join(format!("folder-{step}"));
    std::fs::create_dir(&folder).unwrap();
    let whole = std::fs::read(format!("{DEMO}/mlp/step-{step}.safetensors")).unwrap();
    split::split_into(&whole, 3, &folder);
    std::fs::copy(format!("{DEMO}/mlp/graph.onnx"), folder.join("graph.onnx")).unwrap();
    folder
}

fn run(words: &[&str], folder: &Path, server: &[&str]) -> (i32, String) {
    let (verb, rest) = words.split_first().unwrap();
    let mut command = Command::new(PROGRAM);
    command.arg(verb);
    // The folder comes first for push and second for pull.
    if *verb == "pull" {
        command.args(rest).arg(folder);
    } else {
        command.arg(folder).args(rest);
    }
    let output: Output = command.args(server).output().unwrap();
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
}

fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|e| (e.file_name().into_string().unwrap(), std::fs::read(e.path()).unwrap()))
        .collect()
}

/// Proves that a folder of shards comes back file for file and byte for byte, index included; that a repetition sends and fetches
/// nothing; and that a folder in which something else would be taken for the checkpoint is not pulled into.
#[test]
fn push_and_pull_shards() {
    let place = Place::sqlite();
    let (_server, url) = serve(&place);
    let token = token(&place, "lab", "publish");
    let server = ["--server", &url, "--token", &token];
    let (one, two) = (folder_of(&place, "0010"), folder_of(&place, "0810"));
    let (code, text) = run(&["push", "m", "--version", "v1"], &one, &server);
    assert!(code == 0 && text.contains("published m@v1"), "{text}");
    assert!(text.contains("model-00003-of-00003.safetensors sent"), "{text}");
    let (code, text) = run(&["push", "m", "--version", "v1"], &one, &server);
    assert!(code == 0 && text.contains("is published already"), "{text}");
    let (code, text) = run(&["push", "m", "--version", "v1"], &two, &server);
    assert!(code == 1 && text.contains("is published with other bytes"), "{text}");
    let (code, text) = run(&["push", "m", "--version", "v2"], &two, &server);
    assert_eq!(code, 0, "{text}");

    let here = place.path().join("here");
    let (code, text) = run(&["pull", "m@v1"], &here, &server);
    assert_eq!(code, 0, "{text}");
    assert_eq!(contents(&here), contents(&one));
    let (code, text) = run(&["pull", "m@v1"], &here, &server);
    assert!(
        code == 0 && text.contains("model-00001-of-00003.safetensors is here already"),
        "{text}"
    );
    let (code, text) = run(&["pull", "m@v2"], &here, &server);
    assert!(code == 1 && text.contains("--force"), "{text}");
    let (code, text) = run(&["pull", "m@v2", "--force"], &here, &server);
    assert_eq!(code, 0, "{text}");
    assert_eq!(contents(&here), contents(&two));
    std::fs::write(here.join("model.safetensors"), "x").unwrap();
    let (code, text) = run(&["pull", "m@v2", "--force"], &here, &server);
    assert!(code == 1 && text.contains("taken for the checkpoint"), "{text}");
    let index = here.join(INDEX_FILE);
    std::fs::remove_file(here.join("model.safetensors")).unwrap();
    std::fs::write(&index, "{}").unwrap();
    let (code, text) = run(&["pull", "m@v2"], &here, &server);
    assert!(code == 1 && text.contains("index.json: a file of other bytes"), "{text}");
}

/// Proves that a folder whose shards do not bear out their index is refused by push and inspect with file and tensor, and that nothing
/// of it is sent.
#[test]
fn bad_folders_are_not_sent() {
    let place = Place::sqlite();
    let (_server, url) = serve(&place);
    let token = token(&place, "lab", "publish");
    let server = ["--server", &url, "--token", &token];
    let folder = folder_of(&place, "0010");
    let (code, text) = run(&["inspect", "--json"], &folder, &[]);
    let found: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, found["shards"].as_object().unwrap().len()), (0, 3));
    std::fs::remove_file(folder.join("model-00002-of-00003.safetensors")).unwrap();
    for (words, server) in
        [(vec!["push", "m", "--version", "v1"], &server[..]), (vec!["inspect"], &[])]
    {
        let (code, text) = run(&words, &folder, server);
        assert_eq!(code, 1, "{text}");
        assert!(text.contains("model-00002-of-00003.safetensors: tensor"), "{text}");
    }
    let objects = place.path().join("objects");
    let kept: Vec<_> =
        std::fs::read_dir(&objects).map(|d| d.flatten().collect()).unwrap_or_default();
    assert!(kept.is_empty(), "{kept:?}");
}

/// Proves that `evaluate` takes a folder of shards, reports it under the digest that inspect tells, and measures right answers like those
/// of the one file; and that a suite's own reference in shards is refused by name.
#[test]
fn evaluate_shards() {
    let place = Place::sqlite();
    let folder = folder_of(&place, "0270");
    let suite = place.path().join("suite");
    std::fs::create_dir_all(suite.join("reference")).unwrap();
    for file in
        ["suite.toml", "cases.safetensors", "reference/model.safetensors", "reference/graph.onnx"]
    {
        std::fs::copy(format!("{DEMO}/suite/{file}"), suite.join(file)).unwrap();
    }
    let (_, inspected) = run(&["inspect", "--json"], &folder, &[]);
    let inspected: Value = serde_json::from_str(&inspected).unwrap();
    let evaluate = ["evaluate", "--quick", "--json", "--suite", suite.to_str().unwrap()];
    let output =
        Command::new(PROGRAM).arg(evaluate[0]).arg(&folder).args(&evaluate[1..]).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(report["model"]["digest"], inspected["digest"]);
    assert_eq!(report["model"]["shards"].as_array().unwrap().len(), 3);
    assert_eq!(report["model"]["correct"], 3292);
    let reference = suite.join("reference");
    let whole = std::fs::read(reference.join("model.safetensors")).unwrap();
    std::fs::remove_file(reference.join("model.safetensors")).unwrap();
    split::split_into(&whole, 2, &reference);
    let (code, text) = run(&evaluate, &folder, &[]);
    assert!(code == 1 && text.contains("the reference of a suite is one file"), "{code}: {text}");
}
