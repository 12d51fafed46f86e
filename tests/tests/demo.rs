//! The demo, end to end: the real program, real checkpoints, a real server and worker, kills included.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

mod support;

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _},
    process::{Command, Stdio},
};

use serde_json::Value;
use support::{PROGRAM, Place, Running, ask, serve, signal, steps, token};

/// Places of the walk at which the server is killed, by the text of the step that begins then.
const KILLS: [&str; 3] =
    ["evaluate cnn step-0010", "SPONSOR seeds the fund", "rebalance after strike 4"];

/// Runs the demo once over `data`; before each step whose text is in `kills` is done, the server gets SIGKILL.
fn demo(place: &Place, kills: &[&str]) -> Value {
    let mut command = Command::new(PROGRAM);
    command
        .args(["demo", "--once", "--json"])
        .args(place.arguments())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut running = Running(command.spawn().unwrap());
    let mut said = String::new();
    let mut killed = 0;
    for line in BufReader::new(running.0.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        if kills.iter().any(|step| line.ends_with(step)) {
            let file = std::fs::read_to_string(place.path().join("server.json")).unwrap();
            let server: Value = serde_json::from_str(&file).unwrap();
            signal(server["pid"].as_u64().unwrap(), "-KILL");
            killed += 1;
        }
        said = format!("{said}{line}\n");
    }
    let mut printed = String::new();
    running.0.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    let status = running.0.wait().unwrap();
    assert_eq!(status.code(), Some(0), "{said}");
    assert_eq!(killed, kills.len(), "{said}");
    serde_json::from_str(&printed).unwrap_or_else(|e| panic!("{e}: {printed}"))
}

/// What the demo printed is what training, rules and oracle say.
fn check_outcome(outcome: &Value) {
    let results: Value =
        serde_json::from_str(include_str!("../../crates/cli/demo/results.json")).unwrap();
    let rows = outcome["models"].as_array().unwrap();
    assert_eq!(rows.len(), 25);
    for expected in results["rows"].as_array().unwrap() {
        let version = format!("step-{:04}", expected["step"].as_u64().unwrap());
        let row = rows
            .iter()
            .find(|r| r["name"] == expected["arch"] && r["version"] == version.as_str())
            .unwrap();
        assert_eq!(
            (&row["correct"], &row["items"]),
            (&expected["correct"], &expected["items"]),
            "{row}"
        );
        let status = row["status"].as_str().unwrap();
        let first = version == "step-0010";
        let allowed: &[&str] =
            if first { &["ADMITTED"] } else { &["ACCEPTED", "DEADBAND", "TRIPPED"] };
        assert!(allowed.contains(&status), "{row}");
        assert!(
            row["sigma_ln"].as_f64().unwrap() >= 0.0
                && (first || row["band_ln"].as_f64().unwrap() >= 0.005),
            "{row}"
        );
    }
    let of = |version: &str| {
        rows.iter().find(|r| r["name"] == "mlp" && r["version"] == version).unwrap()
    };
    let (best, worse) = (of("step-1600"), of("step-1700"));
    assert_eq!(worse["status"], "ACCEPTED", "{worse}");
    assert!(steps(&worse["price"], 9) < steps(&best["price"], 9), "{worse} after {best}");
    let navs = outcome["nav"].as_array().unwrap();
    assert_eq!(navs.len(), 7);
    assert_eq!(navs[0]["nav_per_share"], "1.000000000");
    assert_eq!(navs[0]["level"], "1000.000000000");
    assert!(steps(&navs[6]["nav_per_share"], 9) < steps(&navs[5]["nav_per_share"], 9), "{navs:?}");
    assert!(steps(&navs[6]["level"], 9) < steps(&navs[5]["level"], 9), "{navs:?}");
    assert_eq!(outcome["proof_ok"], true, "the last strike proves itself");
}

/// What the API says of the same folder: NAV recomputed from holdings and prices, nothing lost, nothing counted twice.
async fn check_installation(place: &Place, outcome: &Value) {
    let operator = token(place, "auditor", "operate");
    let (_server, url) = serve(place);
    let client = client::Client::new(&url, Some(operator)).unwrap();
    let fund = ask(
        &client,
        r#"{ fund(name: "modelfolio-demo") { nav navPerShare shares cash day level
            holdings(first: 10) { nodes { model units price value } }
            strikes(first: 100) { nodes { number day nav shares navPerShare level } } } }"#,
    )
    .await;
    let fund = &fund["fund"];
    let mut nav = steps(&fund["cash"], 6) * 1_000_000_000;
    for holding in fund["holdings"]["nodes"].as_array().unwrap() {
        let value = steps(&holding["units"], 6) * steps(&holding["price"], 9);
        assert_eq!(steps(&holding["value"], 15), value);
        nav += value;
    }
    let shares = steps(&fund["shares"], 9);
    assert_eq!(steps(&fund["nav"], 15), nav, "NAV is cash plus units times price");
    assert_eq!(steps(&fund["navPerShare"], 9), nav * 1000 / shares);
    let printed = outcome["nav"].as_array().unwrap();
    let strikes = fund["strikes"]["nodes"].as_array().unwrap();
    assert_eq!(strikes.len(), printed.len());
    for (number, (strike, row)) in (1..).zip(strikes.iter().zip(printed)) {
        assert_eq!(
            (strike["number"].as_i64(), row["strike"].as_i64()),
            (Some(number), Some(number))
        );
        assert_eq!(strike["navPerShare"], row["nav_per_share"]);
        assert_eq!(
            steps(&strike["navPerShare"], 9),
            steps(&strike["nav"], 15) * 1000 / steps(&strike["shares"], 9)
        );
        assert!(number == 1 || strike["level"] == row["level"], "{strike} {row}");
    }
    check_prices(&client, outcome).await;
    check_cash(&client).await;
}

