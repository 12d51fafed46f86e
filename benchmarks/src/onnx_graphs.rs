//! Small graphs for benchmarks.

use evaluator::onnx::{
    AttributeProto, Dimension, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};

/// `x` F32 `[1, 10]` to `y`, the same.
pub(crate) fn identity() -> ModelProto {
    let node = node("Identity", &["x"], "y", vec![]);
    model(vec![node], vec![], value("x", 1, 10), value("y", 1, 10))
}

/// `x` F32 `[rows, width]` through as many square layers as there are `weights`, to `y`; no rows leave their number open.
pub(crate) fn layers(rows: i64, width: i64, weights: Vec<TensorProto>) -> ModelProto {
    let last = weights.len() - 1;
    let nodes = weights.iter().enumerate().map(|(index, weight)| {
        let input = if index == 0 { "x".to_owned() } else { format!("h{index}") };
        let output = if index == last { "y".to_owned() } else { format!("h{}", index + 1) };
        let transposed = AttributeProto {
            name: Some("transB".to_owned()),
            r#type: Some(2),
            i: Some(1),
            ..AttributeProto::default()
        };
        node("Gemm", &[&input, weight.name()], &output, vec![transposed])
    });
    let nodes = nodes.collect();
    model(nodes, weights, value("x", rows, width), value("y", rows, width))
}

fn model(
    nodes: Vec<NodeProto>,
    weights: Vec<TensorProto>,
    input: ValueInfoProto,
    output: ValueInfoProto,
) -> ModelProto {
    let graph = GraphProto {
        name: Some("benchmark".to_owned()),
        node: nodes,
        initializer: weights,
        input: vec![input],
        output: vec![output],
        ..GraphProto::default()
    };
    let opset = OperatorSetIdProto { domain: Some(String::new()), version: Some(17) };
    ModelProto {
        ir_version: Some(8),
        opset_import: vec![opset],
        graph: Some(graph),
        ..ModelProto::default()
    }
}

fn node(
    operator: &str,
    inputs: &[&str],
    output: &str,
    attribute: Vec<AttributeProto>,
) -> NodeProto {
    NodeProto {
        op_type: Some(operator.to_owned()),
        input: inputs.iter().map(|name| (*name).to_owned()).collect(),
        output: vec![output.to_owned()],
        attribute,
        ..NodeProto::default()
    }
}

fn value(name: &str, rows: i64, width: i64) -> ValueInfoProto {
    let dim = |length| match length {
        0 => Dimension { dim_param: Some("N".to_owned()), ..Dimension::default() },
        _ => Dimension { dim_value: Some(length), ..Dimension::default() },
    };
    let shape = TensorShapeProto { dim: vec![dim(rows), dim(width)] };
    let tensor = TensorTypeProto { elem_type: Some(1), shape: Some(shape) };
    ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(TypeProto { tensor_type: Some(tensor), ..TypeProto::default() }),
        ..ValueInfoProto::default()
    }
}
