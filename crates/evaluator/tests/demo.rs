//! The real checkpoints of the demo, measured.

mod common;

use common::{Run, demo, subject};
use domain::evaluation::Protocol;
use evaluator::{onnx::decode, protocols};
use prost::Message as _;

/// Proves that all 25 checkpoints give the recorded number of right answers, so that weights reach ONNX Runtime whole.
///
/// Whether the outputs are equal bit for bit depends on the processor; it is printed, not demanded.
#[test]
fn all_checkpoints_give_the_recorded_accuracy() {
    let results: serde_json::Value =
        serde_json::from_slice(&std::fs::read(demo("results.json")).unwrap()).unwrap();
    let rows = results["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 25);
    let mut equal = 0;
    for row in rows {
        let (architecture, step) =
            (row["arch"].as_str().unwrap(), row["step"].as_u64().unwrap() as u32);
        let evaluation = Run::accuracy(subject(architecture, step)).go().unwrap();
        let measured = &evaluation.measurement.model;
        let correct = measured.right.bytes().filter(|b| *b == b'1').count() as u64;
        assert_eq!(Some(correct), row["correct"].as_u64(), "{architecture} step {step}");
        assert_eq!((measured.items, measured.right.len()), (4000, 4000));
        assert_eq!(measured.checkpoint.hex(), row["weights_sha256"].as_str().unwrap());
        assert!(measured.finite);
        assert!(measured.peak_bytes.is_some_and(|b| b > 10 << 20), "{:?}", measured.peak_bytes);
        assert_eq!(measured.providers.keys().collect::<Vec<_>>(), ["CPUExecutionProvider"]);
        assert!(measured.providers.values().all(|n| *n > 0));
        assert_eq!(evaluation.measurement.runtime.onnxruntime, "1.31.1");
        assert_eq!(evaluation.labels.counts.len(), 10);
        assert_eq!(
            (evaluation.labels.counts.iter().sum::<u64>(), evaluation.labels.majority()),
            (4000, 416)
        );
        if measured.outputs.hex() == row["logits_sha256"].as_str().unwrap() {
            equal += 1;
        } else {
            println!("{architecture} step {step}: the last bits differ from the record");
        }
    }
    println!("outputs equal bit for bit: {equal} of {}", rows.len());
}

/// Proves that reading and writing a graph keeps every byte of the demo's four.
#[test]
fn graphs_survive_reading_and_writing() {
    for architecture in ["linear", "mlp", "cnn", "rnn"] {
        let bytes = std::fs::read(demo(&format!("{architecture}/graph.onnx"))).unwrap();
        assert_eq!(decode(&bytes).unwrap().encode_to_vec(), bytes, "{architecture}");
    }
}

/// Proves that a sweep tries sizes until an item takes longer, that each side is timed in its own fastest size, and that the
/// report derived from it says which.
#[test]
fn a_sweep_finds_the_size_of_batches() {
    let mut run = Run::accuracy(subject("linear", 90));
    run.reference = Some(subject("mlp", 270));
    let sweep = vec![1, 8, 32, 128, 512];
    run.protocol =
        Protocol { rounds: 2, pairs: 20, offline_batches: 5, sweep, ..protocols::quick(42) };
    let measurement = run.go().unwrap().measurement;
    let swept = measurement.sweep.as_ref().unwrap();
    for points in [&swept.model, &swept.reference] {
        let sizes = points.iter().map(|point| point.items).collect::<Vec<_>>();
        assert!(points.len() >= 2 && [1, 8, 32, 128, 512].starts_with(&sizes), "{sizes:?}");
        assert!(points.iter().all(|point| point.times.len() >= 3));
    }
    // A linear model of 784 by 10 is far faster in batches than one by one.
    let fastest = domain::evaluation::report::fastest(&swept.model).unwrap();
    assert!(fastest.items > 1, "{fastest:?}");
}

/// Proves that a round times three sides in as many triples as asked, and that everything but times repeats with the seed.
#[test]
fn rounds_have_the_shape_of_the_protocol() {
    let mut run = Run::accuracy(subject("rnn", 90));
    run.reference = Some(subject("mlp", 270));
    run.protocol = Protocol { rounds: 2, pairs: 40, offline_batches: 7, ..protocols::quick(42) };
    let (first, second) = (run.go().unwrap(), run.go().unwrap());
    for measurement in [&first.measurement, &second.measurement] {
        assert_eq!(measurement.rounds.len(), 2);
        for (number, round) in measurement.rounds.iter().enumerate() {
            assert_eq!(round.number as usize, number);
            let single = &round.single_stream;
            assert_eq!([&single.model, &single.reference, &single.control].map(Vec::len), [40; 3]);
            let offline = &round.offline;
            assert_eq!(
                [&offline.model, &offline.reference, &offline.control].map(Vec::len),
                [7, 7, 0]
            );
            assert_eq!(round.repeated.as_ref().map(Vec::len), Some(100));
            let marks = round.interrupted.as_ref().unwrap();
            assert_eq!([&marks.single_stream, &marks.offline].map(|m| m.len()), [40, 7]);
            let all = single.model.iter().chain(&single.control).chain(&offline.reference);
            assert!(all.clone().all(|ns| (1_000..1_000_000_000).contains(ns)));
        }
        assert_eq!(measurement.model.peaks.len(), 3);
        let mut peaks = measurement.model.peaks.clone();
        peaks.sort_unstable();
        assert_eq!(measurement.model.peak_bytes, Some(peaks[1]));
        assert_eq!(measurement.reference.as_ref().unwrap().right.matches('1').count(), 3292);
    }
    assert_eq!(first.measurement.model, {
        let mut model = second.measurement.model.clone();
        model.peak_bytes = first.measurement.model.peak_bytes;
        model.peaks.clone_from(&first.measurement.model.peaks);
        model
    });
    assert!(first.inside > std::time::Duration::from_millis(10), "{:?}", first.inside);
    let text = serde_json::to_string(&first.measurement).unwrap();
    assert_eq!(
        serde_json::from_str::<domain::evaluation::Measurement>(&text).unwrap(),
        first.measurement
    );
}
