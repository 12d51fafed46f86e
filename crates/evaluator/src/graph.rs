//! A weightless graph: read, limited, bound to one checkpoint by name.
//!
//! Whatever a received graph says about location, offset and length of its weights is ignored.
//! It is written anew for the very file that the graph is bound to: stale offsets run, and give wrong numbers (EVALUATION 2).

use domain::checkpoint::{BindingError, Dtype, GraphTensor, Header, bind_files};
use prost::Message as _;

use crate::{
    onnx::{
        AttributeProto, GraphProto, ModelProto, NodeProto, OnnxError, StringStringEntryProto,
        TensorProto, ValueInfoProto, decode,
    },
    widen::for_processor,
};

/// Largest graph in bytes (EVALUATION 6).
pub const GRAPH_BYTES_MAX: u64 = 64 << 20;
/// Most nodes of a graph, all subgraphs counted (EVALUATION 6).
pub const GRAPH_NODES_MAX: usize = 100_000;
/// Operator sets that nodes may come from. ONNX Runtime has further built-in ones, which reach files and devices.
const DOMAINS: [&str; 4] = ["", "ai.onnx", "ai.onnx.ml", "com.microsoft"];
/// Operators that may carry a subgraph.
const CONTROL_FLOW: [&str; 3] = ["If", "Loop", "Scan"];
/// Operators of allowed domains that name files of their own.
const OPERATORS_REFUSED: [&str; 1] = ["EPContext"];
/// `TensorProto.DataLocation.EXTERNAL`.
const EXTERNAL: i32 = 1;

/// Why a graph is refused, before ONNX Runtime sees it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum GraphError {
    #[error("graph has {bytes} bytes; at most {GRAPH_BYTES_MAX}")]
    TooLarge { bytes: u64 },
    #[error(transparent)]
    Onnx(#[from] OnnxError),
    #[error("the file holds no graph")]
    NoGraph,
    #[error("graph has more than {GRAPH_NODES_MAX} nodes")]
    TooManyNodes,
    #[error("graph has {what}; models with it are refused")]
    Unsupported { what: &'static str },
    #[error("node {node:?}: operator {operator:?} of domain {domain:?} is refused")]
    Operator { node: String, operator: String, domain: String },
    #[error("node {node:?}: operator {operator:?} carries a subgraph; only If, Loop and Scan may")]
    Subgraph { node: String, operator: String },
    #[error("node {node:?}: attribute {attribute:?} keeps its data in another file")]
    ExternalAttribute { node: String, attribute: String },
    #[error("tensor {tensor:?}: {reason}")]
    Tensor { tensor: String, reason: &'static str },
    #[error("{end} {name:?}: {reason}")]
    Value { end: &'static str, name: String, reason: &'static str },
    #[error(transparent)]
    Binding(#[from] BindingError),
}

/// One length of an input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dim {
    /// A fixed length.
    Fixed(u64),
    /// A length with a name, the same wherever the name stands.
    Symbol(String),
    /// Any length.
    Unknown,
}

/// An input or output of a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphValue {
    /// Name.
    pub name: String,
    /// Element type; none for strings, which safetensors does not know.
    pub dtype: Option<Dtype>,
    /// Lengths of the axes; none if the graph does not give the rank.
    pub dims: Option<Vec<Dim>>,
}

/// A graph within the limits, its weights not yet bound.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    model: ModelProto,
    tensors: Vec<GraphTensor>,
    has_body_weights: bool,
    inputs: Vec<GraphValue>,
    outputs: Vec<GraphValue>,
}

impl Graph {
    /// Reads a graph and holds it to the limits of EVALUATION 6.
    ///
    /// # Errors
    /// The first limit or rule that it breaks.
    pub fn parse(bytes: &[u8]) -> Result<Self, GraphError> {
        if bytes.len() as u64 > GRAPH_BYTES_MAX {
            return Err(GraphError::TooLarge { bytes: bytes.len() as u64 });
        }
        let model = decode(bytes)?;
        if !model.functions.is_empty() {
            return Err(GraphError::Unsupported { what: "functions of its own" });
        }
        if !model.training_info.is_empty() {
            return Err(GraphError::Unsupported { what: "training information" });
        }
        let graph = model.graph.as_ref().ok_or(GraphError::NoGraph)?;
        let mut survey = Survey::default();
        survey.graph(graph, false)?;
        let is_weight = |name: &str| graph.initializer.iter().any(|t| t.name() == name);
        let inputs = graph.input.iter().filter(|v| !is_weight(v.name()));
        let inputs = inputs.map(|v| value("input", v)).collect::<Result<_, _>>()?;
        let outputs = graph.output.iter().map(|v| value("output", v)).collect::<Result<_, _>>()?;
        let Survey { tensors, has_body_weights, .. } = survey;
        Ok(Self { tensors, has_body_weights, inputs, outputs, model })
    }

    /// Tensors that the graph wants from a checkpoint, subgraphs included, each name once.
    #[must_use]
    pub fn tensors(&self) -> &[GraphTensor] {
        &self.tensors
    }

