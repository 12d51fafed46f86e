//! SIGKILL at random moments: of the server, of the client, again and again, until the push is through.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use client::Client;
use domain::digest::Digest;
use serde_json::Value;

use crate::{
    support::{PROGRAM, Place, Running, ask, serve, token},
    world::{files_below, noise},
};

/// Names the seed of the rounds, to repeat one that failed.
const SEED_VARIABLE: &str = "MODELFOLIO_SEED";
const ROUNDS: u64 = 20;
/// Pushes of one round that may end before they are killed.
const TRIES_MAX: u32 = 10;
const MIB: usize = 1 << 20;

/// A small generator; the rounds follow from its seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

/// A folder with the demo's graph and a checkpoint of 300 MB: large and small tensors mixed, some of them equal, some empty.
fn folder(place: &Path, dice: &mut Dice) -> PathBuf {
    const STEP: &[u8] = include_bytes!("../../../crates/cli/demo/mlp/step-0010.safetensors");
    let folder = place.join("folder");
    std::fs::create_dir_all(&folder).unwrap();
    let graph = include_bytes!("../../../crates/cli/demo/mlp/graph.onnx");
    std::fs::write(folder.join("graph.onnx"), graph).unwrap();
    let length = u64::from_le_bytes(*STEP.first_chunk().unwrap()) as usize;
    let (header, data) = STEP[8..].split_at(length);
    let header = std::str::from_utf8(header).unwrap().trim_end();
    let (mut data, mut entries) = (data.to_vec(), Vec::new());
    let mut number = 0;
    while data.len() < 300_000_000 {
        let bytes = match dice.below(10) {
            0 => 0,
            1..=5 => dice.below(200_000) as usize,
            6 | 7 => dice.below(3 * MIB as u64) as usize,
            _ => 6 * MIB + dice.below(20 * MIB as u64) as usize,
        };
        // A few seeds only for the small ones: some tensors stand in the file twice.
        let seed = if bytes < 1000 { 1 } else { dice.below(1 << 40) };
        let (begin, end) = (data.len(), data.len() + bytes);
        entries.push(format!(
            r#","x{number}":{{"dtype":"U8","shape":[{bytes}],"data_offsets":[{begin},{end}]}}"#
        ));
        data.extend(noise(seed, bytes));
        number += 1;
    }
    let header = format!("{}{}}}", header.strip_suffix('}').unwrap(), entries.concat());
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat();
    std::fs::write(folder.join("model.safetensors"), bytes).unwrap();
    folder
}

fn start_push(url: &str, token: &str, folder: &Path) -> Running {
    let mut command = Command::new(PROGRAM);
    command.arg("push").arg(folder).args(["m", "--version", "v1"]);
    command.args(["--server", url, "--token", token]);
    Running(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
}

/// Waits for a push; what it said if it failed.
fn wait(push: &mut Running) -> Result<(), String> {
    let status = push.0.wait().unwrap();
    let mut said = String::new();
    if let Some(stderr) = push.0.stderr.take() {
        said = BufReader::new(stderr).lines().map_while(Result::ok).collect::<Vec<_>>().join("\n");
    }
    if status.success() { Ok(()) } else { Err(said) }
}

fn kill(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Starts the server again where it was.
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

/// Files of the object storage and of the staging folder.
fn stored(place: &Place) -> (Vec<String>, Vec<String>) {
    (files_below(&place.path().join("objects")), files_below(&place.path().join("staging")))
}

#[expect(
    clippy::disallowed_methods,
    reason = "says in which time to kill; nothing is asserted of it"
)]
/// What an undisturbed push leaves, and how long it takes.
fn undisturbed(folder: &Path) -> (Vec<String>, Duration) {
    let place = Place::sqlite();
    let (_server, url) = serve(&place);
    let token = token(&place, "lab", "publish");
    let began = Instant::now();
    wait(&mut start_push(&url, &token, folder)).unwrap();
    let took = began.elapsed();
    let (objects, staged) = stored(&place);
    assert_eq!(staged, [""; 0]);
    assert!(objects.iter().all(|name| !name.starts_with("upload/")), "{objects:?}");
    (objects, took)
}

