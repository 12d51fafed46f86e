//! `push` and `pull` with the real server: round trips, refusals, and a SIGKILL of either side in mid-transfer.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]
#![expect(dead_code, reason = "support is shared with tests that use more of it")]

mod support;

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use support::{PROGRAM, Place, Running, serve, token};

const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/cli/demo/mlp");

/// The demo's checkpoint with one more tensor of so many bytes, which the graph does not name; beside it the graph.
fn folder_with(place: &Place, extra: usize) -> PathBuf {
    let folder = place.path().join(format!("folder-{extra}"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(format!("{DEMO}/graph.onnx"), folder.join("graph.onnx")).unwrap();
    let small = std::fs::read(format!("{DEMO}/step-0010.safetensors")).unwrap();
    let length = u64::from_le_bytes(*small.first_chunk().unwrap()) as usize;
    let header = std::str::from_utf8(&small[8..8 + length]).unwrap().trim_end();
    let data = &small[8 + length..];
    let (begin, end) = (data.len(), data.len() + extra);
    let entry =
        format!(r#""zz":{{"dtype":"U8","shape":[{extra}],"data_offsets":[{begin},{end}]}}}}"#);
    let header = format!("{},{entry}", header.strip_suffix('}').unwrap());
    let noise =
        (0..extra).map(|at| (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()[7]);
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(data);
    bytes.extend(noise);
    std::fs::write(folder.join("model.safetensors"), bytes).unwrap();
    folder
}

fn push(url: &str, token: &str, folder: &Path, model: &str, version: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg("push").arg(folder).args([model, "--version", version]);
    command.args(["--server", url, "--token", token]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn pull(url: &str, token: &str, what: &str, folder: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["pull", what]).arg(folder).args(["--server", url, "--token", token]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Exit code and everything that was said.
fn said(output: &Output) -> (i32, String) {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
}

fn done(command: &mut Command) -> String {
    let (code, text) = said(&command.output().unwrap());
    assert_eq!(code, 0, "{text}");
    text
}

fn same(one: &Path, other: &Path) -> bool {
    let read = |folder: &Path, name: &str| std::fs::read(folder.join(name)).unwrap();
    ["model.safetensors", "graph.onnx"].iter().all(|name| read(one, name) == read(other, name))
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Starts the server again on the port that it had.
fn serve_at(place: &Place, url: &str) -> Running {
    let mut child = Command::new(PROGRAM)
        .args(["serve", "--clock", "manual", "--listen", url.strip_prefix("http://").unwrap()])
        .args(place.arguments())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("listening on "), "{line}");
    Running(child)
}

/// Waits until it is so; whether the process still ran then.
fn while_it_runs(child: &mut Child, mut so: impl FnMut() -> bool) -> bool {
    for _ in 0..30_000 {
        if so() {
            return child.try_wait().unwrap().is_none();
        }
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("it never was so");
}

/// Bytes of the largest file below a folder.
fn largest_below(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).map(|d| d.flatten().collect::<Vec<_>>());
    let size = |entry: &std::fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => largest_below(&entry.path()),
        Ok(data) => data.len(),
        Err(_) => 0,
    };
    entries.unwrap_or_default().iter().map(size).max().unwrap_or(0)
}

/// Proves a round trip, that a repetition sends and changes nothing, and that a version never changes.
#[test]
fn push_and_pull() {
    let place = Place::sqlite();
    let (_server, url) = serve(&place);
    let token = token(&place, "lab", "publish");
    let (one, two) = (folder_with(&place, 1000), folder_with(&place, 2000));
    let text = done(&mut push(&url, &token, &one, "m", "v1"));
    assert!(text.contains("published m@v1") && text.contains("model.safetensors sent"), "{text}");
    let text = done(&mut push(&url, &token, &one, "m", "v1"));
    assert!(text.contains("is published already"), "{text}");
    let text = done(&mut push(&url, &token, &one, "m", "v1-again"));
    assert!(text.contains("model.safetensors is on the server already"), "{text}");
    let (code, text) = said(&push(&url, &token, &two, "m", "v1").output().unwrap());
    assert!(code == 1 && text.contains("m@v1 is published with other bytes"), "{code}: {text}");
    done(&mut push(&url, &token, &two, "m", "v2"));

    let here = place.path().join("here");
    done(&mut pull(&url, &token, "m@v1", &here));
    assert!(same(&one, &here));
    assert_eq!(names(&here), ["graph.onnx", "model.safetensors"]);
    let text = done(&mut pull(&url, &token, "m@v1", &here));
    assert!(text.contains("model.safetensors is here already"), "{text}");
    let (code, text) = said(&pull(&url, &token, "m", &here).output().unwrap());
    assert!(code == 1 && text.contains("--force"), "{code}: {text}");
    assert!(same(&one, &here), "a refused pull changed the folder");
    done(pull(&url, &token, "m", &here).arg("--force"));
    assert!(same(&two, &here), "without a listed version the newest is meant");
}

/// Proves the exit codes, and that a bad file is named and never sent.
#[test]
fn push_and_pull_refusals() {
    let place = Place::sqlite();
    let (server, url) = serve(&place);
    let token = token(&place, "lab", "publish");
    let good = folder_with(&place, 10);
    let bad = folder_with(&place, 11);
    let file = bad.join("model.safetensors");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    let empty = place.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let there = place.path().join("there");
    let cases = [
        (push(&url, &token, &bad, "m", "v1"), 1, "tensor \"zz\""),
        (push(&url, &token, &empty, "m", "v1"), 1, "graph.onnx"),
        (push(&url, &token, &good, "no name", "v1"), 2, "is no name"),
        (push(&url, "mf_wrong", &good, "m", "v1"), 1, "token"),
        (pull(&url, &token, "m@v1", &there), 1, "m@v1"),
    ];
    for (mut command, wanted, words) in cases {
        let (code, text) = said(&command.output().unwrap());
        assert_eq!(code, wanted, "{text}");
        assert!(text.contains(words), "{text:?} lacks {words:?}");
    }
    assert_eq!(largest_below(&place.path().join("objects")), 0, "something was sent");
    assert!(!there.exists(), "a refused pull made a folder");
    drop(server);
    let (code, text) = said(&pull("http://127.0.0.1:9", &token, "m@v1", &there).output().unwrap());
    assert!(code == 3 && text.contains("unreachable"), "{code}: {text}");
}

/// Proves that a push survives a SIGKILL of the server in mid-transfer, and a SIGKILL of itself, and ends with equal bytes.
#[test]
fn push_survives_kills() {
    let place = Place::sqlite();
    let (mut server, url) = serve(&place);
    let token = token(&place, "lab", "publish");
    let folder = folder_with(&place, 48 << 20);
    let staging = place.path().join("staging");
    let mut client = push(&url, &token, &folder, "m", "v1").spawn().unwrap();
    let killed = while_it_runs(&mut client, || largest_below(&staging) > 1 << 20);
    client.kill().unwrap();
    client.wait().unwrap();
    assert!(killed, "the client ended before it could be killed");

    let client = push(&url, &token, &folder, "m", "v1").spawn().unwrap();
    let mut client = Running(client);
    let killed = while_it_runs(&mut client.0, || largest_below(&staging) > 1 << 20);
    server.0.kill().unwrap();
    server.0.wait().unwrap();
    assert!(killed, "the client ended before the server could be killed");
    let _server = serve_at(&place, &url);
    assert!(client.0.wait().unwrap().success(), "the client did not wait for the server");
    let here = place.path().join("here");
    done(&mut pull(&url, &token, "m@v1", &here));
    assert!(same(&folder, &here));
}

/// Proves that a pull survives a SIGKILL of itself and of the server, continues by ranges, and never shows a wrong file.
#[test]
fn pull_survives_kills() {
    let place = Place::sqlite();
    let (mut server, url) = serve(&place);
    let token = token(&place, "lab", "publish");
    let folder = folder_with(&place, 48 << 20);
    done(&mut push(&url, &token, &folder, "m", "v1"));
    let here = place.path().join("here");
    let mut client = pull(&url, &token, "m@v1", &here).spawn().unwrap();
    let killed = while_it_runs(&mut client, || largest_below(&here) > 1 << 20);
    client.kill().unwrap();
    client.wait().unwrap();
    assert!(killed, "the client ended before it could be killed");
    assert!(!here.join("model.safetensors").exists(), "an unfinished file has the name");
    let before = largest_below(&here);

    let mut client = Running(pull(&url, &token, "m@v1", &here).spawn().unwrap());
    let killed = while_it_runs(&mut client.0, || largest_below(&here) > before + (1 << 20));
    server.0.kill().unwrap();
    server.0.wait().unwrap();
    assert!(killed, "the client ended before the server could be killed");
    let _server = serve_at(&place, &url);
    assert!(client.0.wait().unwrap().success(), "the client did not wait for the server");
    assert!(same(&folder, &here));
    assert_eq!(names(&here), ["graph.onnx", "model.safetensors"], "a part was left");
}

/// Proves that a part with a wrong byte never becomes a file, and that the pull after it does.
#[test]
fn wrong_part_never_becomes_a_file() {
    let place = Place::sqlite();
    let (_server, url) = serve(&place);
    let token = token(&place, "lab", "publish");
    let folder = folder_with(&place, 5000);
    done(&mut push(&url, &token, &folder, "m", "v1"));
    let here = place.path().join("here");
    std::fs::create_dir(&here).unwrap();
    let bytes = std::fs::read(folder.join("model.safetensors")).unwrap();
    let digest = domain::digest::Digest::of(&bytes).hex();
    let part = here.join(format!("model.safetensors.{}.part", &digest[..16]));
    let mut wrong = bytes[..bytes.len() / 2].to_vec();
    wrong[100] ^= 1;
    std::fs::write(&part, wrong).unwrap();
    let (code, text) = said(&pull(&url, &token, "m@v1", &here).output().unwrap());
    assert!(code == 3 && text.contains("expected"), "{code}: {text}");
    assert!(!here.join("model.safetensors").exists() && !part.exists(), "{:?}", names(&here));
    done(&mut pull(&url, &token, "m@v1", &here));
    assert!(same(&folder, &here));
}
