//! Small models of every kind, packed, proven and run: outputs as ONNX Runtime for Python gives them, metrics as scikit-learn does.
//! `models/make.py` makes them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test")]

#[expect(dead_code, reason = "helpers are shared with tests that use more of them")]
mod common;

use std::{fs, path::PathBuf};

use common::{CHILD, Run, library};
use domain::{
    digest::Digest,
    evaluation::{Measurement, Report, ReportContext},
    suite::Suite,
};
use evaluator::{
    Evaluation, Subject,
    onnx::{StringStringEntryProto, decode},
    pack::{PackError, PackRequest, Packed, pack},
};
use prost::Message as _;
use tempfile::TempDir;

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/models").join(name)
}

fn pack_file(model: &std::path::Path, out: &std::path::Path) -> Result<Packed, PackError> {
    pack(&PackRequest {
        model,
        out,
        inputs: None,
        unproven: false,
        child: CHILD.as_ref(),
        library: library(),
    })
}

/// Packs a model of the folder; the pair, and the folder that holds it.
fn packed(name: &str) -> (TempDir, Subject, Packed) {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("pair");
    let packed =
        pack_file(&folder(name).join("model.onnx"), &out).unwrap_or_else(|e| panic!("{name}: {e}"));
    let subject =
        Subject { checkpoint: out.join("model.safetensors"), graph: out.join("graph.onnx") };
    (place, subject, packed)
}