/// One push that is killed one to three times, on either side, and then left alone. Returns how often each side was killed.
fn round(dice: &mut Dice, folder: &Path, wanted: &[String], took: Duration) -> (u32, u32) {
    let place = Place::sqlite();
    let (mut server, url) = serve(&place);
    let token = token(&place, "lab", "publish");
    let (mut servers, mut clients) = (0, 0);
    let mut push = start_push(&url, &token, folder);
    for _ in 0..=dice.below(3) {
        std::thread::sleep(took.mul_f64(dice.below(1000) as f64 / 1000.0));
        if push.0.try_wait().unwrap().is_some() {
            break;
        }
        if dice.below(2) == 0 {
            kill(&mut server.0);
            servers += 1;
            std::thread::sleep(Duration::from_millis(dice.below(300)));
            server = serve_at(&place, &url);
        } else {
            kill(&mut push.0);
            clients += 1;
            push = start_push(&url, &token, folder);
        }
    }
    wait(&mut push).unwrap();

    // A last start, so that whatever was left is swept.
    kill(&mut server.0);
    let _server = serve_at(&place, &url);
    let (objects, staged) = stored(&place);
    assert_eq!(staged, [""; 0], "the staging folder is not empty");
    assert_eq!(objects, wanted, "not the objects of an undisturbed push");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(look(&place, &url, folder));
    (servers, clients)
}

/// Compares bytes and rows.
async fn look(place: &Place, url: &str, folder: &Path) {
    let bytes = std::fs::read(folder.join("model.safetensors")).unwrap();
    let digest = Digest::of(&bytes);
    let operator = token(place, "operator", "operate");
    let client = Client::new(url, Some(operator)).unwrap();
    let pulled = place.path().join("pulled");
    client.pull_file(digest, bytes.len() as u64, &pulled, |_| {}).await.unwrap();
    assert!(std::fs::read(&pulled).unwrap() == bytes, "other bytes");
    let log = "{ audit(first: 100) { nodes { operation } } \
                model(name: \"m\") { versions(first: 9) { nodes { checkpoint { digest } } } } }";
    let answer: Value = ask(&client, log).await;
    let entries = answer["audit"]["nodes"].as_array().unwrap();
    let times = |wanted: &str| entries.iter().filter(|e| e["operation"] == *wanted).count();
    assert_eq!((times("upload_start"), times("upload_finish")), (1, 1), "{answer}");
    let versions = answer["model"]["versions"]["nodes"].as_array().unwrap();
    assert_eq!(versions.len(), 1, "{answer}");
    assert_eq!(versions[0]["checkpoint"]["digest"], serde_json::json!(digest));
}

/// Proves that a push of 300 MB which is killed at random moments, server or client, ends with equal bytes, one version and one
/// session, and with exactly the objects of an undisturbed push: no part, no tensor and no staged file is left.
#[test]
fn random_kills_lose_and_leave_nothing() {
    let seed = std::env::var(SEED_VARIABLE).ok().and_then(|text| text.parse().ok()).unwrap_or(3);
    println!("{SEED_VARIABLE}={seed}");
    let mut dice = Dice(seed);
    let place = tempfile::tempdir().unwrap();
    let folder = folder(place.path(), &mut dice);
    let (wanted, took) = undisturbed(&folder);
    let (mut servers, mut clients) = (0, 0);
    for number in 1..=ROUNDS {
        // A push that was through before the first kill is none of the rounds.
        let mut killed = (0, 0);
        for _ in 0..TRIES_MAX {
            killed = round(&mut dice, &folder, &wanted, took);
            if killed != (0, 0) {
                break;
            }
        }
        let (of_server, of_client) = killed;
        assert!(of_server + of_client > 0, "round {number}: {TRIES_MAX} pushes were never killed");
        println!("round {number}: server killed {of_server}, client killed {of_client} times");
        servers += of_server;
        clients += of_client;
    }
    println!("{servers} kills of the server, {clients} of the client; undisturbed {took:?}");
    assert!(servers > 0 && clients > 0, "one side was never killed");
}
