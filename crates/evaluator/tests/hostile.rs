//! Inputs and children that misbehave: each ends in its own error, and the parent lives.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod common;

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use common::{Run, demo, subject};
use domain::evaluation::Protocol;
use evaluator::{
    Device, EvaluationError, Subject,
    onnx::{GraphProto, StringStringEntryProto, TensorProto, ValueInfoProto, decode},
    protocols,
};
use prost::Message as _;

/// What a test changes about a graph.
type Change = Box<dyn FnOnce(&mut GraphProto)>;

/// A copy of mlp/step-0270 in a folder, changed by the test.
struct Exhibit {
    _folder: tempfile::TempDir,
    subject: Subject,
}

impl Exhibit {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let original = subject("mlp", 270);
        let subject = Subject {
            checkpoint: folder.path().join("model.safetensors"),
            graph: folder.path().join("graph.onnx"),
        };
        fs::copy(original.checkpoint, &subject.checkpoint).unwrap();
        fs::copy(original.graph, &subject.graph).unwrap();
        Self { _folder: folder, subject }
    }

    fn graph(self, change: impl FnOnce(&mut GraphProto)) -> Self {
        let mut model = decode(&fs::read(&self.subject.graph).unwrap()).unwrap();
        change(model.graph.as_mut().unwrap());
        fs::write(&self.subject.graph, model.encode_to_vec()).unwrap();
        self
    }

    fn checkpoint(self, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut bytes = fs::read(&self.subject.checkpoint).unwrap();
        change(&mut bytes);
        fs::write(&self.subject.checkpoint, bytes).unwrap();
        self
    }

    fn run(&self) -> Result<evaluator::Evaluation, EvaluationError> {
        Run::accuracy(self.subject.clone()).go()
    }
}

fn weight<'a>(graph: &'a mut GraphProto, name: &str) -> &'a mut TensorProto {
    graph.initializer.iter_mut().find(|t| t.name() == name).unwrap()
}

/// Proves that what ONNX Runtime would run with wrong numbers is refused with the tensor's name before it sees the file.
#[test]
fn a_graph_that_does_not_fit_is_refused_by_tensor() {
    let cases: [(&str, Change); 3] = [
        (
            "tensor_missing",
            Box::new(|g| {
                weight(g, "fc1.weight").name = Some("fc9.weight".to_owned());
                let inputs = g.node.iter_mut().flat_map(|n| &mut n.input);
                inputs
                    .filter(|input| *input == "fc1.weight")
                    .for_each(|input| "fc9.weight".clone_into(input));
            }),
        ),
        ("tensor_dtype_differs", Box::new(|g| weight(g, "fc1.weight").data_type = Some(6))),
        ("tensor_shape_differs", Box::new(|g| weight(g, "fc1.weight").dims.reverse())),
    ];
    for (code, change) in cases {
        let error = Exhibit::new().graph(change).run().unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains("fc"), "{error}");
        assert!(!error.is_environment());
    }
}

/// Proves that location, offset and length of a received graph are ignored: stale ones change nothing.
#[test]
fn stale_offsets_are_ignored() {
    let entry = |key: &str, value: &str| StringStringEntryProto {
        key: Some(key.to_owned()),
        value: Some(value.to_owned()),
    };
    let exhibit = Exhibit::new().graph(|g| {
        for tensor in &mut g.initializer {
            tensor.external_data = vec![
                entry("location", "../../etc/passwd"),
                entry("offset", "8"),
                entry("length", "301056"),
            ];
        }
    });
    let right = exhibit.run().unwrap().measurement.model.right;
    assert_eq!(right.matches('1').count(), 3292);
}

/// Proves that a cut file is refused by its header, and that weights of NaN are an outcome: nothing is finite.
#[test]
fn broken_weights() {
    let cut = Exhibit::new().checkpoint(|bytes| bytes.truncate(bytes.len() - 1));
    let error = cut.run().unwrap_err();
    assert_eq!(error.code(), "checkpoint_invalid");
    assert!(error.to_string().contains("truncated"), "{error}");
    let nan = Exhibit::new().checkpoint(|bytes| {
        let end = bytes.len();
        let values = bytes[end - 300_000..].chunks_exact_mut(4);
        values.for_each(|v| v.copy_from_slice(&f32::NAN.to_le_bytes()));
    });
    let measured = nan.run().unwrap().measurement.model;
    assert!(!measured.finite);
    assert_eq!(measured.right.len(), 4000);
}