    /// Whether a body of If, Loop or Scan has weights of its own: ONNX Runtime reads those from a file of a single hard link only.
    pub(crate) const fn has_body_weights(&self) -> bool {
        self.has_body_weights
    }

    /// Inputs, without initialisers that old graphs list among them.
    #[must_use]
    pub fn inputs(&self) -> &[GraphValue] {
        &self.inputs
    }

    /// Outputs.
    #[must_use]
    pub fn outputs(&self) -> &[GraphValue] {
        &self.outputs
    }

    /// The graph with every external tensor pointed at its bytes in the checkpoint, whose one file will stand beside it
    /// under the name `location`.
    ///
    /// # Errors
    /// The first tensor that is missing or differs in dtype or shape.
    pub fn bind(&self, header: &Header, location: &str) -> Result<Vec<u8>, GraphError> {
        self.bind_files(&[(header, location)])
    }

    /// As [`Self::bind`], over the files of a checkpoint in shards, each under the name that is given with its header.
    ///
    /// # Errors
    /// The first tensor that is missing in all of them or differs in dtype or shape.
    pub fn bind_files(&self, files: &[(&Header, &str)]) -> Result<Vec<u8>, GraphError> {
        Ok(self.bound(files)?.encode_to_vec())
    }

    /// As [`Self::bind_files`], for the processor, which computes BF16 in F32.
    ///
    /// # Errors
    /// As there.
    pub fn bind_for_processor(&self, files: &[(&Header, &str)]) -> Result<Vec<u8>, GraphError> {
        Ok(for_processor(self.bound(files)?).encode_to_vec())
    }

    fn bound(&self, files: &[(&Header, &str)]) -> Result<ModelProto, GraphError> {
        let (headers, names): (Vec<&Header>, Vec<&str>) = files.iter().copied().unzip();
        let places = bind_files(&headers, &self.tensors)?
            .into_iter()
            .map(|b| (b.name, (names[b.file], b.offset, b.length)))
            .collect::<std::collections::HashMap<_, _>>();
        let mut model = self.model.clone();
        if let Some(graph) = &mut model.graph {
            for_each_initializer(graph, &mut |tensor| {
                if let (true, Some((location, offset, length))) =
                    (is_external(tensor), places.get(tensor.name()))
                {
                    let entry = |key: &str, value: String| StringStringEntryProto {
                        key: Some(key.to_owned()),
                        value: Some(value),
                    };
                    tensor.data_location = Some(EXTERNAL);
                    tensor.external_data = vec![
                        entry("location", (*location).to_owned()),
                        entry("offset", offset.to_string()),
                        entry("length", length.to_string()),
                    ];
                }
            });
        }
        Ok(model)
    }
}

/// The safetensors type of an ONNX element type; none for strings, complex numbers and packed integers.
#[must_use]
pub const fn dtype(elem_type: i32) -> Option<Dtype> {
    Some(match elem_type {
        1 => Dtype::F32,
        2 => Dtype::U8,
        3 => Dtype::I8,
        4 => Dtype::U16,
        5 => Dtype::I16,
        6 => Dtype::I32,
        7 => Dtype::I64,
        9 => Dtype::Bool,
        10 => Dtype::F16,
        11 => Dtype::F64,
        12 => Dtype::U32,
        13 => Dtype::U64,
        16 => Dtype::Bf16,
        17 => Dtype::F8E4M3,
        18 => Dtype::F8E4M3Fnuz,
        19 => Dtype::F8E5M2,
        20 => Dtype::F8E5M2Fnuz,
        23 => Dtype::F4,
        24 => Dtype::F8E8M0,
        _ => return None,
    })
}

/// What one walk over all graphs finds.
#[derive(Default)]
struct Survey {
    nodes: usize,
    has_body_weights: bool,
    tensors: Vec<GraphTensor>,
    seen: std::collections::HashMap<String, usize>,
}

impl Survey {
    /// Nesting is bounded by the decoder.
    fn graph(&mut self, graph: &GraphProto, is_body: bool) -> Result<(), GraphError> {
        for tensor in graph.initializer.iter().filter(|t| is_external(t)) {
            self.has_body_weights |= is_body;
            self.tensor(tensor)?;
        }
        let sparse = &graph.sparse_initializer;
        let mut parts = sparse.iter().flat_map(|s| s.values.iter().chain(&s.indices));
        if let Some(tensor) = parts.find(|t| is_external(t)) {
            let tensor = tensor.name().to_owned();
            let reason = "a sparse tensor keeps its data in another file";
            return Err(GraphError::Tensor { tensor, reason });
        }
        self.nodes += graph.node.len();
        if self.nodes > GRAPH_NODES_MAX {
            return Err(GraphError::TooManyNodes);
        }
        graph.node.iter().try_for_each(|node| self.node(node))
    }

