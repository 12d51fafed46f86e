//! Weights taken out of a graph: from initialisers, Constant nodes and the bodies of If, Loop and Scan.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::Path,
};

use domain::checkpoint::Dtype;

use super::values::{ValueError, Values, read, shape_of};
use crate::{
    graph::{dtype, is_external},
    onnx::{GraphProto, ModelProto, NodeProto, TensorProto},
    widen::rename_uses,
};

/// Least bytes of a tensor that is no float and leaves the graph: smaller ones are shapes, axes, zero points.
const OTHER_BYTES_MIN: u64 = 256;

/// Inputs of operators whose values ONNX Runtime wants while it infers shapes: they cannot lie in another file (EVALUATION 2).
const SHAPE_OPERANDS: &[(&str, &[usize])] = &[
    ("AffineGrid", &[1]),
    ("CenterCropPad", &[1]),
    ("Clip", &[1, 2]),
    ("Col2Im", &[1, 2]),
    ("ConstantOfShape", &[0]),
    ("CumSum", &[1]),
    ("DFT", &[1, 2]),
    ("Dropout", &[1, 2]),
    ("Expand", &[1]),
    ("If", &[0]),
    ("Loop", &[0, 1]),
    ("NonMaxSuppression", &[2, 3, 4]),
    ("OneHot", &[1]),
    ("Pad", &[1, 2, 3]),
    ("Range", &[0, 1, 2]),
    ("Reshape", &[1]),
    ("Resize", &[1, 2, 3]),
    ("STFT", &[1, 3]),
    ("Slice", &[1, 2, 3, 4]),
    ("Split", &[1]),
    ("SplitToSequence", &[1]),
    ("Squeeze", &[1]),
    ("Tile", &[1]),
    ("TopK", &[1]),
    ("Trilu", &[1]),
    ("Unsqueeze", &[1]),
    ("Upsample", &[1]),
];

/// A model without its weights, and the weights by name.
#[derive(Debug)]
pub(crate) struct Split {
    pub model: ModelProto,
    pub tensors: BTreeMap<String, Values>,
}

/// Why a model cannot be split.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum SplitError {
    #[error("tensor {tensor:?}: {source}")]
    Values { tensor: String, source: ValueError },
    #[error("tensor {tensor:?}: a weight without a name")]
    NoName { tensor: String },
}

/// Takes the weights out of a model whose external data lie in `folder`.
///
/// Two weights of one name and other bytes, in bodies that do not see each other, get names of their own.
pub(crate) fn split(mut model: ModelProto, folder: &Path) -> Result<Split, SplitError> {
    let mut splitter = Splitter { folder, tensors: BTreeMap::new() };
    // Before IR 4 every initialiser was an input as well, and a constant all the same; from then on one among the inputs is a
    // default that a caller may replace, and is not folded. Taking them out of the inputs keeps what they were.
    let listed = model.ir_version() < 4;
    if let Some(graph) = &mut model.graph {
        if listed {
            let names: HashSet<String> =
                graph.initializer.iter().map(|t| t.name().to_owned()).collect();
            graph.input.retain(|input| !names.contains(input.name()));
        }
        splitter.graph(graph)?;
    }
    if listed {
        model.ir_version = Some(4);
    }
    Ok(Split { model, tensors: splitter.tensors })
}

struct Splitter<'a> {
    folder: &'a Path,
    tensors: BTreeMap<String, Values>,
}

