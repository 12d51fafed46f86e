//! What is missing: tensors that are stored and readable are not sent again, others are, whatever their keys tell.

use std::process::{Command, Stdio};

use client::Client;
use domain::digest::Digest;
use serde_json::{Value, json};

use crate::{
    support::{PROGRAM, ask},
    world::{File, Sender, World, checkpoint, id, missing, noise},
};

const MIB: usize = 1 << 20;

/// Sixteen tensors of 1 MiB, of which those in `changed` have other bytes than usual.
fn sixteen(changed: &[u64]) -> Vec<u8> {
    let seed = |n: u64| if changed.contains(&n) { n + 100 } else { n };
    checkpoint(&(0..16).map(|n| (seed(n), MIB)).collect::<Vec<_>>())
}

/// Proves that of a changed checkpoint only the changed tensors go over the line, that a key of other bytes makes no file, and
/// that what is put together is served byte for byte.
#[tokio::test]
async fn changed_tensors_only() {
    let world = World::new();
    let lab = &world.lab;
    let first = File::new(&world.place, sixteen(&[])).await;
    assert_eq!(lab.send(&first).await, 16 * MIB as u64);
    let second = File::new(&world.place, sixteen(&[3, 4, 9])).await;
    assert_eq!(lab.send(&second).await, 3 * MIB as u64);
    assert_eq!(lab.download(second.digest).await, (200, second.bytes));

    // The keys of the first file for the bytes of a third: nothing needs sending, and the file is another.
    let third = File::new(&world.place, sixteen(&[1])).await;
    let (_, session) =
        lab.announce(third.digest, third.bytes.len() as u64, first.manifest.clone()).await;
    assert_eq!(missing(&session), []);
    let (status, answer) = lab.finish(id(&session)).await;
    assert_eq!((status, &answer["code"]), (422, &json!("wrong_digest")), "{answer}");
    assert_eq!(lab.download(third.digest).await.0, 404);
    assert_eq!(lab.send(&third).await, MIB as u64);
}

/// Proves that small tensors between changed ones are sent along rather than each in a request of its own, and come right.
#[tokio::test]
async fn small_tensors_and_gaps() {
    let world = World::new();
    let tensors = |changed: u64| -> Vec<(u64, usize)> {
        (0..400).map(|n| if n % 2 == 0 { (n + changed, 900) } else { (n, 1000) }).collect()
    };
    let first = File::new(&world.place, checkpoint(&tensors(0))).await;
    world.lab.send(&first).await;
    let second = File::new(&world.place, checkpoint(&tensors(1000))).await;
    let (_, session) = world.lab.start(&second).await;
    assert_eq!(missing(&session).len(), 1, "{session}");
    world.lab.send(&second).await;
    assert_eq!(world.lab.download(second.digest).await, (200, second.bytes));
}

async fn publish(client: &Client, model: &str, private: bool, checkpoint: Digest, graph: Digest) {
    let key = |what: &str| format!("{what}:{model}");
    let query = "mutation($i: ModelCreateInput!) { modelCreate(input: $i) { model { name } } }";
    let input = json!({ "name": model, "private": private, "idempotencyKey": key("m") });
    client.graphql::<Value>(query, json!({ "i": input })).await.unwrap();
    let query =
        "mutation($i: VersionPublishInput!) { versionPublish(input: $i) { version { name } } }";
    let input = json!({
        "model": model, "version": "v1", "checkpoint": checkpoint, "graph": graph, "idempotencyKey": key("v"),
    });
    client.graphql::<Value>(query, json!({ "i": input })).await.unwrap();
}

/// The demo's checkpoint with one more tensor, which the graph does not name.
fn with_graph(extra: Vec<u8>) -> Vec<u8> {
    const STEP: &[u8] = include_bytes!("../../../crates/cli/demo/mlp/step-0010.safetensors");
    let length = u64::from_le_bytes(*STEP.first_chunk().unwrap()) as usize;
    let (header, data) = STEP[8..].split_at(length);
    let header = std::str::from_utf8(header).unwrap().trim_end();
    let (begin, bytes) = (data.len(), extra.len());
    let entry = format!(
        r#""zz":{{"dtype":"U8","shape":[{bytes}],"data_offsets":[{begin},{}]}}}}"#,
        begin + bytes
    );
    let header = format!("{},{entry}", header.strip_suffix('}').unwrap());
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data, &extra].concat()
}