    fn node(&mut self, node: &NodeProto) -> Result<(), GraphError> {
        let operator = node.op_type();
        if !DOMAINS.contains(&node.domain()) || OPERATORS_REFUSED.contains(&operator) {
            return Err(GraphError::Operator {
                node: node_name(node),
                operator: operator.to_owned(),
                domain: node.domain().to_owned(),
            });
        }
        for attribute in &node.attribute {
            if tensors_of(attribute).any(is_external) {
                return Err(GraphError::ExternalAttribute {
                    node: node_name(node),
                    attribute: attribute.name().to_owned(),
                });
            }
            for graph in attribute.g.iter().chain(&attribute.graphs) {
                if !CONTROL_FLOW.contains(&operator) {
                    return Err(GraphError::Subgraph {
                        node: node_name(node),
                        operator: operator.to_owned(),
                    });
                }
                self.graph(graph, true)?;
            }
        }
        Ok(())
    }

    fn tensor(&mut self, tensor: &TensorProto) -> Result<(), GraphError> {
        let name = tensor.name().to_owned();
        let fail = |reason| Err(GraphError::Tensor { tensor: name.clone(), reason });
        if name.is_empty() {
            return fail("a tensor in another file has no name");
        }
        if has_data(tensor) {
            return fail("it carries data and keeps data in another file too");
        }
        let Some(dtype) = dtype(tensor.data_type()) else {
            return fail("safetensors has no such element type");
        };
        let shape = tensor.dims.iter().map(|d| u64::try_from(*d)).collect::<Result<Vec<_>, _>>();
        let Ok(shape) = shape else { return fail("a length is negative") };
        let wanted = GraphTensor { name: name.clone(), dtype, shape };
        match self.seen.get(&name) {
            Some(at) if self.tensors[*at] == wanted => {}
            Some(_) => return fail("two initialisers of this name differ in dtype or shape"),
            None => {
                self.seen.insert(name, self.tensors.len());
                self.tensors.push(wanted);
            }
        }
        Ok(())
    }
}

fn for_each_initializer(graph: &mut GraphProto, visit: &mut impl FnMut(&mut TensorProto)) {
    graph.initializer.iter_mut().for_each(&mut *visit);
    for attribute in graph.node.iter_mut().flat_map(|n| &mut n.attribute) {
        for inner in attribute.g.iter_mut().chain(&mut attribute.graphs) {
            for_each_initializer(inner, visit);
        }
    }
}

/// Dense and sparse tensors in an attribute.
fn tensors_of(attribute: &AttributeProto) -> impl Iterator<Item = &TensorProto> {
    let sparse = attribute.sparse_tensor.iter().chain(&attribute.sparse_tensors);
    let parts = sparse.flat_map(|s| s.values.iter().chain(&s.indices));
    attribute.t.iter().chain(&attribute.tensors).chain(parts)
}

/// An entry of `external_data` counts too, whatever `data_location` says.
pub(crate) fn is_external(tensor: &TensorProto) -> bool {
    tensor.data_location == Some(EXTERNAL) || !tensor.external_data.is_empty()
}

fn has_data(tensor: &TensorProto) -> bool {
    tensor.raw_data.as_ref().is_some_and(|d| !d.is_empty())
        || !tensor.float_data.is_empty()
        || !tensor.int32_data.is_empty()
        || !tensor.int64_data.is_empty()
        || !tensor.double_data.is_empty()
        || !tensor.uint64_data.is_empty()
        || !tensor.string_data.is_empty()
}

fn node_name(node: &NodeProto) -> String {
    node.name.clone().or_else(|| node.output.first().cloned()).unwrap_or_default()
}

fn value(end: &'static str, value: &ValueInfoProto) -> Result<GraphValue, GraphError> {
    let name = value.name().to_owned();
    let fail = |reason| Err(GraphError::Value { end, name: name.clone(), reason });
    let kind = value.r#type.clone().unwrap_or_default();
    let others = kind.sequence_type.is_some()
        || kind.map_type.is_some()
        || kind.optional_type.is_some()
        || kind.opaque_type.is_some()
        || kind.sparse_tensor_type.is_some();
    let Some(tensor) = kind.tensor_type.filter(|_| !others) else {
        return fail("it is no dense tensor");
    };
    let dtype = dtype(tensor.elem_type());
    if dtype.is_none() && tensor.elem_type() != 8 {
        return fail("safetensors has no such element type");
    }
    let Some(shape) = tensor.shape else { return Ok(GraphValue { name, dtype, dims: None }) };
    let mut dims = Vec::with_capacity(shape.dim.len());
    for dim in shape.dim {
        dims.push(match (dim.dim_value, dim.dim_param) {
            (Some(_), Some(_)) => return fail("an axis has a length and a name"),
            (Some(length), None) => match u64::try_from(length) {
                Ok(length) => Dim::Fixed(length),
                // Exporters write -1 for "any".
                Err(_) => Dim::Unknown,
            },
            (None, Some(symbol)) if !symbol.is_empty() => Dim::Symbol(symbol),
            (None, _) => Dim::Unknown,
        });
    }
    Ok(GraphValue { name, dtype, dims: Some(dims) })
}
