//! The prices of the 25 demo checkpoints, from the real files to the accepted price, at cost index 1.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

mod common;

use common::{Run, demo, subject, suite};
use domain::{
    digest::Digest,
    evaluation::{Breaker, Evidence, PriceDecision, PriceState, Report, ReportContext, decide},
};
use serde_json::Value;

const GOLDEN: &str = include_str!("../../domain/tests/golden/demo_prices.json");

/// Relative 1e-9, and absolute 1e-12 for a zero: the tolerance that the golden file states.
fn close(found: f64, expected: &Value) -> bool {
    let expected = expected.as_f64().unwrap();
    (found - expected).abs() <= (expected.abs() * 1e-9).max(1e-12)
}

/// Scores a real checkpoint beside the real reference, and derives its report at cost index 1.
fn report(architecture: &str, step: u32, digest: Digest) -> (Report, String) {
    let run =
        Run { reference: Some(subject("mlp", 270)), ..Run::accuracy(subject(architecture, step)) };
    let evaluation = run.go().unwrap();
    let suite = suite();
    let context = ReportContext {
        suite: &suite,
        suite_digest: digest,
        label_counts: &evaluation.labels.counts,
        model: architecture,
        reference: "mlp",
        evaluator: "test",
        cost_held: Some(1.0),
    };
    let report = Report::derive(&evaluation.measurement, &context).unwrap();
    (report, evaluation.measurement.model.right)
}

fn check(row: &Value, report: &Report, decided: &PriceDecision) {
    let name = format!("{} {}", row["arch"], row["step"]);
    assert_eq!(report.model.correct, row["correct"].as_u64(), "{name}");
    assert!(close(report.quality_bits.unwrap(), &row["q"]), "{name}: q {:?}", report.quality_bits);
    assert!(close(report.quality.unwrap().se, &row["se"]), "{name}: se {:?}", report.quality);
    assert!(
        close(report.sigma_ln_price.unwrap(), &row["sigma_ln"]),
        "{name}: σ {:?}",
        report.sigma_ln_price
    );
    let within_one = |found: Option<i64>, field: &str| {
        let expected = row[field].as_i64().unwrap();
        assert!(
            (found.unwrap() - expected).abs() <= 1,
            "{name}: {field} {found:?}, expected {expected}"
        );
    };
    within_one(report.price_micro, "price_micro");
    within_one(decided.price_micro, "accepted_price_micro");
    assert_eq!(decided.status.as_str(), row["decision"].as_str().unwrap(), "{name}");
    match decided.band_ln {
        Some(band) => assert!(close(band, &row["band"]), "{name}: band {band}"),
        None => assert!(row["band"].is_null(), "{name}"),
    }
}

/// Proves that quality, price, σ, band, decision and accepted price of every real checkpoint are those of the independent oracle.
#[test]
fn prices_of_the_real_checkpoints_at_cost_index_one() {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    let digest = Digest::of(&std::fs::read(demo("suite/suite.toml")).unwrap());
    let rows = golden["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 25);
    let mut previous: Option<(String, PriceState)> = None;
    for row in rows {
        let architecture = row["arch"].as_str().unwrap();
        let step = u32::try_from(row["step"].as_u64().unwrap()).unwrap();
        let (report, right) = report(architecture, step, digest);
        let state = previous.as_ref().filter(|(of, _)| of == architecture).map(|(_, state)| state);
        let decided = decide(
            state,
            Evidence { report: &report, right: &right, influence: &[] },
            &Breaker::DEMO,
        )
        .unwrap();
        check(row, &report, &decided);
        previous = Some((architecture.to_owned(), decided.state.unwrap()));
    }
}
