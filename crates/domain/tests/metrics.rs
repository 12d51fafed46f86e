//! Metrics: values against scikit-learn and SciPy, intervals by simulation, quality from each, reports that verify.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panic, in its helpers too")]
#![expect(dead_code, reason = "support is shared with tests that use more of it")]

mod support;

use domain::{
    digest::Digest,
    evaluation::{
        Breaker, Evidence, Measurement, NoPrice, Report, SubjectMeasurement,
        answers::{Answers, Document},
        decide,
        metrics::{self, Measured},
        report::{influence, verify_blob},
        samples,
        statistics::SplitMix64,
    },
    suite::Suite,
};
use serde_json::Value;

use crate::support::{context, measurement, subject};

fn oracle() -> Value {
    serde_json::from_str(include_str!("oracles/metrics.json")).unwrap()
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn classes(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as u32).collect()
}

fn measured(case: &Value) -> Measured {
    let numbers = || (floats(&case["scores"]), floats(&case["targets"]));
    let width = case["width"].as_u64().unwrap_or(0) as usize;
    let documents = || serde_json::from_value::<Vec<Document>>(case["documents"].clone()).unwrap();
    let found = match case["metric"].as_str().unwrap() {
        "pearson" => metrics::pearson(&numbers().0, &numbers().1),
        "spearman" => metrics::spearman(&numbers().0, &numbers().1),
        "auc" => metrics::auc(&numbers().0, &numbers().1),
        "mse" => metrics::mse(&numbers().0, &numbers().1, width),
        "mae" => metrics::mae(&numbers().0, &numbers().1, width),
        "r2" => metrics::r2(&numbers().0, &numbers().1, width),
        "f1_macro" => metrics::f1_macro(&classes(&case["classes"]), &classes(&case["labels"])),
        "bits_per_byte" => metrics::bits_per_byte(&documents()),
        "perplexity" => metrics::perplexity(&documents()),
        "accuracy" => metrics::token_accuracy(&documents()),
        other => panic!("{other}"),
    };
    found.unwrap()
}

/// Proves every metric against scikit-learn and SciPy to 12 digits, ties and several numbers an item included, that the interval holds
/// the value, and that influences are 0 on average.
#[test]
fn values_are_those_of_others() {
    let oracle = oracle();
    for case in oracle["cases"].as_array().unwrap() {
        let (found, wanted) = (measured(case), case["value"].as_f64().unwrap());
        let value = found.value;
        assert!(
            (value.value / wanted - 1.0).abs() < 1e-12,
            "{}: {value:?} {wanted}",
            case["metric"]
        );
        assert!(
            value.low < value.value && value.value < value.high,
            "{}: {value:?}",
            case["metric"]
        );
        let mean = found.influence.iter().sum::<f64>() / found.influence.len() as f64;
        assert!(mean.abs() < 1e-9, "{}: {mean}", case["metric"]);
    }
    for base in oracle["bases"].as_array().unwrap() {
        let width = base["width"].as_u64().unwrap() as usize;
        let absolute = base["absolute"].as_bool().unwrap();
        let found = metrics::mean_error_base(&floats(&base["targets"]), width, absolute).unwrap();
        assert!((found / base["value"].as_f64().unwrap() - 1.0).abs() < 1e-12);
    }
}

/// Proves that influences are what they are called: giving one item a little more weight moves the metric by its influence.
#[test]
fn influences_are_derivatives() {
    // An item that stands there once more among n has a weight larger by about 1/n.
    let oracle = oracle();
    for case in oracle["cases"].as_array().unwrap() {
        let metric = case["metric"].as_str().unwrap();
        if case["width"].as_u64() == Some(3)
            || case["scores"].as_array().is_some_and(|s| s.len() < 100)
        {
            continue;
        }
        let whole = measured(case);
        let n = whole.influence.len();
        for item in [0, 3, 11, 17] {
            let mut more = case.clone();
            for field in ["scores", "targets", "classes", "labels", "documents"] {
                if let Some(values) = more[field].as_array_mut() {
                    let again = values[item].clone();
                    values.push(again);
                }
            }
            let moved = (measured(&more).value.value - whole.value.value) * (n + 1) as f64;
            let psi = whole.influence[item];
            let scale = whole.influence.iter().map(|p| p * p).sum::<f64>() / n as f64;
            assert!(
                (moved - psi).abs() < 0.25 * scale.sqrt(),
                "{metric}, item {item}: {moved} {psi}"
            );
        }
    }
}

