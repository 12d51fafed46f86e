//! The golden prices of the 25 demo checkpoints, through the functions that price them in production.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panic, in its helpers too"
)]

mod support;

use std::collections::BTreeMap;

use domain::evaluation::{
    Breaker, Evidence, PriceState, Report, ReportContext, decide,
    quality::{PairCounts, difference_variance, shrunk},
};
use serde_json::Value;

use crate::support::{context, first_right, label_counts, measurement, subject, suite};

const ITEMS: usize = 4000;
const CHANCE: f64 = 0.104;

fn near(actual: f64, expected: &Value, what: &str) {
    let expected = expected.as_f64().unwrap();
    let tolerance = (1e-9 * expected.abs()).max(1e-12);
    assert!((actual - expected).abs() <= tolerance, "{what}: {actual} is not {expected}");
}

fn within_one(actual: i64, expected: &Value, what: &str) {
    let expected = expected.as_i64().unwrap();
    assert!(actual.abs_diff(expected) <= 1, "{what}: {actual} is not {expected}");
}

fn count(right: &str) -> u64 {
    right.bytes().filter(|byte| *byte == b'1').count() as u64
}

/// How many items both the model and the reference got right: the one count that gives the golden standard error.
fn both_with_reference(k: u64, k_reference: u64, se: f64) -> u64 {
    let a = [k, k_reference].map(|k| shrunk(k, ITEMS as u64, CHANCE));
    let error = |both: u64| {
        let (first, second) = (k - both, k_reference - both);
        let neither = ITEMS as u64 - both - first - second;
        let counts = PairCounts { both, first, second, neither };
        (difference_variance(counts, [1.0; 2], a).sqrt() - se).abs()
    };
    let least = (k + k_reference).saturating_sub(ITEMS as u64);
    (least..=k.min(k_reference)).min_by(|x, y| error(*x).total_cmp(&error(*y))).unwrap()
}

/// Right items with `both_reference` in common with the reference and, if given, `both_old` with the old version; `k` in all.
fn right_items(k: u64, reference: &str, both_reference: u64, old: Option<(&str, u64)>) -> String {
    let cells = |item: usize| {
        let old = old.is_some_and(|(old, _)| old.as_bytes()[item] == b'1');
        (reference.as_bytes()[item] == b'1', old)
    };
    let mut room = BTreeMap::from([
        ((false, false), 0),
        ((false, true), 0),
        ((true, false), 0),
        ((true, true), 0),
    ]);
    for item in 0..ITEMS {
        *room.get_mut(&cells(item)).unwrap() += 1u64;
    }
    let both_old = old.map_or(0, |(_, both)| both);
    // One count is free: how many are shared with both. The others follow from the three totals.
    let quotas = |shared: u64| {
        let only_reference = both_reference.checked_sub(shared)?;
        let only_old = both_old.checked_sub(shared)?;
        let neither = k.checked_sub(shared + only_reference + only_old)?;
        let quotas = BTreeMap::from([
            ((true, true), shared),
            ((true, false), only_reference),
            ((false, true), only_old),
            ((false, false), neither),
        ]);
        quotas.iter().all(|(cell, quota)| *quota <= room[cell]).then_some(quotas)
    };
    let mut quotas = (0..=ITEMS as u64).find_map(quotas).expect("the counts fit together");
    let mut take = |item| {
        let quota = quotas.get_mut(&cells(item)).unwrap();
        let right = *quota > 0;
        *quota -= u64::from(right);
        if right { '1' } else { '0' }
    };
    (0..ITEMS).map(&mut take).collect()
}

struct Version {
    right: String,
    state: Option<PriceState>,
}

/// Checks quality, price and error of one checkpoint, then the decision on its price.
fn check_row(row: &Value, reference: &str, before: Option<&Version>, what: &str) -> Version {
    let k = row["correct"].as_u64().unwrap();
    let se = row["se_vs_reference"].as_f64().unwrap();
    let is_reference = se == 0.0;
    let right = if is_reference {
        reference.to_owned()
    } else {
        let both = both_with_reference(k, count(reference), se);
        let shared = row["both_new_old_neither"][0].as_u64();
        let old = before.map(|version| (version.right.as_str(), shared.unwrap()));
        right_items(k, reference, both, old)
    };
    let name = if is_reference { "reference" } else { what };
    let suite = suite(ITEMS as u64);
    let counts = label_counts(ITEMS as u64);
    let context = ReportContext { model: what, cost_held: Some(1.0), ..context(&suite, &counts) };
    let measured = measurement(subject(name, &right), Some(subject("reference", reference)), 2, 1);
    let report = Report::derive(&measured, &context).unwrap();
    assert_eq!((report.model.correct, report.no_price), (Some(k), None), "{what}");
    let quality = report.quality.unwrap();
    near(quality.shrunk.unwrap(), &row["a"], what);
    near(report.quality_bits.unwrap(), &row["q"], what);
    near(quality.se, &row["se"], what);
    near(quality.se_difference.unwrap(), &row["se_vs_reference"], what);
    near(report.sigma_ln_price.unwrap(), &row["sigma_ln"], what);
    within_one(report.price_micro.unwrap(), &row["price_micro"], what);

    let evidence = Evidence { report: &report, right: &right, influence: &[] };
    let state = before.and_then(|version| version.state.as_ref());
    let decision = decide(state, evidence, &Breaker::DEMO).unwrap();
    assert_eq!(decision.status.as_str(), row["decision"].as_str().unwrap(), "{what}");
    within_one(decision.price_micro.unwrap(), &row["accepted_price_micro"], what);
    within_one(decision.est_micro, &row["price_micro"], what);
    match row["band"].as_f64() {
        Some(_) => {
            near(decision.sigma_delta.unwrap(), &row["sigma_delta"], what);
            near(decision.band_ln.unwrap(), &row["band"], what);
            let paired = PairCounts::of(&right, &before.unwrap().right).unwrap();
            let counts = [paired.both, paired.first, paired.second, paired.neither];
            assert_eq!(serde_json::json!(counts), row["both_new_old_neither"], "{what}");
        }
        None => assert_eq!((decision.sigma_delta, decision.band_ln), (None, None), "{what}"),
    }
    // What a database gives back is what was decided.
    let stored = serde_json::to_string(&decision.state).unwrap();
    Version { right, state: serde_json::from_str(&stored).unwrap() }
}

/// Proves quality, price, error, band, decision and accepted price of every demo checkpoint at cost index 1.
#[test]
fn demo_prices() {
    let golden: Value = serde_json::from_str(include_str!("golden/demo_prices.json")).unwrap();
    let rows = golden["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 25);
    let is_reference = |row: &&Value| {
        row["arch"] == golden["reference"]["arch"] && row["step"] == golden["reference"]["step"]
    };
    let reference = rows.iter().find(is_reference).unwrap();
    let reference = first_right(reference["correct"].as_u64().unwrap() as usize, ITEMS);
    for arch in golden["archs"].as_array().unwrap() {
        let mut before: Option<Version> = None;
        for row in rows.iter().filter(|row| row["arch"] == *arch) {
            let what = format!("{}/step-{:04}", arch.as_str().unwrap(), row["step"]);
            before = Some(check_row(row, &reference, before.as_ref(), &what));
        }
    }
}
