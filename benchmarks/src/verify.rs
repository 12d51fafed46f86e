//! How long it takes to recompute a report with a million samples (EVALUATION 7: under a second).
//!
//! The measurement is made up: a million items of each side, and about a million times in 64 rounds. What is timed is all that
//! `modelfolio verify` does once report and blob are in memory: hashing, parsing, deriving, comparing.

use std::{collections::BTreeMap, hint::black_box};

use domain::{
    digest::Digest,
    evaluation::{
        Measurement, Protocol, Report, ReportContext, RoundMeasurement, Runtime, Sides,
        SubjectMeasurement, samples, verify_blob,
    },
    suite::Suite,
};
use serde_json::json;

use crate::{Error, record};

const ITEMS: u64 = 1_000_000;
const ROUNDS: u32 = 64;
/// 64 rounds of 5,000 triples and 300 batches of two sides: 998,400 times.
const PAIRS: u32 = 5_000;
const BATCHES: u32 = 300;
const RUNS: usize = 15;
const LIMIT_SECONDS: f64 = 1.0;

pub(crate) fn run() -> Result<(), Error> {
    let load = evaluator::load_milli();
    let machine = evaluator::machine(load);
    let made = |error: String| Error::Child(error);
    let suite = Suite::parse(&manifest()).map_err(|e| made(e.to_string()))?;
    let measurement = measurement(machine.clone());
    let counts = [ITEMS / 10; 10];
    let context = ReportContext {
        suite: &suite,
        suite_digest: Digest::of(b"suite"),
        label_counts: &counts,
        model: "model",
        reference: "reference",
        evaluator: "made up",
        cost_held: None,
    };
    let report = Report::derive(&measurement, &context).map_err(|e| made(e.to_string()))?;
    let blob = samples::to_blob(&measurement).map_err(|e| made(e.to_string()))?;
    let text = report.to_canonical().map_err(|e| made(e.to_string()))?;
    drop((measurement, report));
    let mut seconds = Vec::new();
    for _ in 0..RUNS {
        let start = evaluator::timing::now();
        let report: Report = serde_json::from_str(black_box(&text))?;
        verify_blob(&report, black_box(&blob)).map_err(|e| made(e.to_string()))?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    let median = record::quantile(&seconds, 0.5);
    let most = record::quantile(&seconds, 1.0);
    let peak = evaluator::peak_bytes().unwrap_or_default() as f64 / (1 << 20) as f64;
    let times = u64::from(ROUNDS) * (3 * u64::from(PAIRS) + 2 * u64::from(BATCHES));
    let summary = format!(
        "# Recomputing a report\n\n\
         {ITEMS} items of model and reference, {times} times in {ROUNDS} rounds; a blob of {:.1} MB.\n\n\
         | runs | median s | slowest s | of the limit of {LIMIT_SECONDS} s | peak MiB of the process |\n\
         | --- | --- | --- | --- | --- |\n\
         | {RUNS} | {median:.3} | {most:.3} | {:.3} | {peak:.0} |\n\n\
         The limit {}. The peak includes the made-up measurement, which is held before and dropped.\n",
        blob.len() as f64 / 1e6,
        median / LIMIT_SECONDS,
        if most < LIMIT_SECONDS { "held in every run" } else { "was MISSED" },
    );
    record::write("verify", &machine, &json!({ "seconds": seconds }), &summary)
}

fn manifest() -> String {
    format!(
        "id = \"made-up\"\nversion = 1\ntask = \"classification\"\nmetric = \"accuracy\"\nchance = 0.1\nitems = {ITEMS}\n\
         licence = \"MIT\"\nsource = \"made up\"\n[output]\nname = \"logits\"\n[labels]\ntarget = \"label\"\n\
         [reference]\ndigest = \"{}\"\n",
        Digest::of(b"reference")
    )
}

fn measurement(machine: domain::evaluation::Machine) -> Measurement {
    let subject = |name: &str, wrong_every: u64| SubjectMeasurement {
        checkpoint: Digest::of(name.as_bytes()),
        shards: Vec::new(),
        graph: Digest::of(b"graph"),
        items: ITEMS,
        right: (0..ITEMS).map(|k| if k % wrong_every == 0 { '0' } else { '1' }).collect(),
        finite: true,
        outputs: Digest::of(b"outputs"),
        decisions: Digest::of(b"decisions"),
        peak_bytes: Some(50_000_000),
        peaks: Vec::new(),
        expected: BTreeMap::new(),
        answers: domain::evaluation::answers::Answers::default(),
        providers: BTreeMap::from([("CPUExecutionProvider".to_owned(), 12)]),
    };
    let times = |base: u64, count: u32, round: u32| {
        let wobble = |k: u32| u64::from(k) * 7919 + u64::from(round) * 104_729;
        (0..count).map(|k| base + wobble(k) % (base / 20)).collect::<Vec<_>>()
    };
    let round = |number| RoundMeasurement {
        number,
        single_stream: Sides {
            model: times(30_000, PAIRS, number),
            reference: times(60_000, PAIRS, number),
            control: times(60_000, PAIRS, number + 1),
        },
        offline: Sides {
            model: times(1_000_000, BATCHES, number),
            reference: times(2_000_000, BATCHES, number),
            control: Vec::new(),
        },
        interrupted: None,
        repeated: None,
        apart: None,
        gpu: None,
    };
    Measurement {
        protocol: Protocol {
            name: "full".to_owned(),
            rounds: ROUNDS,
            rounds_max: None,
            pairs: PAIRS,
            offline_batches: BATCHES,
            offline_batch_items: 32,
            sweep: Vec::new(),
            memory_children: None,
            energy_pairs: None,
            threads: 1,
            seed: 1,
        },
        model: subject("model", 8),
        reference: Some(subject("reference", 5)),
        panel: Vec::new(),
        sweep: None,
        energy: Vec::new(),
        rounds: (0..ROUNDS).map(round).collect(),
        runtime: Runtime {
            onnxruntime: evaluator::runtime::ONNXRUNTIME_VERSION.to_owned(),
            device: "cpu".to_owned(),
            prepacking: true,
        },
        machine,
    }
}