impl Splitter<'_> {
    fn graph(&mut self, graph: &mut GraphProto) -> Result<(), SplitError> {
        let operands = shape_operands(graph);
        let outputs: HashSet<String> = graph.output.iter().map(|o| o.name().to_owned()).collect();
        let mut renamed = HashMap::new();
        for tensor in &mut graph.initializer {
            self.initializer(tensor, &operands, &mut renamed)?;
        }
        let mut kept = Vec::with_capacity(graph.node.len());
        for mut node in std::mem::take(&mut graph.node) {
            match self.constant(&mut node, &operands, &outputs, &mut renamed)? {
                Some(tensor) => graph.initializer.push(tensor),
                None => kept.push(node),
            }
        }
        graph.node = kept;
        rename_uses(graph, &renamed, true);
        for node in &mut graph.node {
            for attribute in &mut node.attribute {
                for inner in attribute.g.iter_mut().chain(&mut attribute.graphs) {
                    self.graph(inner)?;
                }
            }
        }
        Ok(())
    }

    /// Empties an initialiser that leaves the graph; what stays in it has its data inside.
    fn initializer(
        &mut self,
        tensor: &mut TensorProto,
        operands: &HashSet<String>,
        renamed: &mut HashMap<String, String>,
    ) -> Result<(), SplitError> {
        let name = tensor.name().to_owned();
        let fail = |source| SplitError::Values { tensor: name.clone(), source };
        if !leaves(tensor, operands).map_err(fail)? {
            if is_external(tensor) {
                let values = read(tensor, self.folder).map_err(fail)?;
                clear(tensor);
                tensor.raw_data = Some(values.bytes);
            }
            return Ok(());
        }
        let values = read(tensor, self.folder).map_err(fail)?;
        let unique = self.keep(&name, values)?;
        clear(tensor);
        // An entry marks it as one that lies elsewhere, until places are known.
        tensor.data_location = Some(1);
        if unique != name {
            tensor.name = Some(unique.clone());
            renamed.insert(name, unique);
        }
        Ok(())
    }

    /// The initialiser that takes the place of a Constant node; none where the node stays.
    fn constant(
        &mut self,
        node: &mut NodeProto,
        operands: &HashSet<String>,
        outputs: &HashSet<String>,
        renamed: &mut HashMap<String, String>,
    ) -> Result<Option<TensorProto>, SplitError> {
        let standard = matches!(node.domain(), "" | "ai.onnx");
        let ([output], [attribute]) = (&node.output[..], &mut node.attribute[..]) else {
            return Ok(None);
        };
        if !standard || node.op_type.as_deref() != Some("Constant") || outputs.contains(output) {
            return Ok(None);
        }
        let Some(tensor) =
            attribute.t.as_mut().filter(|_| attribute.name.as_deref() == Some("value"))
        else {
            return Ok(None);
        };
        let mut moved = tensor.clone();
        moved.name = Some(output.clone());
        let fail = |source| SplitError::Values { tensor: output.clone(), source };
        if !leaves(&moved, operands).map_err(fail)? {
            if is_external(&moved) {
                let values = read(&moved, self.folder).map_err(fail)?;
                clear(tensor);
                tensor.raw_data = Some(values.bytes);
            }
            return Ok(None);
        }
        self.initializer(&mut moved, operands, renamed)?;
        Ok(Some(moved))
    }

    /// Keeps values under their name, or under the first free one where others have it.
    fn keep(&mut self, name: &str, values: Values) -> Result<String, SplitError> {
        if name.is_empty() || name == "__metadata__" {
            return Err(SplitError::NoName { tensor: name.to_owned() });
        }
        let mut unique = name.to_owned();
        let mut turn = 1;
        while self.tensors.get(&unique).is_some_and(|other| *other != values) {
            turn += 1;
            unique = format!("{name}.{turn}");
        }
        self.tensors.entry(unique.clone()).or_insert(values);
        Ok(unique)
    }
}

/// Whether a tensor leaves the graph: floats of any axis, and others from some size on; but no operand that shapes follow from.
fn leaves(tensor: &TensorProto, operands: &HashSet<String>) -> Result<bool, ValueError> {
    let Some(kind) = dtype(tensor.data_type()) else {
        // Strings, packed integers, complex numbers: safetensors does not know them.
        return Ok(false);
    };
    let shape = shape_of(tensor)?;
    let Some(bytes) = kind.tensor_bytes(&shape) else { return Err(ValueError::Shape) };
    if shape.is_empty() || bytes == 0 || operands.contains(tensor.name()) {
        return Ok(false);
    }
    let float = !matches!(
        kind,
        Dtype::Bool
            | Dtype::I8
            | Dtype::I16
            | Dtype::I32
            | Dtype::I64
            | Dtype::U8
            | Dtype::U16
            | Dtype::U32
            | Dtype::U64
    );
    Ok(float || bytes >= OTHER_BYTES_MIN)
}

/// Names that stand where shapes follow from values, in this graph and in the bodies that see it.
fn shape_operands(graph: &GraphProto) -> HashSet<String> {
    let mut names = HashSet::new();
    collect_operands(graph, &mut names);
    names
}

fn collect_operands(graph: &GraphProto, names: &mut HashSet<String>) {
    for node in &graph.node {
        let operator = node.op_type();
        let places = SHAPE_OPERANDS.iter().find(|(name, _)| *name == operator).map(|(_, p)| *p);
        // ReduceSum and its kin take axes as second input.
        let places = places.unwrap_or(if operator.starts_with("Reduce") { &[1] } else { &[] });
        names.extend(places.iter().filter_map(|place| node.input.get(*place).cloned()));
        for attribute in &node.attribute {
            for inner in attribute.g.iter().chain(&attribute.graphs) {
                collect_operands(inner, names);
            }
        }
    }
}

fn clear(tensor: &mut TensorProto) {
    tensor.raw_data = None;
    tensor.float_data.clear();
    tensor.double_data.clear();
    tensor.int32_data.clear();
    tensor.int64_data.clear();
    tensor.uint64_data.clear();
    tensor.external_data.clear();
    tensor.data_location = None;
}
