//! Hostile uploads over HTTP: each is refused with 422, its code and its tensor, and leaves nothing behind.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]
#![expect(dead_code, reason = "support is shared with tests that use more of it")]

mod support;

use std::path::Path;

use client::Client;
use domain::digest::Digest;
use serde_json::{Value, json};
use support::{Place, serve, token};

/// A safetensors file of this header text and so many bytes of data.
fn file(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(bytes.len() + data, 1);
    bytes
}

const A: &str = r#""a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#;

/// Name, bytes, code, tensor.
type Exhibit = (&'static str, Vec<u8>, &'static str, Option<&'static str>);

fn exhibits() -> Vec<Exhibit> {
    let second = |range: &str| {
        format!(r#"{{{A},"b":{{"dtype":"F32","shape":[2],"data_offsets":{range}}}}}"#)
    };
    vec![
        ("empty file", Vec::new(), "file_too_short", None),
        ("truncated file", file(&format!("{{{A}}}"), 7), "truncated", Some("a")),
        (
            "header length beyond the file",
            [&1000u64.to_le_bytes()[..], b"{}"].concat(),
            "header_beyond_file",
            None,
        ),
        (
            "header length beyond the limit",
            u64::MAX.to_le_bytes().to_vec(),
            "header_too_long",
            None,
        ),
        ("not JSON", file("{nonsense}", 0), "header_not_json", None),
        ("overlapping ranges", file(&second("[4,12]"), 12), "overlapping_tensors", Some("b")),
        ("gapped ranges", file(&second("[12,20]"), 20), "hole_between_tensors", Some("b")),
        (
            "shape times dtype is not the bytes",
            file(r#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#, 8),
            "wrong_tensor_size",
            Some("a"),
        ),
        ("duplicate keys", file(&format!("{{{A},{A}}}"), 8), "duplicate_tensor", Some("a")),
        ("trailing bytes", file(&format!("{{{A}}}"), 9), "trailing_bytes", None),
    ]
}

/// Sends bytes under a digest; status and problem.
async fn put(url: &str, token: &str, digest: &str, query: &str, bytes: Vec<u8>) -> (u16, Value) {
    let request = reqwest::Client::new().put(format!("{url}/v1/objects/{digest}?{query}"));
    let response = request.bearer_auth(token).body(bytes).send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap())
}

fn files_below(folder: &Path) -> usize {
    let entries =
        std::fs::read_dir(folder).map(|d| d.flatten().collect::<Vec<_>>()).unwrap_or_default();
    // The lock of the living server is no leftover.
    let entries = entries.iter().filter(|e| e.path().extension().is_none_or(|e| e != "lock"));
    entries.map(|e| if e.path().is_dir() { files_below(&e.path()) } else { 1 }).sum()
}

fn objects(place: &Place) -> usize {
    files_below(&place.path().join("objects")) + files_below(&place.path().join("staging"))
}

/// Proves that every hostile checkpoint is refused with its own code, in one piece or streamed without a length, and leaves no file.
#[tokio::test]
async fn hostile_checkpoints_are_refused() {
    let place = Place::sqlite();
    let (_server, url) = serve(&place);
    Client::new(&url, None).unwrap(); // installs the TLS provider that reqwest asks for
    let token = token(&place, "lab", "publish");
    for (name, bytes, code, tensor) in exhibits() {
        let digest = Digest::of(&bytes).hex();
        let (status, problem) = put(&url, &token, &digest, "kind=checkpoint", bytes.clone()).await;
        assert_eq!((status, &problem["code"]), (422, &json!(code)), "{name}: {problem}");
        assert_eq!(problem["tensor"], json!(tensor), "{name}: {problem}");
        let pieces: Vec<_> = bytes.chunks(5).map(|c| Ok::<_, std::io::Error>(c.to_vec())).collect();
        let stream = reqwest::Body::wrap_stream(futures_stream(pieces));
        let request =
            reqwest::Client::new().put(format!("{url}/v1/objects/{digest}?kind=checkpoint"));
        let response = request.bearer_auth(&token).body(stream).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 422, "{name}, streamed");
    }
    let good = file(&format!("{{{A}}}"), 8);
    let other = Digest::of(b"something else").hex();
    let (status, problem) = put(&url, &token, &other, "kind=checkpoint", good).await;
    assert_eq!((status, &problem["code"]), (422, &json!("wrong_digest")), "{problem}");
    assert_eq!(objects(&place), 0, "something was left behind");
    let read = reqwest::get(format!("{url}/v1/objects/{other}")).await.unwrap();
    assert_eq!(read.status().as_u16(), 404);
}

fn futures_stream(
    pieces: Vec<Result<Vec<u8>, std::io::Error>>,
) -> impl futures::Stream<Item = Result<Vec<u8>, std::io::Error>> {
    futures::stream::iter(pieces)
}

/// The demo's checkpoint of `mlp`, with one tensor's header entry changed.
fn changed(from: &str, to: &str) -> Vec<u8> {
    let original = include_bytes!("../../crates/cli/demo/mlp/step-0010.safetensors");
    let length = u64::from_le_bytes(*original.first_chunk().unwrap()) as usize;
    let header = std::str::from_utf8(&original[8..8 + length]).unwrap();
    assert!(header.contains(from), "{header}");
    let header = header.replace(from, to);
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &original[8 + length..]].concat()
}