/// Proves that suite and graph which disagree are told apart by field before any child runs.
#[test]
fn a_suite_that_does_not_fit_is_refused_by_field() {
    let dim = |v: &mut ValueInfoProto, axis: usize, length: i64| {
        let tensor = v.r#type.as_mut().unwrap().tensor_type.as_mut().unwrap();
        let dim = &mut tensor.shape.as_mut().unwrap().dim[axis];
        (dim.dim_param, dim.dim_value) = (None, Some(length));
    };
    let cases: [(&str, Change); 5] = [
        ("input.picture", Box::new(|g| g.input[0].name = Some("picture".to_owned()))),
        (
            "the graph takes F32",
            Box::new(|g| {
                g.input[0].r#type.as_mut().unwrap().tensor_type.as_mut().unwrap().elem_type =
                    Some(1);
            }),
        ),
        ("along axis 1", Box::new(move |g| dim(&mut g.input[0], 1, 32))),
        ("batch axis at 0", Box::new(move |g| dim(&mut g.input[0], 0, 0))),
        ("output logits", Box::new(|g| g.output[0].name = Some("scores".to_owned()))),
    ];
    for (text, change) in cases {
        let exhibit = Exhibit::new().graph(change);
        let mut run = Run::accuracy(exhibit.subject.clone());
        run.child = "/nonexistent".into();
        let error = run.go().unwrap_err();
        assert_eq!(error.code(), "suite_mismatch", "{error}");
        assert!(error.to_string().contains(text), "{error}");
    }
}

/// Proves that cases which do not fit the suite are refused by field: items, labels, a label beyond the classes.
#[test]
fn cases_that_do_not_fit_are_refused_by_field() {
    let go = |change: &dyn Fn(&mut Run)| {
        let mut run = Run::accuracy(subject("linear", 10));
        change(&mut run);
        let error = run.go().unwrap_err();
        assert_eq!(error.code(), "suite_mismatch", "{error}");
        error.to_string()
    };
    let items = go(&|run| run.suite.items = 3999);
    assert!(items.contains("input.image") && items.contains("4000"), "{items}");
    let missing = go(&|run| run.suite.labels.target = Some("answer".to_owned()));
    assert!(missing.contains("answer"), "{missing}");
    let floats = go(&|run| run.suite.labels.target = Some("input.image".to_owned()));
    assert!(floats.contains("input.image: shape"), "{floats}");
    let folder = tempfile::tempdir().unwrap();
    let cases = folder.path().join("cases.safetensors");
    let mut bytes = fs::read(demo("suite/cases.safetensors")).unwrap();
    let header = 8 + u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    // The labels stand first; the first of them becomes class 10 of 0..=9.
    bytes[header..header + 8].copy_from_slice(&10i64.to_le_bytes());
    fs::write(&cases, bytes).unwrap();
    let beyond = go(&|run| run.cases.clone_from(&cases));
    assert!(beyond.contains("label 10 is not among the 10 classes"), "{beyond}");
}

/// Proves that a graph which fixes its batch axis is run in calls of that size, the last one filled up and cut, with the same outcome.
#[test]
fn a_fixed_batch_axis_is_run_in_its_size() {
    for size in [1, 7] {
        let exhibit = Exhibit::new().graph(|g| {
            for value in g.input.iter_mut().chain(&mut g.output) {
                let tensor = value.r#type.as_mut().unwrap().tensor_type.as_mut().unwrap();
                let dim = &mut tensor.shape.as_mut().unwrap().dim[0];
                (dim.dim_param, dim.dim_value) = (None, Some(size));
            }
        });
        let mut run = Run::accuracy(exhibit.subject.clone());
        run.reference = Some(subject("mlp", 270));
        run.protocol = Protocol { rounds: 1, pairs: 4, offline_batches: 2, ..protocols::quick(1) };
        let measured = run.go().unwrap().measurement;
        assert_eq!(measured.model.right.matches('1').count(), 3292);
        let apart = measured.rounds[0].apart.unwrap();
        assert!(apart.single_stream_ppm < 10 && apart.offline_ppm < 10, "{apart:?}");
    }
}

/// A program of the shell in the child's place.
fn script(folder: &Path, text: &str) -> std::path::PathBuf {
    let path = folder.join("child");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Proves that a killed child, one that talks nonsense and one that is not there are told apart.
#[test]
fn children_that_fail_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::accuracy(subject("linear", 10));
    run.child = script(folder.path(), "echo last words >&2; kill -9 $$");
    match run.go().unwrap_err() {
        EvaluationError::Crashed { signal: 9, stderr, .. } => assert_eq!(stderr, "last words\n"),
        other => panic!("{other}"),
    }
    run.child = script(folder.path(), "echo hello");
    assert_eq!(run.go().unwrap_err().code(), "bad_answer");
    run.child = "/nonexistent".into();
    assert_eq!(run.go().unwrap_err().code(), "child_not_started");
}

/// Proves that a device which cannot be used is an error of the environment, never a silent run on the processor.
#[test]
fn a_missing_device_is_an_error() {
    let mut run = Run::accuracy(subject("linear", 10));
    run.device = "cuda:0".parse::<Device>().unwrap();
    let error = run.go().unwrap_err();
    assert_eq!((error.code(), error.is_environment()), ("device_unusable", true));
    assert!(error.to_string().contains("cuda:0"), "{error}");
    assert!("cuda".parse::<Device>().is_err());
}
