//! The messages of an ONNX file.
//!
//! Names and numbers are those of the ONNX specification (onnx-ml.proto, IR version 14).
//! The set is complete and every field keeps its presence, so that decoding and encoding lose nothing;
//! [`decode`] refuses bytes that this set would drop, by message and field number.
//! Members of a `oneof` stand as ordinary optional fields: the bytes are the same, and both being set can be seen.

#![expect(
    missing_docs,
    reason = "the names are those of the ONNX specification, which explains them"
)]

use prost::Message as _;

/// Most nested messages; each subgraph takes three.
const DEPTH_MAX: usize = 64;

/// Why bytes are not read as ONNX.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OnnxError {
    #[error("not an ONNX file: {reason}")]
    Malformed { reason: String },
    #[error("{message} has field {field}, which no ONNX version up to IR 14 defines")]
    UnknownField { message: &'static str, field: u64 },
    #[error("messages are nested deeper than {DEPTH_MAX}")]
    TooDeep,
}

/// Reads a model and keeps everything in it.
///
/// # Errors
/// Bytes that are no protobuf, that nest too deep, or that hold a field which [`ModelProto`] would drop.
pub fn decode(bytes: &[u8]) -> Result<ModelProto, OnnxError> {
    check(bytes, Kind::ModelProto, 0)?;
    ModelProto::decode(bytes).map_err(|e| OnnxError::Malformed { reason: e.to_string() })
}