/// One version, report and decision each, and the marks of the fund are the accepted prices.
async fn check_prices(client: &client::Client, outcome: &Value) {
    let query = r"{ models(first: 10) { nodes { name listed { name } price { price }
        versions(first: 20) { nodes { name reports(first: 5) { nodes { correct } } } }
        prices(first: 20) { nodes { number status } } } } }";
    let models = ask(client, query).await;
    let models = models["models"]["nodes"].as_array().unwrap();
    assert_eq!(models.len(), 4);
    for model in models {
        let name = model["name"].as_str().unwrap();
        let rows: Vec<_> =
            outcome["models"].as_array().unwrap().iter().filter(|r| r["name"] == name).collect();
        let versions = model["versions"]["nodes"].as_array().unwrap();
        assert_eq!((versions.len(), rows.len()), (if name == "mlp" { (7, 7) } else { (6, 6) }));
        for (version, row) in versions.iter().zip(&rows) {
            assert_eq!(version["name"], row["version"]);
            let reports = version["reports"]["nodes"].as_array().unwrap();
            assert_eq!(reports.len(), 1, "one report of {name} {version}");
            assert_eq!(reports[0]["correct"], row["correct"]);
        }
        let decisions = model["prices"]["nodes"].as_array().unwrap();
        assert_eq!(decisions.len(), rows.len(), "one decision a report: {decisions:?}");
        let last = rows.last().unwrap();
        assert_eq!(model["price"]["price"], last["price"]);
        assert_eq!(model["listed"]["name"], last["version"]);
    }
}

/// Deposits and orders took effect once: what is left of each party's credits is known to the last micro.
async fn check_cash(client: &client::Client) {
    let mut cash = BTreeMap::new();
    for owner in ["SPONSOR", "linear-lab", "mlp-lab", "cnn-lab", "rnn-lab", "ALICE", "BOB"] {
        let account = ask(
            client,
            &format!(
                r#"{{ account(owner: "{owner}") {{ cash shares(fund: "modelfolio-demo") }} }}"#
            ),
        )
        .await;
        cash.insert(
            owner,
            (steps(&account["account"]["cash"], 6), steps(&account["account"]["shares"], 9)),
        );
    }
    assert_eq!(
        cash["SPONSOR"],
        (0, 999_999_000_000),
        "1,000 credits became shares at par, less what is locked"
    );
    for lab in ["linear-lab", "mlp-lab", "cnn-lab", "rnn-lab"] {
        assert_eq!(cash[lab].0, 0, "{lab}: 100 credits in, 100 posted as bond");
    }
    // At strike 1 the fund is cash alone, so a share costs exactly one credit and nothing goes back.
    assert_eq!((cash["ALICE"], cash["BOB"]), ((0, 5_000_000_000_000), (0, 2_500_000_000_000)));
}

/// Proves the whole walk, with the server killed at three places: scores, prices, NAV, books; then that a second run on the folder
/// repeats nothing and prints the same.
#[tokio::test]
async fn demo_survives_three_kills_of_its_server() {
    let place = Place::sqlite();
    let outcome = demo(&place, &KILLS);
    check_outcome(&outcome);
    check_installation(&place, &outcome).await;
    assert_eq!(demo(&place, &[]), outcome, "a second run on the same folder finds everything done");
}

/// Proves that the demo itself may be killed with all its processes, and that a second run goes on where it stopped.
#[tokio::test]
async fn demo_resumes_after_its_own_death() {
    let place = Place::sqlite();
    let mut command = Command::new(PROGRAM);
    command
        .args(["demo", "--once", "--json"])
        .args(place.arguments())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut first = Running(command.spawn().unwrap());
    let lines = BufReader::new(first.0.stderr.take().unwrap()).lines();
    let reached = lines.map_while(Result::ok).any(|line| line.ends_with("evaluate mlp step-0030"));
    assert!(reached, "the first run never came to its third version");
    drop(first);
    let outcome = demo(&place, &[]);
    check_outcome(&outcome);
    check_installation(&place, &outcome).await;
}

/// Proves the whole walk on PostgreSQL, with the server killed in the middle.
#[tokio::test]
async fn demo_on_postgres() {
    let Some(place) = Place::postgres("demo") else {
        println!("PostgreSQL: not run (MODELFOLIO_TEST_POSTGRES is not set)");
        return;
    };
    let outcome = demo(&place, &KILLS[2..]);
    check_outcome(&outcome);
    check_installation(&place, &outcome).await;
}