async fn upload_graph(sender: &Sender, checkpoint: Digest) -> Digest {
    const GRAPH: &[u8] = include_bytes!("../../../crates/cli/demo/mlp/graph.onnx");
    let digest = Digest::of(GRAPH);
    let url = format!("{}/v1/objects/{digest}?kind=graph&checkpoint={checkpoint}", sender.url);
    let request = reqwest::Client::new().put(url).bearer_auth(&sender.token).body(GRAPH);
    assert_eq!(request.send().await.unwrap().status().as_u16(), 201);
    digest
}

/// Proves that a key never opens another's private tensor: it counts as missing for everybody who may not read it, as it does
/// when nobody has it, and as there for those who may.
#[tokio::test]
async fn private_tensors_count_as_missing() {
    let world = World::new();
    let (lab, rival) = (&world.lab, &world.rival);
    let client = |sender: &Sender| Client::new(&sender.url, Some(sender.token.clone())).unwrap();
    let secret = File::new(&world.place, with_graph(noise(1, 9 * MIB))).await;
    lab.send(&secret).await;
    let graph = upload_graph(lab, secret.digest).await;
    let all = secret.bytes.len() as u64 - header_bytes(&secret);

    let (_, unpublished) = rival.start(&secret).await;
    assert_eq!(unpublished["missing_bytes"], json!(all), "what was sent and not published is told");
    assert_eq!(rival.abort(id(&unpublished)).await.0, 204);
    publish(&client(lab), "lab/secret", true, secret.digest, graph).await;
    let (_, private) = rival.start(&secret).await;
    assert_eq!(private["missing_bytes"], json!(all), "a private model's tensors are told");
    let (status, answer) = rival.finish(id(&private)).await;
    assert_eq!((status, &answer["code"]), (409, &json!("parts_missing")), "{answer}");
    assert_eq!(rival.download(secret.digest).await.0, 404);

    // Another file of the same tensors, announced by who may read them and by who may not.
    let other = File::new(&world.place, with_graph([noise(1, 9 * MIB), vec![1]].concat())).await;
    let (_, theirs) = lab.start(&other).await;
    assert_eq!(
        theirs["missing_bytes"],
        json!(9 * MIB + 1),
        "the demo's tensors are there for the lab"
    );
    let (_, foreign) = rival.start(&other).await;
    assert_eq!(foreign["missing_bytes"], json!(all + 1));
    assert_eq!(rival.abort(id(&foreign)).await.0, 204);

    let grant = "mutation($i: AccessInput!) { accessGrant(input: $i) { model { name } } }";
    let input = json!({ "model": "lab/secret", "grantee": "rival", "idempotencyKey": "g" });
    client(lab).graphql::<Value>(grant, json!({ "i": input })).await.unwrap();
    assert_eq!(rival.start(&secret).await.1["state"], json!("present"));
    let (_, granted) = rival.start(&other).await;
    assert_eq!(granted["missing_bytes"], json!(9 * MIB + 1));

    // Revoked again in mid-session: what was counted as there has to be sent now.
    let revoke = "mutation($i: AccessInput!) { accessRevoke(input: $i) { model { name } } }";
    let input = json!({ "model": "lab/secret", "grantee": "rival", "idempotencyKey": "r" });
    client(lab).graphql::<Value>(revoke, json!({ "i": input })).await.unwrap();
    rival.send_missing(&granted, &other.bytes).await;
    let (status, answer) = rival.finish(id(&granted)).await;
    assert_eq!((status, &answer["code"]), (409, &json!("parts_missing")), "{answer}");
    let (_, more) = rival.get(id(&granted)).await;
    assert_eq!(more["missing_bytes"], json!(all - 9 * MIB as u64));
    rival.send_missing(&more, &other.bytes).await;
    assert_eq!(rival.finish(id(&granted)).await.0, 200);
    assert_eq!(rival.download(other.digest).await, (200, other.bytes));
}

fn header_bytes(file: &File) -> u64 {
    8 + u64::from_le_bytes(*file.bytes.first_chunk().unwrap())
}

