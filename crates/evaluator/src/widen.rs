//! A graph with BF16 in it, as the processor can run it: in F32.
//!
//! ONNX Runtime has next to no BF16 kernels there (EVALUATION 2c). Weights stay BF16 in their file and pass a Cast, which the optimiser
//! folds when the session is opened; inputs and outputs keep their types. Products and sums are then those of F32, wider than what
//! a GPU computes: prices of device classes never mix.

use std::collections::{HashMap, HashSet};

use crate::onnx::{
    AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, TypeProto, ValueInfoProto,
};

/// `TensorProto.DataType` of the two types.
const FLOAT: i32 = 1;
const BFLOAT16: i32 = 16;
/// `AttributeProto.AttributeType.INT`.
const INT: i32 = 2;
/// Attributes that name an element type.
const TYPE_ATTRIBUTES: [&str; 4] = ["to", "dtype", "output_dtype", "stash_type"];

/// The model with every BF16 value computed in F32; unchanged where there is none.
pub(crate) fn for_processor(mut model: ModelProto) -> ModelProto {
    if let Some(graph) = model.graph.as_mut().filter(|graph| has_bf16(graph)) {
        widen_top(graph);
    }
    model
}

fn is_bf16(info: &ValueInfoProto) -> bool {
    let tensor = info.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref());
    tensor.is_some_and(|tensor| tensor.elem_type() == BFLOAT16)
}

fn has_bf16(graph: &GraphProto) -> bool {
    let attribute = |a: &AttributeProto| {
        a.t.iter().chain(&a.tensors).any(|t| t.data_type() == BFLOAT16)
            || names_bf16(a)
            || a.g.iter().chain(&a.graphs).any(has_bf16)
    };
    graph.initializer.iter().any(|t| t.data_type() == BFLOAT16)
        || graph.input.iter().chain(&graph.output).any(is_bf16)
        || graph.node.iter().flat_map(|node| &node.attribute).any(attribute)
}

fn names_bf16(attribute: &AttributeProto) -> bool {
    TYPE_ATTRIBUTES.contains(&attribute.name()) && attribute.i == Some(i64::from(BFLOAT16))
}

/// The outermost graph: what it takes and gives keeps its type, by a Cast behind each input and before each output.
fn widen_top(graph: &mut GraphProto) {
    let wide = |name: &str| format!("{name}.f32");
    let mut inputs = HashMap::new();
    let weights: HashSet<&str> = graph.initializer.iter().map(TensorProto::name).collect();
    graph.input.retain(|info| !is_bf16(info) || !weights.contains(info.name()));
    for info in graph.input.iter().filter(|info| is_bf16(info)) {
        inputs.insert(info.name().to_owned(), wide(info.name()));
    }
    rename_uses(graph, &inputs, false);
    let mut outputs = HashMap::new();
    for info in graph.output.iter().filter(|info| is_bf16(info)) {
        outputs.insert(info.name().to_owned(), wide(info.name()));
    }
    // An input that is an output as well has its Cast already.
    outputs.retain(|name, _| !inputs.contains_key(name));
    for output in graph.node.iter_mut().flat_map(|node| &mut node.output) {
        if let Some(new) = outputs.get(output) {
            output.clone_from(new);
        }
    }
    for tensor in &mut graph.initializer {
        if let Some(new) = outputs.get(tensor.name()) {
            tensor.name = Some(new.clone());
        }
    }
    rename_uses(graph, &outputs, false);
    widen(graph, true);
    let sorted = |names: HashMap<String, String>| {
        let mut pairs = names.into_iter().collect::<Vec<_>>();
        pairs.sort();
        pairs
    };
    let mut nodes: Vec<NodeProto> =
        sorted(inputs).iter().map(|(from, to)| cast(from, to, FLOAT)).collect();
    nodes.append(&mut graph.node);
    nodes.extend(sorted(outputs).iter().map(|(to, from)| cast(from, to, BFLOAT16)));
    graph.node = nodes;
}

