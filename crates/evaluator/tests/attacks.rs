//! Graphs that answer otherwise when they are timed, each with what it earns: nothing (EVALUATION 6).

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod common;

use std::fs;

use common::{Run, subject};
use domain::{
    digest::Digest,
    evaluation::{NoPrice, Protocol, Report, ReportContext},
};
use evaluator::{
    Evaluation, Subject,
    onnx::{AttributeProto, GraphProto, NodeProto, TensorProto, ValueInfoProto, decode},
    protocols,
};
use prost::Message as _;

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

fn body(name: &str, graph: GraphProto) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(5),
        g: Some(graph),
        ..AttributeProto::default()
    }
}

fn integers(name: &str, values: &[i64]) -> TensorProto {
    TensorProto {
        name: Some(name.to_owned()),
        dims: vec![values.len() as i64],
        data_type: Some(7),
        raw_data: Some(values.iter().flat_map(|v| v.to_le_bytes()).collect()),
        ..TensorProto::default()
    }
}

/// The demo's mlp with its graph changed, in a folder of its own.
fn changed(change: impl FnOnce(&mut GraphProto)) -> (tempfile::TempDir, Subject) {
    let folder = tempfile::tempdir().unwrap();
    let original = subject("mlp", 1700);
    let graph = folder.path().join("graph.onnx");
    let mut model = decode(&fs::read(&original.graph).unwrap()).unwrap();
    change(model.graph.as_mut().unwrap());
    fs::write(&graph, model.encode_to_vec()).unwrap();
    (folder, Subject { graph, ..original })
}

fn evaluate(model: &Subject) -> (Evaluation, Report) {
    let mut run = Run::accuracy(model.clone());
    run.reference = Some(subject("mlp", 270));
    run.protocol = Protocol { rounds: 2, pairs: 30, offline_batches: 5, ..protocols::quick(3) };
    let evaluation = run.go().unwrap();
    let context = ReportContext {
        suite: &run.suite,
        suite_digest: Digest::of(b"suite"),
        label_counts: &evaluation.labels.counts,
        model: "model",
        reference: "reference",
        evaluator: "test",
        cost_held: None,
    };
    let report = Report::derive(&evaluation.measurement, &context).unwrap();
    (evaluation, report)
}

/// Proves that a graph which computes in batches of 32, where accuracy looks, and answers at once otherwise, is void and has no price,
/// though it scores as well as the honest one.
#[test]
fn a_graph_that_is_cheap_beside_the_scored_batch_is_void() {
    let (_folder, model) = changed(|graph| {
        let mut honest = GraphProto { name: Some("honest".to_owned()), ..GraphProto::default() };
        honest.node = std::mem::take(&mut graph.node);
        let output = |name: &str| ValueInfoProto {
            name: Some(name.to_owned()),
            r#type: graph.output[0].r#type.clone(),
            ..ValueInfoProto::default()
        };
        for name in honest.node.iter_mut().flat_map(|n| &mut n.output) {
            if name == "logits" {
                "honest_logits".clone_into(name);
            }
        }
        honest.output = vec![output("honest_logits")];
        let zero = node("ConstantOfShape", &["rows_and_classes"], &["cheap_logits"], vec![]);
        let cheap = GraphProto {
            name: Some("cheap".to_owned()),
            node: vec![
                node(
                    "Concat",
                    &["rows", "classes"],
                    &["rows_and_classes"],
                    vec![AttributeProto {
                        name: Some("axis".to_owned()),
                        r#type: Some(2),
                        i: Some(0),
                        ..AttributeProto::default()
                    }],
                ),
                zero,
            ],
            output: vec![output("cheap_logits")],
            ..GraphProto::default()
        };
        graph.initializer.push(integers("classes", &[10]));
        graph.initializer.push(integers("first", &[0]));
        graph.initializer.push(integers("scored", &[32]));
        graph.node = vec![
            node("Shape", &["image"], &["shape"], vec![]),
            node("Gather", &["shape", "first"], &["rows"], vec![]),
            node("Equal", &["rows", "scored"], &["is_scored"], vec![]),
            node(
                "If",
                &["is_scored"],
                &["logits"],
                vec![body("then_branch", honest), body("else_branch", cheap)],
            ),
        ];
    });
    let (evaluation, report) = evaluate(&model);
    let honest = Run::accuracy(subject("mlp", 1700)).go().unwrap();
    // 4,000 cases are 125 whole batches of 32.
    assert_eq!(evaluation.measurement.model.right, honest.measurement.model.right);
    assert_eq!((report.no_price, report.price_micro), (Some(NoPrice::Void), None));
    assert!(
        report.void_reasons[0].contains("timed single calls lie 100.00 %"),
        "{:?}",
        report.void_reasons
    );
}

/// Proves that a graph which computes the first case of a batch and repeats its answer falls to chance, and is worth nothing.
#[test]
fn a_graph_that_computes_one_case_of_a_batch_is_worth_nothing() {
    let (_folder, model) = changed(|graph| {
        for name in graph.node.iter_mut().flat_map(|n| &mut n.output) {
            if name == "logits" {
                "all_logits".clone_into(name);
            }
        }
        graph.initializer.push(integers("first", &[0]));
        graph.node.push(node("Gather", &["all_logits", "first"], &["one"], vec![]));
        graph.node.push(node("Shape", &["all_logits"], &["shape"], vec![]));
        graph.node.push(node("Expand", &["one", "shape"], &["logits"], vec![]));
    });
    let (_, report) = evaluate(&model);
    // One in 32 is its own answer, and the rest is chance.
    assert!(report.metrics["accuracy"].value < 0.2, "{:?}", report.metrics);
    assert!(report.price_micro.is_none_or(|price| price < 5_000_000), "{:?}", report.price_micro);
}
