//! Whole files of operations: the reference's life as lines, and bad files.
#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

use domain::fund::replay;
use proptest::prelude::*;
use serde_json::{Value, json};

const LIFE: &str = include_str!("golden/lifecycle.json");

fn life() -> Value {
    serde_json::from_str(LIFE).unwrap()
}

/// Proves that every step gives one line with the eight fields of DESIGN 5, in this order, equal to the reference's.
#[test]
fn one_line_a_step() {
    let wanted = life();
    let wanted = wanted["steps"].as_array().unwrap();
    let lines: Vec<String> = replay::lines(LIFE).unwrap().collect();
    assert_eq!(lines.len(), wanted.len());
    let mut digests = std::collections::BTreeSet::new();
    for (line, want) in lines.iter().zip(wanted) {
        assert!(!line.contains('\n'));
        let found: Value = serde_json::from_str(line).unwrap();
        let keys: Vec<&String> = found.as_object().unwrap().keys().collect();
        let order = ["op", "error", "journal", "nav_femto", "shares_nano", "hwm", "fund", "digest"];
        assert_eq!(keys, order);
        for key in &order[..7] {
            assert_eq!(found[*key], want[*key], "{key}");
        }
        assert_eq!(found["digest"].as_str().unwrap().len(), 64);
        digests.insert(found["digest"].to_string());
    }
    let applied = wanted.iter().filter(|step| step["error"].is_null()).count();
    assert_eq!(
        digests.len(),
        applied + 1,
        "one digest before the first operation, and one for each"
    );
}

/// A file of one step.
fn file(op: &str, args: Value) -> String {
    json!({"steps": [{"op": "claim", "args": {"who": "A"}}, {"op": op, "args": args}]}).to_string()
}

/// Proves that what is wrong with the form of a file is told with step and field.
#[test]
fn bad_files() {
    let deep = "[".repeat(100_000);
    for (text, message) in [
        ("", "no JSON: EOF while parsing a value at line 1 column 0"),
        ("{\"steps\": [}", "no JSON: expected value at line 1 column 12"),
        (deep.as_str(), "no JSON: recursion limit exceeded at line 1 column 128"),
        ("{\"steps\": [1e999]}", "no JSON: number out of range at line 1 column 16"),
        ("[]", "file: expected an object with steps, found []"),
        ("{}", "steps: expected a list, found null"),
        (r#"{"steps": 7}"#, "steps: expected a list, found 7"),
        (r#"{"steps": [7]}"#, "steps[0]: expected an object with op and args, found 7"),
        (r#"{"steps": [{}]}"#, "steps[0].op: expected the name of an operation, found null"),
        (r#"{"steps": [{"op": "claim"}]}"#, "steps[0].args: expected an object, found null"),
        (r#"{"steps": [], "params": 1}"#, "params: expected an object, found 1"),
        (r#"{"steps": [], "params": {"fee": 1}}"#, "params.fee: no such parameter"),
        (
            r#"{"steps": [], "params": {"mgmt_ppb": -1}}"#,
            "params: mgmt_ppb -1 is out of range: at least 0, at most 9000000000000000000, in the smallest steps of the ledger",
        ),
        (
            r#"{"steps": [], "params": {"reserve": 0.5}}"#,
            "params: reserve 0.5 is out of range: at least 0, at most 9000000000000000000, in the smallest steps of the ledger",
        ),
        (
            r#"{"steps": [], "params": {"perf_ppb": 1000000000}}"#,
            "params: performance_fee 1000000000 is out of range: at least 0, at most 999999999, in the smallest steps of the ledger",
        ),
    ] {
        assert_eq!(replay::lines(text).unwrap_err().to_string(), message);
    }
    for (op, args, message) in [
        ("mint", json!({}), "steps[1].op: operation \"mint\" is unknown"),
        ("deposit", json!({"who": "A"}), "steps[1].args.c: deposit needs it"),
        ("strike", json!({}), "steps[1].args.day: strike needs it"),
        ("strike", json!({"day": 1, "dya": 2}), "steps[1].args.dya: strike has no such argument"),
    ] {
        assert_eq!(replay::lines(&file(op, args)).unwrap_err().to_string(), message);
    }
}

/// Proves that a value out of its range is a code of its step, and that the steps after it go on.
#[test]
fn bad_values_are_codes() {
    for (op, args, code) in [
        ("deposit", json!({"who": "A", "c": -1}), "amount"),
        ("deposit", json!({"who": "A", "c": 1.5}), "amount"),
        ("deposit", json!({"who": "A", "c": "1"}), "amount"),
        ("deposit", json!({"who": "A", "c": u64::MAX}), "amount"),
        ("deposit", json!({"who": "A", "c": 1e300}), "amount"),
        ("deposit", json!({"who": "ESC:SUB", "c": 1}), "owner"),
        ("strike", json!({"day": 1e300}), "clock"),
        ("strike", json!({"day": i64::MIN}), "clock"),
    ] {
        let lines: Vec<String> = replay::lines(&file(op, args)).unwrap().collect();
        let last: Value = serde_json::from_str(&lines[1]).unwrap();
        assert_eq!((&last["error"], &last["journal"]), (&json!(code), &json!([])));
    }
    // An integer of more digits than any type holds is read as a number all the same.
    let text = file("deposit", json!({"who": "A", "c": 1}))
        .replace(":1}", ":123456789012345678901234567890}");
    let last = replay::lines(&text).unwrap().last().unwrap();
    assert!(last.contains("\"error\":\"amount\""), "{last}");
}

/// Any JSON that is not too large.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[A-Z:a-z0-9/é]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[A-Z0-9]{1,3}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Proves that no value in the place of any argument of the reference's life makes it panic or ends the file.
    #[test]
    fn no_value_panics(step in 0_usize..60, argument in 0_usize..5, value in any_json()) {
        let mut file = life();
        let args = file["steps"][step]["args"].as_object_mut().unwrap();
        let name = args.keys().nth(argument % args.len()).unwrap().clone();
        args.insert(name, value);
        prop_assert_eq!(replay::lines(&file.to_string()).unwrap().count(), 60);
    }

    /// Proves that no text at all makes it panic.
    #[test]
    fn no_text_panics(text in ".{0,40}", cut in 0_usize..4000) {
        drop(replay::lines(&text));
        let at = (0..=cut).rev().find(|at| LIFE.is_char_boundary(*at)).unwrap();
        prop_assert!(replay::lines(&LIFE[..at]).is_err());
    }
}
