//! The engine against the reference's scripted life of a fund.

#![expect(clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

use std::collections::BTreeMap;

use domain::{
    amount::Femto,
    fund::{Account, Asset, State, replay},
    name::Name,
};
use serde_json::{Value, json};

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/lifecycle.json")).unwrap()
}

fn fund() -> Name {
    "main".parse().unwrap()
}

/// The reference writes NAV in a result as a number of 19 digits, we as text; everything else is the same.
fn nav_as_text(mut result: Value) -> Value {
    for key in ["nav15", "ask15"] {
        if let Some(nav) = result.get_mut(key) {
            *nav = json!(nav.to_string().trim_matches('"'));
        }
    }
    result
}

/// Replays the whole file and hands every step, with the state after it, to `check`.
fn replay_all(mut check: impl FnMut(usize, &Value, &replay::Step, &State)) -> State {
    let file = golden();
    let mut state = replay::ledger(&fund(), &file["params"]).unwrap();
    for (index, step) in file["steps"].as_array().unwrap().iter().enumerate() {
        let done = replay::step(&mut state, &fund(), step).unwrap();
        check(index, step, &done, &state);
    }
    state
}

/// Proves that every step of the reference's life has its code, journal, result, NAV, shares, high-water mark and balances here, to the last digit.
#[test]
fn lifecycle_step_by_step() {
    let mut steps = 0;
    replay_all(|index, want, done, state| {
        let at = format!("step {index}, {}", want["op"]);
        for key in ["op", "error", "journal", "nav_femto", "shares_nano", "hwm", "fund"] {
            assert_eq!(done.line[key], want[key], "{at}: {key} ({:?})", done.error);
        }
        assert_eq!(done.result, nav_as_text(want["result"].clone()), "{at}: result");
        let per_share = state.fund(&fund()).unwrap().nav_per_share_nano(state);
        let per_share = per_share.map(|nav| nav.as_nano().to_string());
        assert_eq!(json!(per_share), want["nav_per_share_1e9_floor"], "{at}: NAV per share");
        assert_eq!(state.check(), Ok(()), "{at}");
        steps += 1;
    });
    assert_eq!(steps, 60);
}

/// Proves that the operations cover all sixteen operations and nine codes, so that the comparison above is not empty.
#[test]
fn lifecycle_covers() {
    let (mut operations, mut codes) = (BTreeMap::new(), BTreeMap::new());
    replay_all(|_, want, done, _| {
        *operations.entry(want["op"].to_string()).or_insert(0) += 1;
        if let Some(error) = &done.error {
            *codes.entry(error.code()).or_insert(0) += 1;
        }
    });
    assert_eq!(operations.len(), 16, "{operations:?}");
    assert_eq!(codes.len(), 9, "{codes:?}");
}

/// Proves that the final balances are those that an independent double-entry checker (beancount) accepted, account by account.
#[test]
fn lifecycle_final_balances() {
    let state = replay_all(|_, _, _, _| {});
    let mut ours = BTreeMap::new();
    for (account, asset, balance) in state.balances() {
        let key = format!("Assets:C:{} {}", dashed(&account.short()), dashed(&asset.short()));
        ours.insert(key, balance.to_string());
    }
    for (account, balance) in state.fund(&fund()).unwrap().gl_accounts() {
        let key = format!("Equity:GL:{} FEMTO", dashed(&account.to_string()));
        ours.insert(key, balance.to_string());
    }
    let mut theirs = BTreeMap::new();
    for line in include_str!("golden/lifecycle.beancount").lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [_, "balance", account, amount, commodity] = words[..]
            && amount.parse::<Femto>().unwrap() != Femto::ZERO
        {
            theirs.insert(format!("{account} {commodity}"), amount.to_owned());
        }
    }
    assert_eq!(theirs.len(), ours.len());
    assert_eq!(ours, theirs);
}

fn dashed(text: &str) -> String {
    text.replace(':', "-")
}

