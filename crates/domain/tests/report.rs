//! Reports: what follows from a measurement, when there is no price, and that everything can be derived again.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panic, in its helpers too")]

mod json_schema;
mod support;

use domain::{
    digest::Digest,
    evaluation::{
        Measurement, NoPrice, Report, ReportContext, ReportError, SuiteFacts, VerifyError,
        price::{log_sigma, micro, price},
        samples, verify, verify_blob, verify_price,
    },
    suite::Suite,
};
use serde_json::{Value, json};

use crate::{
    json_schema::fault,
    support::{context, first_right, label_counts, measurement, subject, suite},
};

const ITEMS: usize = 1000;

/// A model with 850 right items against a reference with 800, of which 780 in common.
fn usual() -> Measurement {
    let reference = first_right(800, ITEMS);
    let model = "0".repeat(20) + &"1".repeat(850) + &"0".repeat(130);
    measurement(subject("model", &model), Some(subject("reference", &reference)), 3, u64::MAX)
}

/// The same model without a reference.
fn alone() -> Measurement {
    let mut alone = usual();
    alone.reference = None;
    for round in &mut alone.rounds {
        round.single_stream.reference.clear();
        round.single_stream.control.clear();
        round.offline.reference.clear();
    }
    alone
}

fn derive(measurement: &Measurement) -> Report {
    let (suite, counts) = (suite(ITEMS as u64), label_counts(ITEMS as u64));
    Report::derive(measurement, &context(&suite, &counts)).unwrap()
}

fn close(actual: f64, expected: f64) {
    assert!((actual - expected).abs() <= 1e-9 * expected.abs(), "{actual} is not {expected}");
}

/// Proves that cost ratios are taken with t0, by median, p90 and geometric mean, and that price and error follow from them.
#[test]
fn price_follows_from_the_samples() {
    let measured = usual();
    let report = derive(&measured);
    let logs = |sides: fn(&domain::evaluation::RoundMeasurement) -> [&Vec<u64>; 2],
                statistic: fn(Vec<u64>) -> f64| {
        let log = |round| {
            let [model, reference] = sides(round).map(|times| statistic(times.clone()) + 1.0);
            (model / reference).ln()
        };
        measured.rounds.iter().map(log).collect::<Vec<f64>>()
    };
    let offline = logs(
        |round| [&round.offline.model, &round.offline.reference],
        |mut times| {
            times.sort_unstable();
            (times[9] + times[10]) as f64 / 2.0 / 10.0 / 1e6
        },
    );
    let latency = logs(
        |round| [&round.single_stream.model, &round.single_stream.reference],
        |mut times| {
            times.sort_unstable();
            times[89] as f64 / 1e6
        },
    );
    let mean = |logs: &[f64]| logs.iter().sum::<f64>() / 3.0;
    let se = |logs: &[f64]| {
        (logs.iter().map(|x| (x - mean(logs)).powi(2)).sum::<f64>() / 2.0 / 3.0).sqrt()
    };
    let cost = report.cost.as_ref().unwrap();
    close(cost.ratios.time, mean(&offline).exp());
    close(cost.ratios.latency, mean(&latency).exp());
    assert_eq!((cost.ratios.memory, cost.ratios.energy), (1.0, None));
    close(cost.se_ln.time, se(&offline));
    close(cost.se_ln.latency, se(&latency));
    let index = report.cost_index.unwrap();
    close(index, cost.ratios.time.powf(0.6) * cost.ratios.latency.powf(0.2));
    assert!(index < 1.0);
    let q_ref = report.suite.q_ref.unwrap();
    let (quality, bits) = (report.quality.unwrap(), report.quality_bits.unwrap());
    close(bits, quality.signed_bits);
    assert_eq!(report.price_micro, Some(micro(price(bits, q_ref, index))));
    let se_q = quality.se_difference.unwrap();
    let sigma = log_sigma(bits, q_ref, index, se_q, &cost.se_ln);
    assert_eq!(report.sigma_items, Some(sigma.items));
    assert_eq!(report.sigma_cost, Some(sigma.cost));
    assert_eq!(report.sigma_ln_price, Some(sigma.sigma));
    let accuracy = report.metrics["accuracy"];
    assert_eq!((accuracy.value, accuracy.n), (0.85, 1000));
    assert!(accuracy.low < 0.85 && 0.85 < accuracy.high);
    let times = report.times.unwrap();
    assert!(times.model.p50.low.unwrap() <= times.model.p50.ms);
    assert!(times.model.p99.ms <= 0.0315 && times.reference.unwrap().p50.ms >= 0.06);
}