macro_rules! messages {
    ($($(#[$doc:meta])* $name:ident { $($number:tt $field:ident: $type:ty, [$($wire:tt)+] $($child:ident)?;)+ })+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, PartialEq, prost::Message)]
            pub struct $name { $(#[prost($($wire)+, tag = $number)] pub $field: $type,)+ }
        )+

        #[derive(Clone, Copy, Debug)]
        enum Kind { $($name,)+ }

        impl Kind {
            /// Field numbers, and the message in a field that holds one.
            const fn fields(self) -> &'static [(u64, Option<Self>)] {
                match self { $(Self::$name => &[$(($number, child!($($child)?)),)+],)+ }
            }

            const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }
        }
    };
}

macro_rules! child {
    () => {
        None
    };
    ($name:ident) => {
        Some(Kind::$name)
    };
}

messages! {
    ModelProto {
        1 ir_version: Option<i64>, [int64, optional];
        2 producer_name: Option<String>, [string, optional];
        3 producer_version: Option<String>, [string, optional];
        4 domain: Option<String>, [string, optional];
        5 model_version: Option<i64>, [int64, optional];
        6 doc_string: Option<String>, [string, optional];
        7 graph: Option<GraphProto>, [message, optional] GraphProto;
        8 opset_import: Vec<OperatorSetIdProto>, [message, repeated] OperatorSetIdProto;
        14 metadata_props: Vec<StringStringEntryProto>, [message, repeated] StringStringEntryProto;
        20 training_info: Vec<TrainingInfoProto>, [message, repeated] TrainingInfoProto;
        25 functions: Vec<FunctionProto>, [message, repeated] FunctionProto;
        26 configuration: Vec<DeviceConfigurationProto>, [message, repeated] DeviceConfigurationProto;
    }
    OperatorSetIdProto {
        1 domain: Option<String>, [string, optional];
        2 version: Option<i64>, [int64, optional];
    }
    StringStringEntryProto {
        1 key: Option<String>, [string, optional];
        2 value: Option<String>, [string, optional];
    }
    TrainingInfoProto {
        1 initialization: Option<GraphProto>, [message, optional] GraphProto;
        2 algorithm: Option<GraphProto>, [message, optional] GraphProto;
        3 initialization_binding: Vec<StringStringEntryProto>, [message, repeated] StringStringEntryProto;
        4 update_binding: Vec<StringStringEntryProto>, [message, repeated] StringStringEntryProto;
    }
    FunctionProto {
        1 name: Option<String>, [string, optional];
        4 input: Vec<String>, [string, repeated];
        5 output: Vec<String>, [string, repeated];
        6 attribute: Vec<String>, [string, repeated];
        7 node: Vec<NodeProto>, [message, repeated] NodeProto;
        8 doc_string: Option<String>, [string, optional];
        9 opset_import: Vec<OperatorSetIdProto>, [message, repeated] OperatorSetIdProto;
        10 domain: Option<String>, [string, optional];
        11 attribute_proto: Vec<AttributeProto>, [message, repeated] AttributeProto;
        12 value_info: Vec<ValueInfoProto>, [message, repeated] ValueInfoProto;
        13 overload: Option<String>, [string, optional];
        14 metadata_props: Vec<StringStringEntryProto>, [message, repeated] StringStringEntryProto;
    }
    DeviceConfigurationProto {
        1 name: Option<String>, [string, optional];
        2 num_devices: Option<i32>, [int32, optional];
        3 device: Vec<String>, [string, repeated];
    }
    GraphProto {
        1 node: Vec<NodeProto>, [message, repeated] NodeProto;
        2 name: Option<String>, [string, optional];
        5 initializer: Vec<TensorProto>, [message, repeated] TensorProto;
        10 doc_string: Option<String>, [string, optional];
        11 input: Vec<ValueInfoProto>, [message, repeated] ValueInfoProto;
        12 output: Vec<ValueInfoProto>, [message, repeated] ValueInfoProto;
        13 value_info: Vec<ValueInfoProto>, [message, repeated] ValueInfoProto;
        14 quantization_annotation: Vec<TensorAnnotation>, [message, repeated] TensorAnnotation;
        15 sparse_initializer: Vec<SparseTensorProto>, [message, repeated] SparseTensorProto;
        16 metadata_props: Vec<StringStringEntryProto>, [message, repeated] StringStringEntryProto;
    }
    TensorAnnotation {
        1 tensor_name: Option<String>, [string, optional];
        2 quant_parameter_tensor_names: Vec<StringStringEntryProto>, [message, repeated] StringStringEntryProto;
    }
    NodeProto {
        1 input: Vec<String>, [string, repeated];
        2 output: Vec<String>, [string, repeated];
        3 name: Option<String>, [string, optional];
        4 op_type: Option<String>, [string, optional];
        5 attribute: Vec<AttributeProto>, [message, repeated] AttributeProto;
        6 doc_string: Option<String>, [string, optional];
        7 domain: Option<String>, [string, optional];
        8 overload: Option<String>, [string, optional];
        9 metadata_props: Vec<StringStringEntryProto>, [message, repeated] StringStringEntryProto;
        10 device_configurations: Vec<NodeDeviceConfigurationProto>, [message, repeated] NodeDeviceConfigurationProto;
    }
    NodeDeviceConfigurationProto {
        1 configuration_id: Option<String>, [string, optional];
        2 sharding_spec: Vec<ShardingSpecProto>, [message, repeated] ShardingSpecProto;
        3 pipeline_stage: Option<i32>, [int32, optional];
    }
    ShardingSpecProto {
        1 tensor_name: Option<String>, [string, optional];
        2 device: Vec<i64>, [int64, repeated, packed = "false"];
        3 index_to_device_group_map: Vec<IntIntListEntryProto>, [message, repeated] IntIntListEntryProto;
        4 sharded_dim: Vec<ShardedDimProto>, [message, repeated] ShardedDimProto;
    }
    IntIntListEntryProto {
        1 key: Option<i64>, [int64, optional];
        2 value: Vec<i64>, [int64, repeated, packed = "false"];
    }
    ShardedDimProto {
        1 axis: Option<i64>, [int64, optional];
        2 simple_sharding: Vec<SimpleShardedDimProto>, [message, repeated] SimpleShardedDimProto;
    }
    SimpleShardedDimProto {
        1 dim_value: Option<i64>, [int64, optional];
        2 dim_param: Option<String>, [string, optional];
        3 num_shards: Option<i64>, [int64, optional];
    }
    AttributeProto {
        1 name: Option<String>, [string, optional];
        2 f: Option<f32>, [float, optional];
        3 i: Option<i64>, [int64, optional];
        4 s: Option<Vec<u8>>, [bytes = "vec", optional];
        5 t: Option<TensorProto>, [message, optional] TensorProto;
        6 g: Option<GraphProto>, [message, optional] GraphProto;
        7 floats: Vec<f32>, [float, repeated, packed = "false"];
        8 ints: Vec<i64>, [int64, repeated, packed = "false"];
        9 strings: Vec<Vec<u8>>, [bytes = "vec", repeated];
        10 tensors: Vec<TensorProto>, [message, repeated] TensorProto;
        11 graphs: Vec<GraphProto>, [message, repeated] GraphProto;
        13 doc_string: Option<String>, [string, optional];
        14 tp: Option<TypeProto>, [message, optional] TypeProto;
        15 type_protos: Vec<TypeProto>, [message, repeated] TypeProto;
        20 r#type: Option<i32>, [int32, optional];
        21 ref_attr_name: Option<String>, [string, optional];
        22 sparse_tensor: Option<SparseTensorProto>, [message, optional] SparseTensorProto;
        23 sparse_tensors: Vec<SparseTensorProto>, [message, repeated] SparseTensorProto;
    }
    TensorProto {
        1 dims: Vec<i64>, [int64, repeated, packed = "false"];
        2 data_type: Option<i32>, [int32, optional];
        3 segment: Option<Segment>, [message, optional] Segment;
        4 float_data: Vec<f32>, [float, repeated, packed = "true"];
        5 int32_data: Vec<i32>, [int32, repeated, packed = "true"];
        6 string_data: Vec<Vec<u8>>, [bytes = "vec", repeated];
        7 int64_data: Vec<i64>, [int64, repeated, packed = "true"];
        8 name: Option<String>, [string, optional];
        9 raw_data: Option<Vec<u8>>, [bytes = "vec", optional];
        10 double_data: Vec<f64>, [double, repeated, packed = "true"];
        11 uint64_data: Vec<u64>, [uint64, repeated, packed = "true"];
        12 doc_string: Option<String>, [string, optional];
        13 external_data: Vec<StringStringEntryProto>, [message, repeated] StringStringEntryProto;
        14 data_location: Option<i32>, [int32, optional];
        16 metadata_props: Vec<StringStringEntryProto>, [message, repeated] StringStringEntryProto;
    }
    Segment {
        1 begin: Option<i64>, [int64, optional];
        2 end: Option<i64>, [int64, optional];
    }
    SparseTensorProto {
        1 values: Option<TensorProto>, [message, optional] TensorProto;
        2 indices: Option<TensorProto>, [message, optional] TensorProto;
        3 dims: Vec<i64>, [int64, repeated, packed = "false"];
    }
    ValueInfoProto {
        1 name: Option<String>, [string, optional];
        2 r#type: Option<TypeProto>, [message, optional] TypeProto;
        3 doc_string: Option<String>, [string, optional];
        4 metadata_props: Vec<StringStringEntryProto>, [message, repeated] StringStringEntryProto;
    }
    TypeProto {
        1 tensor_type: Option<TensorTypeProto>, [message, optional] TensorTypeProto;
        4 sequence_type: Option<Box<ElementTypeProto>>, [message, optional, boxed] ElementTypeProto;
        5 map_type: Option<Box<MapTypeProto>>, [message, optional, boxed] MapTypeProto;
        6 denotation: Option<String>, [string, optional];
        7 opaque_type: Option<OpaqueTypeProto>, [message, optional] OpaqueTypeProto;
        8 sparse_tensor_type: Option<TensorTypeProto>, [message, optional] TensorTypeProto;
        9 optional_type: Option<Box<ElementTypeProto>>, [message, optional, boxed] ElementTypeProto;
    }
    /// `TypeProto.Tensor` and `TypeProto.SparseTensor`.
    TensorTypeProto {
        1 elem_type: Option<i32>, [int32, optional];
        2 shape: Option<TensorShapeProto>, [message, optional] TensorShapeProto;
    }
    /// `TypeProto.Sequence` and `TypeProto.Optional`.
    ElementTypeProto {
        1 elem_type: Option<TypeProto>, [message, optional] TypeProto;
    }
    MapTypeProto {
        1 key_type: Option<i32>, [int32, optional];
        2 value_type: Option<TypeProto>, [message, optional] TypeProto;
    }
    OpaqueTypeProto {
        1 domain: Option<String>, [string, optional];
        2 name: Option<String>, [string, optional];
    }
    TensorShapeProto {
        1 dim: Vec<Dimension>, [message, repeated] Dimension;
    }
    Dimension {
        1 dim_value: Option<i64>, [int64, optional];
        2 dim_param: Option<String>, [string, optional];
        3 denotation: Option<String>, [string, optional];
    }
}

/// Walks the wire format and finds what the messages above do not hold.
fn check(mut bytes: &[u8], kind: Kind, depth: usize) -> Result<(), OnnxError> {
    if depth > DEPTH_MAX {
        return Err(OnnxError::TooDeep);
    }
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let (number, wire) = (key >> 3, key & 7);
        let Some((_, child)) = kind.fields().iter().find(|(n, _)| *n == number) else {
            return Err(OnnxError::UnknownField { message: kind.name(), field: number });
        };
        let length = match wire {
            0 => {
                varint(&mut bytes)?;
                0
            }
            1 => 8,
            2 => varint(&mut bytes)?,
            5 => 4,
            _ => return Err(malformed("a field has an unknown wire type")),
        };
        let field = usize::try_from(length).ok().and_then(|n| bytes.split_at_checked(n));
        let Some((body, rest)) = field else {
            return Err(malformed("a field is longer than what is left"));
        };
        if let (Some(child), 2) = (child, wire) {
            check(body, *child, depth + 1)?;
        }
        bytes = rest;
    }
    Ok(())
}

