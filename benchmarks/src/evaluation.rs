//! What a whole evaluation costs beyond ONNX Runtime: resident memory of the memory child beyond the weights, beside ONNX Runtime
//! driven from Python, and time beyond what the children spend inside ONNX Runtime. `MODELFOLIO` names the release program.

use std::{path::Path, sync::atomic::AtomicBool, time::Duration};

use domain::{digest::Digest, evaluation::Protocol, suite::Suite};
use evaluator::{Device, Evaluation, Limits, Request, Subject, protocols, timing::now};
use prost::Message as _;
use serde_json::json;

use crate::{
    Error,
    load::{bind, tensor, write_weights},
    onnx_graphs,
    peer::Peer,
    record, transfer,
};

/// Beyond the weights the memory child may hold so much.
const BEYOND_WEIGHTS: f64 = 64e6;
/// A full evaluation may take so many times the time inside ONNX Runtime.
const TOTAL_MOST: f64 = 1.15;
const LARGE: (usize, usize) = (8, 4_096);
const MIDDLE: (usize, usize) = (2, 1_024);
const ITEMS: usize = 512;
const CHILDREN: usize = 5;
const TOTALS: usize = 3;

pub(crate) fn run() -> Result<(), Error> {
    let load = evaluator::load_milli();
    let library = evaluator::runtime::find_or_install(&|line| eprintln!("{line}"), false)?;
    let program = transfer::program()?;
    let with = Programs { library: &library, program: &program };
    let (memory, memory_raw) = memory(&with)?;
    let (total, total_raw) = total(&with)?;
    let machine = evaluator::machine(load);
    let raw = json!({ "memory": memory_raw, "total": total_raw });
    record::write(
        "evaluation",
        &machine,
        &raw,
        &format!("# What an evaluation costs beyond ONNX Runtime\n\n{memory}\n{total}"),
    )
}

struct Programs<'a> {
    library: &'a Path,
    program: &'a Path,
}

/// A model of square layers with a suite of its own, which is also its reference.
struct Made {
    folder: tempfile::TempDir,
    suite: Suite,
    weight_bytes: u64,
    width: usize,
}

impl Made {
    fn write((layers, width): (usize, usize)) -> Result<Self, Error> {
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name);
        write_weights(&at("weights.safetensors"), layers, width)?;
        let tensors = (0..layers).map(|k| tensor(k, width, None)).collect();
        let graph = onnx_graphs::layers(0, width as i64, tensors);
        std::fs::write(at("graph.onnx"), graph.encode_to_vec())?;
        bind(folder.path(), &graph)?;
        let digest = Digest::of(&std::fs::read(at("weights.safetensors"))?);
        std::fs::write(at("cases.safetensors"), cases(width))?;
        let suite = format!(
            "id = \"layers\"\nversion = 1\ntask = \"classification\"\nmetric = \"accuracy\"\nchance = 0.5\n\
             items = {ITEMS}\nlicence = \"MIT\"\nsource = \"made\"\n[input.x]\nbatch_axis = 0\n[output]\nname = \"y\"\n\
             [labels]\ntarget = \"label\"\n[reference]\ndigest = \"{digest}\"\nq_genesis = 1.0\n[cost]\noverhead_ms = 1.0\n"
        );
        let suite = Suite::parse(&suite).map_err(|error| Error::Child(error.to_string()))?;
        Ok(Self { suite, weight_bytes: (layers * width * width * 4) as u64, width, folder })
    }

    fn evaluate(&self, with: &Programs<'_>, protocol: Protocol) -> Result<Evaluation, Error> {
        let at = |name: &str| self.folder.path().join(name);
        let subject = Subject { checkpoint: at("weights.safetensors"), graph: at("graph.onnx") };
        evaluate(with, &self.suite, [&subject, &subject], &at("cases.safetensors"), protocol)
    }
}

/// Inputs and labels: small values, and the first two classes in turn.
fn cases(width: usize) -> Vec<u8> {
    let inputs = ITEMS * width * 4;
    let mut json = format!(
        r#"{{"input.x":{{"dtype":"F32","shape":[{ITEMS},{width}],"data_offsets":[0,{inputs}]}},"label":{{"dtype":"I64","shape":[{ITEMS}],"data_offsets":[{inputs},{}]}}}}"#,
        inputs + ITEMS * 8
    );
    json += &" ".repeat(json.len().wrapping_neg() % 8);
    let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
    bytes.extend(json.into_bytes());
    bytes.extend((0..ITEMS * width).flat_map(|k| ((k % 17) as f32 / 17.0 - 0.5).to_le_bytes()));
    bytes.extend((0..ITEMS).flat_map(|k| ((k % 2) as i64).to_le_bytes()));
    bytes
}