/// Bad calls: the code, the operation, its arguments.
const BAD: &[(&str, &str, &str)] = &[
    ("owner", "deposit", r#"{"who": "FUND", "c": 0}"#),
    ("owner", "deposit", r#"{"who": "a:b", "c": 1}"#),
    ("amount", "deposit", r#"{"who": "A", "c": 1.0}"#),
    ("amount", "deposit", r#"{"who": "A", "c": true}"#),
    ("amount", "deposit", r#"{"who": "A", "c": 9000000000000000001}"#),
    ("limit", "deposit", r#"{"who": "ALICE", "c": 9000000000000000000}"#),
    ("owner", "deposit", r#"{}"#),
    ("funds", "withdraw", r#"{"who": "A", "c": 1}"#),
    ("owner", "transfer", r#"{"who": "A", "to": "A", "asset": "X", "n": 0}"#),
    ("asset", "transfer", r#"{"who": "A", "to": "B", "asset": "U:X", "n": 0}"#),
    ("asset", "transfer", r#"{"who": "A", "to": "B", "asset": "SC:M2", "n": 0}"#),
    ("amount", "transfer", r#"{"who": "A", "to": "B", "asset": "SC:M1", "n": 0}"#),
    ("asset", "transfer", r#"{"who": "A", "to": "B", "asset": [], "n": 1}"#),
    ("model", "admit", r#"{"m": 7, "pub": "P", "p0": 1, "bond": 1}"#),
    ("delisted", "admit", r#"{"m": "M1", "pub": "FUND", "p0": 0, "bond": 1}"#),
    ("exists", "admit", r#"{"m": "M2", "pub": "FUND", "p0": 0, "bond": 1}"#),
    ("amount", "admit", r#"{"m": "Z", "pub": "P", "p0": 0, "bond": 1, "contributors": []}"#),
    ("split", "admit", r#"{"m": "Z", "pub": "P", "p0": 1, "bond": 1, "contributors": []}"#),
    (
        "owner",
        "admit",
        r#"{"m": "Z", "pub": "P", "p0": 1, "bond": 1, "contributors": [["FUND", 5]]}"#,
    ),
    ("split", "admit", r#"{"m": "Z", "pub": "P", "p0": 1, "bond": 1, "contributors": [3]}"#),
    (
        "split",
        "admit",
        r#"{"m": "Z", "pub": "P", "p0": 1, "bond": 1, "contributors": [["A", 500000000], ["A", 500000000]]}"#,
    ),
    ("funds", "admit", r#"{"m": "Z", "pub": "P", "p0": 1, "bond": 1}"#),
    ("amount", "seed", r#"{"who": "A", "c": 999}"#),
    ("seeded", "seed", r#"{"who": "A", "c": 1000}"#),
    ("nothing", "mark_set", r#"{"px": {}, "est": {}}"#),
    ("nothing", "mark_set", r#"{"px": [], "est": {}}"#),
    ("model", "mark_set", r#"{"px": {"x": 1, "M2": -1}}"#),
    ("amount", "mark_set", r#"{"px": {"M2": -1, "x": 1}}"#),
    ("delisted", "mark_set", r#"{"px": {"M2": 1}, "est": {"M1": 1}}"#),
    ("model", "mark", r#"{"m": [], "p": -1}"#),
    ("amount", "mark", r#"{"m": "M2", "p": null}"#),
    ("clock", "strike", r#"{"day": 182}"#),
    ("clock", "strike", r#"{"day": "183"}"#),
    ("clock", "strike", r#"{"day": 1000001}"#),
    ("model", "in_kind", r#"{"who": "BOB", "sh": 1, "day": 0, "skip": ["x"]}"#),
    ("model", "in_kind", r#"{"who": "BOB", "sh": 1, "day": 0, "skip": "M2"}"#),
    ("funds", "in_kind", r#"{"who": "BOB", "sh": 9000000000000000000, "day": 183}"#),
    ("weights", "rebalance", r#"{"wppb": [], "cash_ppb": 0}"#),
    ("delisted", "rebalance", r#"{"wppb": {"M1": 1}, "cash_ppb": 0}"#),
    ("weights", "rebalance", r#"{"wppb": {"M2": 1000000000, "M3": 1}, "cash_ppb": 0}"#),
    ("weights", "rebalance", r#"{"wppb": {}, "cash_ppb": -1, "cps": ["FUND"]}"#),
    ("weights", "rebalance", r#"{"wppb": {}, "cash_ppb": 0, "spread_ppb": 1000000000}"#),
    ("owner", "rebalance", r#"{"wppb": {}, "cash_ppb": 0, "cps": ["FUND"]}"#),
    ("owner", "rebalance", r#"{"wppb": {}, "cash_ppb": 0, "cps": ["A", "A"]}"#),
    ("owner", "rebalance", r#"{"wppb": {}, "cash_ppb": 0, "cps": "LP"}"#),
    ("delisted", "vest", r#"{"m": "M1", "day": 0}"#),
    ("clock", "vest", r#"{"m": "M2", "day": 0}"#),
    ("model", "royalty", r#"{"m": "x", "c": 0}"#),
    ("amount", "royalty", r#"{"m": "M1", "c": 0}"#),
    ("delisted", "delist", r#"{"m": "M1"}"#),
];

/// Proves that a bad call earns the code of its first bad argument, as in the reference, and that no argument does worse than that.
#[test]
fn bad_arguments() {
    let mut state = replay_all(|_, _, _, _| {});
    let before = state.clone();
    for (code, op, args) in BAD {
        let operation = json!({"op": op, "args": serde_json::from_str::<Value>(args).unwrap()});
        let done = replay::step(&mut state, &fund(), &operation).unwrap();
        let error = done.error.as_ref().map(|error| (error.code(), error.to_string()));
        assert_eq!(error.as_ref().map(|e| e.0), Some(*code), "{operation}: {error:?}");
        assert_eq!(state, before, "{operation} left a trace");
    }
    assert!(replay::step(&mut state, &fund(), &json!({"op": "mint", "args": {}})).is_err());
}

/// Proves that a refusal names the thing and the limit.
#[test]
fn refusals_are_readable() {
    let mut state = replay_all(|_, _, _, _| {});
    for (operation, message) in [
        (
            json!({"op": "withdraw", "args": {"who": "CAROL", "c": 999_000_000}}),
            "CAROL has 174.072638 of CASH; 999.000000 are needed",
        ),
        (
            json!({"op": "strike", "args": {"day": 3}}),
            "day 3 cannot be: at least 183, the fund's day, and at most 1000000",
        ),
        (
            json!({"op": "subscribe", "args": {"who": "CAROL", "c": 1}}),
            "fund main is winding up and takes no subscriptions",
        ),
    ] {
        let done = replay::step(&mut state, &fund(), &operation).unwrap();
        assert_eq!(done.error.unwrap().to_string(), message);
    }
    let escrow = Account::EscrowSubscriptions(fund());
    assert_eq!(state.balance(&escrow, &Asset::Cash), 0);
}
