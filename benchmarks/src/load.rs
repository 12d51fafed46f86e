//! Load time and memory of weights in a safetensors file, bound to a weightless graph, against the same weights embedded in
//! one ONNX file; each with prepacking off and on, in fresh processes of random order.
//!
//! The aims: no more memory, and ten times as fast to load without prepacking (EVALUATION 2a).

use std::{
    fs::File,
    io::{BufWriter, Read as _, Write as _},
    path::Path,
    process::Command,
};

use domain::{checkpoint::Header, digest::Digest};
use evaluator::{
    graph::Graph,
    onnx::{ModelProto, TensorProto},
    timing::{Random, now},
};
use ort::value::Tensor;
use prost::Message as _;
use serde_json::{Value, json};

use crate::{Error, onnx_graphs, record};

/// First argument of a child of this benchmark.
pub(crate) const CHILD: &str = "__load";
const LAYERS: usize = 8;
const WIDTH: usize = 4_096;
const ROWS: usize = 4;
const ROUNDS: usize = 9;
const VARIANTS: [(&str, &str); 4] =
    [("bound", "off"), ("embedded", "off"), ("bound", "on"), ("embedded", "on")];

pub(crate) fn run() -> Result<(), Error> {
    let load = evaluator::load_milli();
    let library = evaluator::runtime::find_or_install(&|line| eprintln!("{line}"), false)?;
    let folder = tempfile::tempdir()?;
    let bytes = write_models(folder.path(), LAYERS, WIDTH)?;
    let program = std::env::current_exe()?;
    let mut random = Random::new(2);
    let mut rows = Vec::new();
    // The first round fills the page cache and is thrown away.
    for round in 0..=ROUNDS {
        let mut order = VARIANTS;
        random.shuffle(&mut order);
        for (kind, prepacking) in order {
            let output = Command::new(&program)
                .arg(CHILD)
                .arg(folder.path().join(format!("{kind}.onnx")))
                .arg(prepacking)
                .arg(&library)
                .output()?;
            if !output.status.success() {
                return Err(Error::Child(String::from_utf8_lossy(&output.stderr).into_owned()));
            }
            let mut row = serde_json::from_slice::<Value>(&output.stdout)?;
            row["kind"] = json!(kind);
            row["prepacking"] = json!(prepacking);
            row["round"] = json!(round);
            eprintln!("{row}");
            if round > 0 {
                rows.push(row);
            }
        }
    }
    let machine = evaluator::machine(load);
    let summary = summarise(&rows, bytes, machine.load_milli);
    record::write("load", &machine, &json!({"weight_bytes": bytes, "rows": rows}), &summary)
}

fn summarise(rows: &[Value], bytes: u64, load: [u64; 2]) -> String {
    let pick = |kind: &str, prepacking: &str, field: &str| {
        let mine = rows.iter().filter(|r| r["kind"] == kind && r["prepacking"] == prepacking);
        mine.filter_map(|r| r[field].as_f64()).collect::<Vec<_>>()
    };
    let median = |kind: &str, prepacking: &str, field: &str| {
        record::quantile(&pick(kind, prepacking, field), 0.5)
    };
    let mut text = format!(
        "# Weights bound to a weightless graph against weights embedded\n\n\
         {LAYERS} Gemm layers of {WIDTH}x{WIDTH}, {:.0} MB; medians of {ROUNDS} fresh processes each, page cache warm, \
         with the smallest and largest load time.\n\n\
         | weights | prepacking | load ms | peak MB after load | after a run | of it private |\n\
         | --- | --- | --- | --- | --- | --- |\n",
        bytes as f64 / 1e6
    );
    for (kind, prepacking) in VARIANTS {
        let loads = pick(kind, prepacking, "load_ns");
        text += &format!(
            "| {kind} | {prepacking} | {:.1} ({:.1}..{:.1}) | {:.0} | {:.0} | {:.0} |\n",
            record::quantile(&loads, 0.5) / 1e6,
            record::quantile(&loads, 0.0) / 1e6,
            record::quantile(&loads, 1.0) / 1e6,
            median(kind, prepacking, "peak_load_bytes") / 1e6,
            median(kind, prepacking, "peak_run_bytes") / 1e6,
            median(kind, prepacking, "private_bytes") / 1e6,
        );
    }
    let ratio = |prepacking, field| {
        median("embedded", prepacking, field) / median("bound", prepacking, field)
    };
    let (speed, memory) = (ratio("off", "load_ns"), ratio("off", "peak_run_bytes"));
    let (speed_on, memory_on) = (ratio("on", "load_ns"), ratio("on", "peak_run_bytes"));
    let outputs = rows.iter().map(|r| (r["prepacking"].as_str(), r["outputs"].as_str()));
    let distinct = outputs.collect::<std::collections::BTreeSet<_>>().len();
    text + &format!(
        "\nEmbedded over bound: load {speed:.1} times, peak memory {memory:.2} times (prepacking off); \
         load {speed_on:.2}, memory {memory_on:.2} (on).\n\
         Aims: load at least 10 times as fast with prepacking off, {}; no more memory, {}.\n\
         Outputs within each setting of prepacking equal bit for bit: {}. \
         Load average before and after, in thousandths: {load:?}.\n",
        if speed >= 10.0 { "held" } else { "MISSED" },
        if memory >= 0.99 && memory_on >= 0.99 { "held" } else { "MISSED" },
        distinct == 2,
    )
}