fn normal(random: &mut SplitMix64) -> f64 {
    let mut unit = || (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    let (u, v) = (1.0 - unit(), unit());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// Proves by simulation that 95 % intervals hold the truth in 91 to 98 % of 600 draws: the truth is the value of 200,000 items.
#[test]
fn intervals_cover() {
    let mut random = SplitMix64::new(7);
    let mut draw = |n: usize| {
        let x: Vec<f64> = (0..n).map(|_| normal(&mut random)).collect();
        let y: Vec<f64> = x.iter().map(|x| 0.7 * x + 0.7 * normal(&mut random)).collect();
        (x, y)
    };
    type Metric = fn(&[f64], &[f64]) -> Option<Measured>;
    let yes = |y: &[f64]| y.iter().map(|y| if *y > 0.5 { 1.0 } else { 0.0 }).collect::<Vec<_>>();
    let tested: [(&str, Metric); 7] = [
        ("pearson", metrics::pearson),
        ("spearman", metrics::spearman),
        ("mse", |x, y| metrics::mse(x, y, 1)),
        ("mae", |x, y| metrics::mae(x, y, 1)),
        ("r2", |x, y| metrics::r2(x, y, 1)),
        ("auc", metrics::auc),
        ("f1_macro", |x, y| {
            let class = |v: &f64| if *v > 0.5 { 2 } else { u32::from(*v > -0.5) };
            let of = |values: &[f64]| values.iter().map(class).collect::<Vec<_>>();
            metrics::f1_macro(&of(x), &of(y))
        }),
    ];
    let (x, y) = draw(200_000);
    for (name, metric) in tested {
        let targets = |y: &[f64]| if name == "auc" { yes(y) } else { y.to_vec() };
        let truth = metric(&x, &targets(&y)).unwrap().value.value;
        let held = (0..600)
            .filter(|_| {
                let (x, y) = draw(150);
                let value = metric(&x, &targets(&y)).unwrap().value;
                value.low <= truth && truth <= value.high
            })
            .count();
        assert!((546..=588).contains(&held), "{name}: {held} of 600");
    }
}

/// Proves that documents, not tokens, are the unit: where the tokens of a document are alike, the interval by document holds the truth,
/// and would be far too narrow by token.
#[test]
fn documents_are_the_unit() {
    let mut random = SplitMix64::new(3);
    let mut held = 0;
    let mut widths = (0.0, 0.0);
    for _ in 0..400 {
        let documents: Vec<Document> = (0..60)
            .map(|id| {
                let level = 2.0 + 0.5 * normal(&mut random);
                let tokens = 20 + random.below(60);
                let nats = (level * tokens as f64 + normal(&mut random)).max(0.1);
                Document { id, nats: Some(nats), bytes: 4 * tokens, tokens, right: 0 }
            })
            .collect();
        let value = metrics::bits_per_byte(&documents).unwrap().value;
        let truth = 2.0 / (4.0 * std::f64::consts::LN_2);
        held += usize::from(value.low <= truth && truth <= value.high);
        let tokens = documents.iter().map(|d| d.tokens).sum::<u64>() as f64;
        widths.0 += value.high - value.low;
        widths.1 += 2.0 * 1.96 * 0.5 / tokens.sqrt() / (4.0 * std::f64::consts::LN_2);
    }
    assert!((364..=392).contains(&held), "{held} of 400");
    assert!(widths.0 > 5.0 * widths.1, "{widths:?}");
}

const ITEMS: usize = 400;

fn suite(head: &str, labels: &str) -> Suite {
    let text = format!(
        "id = \"x\"\nversion = 1\n{head}\nitems = {ITEMS}\nlicence = \"MIT\"\nsource = \"made up\"\n[output]\nname = \"y\"\n\
         [labels]\n{labels}\n[reference]\ndigest = \"{}\"\n",
        Digest::of(b"reference")
    );
    Suite::parse(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// Answers of a model that is off by `noise`, on targets that follow from the seed alone.
fn noisy(name: &str, noise: f64, kind: &str) -> SubjectMeasurement {
    let mut random = SplitMix64::new(1);
    let targets: Vec<f64> = (0..ITEMS).map(|_| normal(&mut random)).collect();
    let mut own = SplitMix64::new(u64::from(name.len() as u32));
    let scores = targets.iter().map(|t| Some(t + noise * normal(&mut own))).collect::<Vec<_>>();
    let class = |v: f64| if v > 0.5 { 2 } else { u32::from(v > -0.5) };
    let answers = match kind {
        "numbers" => Answers { scores, targets, width: 1, ..Answers::default() },
        "yes" => {
            let targets = targets.iter().map(|t| if *t > 0.5 { 1.0 } else { 0.0 }).collect();
            Answers { scores, targets, width: 1, ..Answers::default() }
        }
        "classes" => Answers {
            classes: scores.iter().flatten().map(|v| class(*v)).collect(),
            labels: targets.iter().map(|v| class(*v)).collect(),
            ..Answers::default()
        },
        _ => {
            let document = |id: i64| {
                let level = 1.0 + noise + 0.2 * noise * normal(&mut own);
                Document { id, nats: Some(50.0 * level), bytes: 100, tokens: 25, right: 9 }
            };
            Answers { documents: (0..50).map(document).collect(), ..Answers::default() }
        }
    };
    SubjectMeasurement { answers, items: ITEMS as u64, ..subject(name, "") }
}

fn run(kind: &str, noise: f64, seed: u64) -> Measurement {
    measurement(noisy("a model", noise, kind), Some(noisy("reference", 0.4, kind)), 3, seed)
}

const KINDS: [(&str, &str, &str, &str); 8] = [
    (
        "numbers",
        "task = \"regression\"\nmetric = \"mse\"\nreport = [\"mae\", \"r2\", \"pearson\", \"spearman\"]",
        "target = \"t\"",
        "mse",
    ),
    ("numbers", "task = \"regression\"\nmetric = \"mae\"", "target = \"t\"", "mae"),
    ("numbers", "task = \"regression\"\nmetric = \"r2\"\nchance = 0.0", "target = \"t\"", "r2"),
    (
        "numbers",
        "task = \"similarity\"\nmetric = \"pearson\"",
        "pairs = \"p\"\nscore = \"s\"",
        "pearson",
    ),
    (
        "numbers",
        "task = \"similarity\"\nmetric = \"spearman\"",
        "pairs = \"p\"\nscore = \"s\"",
        "spearman",
    ),
    ("yes", "task = \"detection\"\nmetric = \"auc\"", "target = \"t\"", "auc"),
    (
        "classes",
        "task = \"classification\"\nmetric = \"f1_macro\"\nchance = 0.3",
        "target = \"t\"",
        "f1_macro",
    ),
    (
        "documents",
        "task = \"language_model\"\nmetric = \"bits_per_byte\"\nbaseline = 5.0\nreport = [\"perplexity\", \"accuracy\"]",
        "target = \"t\"\ndocuments = \"d\"\nutf8_bytes = \"b\"",
        "bits_per_byte",
    ),
];

/// Proves for every metric that less noise is more quality and a higher price, that the reference is worth 100, that the report verifies
/// from its blob alone, and that a changed answer is found.
#[test]
fn every_metric_prices_and_verifies() {
    for (kind, head, labels, metric) in KINDS {
        let suite = suite(head, labels);
        let derive = |measured: &Measurement| {
            Report::derive(measured, &context(&suite, &[]))
                .unwrap_or_else(|e| panic!("{metric}: {e}"))
        };
        let (better, worse) = (run(kind, 0.3, 1), run(kind, 0.9, 1));
        let [high, low] = [&better, &worse].map(derive);
        assert_eq!((high.no_price, low.no_price), (None, None), "{metric}: {:?}", high.suite);
        assert!(
            high.quality_bits > low.quality_bits && high.price_micro > low.price_micro,
            "{metric}"
        );
        assert!(high.sigma_items > Some(0.0) && high.model.correct.is_none(), "{metric}");
        assert!(high.metrics.contains_key(metric));
        assert_eq!(high.metrics.len(), 1 + suite.report.len(), "{metric}");
        let blob = samples::to_blob(&better).unwrap();
        assert_eq!(verify_blob(&high, &blob), Ok(()), "{metric}");
        let mut changed = better.clone();
        let answers = &mut changed.model.answers;
        match kind {
            "documents" => answers.documents[3].nats = Some(1.0),
            "classes" => answers.classes[3] = 2 - answers.classes[3],
            _ => answers.scores[3] = Some(40.0),
        }
        let mut forged = high.clone();
        let blob = samples::to_blob(&changed).unwrap();
        forged.samples = Digest::of(&blob);
        assert!(verify_blob(&forged, &blob).is_err(), "{metric}");
        // The reference against itself.
        let mut same = run(kind, 0.4, 1);
        same.model = same.reference.clone().unwrap();
        same.rounds.iter_mut().for_each(|round| {
            round.single_stream.model.clone_from(&round.single_stream.reference);
            round.offline.model.clone_from(&round.offline.reference);
        });
        let itself = derive(&same);
        assert_eq!(
            (itself.price_micro, itself.sigma_items),
            (Some(100_000_000), Some(0.0)),
            "{metric}"
        );
    }
}

/// Proves that a move between versions on the same items is held against the paired error, for a metric that counts no items.
#[test]
fn a_price_moves_beyond_its_paired_error() {
    for (kind, head, labels, metric) in KINDS {
        let suite = suite(head, labels);
        let decided = |state: Option<&_>, measured: &Measurement| {
            let report = Report::derive(measured, &context(&suite, &[])).unwrap();
            let influence = influence(&report, measured, &suite);
            assert!(!influence.is_empty(), "{metric}");
            let evidence = Evidence { report: &report, right: "", influence: &influence };
            decide(
                state,
                evidence,
                &Breaker { re_evaluation_ppb: 10_000_000_000, new_version_ppb: 10_000_000_000 },
            )
            .unwrap()
        };
        let first = decided(None, &run(kind, 0.6, 1));
        let state = first.state.unwrap();
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<domain::evaluation::PriceState>(&text).unwrap(), state);
        let mut next = run(kind, 0.5, 2);
        next.model.checkpoint = Digest::of(b"the next version");
        let second = decided(Some(&state), &next);
        let band = second.band_ln.unwrap();
        assert!((0.005..0.5).contains(&band), "{metric}: {band}");
        assert!(second.sigma_delta.unwrap() > 0.0, "{metric}");
    }
}

/// Proves that answers which are no numbers give quality 0 and leave their metric out, and that a language model without a baseline has
/// metrics, no quality and the reason.
#[test]
fn what_cannot_be_told_is_left_out() {
    let (kind, head, labels, _) = KINDS[0];
    let suite_of_numbers = suite(head, labels);
    let mut broken = run(kind, 0.3, 1);
    (broken.model.answers.scores[5], broken.model.finite) = (None, false);
    let report = Report::derive(&broken, &context(&suite_of_numbers, &[])).unwrap();
    assert_eq!((report.quality_bits, report.price_micro), (Some(0.0), Some(0)));
    assert!(report.metrics.is_empty());
    let (kind, head, labels, _) = KINDS[7];
    let suite = suite(&head.replace("baseline = 5.0\n", ""), labels);
    let report = Report::derive(&run(kind, 0.3, 1), &context(&suite, &[])).unwrap();
    assert_eq!(report.no_price, Some(NoPrice::NoBaseline));
    assert_eq!((report.quality_bits, report.quality, report.price_micro), (None, None, None));
    assert_eq!(report.metrics.len(), 3);
}

/// Proves that a panel anchors by its mean, that its disagreement enters the error, and that a lone reference gives what it gave before.
#[test]
fn a_panel_anchors() {
    let (kind, head, labels, _) = KINDS[0];
    let suite = suite(head, labels);
    let derive = |m: &Measurement| Report::derive(m, &context(&suite, &[])).unwrap();
    let alone = derive(&run(kind, 0.3, 1));
    let mut with_panel = run(kind, 0.3, 1);
    with_panel.panel = vec![noisy("second one", 0.35, kind), noisy("third", 0.5, kind)];
    let report = derive(&with_panel);
    let q = |noise: f64, name: &str| {
        let mut single = run(kind, noise, 1);
        (single.model, single.reference) = (noisy(name, noise, kind), None);
        derive(&single).quality.unwrap().signed_bits
    };
    let mean = (q(0.4, "reference") + q(0.35, "second one") + q(0.5, "third")) / 3.0;
    assert!((report.suite.q_ref.unwrap() - mean).abs() < 1e-12);
    assert_ne!(report.suite.q_ref, alone.suite.q_ref);
    assert_eq!(
        report.panel.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(),
        ["mlp/step-0270-2", "mlp/step-0270-3"]
    );
    assert!(report.quality.unwrap().se_difference.unwrap() > 0.0);
    let blob = samples::to_blob(&with_panel).unwrap();
    assert_eq!(verify_blob(&report, &blob), Ok(()));
}
