//! Inputs and children that misbehave: each ends in its own error, and the parent lives.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod common;

use std::{
    fs, os::unix::fs::PermissionsExt as _, path::Path, sync::atomic::Ordering, time::Duration,
};

use common::{Run, demo, subject};
use evaluator::{
    Device, EvaluationError, Side, Stage, Subject,
    onnx::{
        AttributeProto, GraphProto, ModelProto, NodeProto, StringStringEntryProto, TensorProto,
        ValueInfoProto, decode,
    },
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
        ("batch axis at 7", Box::new(move |g| dim(&mut g.input[0], 0, 7))),
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

/// Proves that a graph which fixes its batch axis to 1 is run case by case, with the same outcome.
#[test]
fn a_batch_axis_of_one_is_run_case_by_case() {
    let exhibit = Exhibit::new().graph(|g| {
        for value in g.input.iter_mut().chain(&mut g.output) {
            let tensor = value.r#type.as_mut().unwrap().tensor_type.as_mut().unwrap();
            let dim = &mut tensor.shape.as_mut().unwrap().dim[0];
            (dim.dim_param, dim.dim_value) = (None, Some(1));
        }
    });
    let right = exhibit.run().unwrap().measurement.model.right;
    assert_eq!(right.matches('1').count(), 3292);
}

/// A weightless graph `image -> logits` whose middle is `nodes`, from `start` (F32 [n,28,28]) to `logits`.
fn graph_with(nodes: Vec<NodeProto>) -> ModelProto {
    let mut model = decode(&fs::read(demo("mlp/graph.onnx")).unwrap()).unwrap();
    let graph = model.graph.as_mut().unwrap();
    graph.initializer.clear();
    graph.node = nodes;
    model
}

fn node(
    operator: &str,
    inputs: &[&str],
    outputs: &[&str],
    attributes: Vec<AttributeProto>,
) -> NodeProto {
    NodeProto {
        op_type: Some(operator.to_owned()),
        input: inputs.iter().map(|s| (*s).to_owned()).collect(),
        output: outputs.iter().map(|s| (*s).to_owned()).collect(),
        attribute: attributes,
        ..NodeProto::default()
    }
}

fn attribute(name: &str, kind: i32) -> AttributeProto {
    AttributeProto { name: Some(name.to_owned()), r#type: Some(kind), ..AttributeProto::default() }
}

fn constant(output: &str, data_type: i32, dims: &[i64], raw: &[u8]) -> NodeProto {
    let tensor = TensorProto {
        dims: dims.to_vec(),
        data_type: Some(data_type),
        raw_data: Some(raw.to_vec()),
        ..TensorProto::default()
    };
    let value = AttributeProto { t: Some(tensor), ..attribute("value", 4) };
    node("Constant", &[], &[output], vec![value])
}

fn scalar(name: &str, elem_type: i32) -> ValueInfoProto {
    use evaluator::onnx::{TensorShapeProto, TensorTypeProto, TypeProto};
    let tensor =
        TensorTypeProto { elem_type: Some(elem_type), shape: Some(TensorShapeProto::default()) };
    ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(TypeProto { tensor_type: Some(tensor), ..TypeProto::default() }),
        ..ValueInfoProto::default()
    }
}

/// `image` summed to [n,1], then shaped to [n,10] by adding ten zeros.
fn to_logits(from: &str) -> Vec<NodeProto> {
    vec![
        node("Flatten", &[from], &["flat"], vec![]),
        node(
            "ReduceMax",
            &["flat"],
            &["peak"],
            vec![AttributeProto { ints: vec![1], ..attribute("axes", 7) }],
        ),
        constant("ten", 1, &[1, 10], &[0; 40]),
        node("Add", &["peak", "ten"], &["logits"], vec![]),
    ]
}

fn cast(from: &str, to: &str) -> NodeProto {
    node("Cast", &[from], &[to], vec![AttributeProto { i: Some(1), ..attribute("to", 2) }])
}

fn write(model: &ModelProto) -> (tempfile::TempDir, Subject) {
    let folder = tempfile::tempdir().unwrap();
    let graph = folder.path().join("graph.onnx");
    fs::write(&graph, model.encode_to_vec()).unwrap();
    (folder, Subject { graph, ..subject("mlp", 270) })
}

/// A graph with a loop of 2^62 turns.
fn endless() -> ModelProto {
    let body = GraphProto {
        name: Some("body".to_owned()),
        node: vec![
            node("Identity", &["again"], &["still"], vec![]),
            node("Add", &["sum", "one"], &["next"], vec![]),
        ],
        input: vec![scalar("turn", 7), scalar("again", 9), scalar("sum", 1)],
        output: vec![scalar("still", 9), scalar("next", 1)],
        ..GraphProto::default()
    };
    let mut nodes = vec![
        cast("image", "pixels"),
        constant("turns", 7, &[], &(1i64 << 62).to_le_bytes()),
        constant("yes", 9, &[], &[1]),
        constant("zero", 1, &[], &0f32.to_le_bytes()),
        constant("one", 1, &[], &1f32.to_le_bytes()),
        node(
            "Loop",
            &["turns", "yes", "zero"],
            &["last"],
            vec![AttributeProto { g: Some(body), ..attribute("body", 5) }],
        ),
        node("Add", &["pixels", "last"], &["start"], vec![]),
    ];
    nodes.extend(to_logits("start"));
    graph_with(nodes)
}

/// Proves that an endless run is stopped at the limit, and by the cancel flag.
#[test]
fn an_endless_run_is_stopped() {
    let (_folder, subject) = write(&endless());
    let mut run = Run::accuracy(subject);
    run.limits.wall = Duration::from_secs(2);
    let start = evaluator::timing::now();
    let error = run.go().unwrap_err();
    assert!(
        matches!(
            error,
            EvaluationError::TimedOut { stage: Stage::Accuracy(Side::Model), seconds: 2 }
        ),
        "{error}"
    );
    assert!(start.elapsed() < Duration::from_secs(10));
    run.limits.wall = Duration::from_secs(60);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(500));
            run.cancel.store(true, Ordering::Relaxed);
        });
        assert!(matches!(run.go(), Err(EvaluationError::Cancelled)));
    });
}