/// Loads one graph and runs it once; prints one JSON object.
pub(crate) fn child(graph: &str, prepacking: bool, library: &str) -> Result<(), Error> {
    let environment = evaluator::runtime::load(Path::new(library))?;
    let start = now();
    let mut session =
        evaluator::session::open(&environment, Path::new(graph), 1, prepacking, None)?;
    let load = start.elapsed();
    let peak_load = evaluator::peak_bytes();
    let values = (0..ROWS * WIDTH).map(|k| (k % 17) as f32 / 17.0 - 0.5).collect::<Vec<_>>();
    let input = Tensor::from_array(([ROWS, WIDTH], values))?;
    let start = now();
    let outputs = session.run(ort::inputs!["x" => input])?;
    let run = start.elapsed();
    let (_, values) = outputs["y"].try_extract_tensor::<f32>()?;
    let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>();
    let row = json!({
        "load_ns": load.as_nanos() as u64,
        "run_ns": run.as_nanos() as u64,
        "peak_load_bytes": peak_load,
        "peak_run_bytes": evaluator::peak_bytes(),
        "private_bytes": private_bytes(),
        "outputs": Digest::of(&bytes).hex(),
    });
    println!("{row}");
    Ok(())
}

/// Resident bytes that no file backs.
fn private_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Writes weights.safetensors with bound.onnx, and embedded.onnx; returns the bytes of the weights.
fn write_models(folder: &Path, layers: usize, width: usize) -> Result<u64, Error> {
    let tensors = write_weights(&folder.join("weights.safetensors"), layers, width)?;
    let (rows, columns) = (ROWS as i64, width as i64);
    let embedded = onnx_graphs::layers(rows, columns, tensors);
    std::fs::write(folder.join("embedded.onnx"), embedded.encode_to_vec())?;
    let weightless =
        onnx_graphs::layers(rows, columns, (0..layers).map(|k| tensor(k, width, None)).collect());
    bind(folder, &weightless)?;
    Ok((layers * width * width * 4) as u64)
}

/// Writes bound.onnx: the graph with its weights in weights.safetensors of the same folder.
pub(crate) fn bind(folder: &Path, weightless: &ModelProto) -> Result<(), Error> {
    let graph = Graph::parse(&weightless.encode_to_vec())?;
    let weights = folder.join("weights.safetensors");
    let file_bytes = std::fs::metadata(&weights)?.len();
    let mut length = [0; 8];
    let mut file = File::open(&weights)?;
    file.read_exact(&mut length)?;
    let mut prefix = length.to_vec();
    file.take(u64::from_le_bytes(length)).read_to_end(&mut prefix)?;
    let header = Header::parse(&prefix, Some(file_bytes))?;
    std::fs::write(folder.join("bound.onnx"), graph.bind(&header, "weights.safetensors")?)?;
    Ok(())
}

/// Writes a safetensors file of square layers; returns them as tensors that hold their data.
pub(crate) fn write_weights(
    path: &Path,
    layers: usize,
    width: usize,
) -> Result<Vec<TensorProto>, Error> {
    let each = width * width * 4;
    let entries = (0..layers).map(|k| {
        format!(
            r#""w{k}":{{"dtype":"F32","shape":[{width},{width}],"data_offsets":[{},{}]}}"#,
            k * each,
            (k + 1) * each
        )
    });
    let mut json = format!("{{{}}}", entries.collect::<Vec<_>>().join(","));
    json += &" ".repeat(json.len().wrapping_neg() % 8);
    let mut file = BufWriter::new(File::create(path)?);
    file.write_all(&(json.len() as u64).to_le_bytes())?;
    file.write_all(json.as_bytes())?;
    let mut random = Random::new(3);
    let mut tensors = Vec::with_capacity(layers);
    for k in 0..layers {
        let mut raw = Vec::with_capacity(each);
        while raw.len() < each {
            // Small enough that eight layers neither vanish nor overflow.
            let unit = (random.next() >> 40) as f32 / (1u32 << 24) as f32 - 0.5;
            raw.extend_from_slice(&(unit / 32.0).to_le_bytes());
        }
        file.write_all(&raw)?;
        tensors.push(tensor(k, width, Some(raw)));
    }
    file.flush()?;
    Ok(tensors)
}

pub(crate) fn tensor(number: usize, width: usize, raw: Option<Vec<u8>>) -> TensorProto {
    TensorProto {
        name: Some(format!("w{number}")),
        dims: vec![width as i64; 2],
        data_type: Some(1),
        data_location: raw.is_none().then_some(1),
        raw_data: raw,
        ..TensorProto::default()
    }
}
