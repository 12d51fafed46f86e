//! Graphs that mean harm: each ends in its own error, inside the limits, and the parent lives.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod common;

use std::{fs, sync::atomic::Ordering, time::Duration};

use common::{Run, demo, subject};
use evaluator::{
    EvaluationError, Side, Stage, Subject,
    onnx::{
        AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, decode,
    },
};
use prost::Message as _;

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
/// Proves that a chain of forty concatenations, each of which doubles, ends in "out of memory" and not in a dead machine.
#[test]
fn a_doubling_chain_is_contained() {
    let mut nodes = vec![cast("image", "x0")];
    for k in 0..40 {
        let (from, to) = (format!("x{k}"), format!("x{}", k + 1));
        let axis = AttributeProto { i: Some(1), ..attribute("axis", 2) };
        nodes.push(node("Concat", &[&from, &from], &[&to], vec![axis]));
    }
    nodes.extend(to_logits("x40"));
    let (_folder, subject) = write(&graph_with(nodes));
    let error = Run::accuracy(subject).go().unwrap_err();
    assert!(matches!(error, EvaluationError::OutOfMemory { limit: Some(_), .. }), "{error}");
}

/// Proves that one node more than the limit is refused before any child runs, nodes of loop bodies included.
#[test]
fn too_many_nodes_are_refused() {
    let chain = |count: usize| {
        let link = |k: usize| {
            let (from, to) = (format!("x{k}"), format!("x{}", k + 1));
            node("Identity", &[&from], &[&to], vec![])
        };
        (0..count).map(link).collect::<Vec<_>>()
    };
    let flat = graph_with(chain(100_001));
    let body = GraphProto { node: chain(100_000), ..GraphProto::default() };
    let inside = AttributeProto { g: Some(body), ..attribute("body", 5) };
    let nested = graph_with(vec![node("Loop", &["a", "b"], &["logits"], vec![inside])]);
    for model in [flat, nested] {
        let (_folder, subject) = write(&model);
        let mut run = Run::accuracy(subject);
        run.child = "/no/such/program".into();
        let error = run.go().unwrap_err();
        assert_eq!(error.code(), "graph_refused");
        assert!(error.to_string().contains("more than 100000 nodes"), "{error}");
    }
}

/// Proves that weights which are cut while they are mapped end the child by a signal that is told, and nothing else.
#[test]
fn weights_cut_while_they_are_mapped() {
    let mut model = endless();
    let graph = model.graph.as_mut().unwrap();
    let mlp = decode(&fs::read(demo("mlp/graph.onnx")).unwrap()).unwrap().graph.unwrap();
    graph.initializer = mlp.initializer;
    // Every turn reads all of a weight: the greatest of weight + sum is the next sum.
    let body = graph.node.iter_mut().find(|node| node.op_type() == "Loop").unwrap();
    let body = body.attribute[0].g.as_mut().unwrap();
    body.node[1] = node("Add", &["sum", "fc1.weight"], &["moved"], vec![]);
    let keep = AttributeProto { i: Some(0), ..attribute("keepdims", 2) };
    body.node.push(node("ReduceMax", &["moved"], &["next"], vec![keep]));
    let (folder, subject) = write(&model);
    let stored = folder.path().join("model.safetensors");
    fs::copy(&subject.checkpoint, &stored).unwrap();
    let run = Run::accuracy(Subject { checkpoint: stored.clone(), ..subject });
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_secs(2));
            let file = fs::OpenOptions::new().write(true).open(&stored).unwrap();
            file.set_len(4096).unwrap();
        });
        let error = run.go().unwrap_err();
        let bus = rustix::process::Signal::BUS.as_raw();
        assert!(
            matches!(error, EvaluationError::Crashed { signal, .. } if signal == bus),
            "{error}"
        );
    });
}