fn suite_of(name: &str) -> Suite {
    let text = fs::read_to_string(folder(name).join("suite.toml")).unwrap();
    Suite::parse(&text).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn evaluate(name: &str, subject: Subject) -> (Suite, Evaluation) {
    let suite = suite_of(name);
    let mut run = Run::accuracy(subject);
    (run.suite, run.cases) = (suite.clone(), folder(name).join("cases.safetensors"));
    let evaluation = run.go().unwrap_or_else(|e| panic!("{name}: {e}"));
    (suite, evaluation)
}

fn report(suite: &Suite, evaluation: &Evaluation) -> Report {
    let context = ReportContext {
        suite,
        suite_digest: Digest::of(b"suite"),
        label_counts: &evaluation.labels.counts,
        model: "model",
        reference: "reference",
        evaluator: "test",
        cost_held: None,
    };
    let measurement: &Measurement = &evaluation.measurement;
    Report::derive(measurement, &context).unwrap()
}

/// Proves for each kind of model that the pair is bit-identical to the file, that its weights left the graph, and that all outputs are
/// as expected: int8 by QLinear and by dynamic scales, F16, BF16, Loop with a weight inside and a scalar, If with weights of one name
/// in both branches, cases on axis 1, a state, strings.
#[test]
fn models_of_every_kind_give_what_is_expected() {
    for (name, tensors, outputs) in [
        ("qlinear", 1, 1),
        ("dynamic", 1, 1),
        ("f16", 2, 1),
        ("bf16", 3, 1),
        ("loop", 1, 1),
        ("axis", 2, 2),
        ("batches", 1, 2),
        ("state", 1, 1),
        ("text", 1, 1),
    ] {
        let (_place, subject, packed) = packed(name);
        assert_eq!(packed.tensors, tensors, "{name}");
        assert!(packed.proof.is_some_and(|proof| proof.runs > 0 && proof.bytes > 0), "{name}");
        let (suite, evaluation) = evaluate(name, subject);
        let found = &evaluation.measurement.model.expected;
        assert_eq!(found.len(), outputs, "{name}");
        for (output, found) in found {
            assert!(found.within_tolerance, "{name}, {output}: {found:?}");
        }
        let report = report(&suite, &evaluation);
        assert_eq!(report.expected, *found, "{name}");
        assert!(report.metrics["mse"].value < 1e-3, "{name}: {:?}", report.metrics);
    }
}

/// Proves that every task's metrics, from the cases through ONNX Runtime to the report, are those of scikit-learn and SciPy.
#[test]
fn every_task_is_scored() {
    let wanted = fs::read(folder("wanted.json")).unwrap();
    let wanted: serde_json::Value = serde_json::from_slice(&wanted).unwrap();
    for (name, metrics) in wanted.as_object().unwrap() {
        let (_place, subject, _) = packed(name);
        let (suite, evaluation) = evaluate(name, subject);
        let report = report(&suite, &evaluation);
        let metrics = metrics.as_object().unwrap();
        assert_eq!(report.metrics.len(), metrics.len(), "{name}");
        for (metric, value) in metrics {
            let (found, wanted) = (report.metrics[metric], value.as_f64().unwrap());
            // Outputs are F32: sums of them agree to their rounding.
            assert!((found.value - wanted).abs() < 1e-6, "{name}, {metric}: {found:?}, {wanted}");
            assert!(found.low <= found.value && found.value <= found.high, "{name}, {metric}");
        }
        assert!(report.quality_bits.is_some_and(|bits| bits > 0.0), "{name}: {:?}", report.quality);
    }
}

/// Proves that an output which is not as expected is told with its distance, and a tolerance that is met is met.
#[test]
fn differences_are_told() {
    let (_place, subject, _) = packed("f16");
    let mut run = Run::accuracy(subject);
    run.suite = suite_of("f16");
    let place = tempfile::tempdir().unwrap();
    run.cases = place.path().join("cases");
    let mut bytes = fs::read(folder("f16").join("cases.safetensors")).unwrap();
    let end = bytes.len();
    // The last tensor is input.x, the one before it what is expected; one element of it becomes 1 larger than any tanh.
    let header = domain::checkpoint::Header::parse(&bytes, Some(end as u64)).unwrap();
    let expected = header.find_tensor("expected.y").unwrap();
    let at = (header.data_offset() + expected.begin) as usize;
    bytes[at..at + 2].copy_from_slice(&[0x00, 0x40]);
    fs::write(&run.cases, bytes).unwrap();
    let found = run.go().unwrap().measurement.model.expected["y"];
    assert!(!found.within_tolerance && found.max_abs_error > 1.0, "{found:?}");
    run.suite.expected.as_mut().unwrap().atol = 4.0;
    assert!(run.go().unwrap().measurement.model.expected["y"].within_tolerance);
}

/// Proves that nothing is written when packing fails, that a folder which is there is not touched, and that an empty one is filled.
#[test]
fn packing_is_all_or_nothing() {
    let place = tempfile::tempdir().unwrap();
    let model = folder("f16").join("model.onnx");
    let left = || {
        let names = fs::read_dir(place.path()).unwrap().map(|e| e.unwrap().file_name());
        names.map(|n| n.into_string().unwrap()).collect::<Vec<_>>()
    };
    let full = place.path().join("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("mine"), "x").unwrap();
    assert!(matches!(pack_file(&model, &full), Err(PackError::Exists { .. })));
    assert_eq!(fs::read(full.join("mine")).unwrap(), b"x");
    fs::remove_dir_all(&full).unwrap();
    let out = place.path().join("out");
    let changed = |change: &dyn Fn(&mut evaluator::onnx::ModelProto)| {
        let mut model = decode(&fs::read(folder("f16").join("model.onnx")).unwrap()).unwrap();
        change(&mut model);
        let path = place.path().join("changed.onnx");
        fs::write(&path, model.encode_to_vec()).unwrap();
        let error = pack_file(&path, &out).unwrap_err();
        fs::remove_file(&path).unwrap();
        assert_eq!(left(), Vec::<String>::new(), "{error}");
        error.to_string()
    };
    let short = changed(&|m| m.graph.as_mut().unwrap().initializer[0].raw_data = Some(vec![0; 3]));
    assert!(short.contains("tensor \"w\": its raw data has 3 bytes"), "{short}");
    let foreign = changed(&|m| m.graph.as_mut().unwrap().node[0].domain = Some("x.y".to_owned()));
    assert!(foreign.contains("domain \"x.y\" is refused"), "{foreign}");
    let outside = changed(&|m| {
        let tensor = &mut m.graph.as_mut().unwrap().initializer[0];
        tensor.raw_data = None;
        tensor.data_location = Some(1);
        tensor.external_data = vec![StringStringEntryProto {
            key: Some("location".to_owned()),
            value: Some("../../etc/passwd".to_owned()),
        }];
    });
    assert!(outside.contains("no plain path inside the model's folder"), "{outside}");
    let broken =
        changed(&|m| m.graph.as_mut().unwrap().node[2].op_type = Some("Nothing".to_owned()));
    assert!(broken.contains("ran on none of 11 tries"), "{broken}");
    fs::create_dir(&out).unwrap();
    pack_file(&model, &out).unwrap();
    assert_eq!(left(), ["out"]);
}