fn varint(bytes: &mut &[u8]) -> Result<u64, OnnxError> {
    prost::encoding::decode_varint(bytes).map_err(|e| malformed(&e.to_string()))
}

fn malformed(reason: &str) -> OnnxError {
    OnnxError::Malformed { reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that an unknown field is refused with its message and number, wherever it stands, and garbage by a reason.
    #[test]
    fn unknown_fields_are_refused() {
        // ModelProto.graph { node { 77: 1 } }
        let nested = [0x3a, 5, 0x0a, 3, 0xe8, 0x04, 0x01];
        assert_eq!(
            decode(&nested),
            Err(OnnxError::UnknownField { message: "NodeProto", field: 77 })
        );
        assert!(matches!(decode(&[0x3a, 9, 1]), Err(OnnxError::Malformed { .. })));
        assert!(matches!(decode(&[0x0b]), Err(OnnxError::Malformed { .. })));
        assert!(matches!(decode(&[0xff; 12]), Err(OnnxError::Malformed { .. })));
    }

    /// Proves that endless nesting ends in an error, not in a full stack.
    #[test]
    fn nesting_is_limited() {
        let mut bytes = Vec::new();
        for turn in 0..3_000 {
            // attribute.g inside graph.node inside node.attribute, from the innermost outwards
            let key = [0x32u8, 0x2a, 0x0a][turn % 3];
            let mut outer = vec![key];
            prost::encoding::encode_varint(bytes.len() as u64, &mut outer);
            outer.extend_from_slice(&bytes);
            bytes = outer;
        }
        let mut model = vec![0x3a];
        prost::encoding::encode_varint(bytes.len() as u64, &mut model);
        model.extend_from_slice(&bytes);
        assert_eq!(decode(&model), Err(OnnxError::TooDeep));
    }
}
