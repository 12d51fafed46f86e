//! Measurements made up for tests: what an evaluator would hand over.

use std::collections::BTreeMap;

use domain::{
    digest::Digest,
    evaluation::{
        Machine, Measurement, Protocol, ReportContext, RoundMeasurement, Runtime, Sides,
        SubjectMeasurement,
    },
    suite::Suite,
};

/// A suite of `items` cases of ten classes, at a chance of 0.104.
pub(crate) fn suite(items: u64) -> Suite {
    let text = format!(
        r#"
id = "fashion-mnist-4k"
version = 1
task = "classification"
metric = "accuracy"
chance = 0.104
items = {items}
licence = "MIT"
source = "made up"

[output]
name = "logits"

[labels]
target = "label"

[reference]
digest = "sha256:{}"
"#,
        Digest::of(b"reference").hex()
    );
    Suite::parse(&text).unwrap()
}

/// Ten classes, the first of them with a share of 0.104, as in the demo.
pub(crate) fn label_counts(items: u64) -> Vec<u64> {
    let first = items * 104 / 1000;
    let mut counts = vec![(items - first) / 9; 10];
    counts[0] = first;
    counts[9] = items - first - 8 * counts[1];
    counts
}

/// A model named by its bytes.
pub(crate) fn subject(name: &str, right: &str) -> SubjectMeasurement {
    SubjectMeasurement {
        checkpoint: Digest::of(name.as_bytes()),
        shards: Vec::new(),
        graph: Digest::of(b"graph"),
        items: right.len() as u64,
        right: right.to_owned(),
        finite: true,
        outputs: Digest::of(format!("outputs of {name}").as_bytes()),
        decisions: Digest::of(format!("decisions of {name}").as_bytes()),
        peak_bytes: Some(50_000_000),
        peaks: Vec::new(),
        expected: BTreeMap::new(),
        answers: domain::evaluation::answers::Answers::default(),
        providers: BTreeMap::from([("CPUExecutionProvider".to_owned(), 12)]),
    }
}

/// `k` right items out of `n`, the right ones first.
pub(crate) fn first_right(k: usize, n: usize) -> String {
    "1".repeat(k) + &"0".repeat(n - k)
}

/// `rounds` rounds in which the model takes 30 µs single and 1 ms a batch of 10, the reference twice that.
pub(crate) fn measurement(
    model: SubjectMeasurement,
    reference: Option<SubjectMeasurement>,
    rounds: u32,
    seed: u64,
) -> Measurement {
    // Times differ a little from run to run and from round to round, by a pattern anybody can follow.
    let times = |base: u64, count: u64, round: u32| {
        let wobble = |k: u64| (k * 7919 + u64::from(round) * 104_729) % 1000;
        (0..count).map(|k| base + base * wobble(k) / 20_000).collect::<Vec<u64>>()
    };
    let side = |base, round| match reference {
        Some(_) => times(base, 100, round),
        None => Vec::new(),
    };
    let round = |number| RoundMeasurement {
        number,
        single_stream: Sides {
            model: times(30_000, 100, number),
            reference: side(60_000, number),
            control: side(60_000, number + 1),
        },
        offline: Sides {
            model: times(1_000_000, 20, number),
            reference: side(2_000_000, number).into_iter().take(20).collect(),
            control: Vec::new(),
        },
        interrupted: None,
        repeated: None,
        apart: None,
        gpu: None,
    };
    Measurement {
        protocol: Protocol {
            name: "quick".to_owned(),
            rounds,
            rounds_max: None,
            pairs: 100,
            offline_batches: 20,
            offline_batch_items: 10,
            sweep: Vec::new(),
            memory_children: None,
            energy_pairs: None,
            threads: 1,
            seed,
        },
        rounds: (0..rounds).map(round).collect(),
        model,
        reference,
        panel: Vec::new(),
        sweep: None,
        energy: Vec::new(),
        runtime: Runtime {
            onnxruntime: "1.31.1".to_owned(),
            device: "cpu".to_owned(),
            prepacking: true,
        },
        machine: Machine {
            processor: "made up".to_owned(),
            processors: 2,
            kernel: "6.1".to_owned(),
            load_milli: [100, 120],
            gpu: None,
        },
    }
}

/// The context of a run of `suite`.
pub(crate) fn context<'a>(suite: &'a Suite, label_counts: &'a [u64]) -> ReportContext<'a> {
    ReportContext {
        suite,
        suite_digest: Suite::digest(&[("suite.toml", Digest::of(suite.id.as_bytes()))]),
        label_counts,
        model: "a model",
        reference: "mlp/step-0270",
        evaluator: "eval-1",
        cost_held: None,
    }
}