fn evaluate(
    with: &Programs<'_>,
    suite: &Suite,
    [model, reference]: [&Subject; 2],
    cases: &Path,
    protocol: Protocol,
) -> Result<Evaluation, Error> {
    let request = Request {
        model,
        reference: Some(reference),
        panel: &[],
        suite,
        cases,
        protocol,
        device: Device::Cpu,
        child: with.program,
        library: with.library,
        scratch: None,
        limits: Limits::default(),
        cancel: &AtomicBool::new(false),
        progress: &|_| (),
    };
    evaluator::evaluate(&request).map_err(|error| Error::Child(error.to_string()))
}

/// Peaks of the memory child, interleaved with those of Python.
fn memory(with: &Programs<'_>) -> Result<(String, serde_json::Value), Error> {
    let made = Made::write(LARGE)?;
    let bound = made.folder.path().join("bound.onnx");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for seed in 0..CHILDREN as u64 {
        let protocol = Protocol { rounds: 0, memory_children: Some(1), ..protocols::quick(seed) };
        let items = protocol.offline_batch_items as usize;
        let measured = made.evaluate(with, protocol)?.measurement;
        let sides = std::iter::once(&measured.model).chain(&measured.reference);
        ours.extend(sides.filter_map(|side| Some(side.peak_bytes? as f64)));
        theirs.push(Peer::open(&bound, items, made.width)?.peak_bytes as f64);
    }
    let weights = made.weight_bytes as f64;
    let row = |name: &str, peaks: &[f64]| {
        let [least, median, most] =
            [0.0, 0.5, 1.0].map(|q| (record::quantile(peaks, q) - weights) / 1e6);
        format!("| {name} | {} | {least:.1} | {median:.1} | {most:.1} |\n", peaks.len())
    };
    let beyond = record::quantile(&ours, 1.0) - weights;
    let text = format!(
        "## Memory\n\nWeights of {:.1} MB, a batch of 32 rows, prepacking off; resident megabytes (10^6) beyond the weights, by child.\n\n\
         | process | children | least | median | most |\n| --- | --- | --- | --- | --- |\n{}{}\n\
         Limit: 64 MB beyond the weights; {}.\n",
        weights / 1e6,
        row("memory child", &ours),
        row("Python onnxruntime, the same graph and file", &theirs),
        held(beyond <= BEYOND_WEIGHTS),
    );
    Ok((text, json!({ "weight_bytes": made.weight_bytes, "ours": ours, "python": theirs })))
}

/// Time of full evaluations over the time inside ONNX Runtime, for a model of microseconds and one of milliseconds.
fn total(with: &Programs<'_>) -> Result<(String, serde_json::Value), Error> {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/cli/demo");
    let suite = Suite::parse(&std::fs::read_to_string(demo.join("suite/suite.toml"))?)
        .map_err(|error| Error::Child(error.to_string()))?;
    let subject = |checkpoint: &str, graph: &str| Subject {
        checkpoint: demo.join(checkpoint),
        graph: demo.join(graph),
    };
    let model = subject("mlp/step-1700.safetensors", "mlp/graph.onnx");
    let reference = subject("suite/reference/model.safetensors", "suite/reference/graph.onnx");
    let middle = Made::write(MIDDLE)?;
    let mut text = "## Time\n\nA full evaluation from files to measurement, against what its children spent inside ONNX Runtime: loading it, \
         opening and closing sessions, binding, warming up, running. The memory children of both sides run at the same time.\n\n| model | wall s | inside s | ratio |\n| --- | --- | --- | --- |\n"
        .to_owned();
    let (mut raw, mut worst) = (Vec::new(), 0.0_f64);
    for (name, small) in
        [("demo mlp, microseconds a call", true), ("2 layers of 1024 × 1024", false)]
    {
        for seed in 0..TOTALS as u64 {
            let protocol = protocols::full(seed);
            let start = now();
            let cases = demo.join("suite/cases.safetensors");
            let evaluation = if small {
                evaluate(with, &suite, [&model, &reference], &cases, protocol)?
            } else {
                middle.evaluate(with, protocol)?
            };
            let (wall, inside) = (start.elapsed(), evaluation.inside);
            let ratio = wall.as_secs_f64() / inside.as_secs_f64();
            text += &row(name, wall, inside, ratio);
            raw.push(json!({ "model": name, "wall_ns": wall.as_nanos() as u64, "inside_ns": inside.as_nanos() as u64 }));
            worst = worst.max(ratio);
        }
    }
    text +=
        &format!("\nLimit: {TOTAL_MOST} times the time inside; {}.\n", held(worst <= TOTAL_MOST));
    Ok((text, json!(raw)))
}

fn row(name: &str, wall: Duration, inside: Duration, ratio: f64) -> String {
    let [wall, inside] = [wall, inside].map(|time| time.as_secs_f64());
    format!("| {name} | {wall:.2} | {inside:.2} | {ratio:.3} |\n")
}

const fn held(limit: bool) -> &'static str {
    if limit { "held" } else { "MISSED" }
}