/// Proves that a stored tensor which goes away during a session, and parts which a crash tears, are asked for again, and that
/// the file comes right.
#[tokio::test]
async fn what_goes_away_is_asked_for_again() {
    let world = World::new();
    let lab = &world.lab;
    let first = File::new(&world.place, sixteen(&[])).await;
    lab.send(&first).await;
    let second = File::new(&world.place, sixteen(&[5])).await;
    let (_, session) = lab.start(&second).await;
    assert_eq!(lab.send_missing(&session, &second.bytes).await, MIB as u64);
    let objects = world.place.path().join("objects");
    std::fs::remove_dir_all(objects.join("recipe")).unwrap();
    std::fs::remove_dir_all(objects.join("tensor")).unwrap();
    let (status, answer) = lab.finish(id(&session)).await;
    assert_eq!((status, &answer["code"]), (409, &json!("parts_missing")), "{answer}");
    let (_, more) = lab.get(id(&session)).await;
    assert_eq!(more["missing_bytes"], json!(15 * MIB));
    assert_eq!(more["planned_bytes"], json!(16 * MIB));
    lab.send_missing(&more, &second.bytes).await;

    // A crash of the machine: one part is short, another has other bytes.
    let folder = objects.join("upload").join(id(&session)).join("part");
    let (short, torn) = (folder.join("0"), folder.join("1"));
    let bytes = std::fs::read(&short).unwrap();
    std::fs::write(&short, &bytes[..1000]).unwrap();
    let mut bytes = std::fs::read(&torn).unwrap();
    bytes[10..5000].fill(0);
    std::fs::write(&torn, bytes).unwrap();
    let (_, more) = lab.get(id(&session)).await;
    assert_eq!(missing(&more).iter().map(|part| part.0).collect::<Vec<_>>(), [0]);
    lab.send_missing(&more, &second.bytes).await;
    let (status, answer) = lab.finish(id(&session)).await;
    assert_eq!((status, &answer["code"]), (409, &json!("parts_missing")), "{answer}");
    let (_, more) = lab.get(id(&session)).await;
    assert_eq!(missing(&more).iter().map(|part| part.0).collect::<Vec<_>>(), [1]);
    lab.send_missing(&more, &second.bytes).await;
    assert_eq!(lab.finish(id(&session)).await.0, 200);
    assert_eq!(lab.download(second.digest).await, (200, second.bytes));
    assert_eq!(world.files("objects/upload"), [""; 0]);
}

/// Proves that two pushes of one file by one login at the same moment both end well: whoever finishes first ends the session
/// under the other.
#[tokio::test]
async fn two_pushes_at_once() {
    let world = World::new();
    let folder = world.place.path().join("folder");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("model.safetensors"), with_graph(noise(1, 60 * MIB))).unwrap();
    let graph = include_bytes!("../../../crates/cli/demo/mlp/graph.onnx");
    std::fs::write(folder.join("graph.onnx"), graph).unwrap();
    let push = |jobs: &str| {
        Command::new(PROGRAM)
            .arg("push")
            .arg(&folder)
            .args(["m", "--version", "v1", "--jobs", jobs])
            .args(["--server", &world.url, "--token", &world.lab.token])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    for child in [push("1"), push("8"), push("3")] {
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success(), "{text}");
    }
    assert_eq!(world.files("objects/upload"), [""; 0]);
    assert_eq!(world.files("staging"), [""; 0]);
    let ends: Vec<_> = world.audit().await.into_iter().filter(|o| o != "upload_start").collect();
    assert_eq!(ends, ["upload_finish"]);
}

/// Proves that the command sends a changed checkpoint's changed tensors only, and says so.
#[tokio::test]
async fn the_command_says_what_it_sends() {
    let world = World::new();
    let push = |name: &str, extra: Vec<u8>| {
        let folder = world.place.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("model.safetensors"), with_graph(extra)).unwrap();
        std::fs::write(
            folder.join("graph.onnx"),
            include_bytes!("../../../crates/cli/demo/mlp/graph.onnx"),
        )
        .unwrap();
        let output = Command::new(PROGRAM)
            .arg("push")
            .arg(&folder)
            .args(["m", "--version", name, "--server", &world.url, "--token", &world.lab.token])
            .output()
            .unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success(), "{text}");
        text
    };
    let text = push("v1", noise(1, 20 * MIB));
    assert!(text.contains("% was there") && text.contains("model.safetensors sent 20."), "{text}");
    let mut longer = noise(1, 20 * MIB);
    longer.push(1);
    let text = push("v2", longer.clone());
    assert!(text.contains("sent 20.00 MiB of 20.") && text.contains(" 1 % was there"), "{text}");
    longer.truncate(20 * MIB);
    let text = push("v3", longer);
    assert!(text.contains("model.safetensors is on the server already"), "{text}");
    let versions = "{ model(name: \"m\") { versions(first: 9) { nodes { name } } } }";
    let answer = ask(&world.operator, versions).await;
    assert_eq!(answer["model"]["versions"]["nodes"].as_array().unwrap().len(), 3);
}
