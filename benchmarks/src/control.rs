//! One checkpoint priced twice, again and again: whether two prices differ by more than their own error says (A/A).
//!
//! Every trial is two evaluations of the same files with seeds of their own, as two workers of one machine would make them, by the
//! full protocol; first on an idle machine, then beside as many busy processes as it has processors. The differences hold no
//! error of quality, since the items are the same. `MODELFOLIO` names the release program, whose children measure.

use std::{
    path::Path,
    process::{Child, Command},
    sync::atomic::AtomicBool,
};

use domain::{
    digest::Digest,
    evaluation::{Measurement, Report, ReportContext},
    suite::Suite,
};
use evaluator::{Device, Evaluation, Limits, Request, Subject, protocols};
use serde_json::{Value, json};

use crate::{Error, record, transfer};

const TRIALS: u64 = 20;
/// How many standard errors two prices may lie apart.
const SIGMAS: f64 = 3.0;
/// t0 of the demo's suite, and none, which hides nothing.
const OVERHEADS_MS: [f64; 2] = [1.0, 0.0];
const COLUMNS: &str = "| machine | t0 ms | within 3 σ | void | sd of ln P | median σ_cost | sd of ln time over processes | of ln latency |\n\
                       | --- | --- | --- | --- | --- | --- | --- | --- |\n";

/// Everything that does not change from trial to trial.
struct Bench {
    suite: Suite,
    model: Subject,
    reference: Subject,
    cases: std::path::PathBuf,
    program: std::path::PathBuf,
    library: std::path::PathBuf,
}

pub(crate) fn run() -> Result<(), Error> {
    let load = evaluator::load_milli();
    let bench = Bench::open()?;
    let idle = bench.trials(0)?;
    let processors = std::thread::available_parallelism()?.get();
    let busy = (0..processors).map(|_| Busy::start()).collect::<Result<Vec<_>, _>>()?;
    let loaded = bench.trials(1_000)?;
    drop(busy);
    let mut table = String::from(COLUMNS);
    let mut raw = Vec::new();
    for (machine, pairs) in [("idle", &idle), ("loaded", &loaded)] {
        for overhead in OVERHEADS_MS {
            let (row, facts) = bench.summarise(machine, overhead, pairs)?;
            table += &row;
            raw.push(facts);
        }
    }
    let summary = format!(
        "# One checkpoint priced twice\n\n\
         mlp/step-1700 against the reference of the demo's suite, {TRIALS} trials of two evaluations each by the full protocol (16 rounds\n\
         in fresh processes), one after the other; loaded: beside {processors} processes that are always busy. A pair is within when\n\
         |Δ ln P| ≤ 3√(σ_cost1² + σ_cost2²), quality's error left out. A void evaluation has no price and its pair is not counted.\n\
         The aim: 19 of 20 within; idle at most 2 of 20 trials void, loaded at least half not void and none wrong.\n\n{table}"
    );
    record::write("control", &evaluator::machine(load), &json!(raw), &summary)
}

impl Bench {
    fn open() -> Result<Self, Error> {
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/cli/demo");
        let text = std::fs::read_to_string(demo.join("suite/suite.toml"))?;
        Ok(Self {
            suite: Suite::parse(&text).map_err(|e| Error::Child(e.to_string()))?,
            model: Subject {
                checkpoint: demo.join("mlp/step-1700.safetensors"),
                graph: demo.join("mlp/graph.onnx"),
            },
            reference: Subject {
                checkpoint: demo.join("suite/reference/model.safetensors"),
                graph: demo.join("suite/reference/graph.onnx"),
            },
            cases: demo.join("suite/cases.safetensors"),
            program: transfer::program()?,
            library: evaluator::runtime::find_or_install(&|line| eprintln!("{line}"), false)?,
        })
    }

    fn trials(&self, seed: u64) -> Result<Vec<[Evaluation; 2]>, Error> {
        (0..TRIALS)
            .map(|trial| {
                eprintln!("trial {} of {TRIALS}", trial + 1);
                let seed = seed + 2 * trial;
                Ok([self.evaluate(seed)?, self.evaluate(seed + 1)?])
            })
            .collect()
    }

    fn evaluate(&self, seed: u64) -> Result<Evaluation, Error> {
        let request = Request {
            model: &self.model,
            reference: Some(&self.reference),
            panel: &[],
            suite: &self.suite,
            cases: &self.cases,
            protocol: protocols::full(seed),
            device: Device::Cpu,
            child: &self.program,
            library: &self.library,
            scratch: None,
            limits: Limits::default(),
            cancel: &AtomicBool::new(false),
            progress: &|_| (),
        };
        evaluator::evaluate(&request).map_err(|e| Error::Child(e.to_string()))
    }

    fn report(&self, evaluation: &Evaluation, overhead_ms: f64) -> Result<Report, Error> {
        let suite = Suite { cost: domain::suite::Cost { overhead_ms }, ..self.suite.clone() };
        let context = ReportContext {
            suite: &suite,
            suite_digest: Digest::of(b"suite"),
            label_counts: &evaluation.labels.counts,
            model: "mlp/step-1700",
            reference: "reference",
            evaluator: "benchmark",
            cost_held: None,
        };
        let measurement: &Measurement = &evaluation.measurement;
        Report::derive(measurement, &context).map_err(|e| Error::Child(e.to_string()))
    }

    /// A row of the table, and its raw numbers.
    fn summarise(
        &self,
        machine: &str,
        overhead: f64,
        pairs: &[[Evaluation; 2]],
    ) -> Result<(String, Value), Error> {
        let (mut within, mut void, mut wrong) = (0, 0, 0);
        let (mut prices, mut sigmas, mut trials) = (Vec::new(), Vec::new(), Vec::new());
        let (mut time, mut latency) = (Vec::new(), Vec::new());
        for pair in pairs {
            let reports = [self.report(&pair[0], overhead)?, self.report(&pair[1], overhead)?];
            let price =
                |report: &Report| Some(((report.price_micro? as f64).ln(), report.sigma_cost?));
            for report in &reports {
                for round in report.cost.iter().flat_map(|cost| &cost.rounds) {
                    time.push(round.ln_time);
                    latency.push(round.ln_latency);
                }
                if let Some((ln, sigma)) = price(report) {
                    prices.push(ln);
                    sigmas.push(sigma);
                }
            }
            let [a, b] = reports.each_ref().map(price);
            trials.push(json!({ "a": a, "b": b, "void": [reports[0].void_reasons, reports[1].void_reasons] }));
            match a.zip(b) {
                None => void += 1,
                Some((a, b)) if (a.0 - b.0).abs() <= SIGMAS * a.1.hypot(b.1) => within += 1,
                Some(_) => wrong += 1,
            }
        }
        let row = format!(
            "| {machine} | {overhead} | {within} of {} | {void} | {:.4} | {:.4} | {:.4} | {:.4} |\n",
            within + wrong,
            deviation(&prices),
            record::quantile(&sigmas, 0.5),
            deviation(&time),
            deviation(&latency),
        );
        let facts = json!({ "machine": machine, "overhead_ms": overhead, "trials": trials });
        Ok((row, facts))
    }
}

/// The sample standard deviation.
fn deviation(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt()
}

/// A process that is always busy, until it is dropped.
struct Busy(Child);

impl Busy {
    fn start() -> Result<Self, Error> {
        Ok(Self(Command::new("sh").args(["-c", "while :; do :; done"]).spawn()?))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