/// Proves that a graph is stored only beside a checkpoint that has its tensors, with their dtypes and shapes.
#[tokio::test]
async fn graphs_that_do_not_fit_are_refused() {
    let place = Place::sqlite();
    let (_server, url) = serve(&place);
    Client::new(&url, None).unwrap();
    let token = token(&place, "lab", "publish");
    let graph = include_bytes!("../../crates/cli/demo/mlp/graph.onnx").to_vec();
    let graph_digest = Digest::of(&graph).hex();
    for (name, bytes, code) in [
        ("missing tensor", changed(r#""fc1.weight""#, r#""fc9.weight""#), "tensor_missing"),
        (
            "other dtype of the same width",
            changed(r#""fc1.weight":{"dtype":"F32""#, r#""fc1.weight":{"dtype":"I32""#),
            "tensor_dtype_differs",
        ),
        ("transposed shape", changed("[784,96]", "[96,784]"), "tensor_shape_differs"),
    ] {
        let digest = Digest::of(&bytes).hex();
        let (status, receipt) = put(&url, &token, &digest, "kind=checkpoint", bytes).await;
        assert_eq!(status, 201, "{name} is a good file by itself: {receipt}");
        let before = objects(&place);
        let (status, problem) = put(
            &url,
            &token,
            &graph_digest,
            &format!("kind=graph&checkpoint={digest}"),
            graph.clone(),
        )
        .await;
        assert_eq!(
            (status, &problem["code"], &problem["tensor"]),
            (422, &json!(code), &json!("fc1.weight")),
            "{name}: {problem}"
        );
        assert_eq!(objects(&place), before, "{name}: something was left behind");
    }
    let junk = b"no graph at all".to_vec();
    let checkpoint = Digest::of(&changed("[784,96]", "[96,784]")).hex();
    let (status, problem) = put(
        &url,
        &token,
        &Digest::of(&junk).hex(),
        &format!("kind=graph&checkpoint={checkpoint}"),
        junk,
    )
    .await;
    assert_eq!((status, &problem["code"]), (422, &json!("graph_refused")), "{problem}");
}

/// Proves that nobody uploads without a token, or with one that may not, and that the answer is a problem document.
#[tokio::test]
async fn uploads_need_a_scope() {
    let place = Place::sqlite();
    let (_server, url) = serve(&place);
    Client::new(&url, None).unwrap();
    let investor = token(&place, "ALICE", "invest");
    let digest = Digest::of(b"x").hex();
    for (token, status, code) in
        [("mf_wrong", 401, "unauthenticated"), (investor.as_str(), 403, "scope_missing")]
    {
        let (found, problem) = put(&url, token, &digest, "kind=checkpoint", b"x".to_vec()).await;
        assert_eq!((found, &problem["code"]), (status, &json!(code)), "{problem}");
    }
}