/// Proves that a report and its blob survive storage, that verification derives it again, and that it names what was changed.
#[test]
fn verification() {
    let (measured, suite, counts) = (usual(), suite(ITEMS as u64), label_counts(ITEMS as u64));
    let report = Report::derive(&measured, &context(&suite, &counts)).unwrap();
    let text = report.to_canonical().unwrap();
    assert_eq!(report.digest().unwrap(), Digest::of(text.as_bytes()));
    let read: Report = serde_json::from_str(&text).unwrap();
    assert_eq!(read, report);
    let blob = samples::to_blob(&measured).unwrap();
    assert_eq!(report.samples, Digest::of(&blob));
    let measured = samples::from_blob(&blob).unwrap();
    assert_eq!(measured.protocol.seed, u64::MAX);
    let facts = SuiteFacts { digest: report.suite.digest, label_counts: counts };
    assert_eq!(verify(&read, &measured, &suite, Some(&facts)), Ok(()));
    assert_eq!(verify(&read, &measured, &suite, None), Ok(()));

    let field_of = |change: &dyn Fn(&mut Report)| {
        let mut changed = read.clone();
        change(&mut changed);
        match verify(&changed, &measured, &suite, Some(&facts)) {
            Err(VerifyError::Difference { field, .. }) => field,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(field_of(&|r| r.price_micro = r.price_micro.map(|p| p + 1)), "price_micro");
    assert_eq!(
        field_of(&|r| r.metrics.get_mut("accuracy").unwrap().low = 0.0),
        "metrics.accuracy.low"
    );
    assert_eq!(field_of(&|r| r.model.digest = Digest::of(b"x")), "model.digest");
    assert_eq!(field_of(&|r| r.suite.digest = Digest::of(b"x")), "suite.digest");
    assert_eq!(field_of(&|r| r.suite.label_counts[3] += 1), "suite.label_counts[3]");
    assert_eq!(
        field_of(&|r| r.cost.as_mut().unwrap().rounds[1].ln_time *= 2.0),
        "cost.rounds[1].ln_time"
    );
    assert_eq!(field_of(&|r| r.void_reasons.push("so".to_owned())), "void_reasons");
    assert_eq!(field_of(&|r| r.quality_bits = Some(f64::NAN)), "quality_bits");
}

/// Proves that report and blob alone suffice, with and without a price, and that a lie about either or about the suite is named.
#[test]
fn verification_without_the_suite() {
    for measured in [usual(), alone()] {
        let report = derive(&measured);
        let blob = samples::to_blob(&measured).unwrap();
        assert_eq!(verify_blob(&report, &blob), Ok(()));
    }
    let report = derive(&usual());
    let blob = samples::to_blob(&usual()).unwrap();
    let refusal = |change: &dyn Fn(&mut Report), blob: &[u8]| {
        let mut changed = report.clone();
        change(&mut changed);
        verify_blob(&changed, blob).unwrap_err().to_string()
    };
    assert!(refusal(&|_| (), &blob[1..]).starts_with("samples: the blob has digest sha256:"));
    let empty = |r: &mut Report| r.samples = Digest::of(b"{}");
    assert!(refusal(&empty, b"{}").starts_with("samples: "), "{}", refusal(&empty, b"{}"));
    assert!(refusal(&|r| r.report_version = 2, &blob).starts_with("report_version: 2"));
    // A share below that of the majority class, and another t0: both would raise the price.
    assert!(refusal(&|r| r.suite.chance = Some(0.01), &blob).starts_with("suite.chance: "));
    assert!(refusal(&|r| r.suite.overhead_ms = 0.0, &blob).starts_with("cost."));
    let genesis = refusal(&|r| r.suite.q_genesis = Some(9.0), &blob);
    assert!(genesis.starts_with("quality_bits: "), "{genesis}");
    assert!(refusal(&|r| r.panel.push(r.model.clone()), &blob).contains("panel"));
}

/// Proves each reason for which a report has metrics and no price.
#[test]
fn no_price() {
    let alone = alone();
    let report = derive(&alone);
    assert_eq!(report.no_price, Some(NoPrice::NoReference));
    assert_eq!((report.cost_index, report.price_micro, report.sigma_ln_price), (None, None, None));
    close(report.quality_bits.unwrap(), report.quality.unwrap().signed_bits);

    let mut saturated = usual();
    saturated.model.right = first_right(981, ITEMS);
    assert_eq!(derive(&saturated).no_price, Some(NoPrice::Saturated));
    saturated.model.right = first_right(980, ITEMS);
    assert_eq!(derive(&saturated).no_price, None);

    for weak in [first_right(120, ITEMS), first_right(900, ITEMS)] {
        let mut out_of_range = usual();
        out_of_range.reference.as_mut().unwrap().right = weak;
        let report = derive(&out_of_range);
        assert_eq!(report.no_price, Some(NoPrice::ReferenceOutOfRange));
        assert_eq!((report.price_micro, report.sigma_items), (None, None));
        assert!(report.cost_index.is_some());
    }
    let mut broken_reference = usual();
    broken_reference.reference.as_mut().unwrap().finite = false;
    assert_eq!(derive(&broken_reference).no_price, Some(NoPrice::ReferenceOutOfRange));
}

/// Proves that quality 0 is a price of 0 and never a NaN: at chance, and with an output that is no number.
#[test]
fn quality_zero() {
    let mut broken = usual();
    broken.model.finite = false;
    let mut blind = usual();
    blind.model.right = first_right(120, ITEMS);
    let mut nothing = usual();
    nothing.model.right = first_right(0, ITEMS);
    for measured in [broken, blind, nothing] {
        let report = derive(&measured);
        assert_eq!(
            (report.quality_bits, report.price_micro, report.no_price),
            (Some(0.0), Some(0), None)
        );
        assert!(!report.quality.unwrap().above_chance);
        assert_eq!(report.sigma_items, Some(0.0));
        report.to_canonical().unwrap();
    }
}

/// Proves that the reference itself is worth 100 credits without item noise, whatever its second run got right.
#[test]
fn reference_against_itself() {
    let mut measured = usual();
    let reference = measured.reference.clone().unwrap();
    measured.model = subject("reference", &first_right(790, ITEMS));
    for round in &mut measured.rounds {
        round.single_stream.model = round.single_stream.reference.clone();
        round.offline.model = round.offline.reference.clone();
    }
    let report = derive(&measured);
    assert_eq!(report.model.digest, reference.checkpoint);
    assert_eq!(report.price_micro, Some(100_000_000));
    assert_eq!((report.sigma_items, report.sigma_cost), (Some(0.0), Some(0.0)));
}

/// Proves when the control voids a run: beyond 2 %, from eight rounds also beyond its interval; and that the statistic has t0 in it.
#[test]
fn control() {
    let scaled = |rounds: u32, per_mille: u64| {
        let mut measured = measurement(
            subject("model", &first_right(850, ITEMS)),
            Some(subject("reference", &first_right(800, ITEMS))),
            rounds,
            1,
        );
        for round in &mut measured.rounds {
            round.single_stream.control =
                round.single_stream.reference.iter().map(|ns| ns * per_mille / 1000).collect();
        }
        derive(&measured)
    };
    // 60 µs beside t0 = 1 ms: 30 % more raw time is 1.7 % of the priced statistic, 40 % more is 2.2 %.
    assert!(!scaled(3, 1300).is_void());
    let void = scaled(3, 1400);
    assert_eq!(
        (void.no_price, void.price_micro, void.cost_index),
        (Some(NoPrice::Void), None, None)
    );
    assert!(void.void_reasons[0].contains("at most 0.02"), "{:?}", void.void_reasons);
    assert_eq!(void.metrics["accuracy"].value, 0.85);
    let biased = scaled(8, 1100);
    assert_eq!(biased.void_reasons.len(), 1);
    assert!(biased.void_reasons[0].contains("99 % interval"), "{:?}", biased.void_reasons);
    assert!(!scaled(7, 1100).is_void() && !scaled(8, 1000).is_void());
    assert!(scaled(1, 1000).void_reasons[0].contains("at least 2"));
    let mut unmeasured = usual();
    unmeasured.model.peak_bytes = None;
    assert!(derive(&unmeasured).void_reasons[0].contains("peak memory"));
}

/// Proves that the majority share of the labels lifts `chance`, and that a contradiction is an error that names its field.
#[test]
fn what_does_not_fit() {
    let (suite, counts) = (suite(ITEMS as u64), label_counts(ITEMS as u64));
    let skewed = [400, 600];
    let report = Report::derive(&usual(), &context(&suite, &skewed)).unwrap();
    assert_eq!(report.suite.chance, Some(0.6));
    let field = |measured: &Measurement, counts: &[u64], cost_held| {
        let context = ReportContext { cost_held, ..context(&suite, counts) };
        match Report::derive(measured, &context) {
            Err(ReportError::Inconsistent { field, .. }) => field,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(field(&usual(), &[1000], None), "label_counts");
    assert_eq!(field(&usual(), &[1, 2], None), "label_counts");
    assert_eq!(field(&usual(), &[u64::MAX, 1001], None), "label_counts");
    assert_eq!(field(&usual(), &counts, Some(f64::NAN)), "cost_held");
    let changed = |change: &dyn Fn(&mut Measurement)| {
        let mut measured = usual();
        change(&mut measured);
        field(&measured, &counts, None)
    };
    assert_eq!(changed(&|m| m.model.right.truncate(999)), "model.right");
    assert_eq!(changed(&|m| m.model.right = "2".repeat(ITEMS)), "model.right");
    assert_eq!(changed(&|m| m.reference.as_mut().unwrap().items = 7), "reference.items");
    assert_eq!(changed(&|m| m.protocol.rounds = 4), "rounds");
    assert_eq!(changed(&|m| m.rounds[1].number = 0), "rounds[1].number");
    assert_eq!(changed(&|m| m.rounds[0].offline.model.clear()), "rounds[0].offline");
    assert_eq!(
        changed(&|m| m.rounds[0].single_stream.control.truncate(5)),
        "rounds[0].single_stream.control"
    );
    assert_eq!(changed(&|m| m.rounds[2].offline.reference[3] = 0), "rounds[2].offline");
    assert_eq!(changed(&|m| m.protocol.offline_batch_items = 0), "protocol.offline_batch_items");
    let text = "id = \"x\"\nversion = 1\ntask = \"regression\"\nmetric = \"mse\"\nitems = 1000\nlicence = \"MIT\"\nsource = \"x\"\n[output]\nname = \"y\"\n[labels]\ntarget = \"y\"\n";
    let other = Suite::parse(text).unwrap();
    let refused = Report::derive(&usual(), &context(&other, &counts));
    let refused = refused.unwrap_err().to_string();
    assert_eq!(refused, "measurement, model.answers: they are not those that mse reads");
}

/// Proves that every report is of the form of `schema/report.v1.json`, property by property, with and without a price.
#[test]
fn schema() {
    let schema: Value =
        serde_json::from_str(include_str!("../../../schema/report.v1.json")).unwrap();
    let mut alone = usual();
    alone.reference = None;
    let mut void = usual();
    void.model.peak_bytes = None;
    let mut short = usual();
    short.rounds.clear();
    short.protocol.rounds = 0;
    for measured in [usual(), alone, void, short] {
        let report = serde_json::to_value(derive(&measured)).unwrap();
        assert_eq!(verify_price(&derive(&measured)), Ok(()));
        assert_eq!(fault(&schema, &schema, &report), None);
        for name in report.as_object().unwrap().keys() {
            let mut lacking = report.clone();
            lacking.as_object_mut().unwrap().shift_remove(name);
            assert!(fault(&schema, &schema, &lacking).is_some(), "{name} can be left out");
        }
        let mut more = report.clone();
        more["model"]["more"] = json!(1);
        assert_eq!(fault(&schema, &schema, &more).unwrap(), ".model.more: unknown");
        more = report;
        more["price_micro"] = json!(1);
        assert_eq!(fault(&schema, &schema, &more).unwrap(), ".price_micro: no branch");
    }
}