/// Weights, constants and bodies of a graph.
fn widen(graph: &mut GraphProto, top: bool) {
    graph.value_info.retain(|info| !is_bf16(info));
    if !top {
        for info in graph.input.iter_mut().chain(&mut graph.output).filter(|info| is_bf16(info)) {
            if let Some(TypeProto { tensor_type: Some(tensor), .. }) = &mut info.r#type {
                tensor.elem_type = Some(FLOAT);
            }
        }
    }
    let mut casts = Vec::new();
    for tensor in graph.initializer.iter_mut().filter(|t| t.data_type() == BFLOAT16) {
        let name = tensor.name().to_owned();
        let narrow = format!("{name}.bf16");
        casts.push(cast(&narrow, &name, FLOAT));
        tensor.name = Some(narrow);
    }
    for node in &mut graph.node {
        for attribute in &mut node.attribute {
            if names_bf16(attribute) {
                attribute.i = Some(i64::from(FLOAT));
            }
            attribute.t.iter_mut().chain(&mut attribute.tensors).for_each(widen_constant);
            for inner in attribute.g.iter_mut().chain(&mut attribute.graphs) {
                widen(inner, false);
            }
        }
    }
    casts.append(&mut graph.node);
    graph.node = casts;
}

/// A constant inside a node: its values are widened, which is exact.
fn widen_constant(tensor: &mut TensorProto) {
    if tensor.data_type() != BFLOAT16 {
        return;
    }
    let raw = tensor.raw_data.take().filter(|raw| !raw.is_empty());
    let values: Vec<u16> = match raw {
        Some(raw) => {
            raw.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()
        }
        None => tensor.int32_data.iter().map(|value| *value as u16).collect(),
    };
    tensor.int32_data.clear();
    tensor.data_type = Some(FLOAT);
    tensor.raw_data =
        Some(values.into_iter().flat_map(|v| (u32::from(v) << 16).to_le_bytes()).collect());
}

fn cast(from: &str, to: &str, element: i32) -> NodeProto {
    let attribute = AttributeProto {
        name: Some("to".to_owned()),
        i: Some(i64::from(element)),
        r#type: Some(INT),
        ..AttributeProto::default()
    };
    NodeProto {
        input: vec![from.to_owned()],
        output: vec![to.to_owned()],
        name: Some(format!("widen {to}")),
        op_type: Some("Cast".to_owned()),
        attribute: vec![attribute],
        ..NodeProto::default()
    }
}

/// Renames values where they are used, in a graph and in the bodies inside, but for bodies that give the name themselves; and, if
/// `outputs`, where they are results of the graph.
pub(crate) fn rename_uses(graph: &mut GraphProto, names: &HashMap<String, String>, outputs: bool) {
    if names.is_empty() {
        return;
    }
    let change = |name: &mut String| {
        if let Some(new) = names.get(name) {
            name.clone_from(new);
        }
    };
    if outputs {
        graph.output.iter_mut().filter_map(|output| output.name.as_mut()).for_each(change);
    }
    // What is said about the form of a value that has another name now.
    graph.value_info.retain(|info| !names.contains_key(info.name()));
    for node in &mut graph.node {
        node.input.iter_mut().for_each(change);
        for attribute in &mut node.attribute {
            for inner in attribute.g.iter_mut().chain(&mut attribute.graphs) {
                let own = defined(inner);
                let outer = names.iter().filter(|(name, _)| !own.contains(*name));
                rename_uses(inner, &outer.map(|(a, b)| (a.clone(), b.clone())).collect(), true);
            }
        }
    }
}

/// Names that a graph itself gives.
fn defined(graph: &GraphProto) -> HashSet<String> {
    let inputs = graph.input.iter().map(|info| info.name().to_owned());
    let weights = graph.initializer.iter().map(|tensor| tensor.name().to_owned());
    let values = graph.node.iter().flat_map(|node| node.output.iter().cloned());
    inputs.chain(weights).chain(values).collect()
}