/// The process that the next test kills; by itself it proves nothing.
#[test]
#[ignore = "started by a_child_dies_with_its_parent"]
fn parent_of_an_endless_run() {
    let (_folder, subject) = write(&endless());
    let _ = Run::accuracy(subject).go();
}

/// Proves that a child ends when its parent is killed, however hard.
#[test]
fn a_child_dies_with_its_parent() {
    common::library();
    let scratch = tempfile::tempdir().unwrap();
    let mut parent = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "parent_of_an_endless_run"])
        .env("TMPDIR", scratch.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let wait = |what: &str, condition: &dyn Fn() -> bool| {
        for _ in 0..1_000 {
            if condition() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{what}");
    };
    let children = |parent: u32| {
        let tasks = fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten();
        let lists = tasks.map(|t| fs::read_to_string(t.unwrap().path().join("children")));
        let lists = lists.map(Result::unwrap_or_default).collect::<String>();
        lists.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let parent_id = parent.id();
    wait("the child never started", &|| !children(parent_id).is_empty());
    // It is in the loop, long past its own preparations, when it has used some time.
    std::thread::sleep(Duration::from_millis(500));
    let child = children(parent_id).remove(0);
    let alive = || {
        fs::read_to_string(format!("/proc/{child}/comm"))
            .is_ok_and(|n| n.starts_with("evaluator-child"))
    };
    assert!(alive());
    parent.kill().unwrap();
    parent.wait().unwrap();
    wait("the child outlived its parent", &|| {
        let status = fs::read_to_string(format!("/proc/{child}/status")).unwrap_or_default();
        !alive() || status.contains("State:\tZ")
    });
}

/// Proves that a graph of a few bytes that asks for 64 GB ends in "out of memory", not in a dead machine.
#[test]
fn a_memory_bomb_is_contained() {
    let mut nodes = vec![
        cast("image", "pixels"),
        constant("huge", 7, &[1], &(1i64 << 34).to_le_bytes()),
        node("ConstantOfShape", &["huge"], &["zeros"], vec![]),
        node(
            "ReduceMax",
            &["zeros"],
            &["none"],
            vec![AttributeProto { i: Some(0), ..attribute("keepdims", 2) }],
        ),
        node("Add", &["pixels", "none"], &["start"], vec![]),
    ];
    nodes.extend(to_logits("start"));
    let (_folder, subject) = write(&graph_with(nodes));
    let error = Run::accuracy(subject).go().unwrap_err();
    assert!(matches!(error, EvaluationError::OutOfMemory { limit: Some(_), .. }), "{error}");
}

/// Proves that graphs outside the rules are refused by name: foreign domains, files in attributes, subgraphs elsewhere.
#[test]
fn graphs_outside_the_rules_are_refused() {
    let foreign = NodeProto {
        domain: Some("com.example".to_owned()),
        ..node("Run", &["image"], &["logits"], vec![])
    };
    let mut file = constant("c", 1, &[1], &[]);
    file.attribute[0].t.as_mut().unwrap().data_location = Some(1);
    let nested = AttributeProto { g: Some(GraphProto::default()), ..attribute("body", 5) };
    let cases = [
        (foreign, "com.example"),
        (file, "another file"),
        (node("Relu", &["image"], &["logits"], vec![nested]), "subgraph"),
        (node("EPContext", &["image"], &["logits"], vec![]), "EPContext"),
    ];
    for (node, text) in cases {
        let (_folder, subject) = write(&graph_with(vec![node]));
        let error = Run::accuracy(subject).go().unwrap_err();
        assert_eq!(error.code(), "graph_refused");
        assert!(error.to_string().contains(text), "{error}");
    }
    let (_folder, subject) =
        write(&graph_with(vec![node("NoSuch", &["image"], &["logits"], vec![])]));
    let error = Run::accuracy(subject).go().unwrap_err();
    assert_eq!(error.code(), "inference_failed", "{error}");
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
