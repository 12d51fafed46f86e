//! The whole program over a bucket of a real S3 server: the demo from nothing to its last strike, and a server killed in mid-upload.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]
#![expect(dead_code, reason = "support is shared with tests that use more of it")]

#[path = "../../crates/checkpoint/tests/bucket/mod.rs"]
mod bucket;
mod support;

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Command, Stdio},
};

use bucket::S3;
use domain::digest::Digest;
use serde_json::Value;
use support::{PROGRAM, Place, Running, signal};

const CHECKPOINT: &[u8] = include_bytes!("../../crates/cli/demo/mlp/step-0010.safetensors");

/// Proves that server and workers over a bucket come to the same counts of right answers and to a NAV for every strike, and keep no
/// object on their own disk.
#[test]
fn the_demo_runs_over_a_bucket() {
    let Some(server) = S3::start() else { return };
    let place = Place::sqlite();
    let output = Command::new(PROGRAM)
        .args(["demo", "--once", "--json", "--data"])
        .arg(place.path())
        .args(["--objects", &server.address("demo")])
        .envs(server.variables())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["nav"].as_array().unwrap().len(), 7, "{told}");
    let models = told["models"].as_array().unwrap();
    assert_eq!(models.len(), 25);
    let first = models.iter().find(|m| m["name"] == "mlp" && m["version"] == "step-0010").unwrap();
    assert_eq!(first["correct"], 2133);
    assert!(!place.path().join("objects").exists(), "objects lie on the server's own disk");
    assert_eq!(server.open_uploads(), 0);
}

/// Starts `serve` over the bucket.
fn serve(place: &Place, server: &S3) -> (Running, String) {
    let mut child = Command::new(PROGRAM)
        .args(["serve", "--listen", "127.0.0.1:0", "--objects", &server.address("kill")])
        .args(place.arguments())
        .envs(server.variables())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("listening on http://").map(str::to_owned));
    (Running(child), address.expect("the server says where it listens"))
}

/// Sends a request and so many bytes of its body; the status, if the body was whole.
fn send(address: &str, head: &str, body: &[u8], announced: usize) -> (TcpStream, Option<String>) {
    let mut socket = TcpStream::connect(address).unwrap();
    let request = format!(
        "{head}\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {announced}\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).unwrap();
    socket.write_all(body).unwrap();
    if body.len() < announced {
        return (socket, None);
    }
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split_whitespace().nth(1).unwrap().to_owned();
    (socket, Some(status))
}

/// Proves that a server which is killed in mid-upload leaves nothing to be seen in the bucket, and that the same upload succeeds
/// with the next one.
#[test]
fn a_kill_leaves_nothing_in_the_bucket() {
    let Some(s3) = S3::start() else { return };
    let place = Place::sqlite();
    let digest = Digest::of(CHECKPOINT).hex();
    let (running, address) = serve(&place, &s3);
    let token = token_over(&place, &s3);
    let put = format!(
        "PUT /v1/objects/{digest}?kind=checkpoint HTTP/1.1\r\nAuthorization: Bearer {token}"
    );
    let half = &CHECKPOINT[..CHECKPOINT.len() / 2];
    let (_socket, _) = send(&address, &put, half, CHECKPOINT.len());
    signal(running.0.id().into(), "-KILL");
    drop(running);
    let (_running, address) = serve(&place, &s3);
    let get = format!("GET /v1/objects/{digest} HTTP/1.1\r\nAuthorization: Bearer {token}");
    assert_eq!(send(&address, &get, b"", 0).1.as_deref(), Some("404"));
    assert_eq!(s3.open_uploads(), 0);
    assert_eq!(send(&address, &put, CHECKPOINT, CHECKPOINT.len()).1.as_deref(), Some("201"));
    assert_eq!(send(&address, &get, b"", 0).1.as_deref(), Some("200"));
}

/// A token, minted beside the bucket: the command opens the same installation.
fn token_over(place: &Place, s3: &S3) -> String {
    let output = Command::new(PROGRAM)
        .args(["token", "create", "--owner", "lab", "--scope", "publish"])
        .args(["--objects", &s3.address("kill")])
        .args(place.arguments())
        .envs(s3.variables())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
