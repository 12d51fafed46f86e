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
            let all = single.model.iter().chain(&single.control).chain(&offline.reference);
            assert!(all.clone().all(|ns| (1_000..1_000_000_000).contains(ns)));
        }
        assert_eq!(measurement.reference.as_ref().unwrap().right.matches('1').count(), 3292);
    }
    assert_eq!(first.measurement.model, {
        let mut model = second.measurement.model.clone();
        model.peak_bytes = first.measurement.model.peak_bytes;
        model
    });
    let text = serde_json::to_string(&first.measurement).unwrap();
    assert_eq!(
        serde_json::from_str::<domain::evaluation::Measurement>(&text).unwrap(),
        first.measurement
    );
}
