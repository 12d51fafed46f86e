//! Quotas and garbage, through the real server and the command line.

use std::process::Command;

use serde_json::json;

use crate::{
    support::{PROGRAM, ask},
    world::{GRAPH, STEPS, World, mutate, refused},
};

const STORAGE: &str = "objects logicalBytes storedBytes quotaBytes";

/// Runs `modelfolio gc` beside the server; what it prints.
fn gc(world: &World, arguments: &[&str]) -> String {
    let output = Command::new(PROGRAM)
        .args(["gc", "--clock", "manual"])
        .args(world.place.arguments())
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Proves that an upload that nothing cites goes by `gc` beside a running server, after its grace and with its quota, that a
/// published version stays and reads back byte for byte, and that the numbers are the sums of the files.
#[tokio::test]
async fn garbage_goes_and_versions_stay() {
    let world = World::new();
    world.publish("lab/net", false, &[STEPS[0]]).await;
    let left = world.upload(&world.lab_token, STEPS[1], "checkpoint").await;
    let bytes = STEPS[0].len() + STEPS[1].len() + GRAPH.len();
    let used = ask(&world.lab, &format!("{{ storage {{ {STORAGE} }} }}")).await;
    assert_eq!(used["storage"]["objects"], "3");
    assert_eq!(used["storage"]["logicalBytes"], bytes.to_string());
    assert!(used["storage"]["quotaBytes"].is_null());
    let of_lab = format!("{{ storage(login: \"lab\") {{ {STORAGE} }} }}");
    assert_eq!(ask(&world.operator, &of_lab).await, used);
    let error = world.stranger.graphql::<serde_json::Value>(&of_lab, json!({})).await;
    assert_eq!(error.unwrap_err().code(), Some("not_owner"));

    assert_eq!(gc(&world, &[]), "removed: 0 objects of 0 bytes, 0 stored parts of 0 bytes\n");
    let clock = ask(&world.operator, "{ clock { day } }").await;
    let day: u64 = clock["clock"]["day"].to_string().trim_matches('"').parse().unwrap();
    let next = json!({ "day": (day + 2).to_string() });
    mutate(&world.operator, "clockAdvance", next, "clock { day }").await.unwrap();
    let due = format!("due: 1 objects of {} bytes, 0 stored parts of 0 bytes\n", STEPS[1].len());
    assert_eq!(gc(&world, &["--dry-run"]), due);
    assert_eq!(world.download(Some(&world.lab_token), &left).await.1, STEPS[1]);
    let removed = gc(&world, &["--grace", "0s"]);
    assert!(removed.starts_with("removed: 1 objects of "), "{removed}");
    assert_eq!(world.download(Some(&world.lab_token), &left).await.0, 404);
    let kept = domain::digest::Digest::of(STEPS[0]).to_string();
    assert_eq!(world.download(None, &kept).await, (200, STEPS[0].to_vec()));
    let used = ask(&world.lab, &format!("{{ storage {{ {STORAGE} }} }}")).await;
    assert_eq!(used["storage"]["objects"], "2");
    let bytes = STEPS[0].len() + GRAPH.len();
    assert_eq!(used["storage"]["logicalBytes"], bytes.to_string());
    // Sent again, it is whole again.
    world.upload(&world.lab_token, STEPS[1], "checkpoint").await;
    assert_eq!(world.download(Some(&world.lab_token), &left).await.1, STEPS[1]);
}

/// Proves that a quota refuses with its numbers and its own code, that the refused object is not there, and that only the operator
/// sets it.
#[tokio::test]
async fn a_quota_refuses_by_its_numbers() {
    let world = World::new();
    let quota = STEPS[0].len() as u64 - 1;
    let input = json!({ "login": "lab", "bytes": quota.to_string() });
    let code = refused(&world.lab, "storageQuotaSet", input.clone(), "storage { login }").await;
    assert_eq!(code, "scope_missing");
    let selection = format!("storage {{ {STORAGE} }}");
    let set = mutate(&world.operator, "storageQuotaSet", input, &selection).await.unwrap();
    assert_eq!(set["storage"]["quotaBytes"], quota.to_string());
    let digest = domain::digest::Digest::of(STEPS[0]).to_string();
    let url = format!("{}/v1/objects/{digest}?kind=checkpoint", world.url);
    let request = reqwest::Client::new().put(url).bearer_auth(&world.lab_token).body(STEPS[0]);
    let response = request.send().await.unwrap();
    assert_eq!(response.status().as_u16(), 422);
    let problem: serde_json::Value = response.json().await.unwrap();
    assert_eq!(problem["code"], "quota_exceeded");
    let detail = problem["detail"].as_str().unwrap();
    for number in ["0 bytes", &quota.to_string(), &STEPS[0].len().to_string()] {
        assert!(detail.contains(number), "{detail}");
    }
    assert_eq!(world.download(Some(&world.lab_token), &digest).await.0, 404);
    // Another login has no limit, and what it sends is the same bytes.
    world.upload(&world.stranger_token, STEPS[0], "checkpoint").await;
}

/// Proves that a report and the samples behind it stay, though nobody holds them.
#[tokio::test]
async fn reports_and_samples_stay() {
    let world = World::new();
    world.publish("lab/net", false, &[STEPS[0]]).await;
    let suite = world.register_suite().await;
    let job = world.evaluate(&world.lab, "lab/net", "v1", &suite).await.unwrap();
    let done = world.work_until_done(&job).await;
    assert_eq!(
        gc(&world, &["--grace", "0s"]),
        "removed: 0 objects of 0 bytes, 0 stored parts of 0 bytes\n"
    );
    for field in ["digest", "samples"] {
        let digest = done["report"][field].as_str().unwrap();
        let (status, bytes) = world.download(None, digest).await;
        assert_eq!(status, 200, "{field}");
        assert_eq!(domain::digest::Digest::of(&bytes).to_string(), digest);
    }
}
