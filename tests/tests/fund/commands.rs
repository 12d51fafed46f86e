//! What the program does with the engine and without a server: replay, simulation, backtest, attacks.

use std::{path::Path, process::Command};

use domain::simulation::attacks::{ATTACKS, RULE_ATTACKS};
use serde_json::Value;

use crate::support::PROGRAM;

/// Exit code, standard output, standard error.
fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let ran = Command::new(PROGRAM).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (ran.status.code(), text(ran.stdout), text(ran.stderr))
}

fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Proves that `replay` prints a line for every step of the reference's life, with the reference's codes, NAV and shares; and that a file
/// that is not of the form is refused with step and field before anything is printed.
#[test]
fn replay_tells_the_reference_life() {
    let golden = include_str!("../../../crates/domain/tests/golden/lifecycle.json");
    let golden_path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/domain/tests/golden/lifecycle.json");
    let (code, out, _) = run(&["replay", golden_path.to_str().unwrap()]);
    assert_eq!(code, Some(0));
    let golden: Value = serde_json::from_str(golden).unwrap();
    let steps = golden["steps"].as_array().unwrap();
    assert_eq!(out.lines().count(), steps.len());
    let text = |value: &Value| value.to_string().trim_matches('"').to_owned();
    for (line, step) in out.lines().zip(steps) {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!((&line["op"], &line["error"]), (&step["op"], &step["error"]));
        for field in ["nav_femto", "shares_nano", "fund"] {
            assert_eq!(text(&line[field]), text(&step[field]), "{field} after {}", step["op"]);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    for (text, said) in [
        ("{\"steps\":[{\"op\":\"deposit\",\"args\":{\"who\":\"A\"}}]}", "steps[0].args.c"),
        ("{\"steps\":[{\"op\":\"steal\",\"args\":{}}]}", "steal"),
        ("[]", "file"),
        ("{", "line 1"),
    ] {
        let (code, out, error) = run(&["replay", &file(folder.path(), "bad.json", text)]);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{text}");
        assert!(error.contains(said), "{error}");
    }
}

/// Proves that a simulation is a function of its seed, tells events a second and 64 digits, and that rules of the demo withstand every
/// attack.
#[test]
fn simulation_and_attacks() {
    let last = |seed: &str| {
        let (code, out, error) = run(&["sim", "--seed", seed, "--steps", "3000"]);
        assert_eq!(code, Some(0), "{error}");
        assert!(out.contains(" events/s\n"), "{out}");
        out.lines().last().unwrap().to_owned()
    };
    let digest = last("5");
    assert!(digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit()), "{digest}");
    assert_eq!(digest, last("5"));
    assert_ne!(digest, last("6"));
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/cli/demo/methodology.json");
    let rules = rules.to_str().unwrap();
    let (code, out, error) = run(&["attack", "--methodology", rules, "--seeds", "5", "--json"]);
    assert_eq!(code, Some(0), "{error}");
    let found: Value = serde_json::from_str(&out).unwrap();
    let played = ATTACKS.len() + RULE_ATTACKS.len();
    assert_eq!(
        (&found["ok"], found["attacks"].as_array().map(Vec::len)),
        (&true.into(), Some(played))
    );
    // A spread that no levy covers pays whoever trades with the fund, joins and leaves.
    let text = std::fs::read_to_string(rules).unwrap();
    let drained = text.replace("\"spread_ppb\": 0", "\"spread_ppb\": 10000000");
    assert_ne!(drained, text);
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "drained.json", &drained);
    let (code, _, error) = run(&["attack", "--methodology", &path, "--seeds", "3"]);
    assert!(code == Some(1) && error.contains("churn through the spread"), "{error}");
    let covered = drained.replace("\"levy_in_ppb\": 0", "\"levy_in_ppb\": 10000000");
    let path = file(folder.path(), "covered.json", &covered);
    let (code, _, error) = run(&["attack", "--methodology", &path, "--seeds", "3"]);
    assert_eq!(code, Some(0), "{error}");
    let (code, _, error) = run(&["attack", "--methodology", "/dev/null"]);
    assert!(code == Some(1) && error.contains("/dev/null"), "{error}");
}

/// Proves that a backtest prints the level of a hand-made history, and names the line of a bad one.
#[test]
fn a_backtest_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/cli/demo/methodology.json");
    let rules = rules.to_str().unwrap();
    // Two names at half each: +10 % of one is +5 %; rebalanced, another +10 % and -5 % is +2.5 %.
    let prices = "date,model,price_micro\n2026-01-01,a,1000000\n2026-01-01,b,2000000\n\
                  2026-02-01,a,1100000\n2026-02-01,b,2000000\n2026-02-02,a,1210000\n2026-02-02,b,1900000\n";
    let path = file(folder.path(), "prices.csv", prices);
    let (code, out, error) =
        run(&["backtest", "--methodology", rules, "--prices", &path, "--form", "days"]);
    assert_eq!(code, Some(0), "{error}");
    let levels: Vec<&str> = out.lines().skip(1).filter_map(|line| line.split(',').nth(1)).collect();
    // Quantities are whole millionths of a unit: 1,050 · 1.025 but for the last digits.
    assert_eq!(&levels[..2], ["1000.000000000", "1050.000000000"], "{out}");
    assert!(levels[2].starts_with("1076.249999") || levels[2] == "1076.250000000", "{out}");
    // The same under a rule that goes half of the way at first: half of the basket, and a note that says so.
    let text = std::fs::read_to_string(rules).unwrap();
    let ramped =
        text.replace("\"reserve_micro\": 0", "\"reserve_micro\": 0, \"ramp_up_rebalances\": 2");
    let ramped = file(folder.path(), "ramped.json", &ramped);
    let (code, out, error) =
        run(&["backtest", "--methodology", &ramped, "--prices", &path, "--json"]);
    assert_eq!(code, Some(0), "{error}");
    let told: Value = serde_json::from_str(&out).unwrap();
    let first = &told["backtest"]["rebalances"][0];
    assert_eq!(
        (&first["cash_ppb"], &first["notes"][1]["kind"]),
        (&500_000_000.into(), &"ramp_up".into())
    );
    let bad = file(folder.path(), "bad.csv", "date,model,price_micro\n2026-01-01,a,-5\n");
    let (code, out, error) = run(&["backtest", "--methodology", rules, "--prices", &bad]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(error.contains("line 2, price_micro"), "{error}");
}
