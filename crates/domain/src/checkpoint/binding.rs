//! Binding: the tensors that a graph names, found in a checkpoint by name and checked.

use super::{Dtype, Header};

/// A tensor that a graph wants from the checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphTensor {
    /// Name of the initialiser, and of the tensor in the checkpoint.
    pub name: String,
    /// Element type that the graph declares.
    pub dtype: Dtype,
    /// Shape that the graph declares.
    pub shape: Vec<u64>,
}

/// Where the bytes of one graph tensor stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Name of the tensor.
    pub name: String,
    /// The file, counted from 0 in the order of the shards; 0 in a checkpoint of one file.
    pub file: usize,
    /// First byte, counted from the start of the file.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
}

/// Why graph and checkpoint do not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum BindingError {
    #[error("tensor {tensor:?}: the graph wants it, the checkpoint does not have it")]
    Missing { tensor: String },
    #[error("tensor {tensor:?}: the graph declares {wanted}, the checkpoint has {given}")]
    WrongDtype { tensor: String, wanted: Dtype, given: Dtype },
    #[error("tensor {tensor:?}: the graph declares shape {wanted:?}, the checkpoint has {given:?}")]
    WrongShape { tensor: String, wanted: Vec<u64>, given: Vec<u64> },
}

impl BindingError {
    /// The closed code of the refusal.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "tensor_missing",
            Self::WrongDtype { .. } => "tensor_dtype_differs",
            Self::WrongShape { .. } => "tensor_shape_differs",
        }
    }

    /// The tensor that does not fit.
    #[must_use]
    pub fn tensor(&self) -> &str {
        match self {
            Self::Missing { tensor }
            | Self::WrongDtype { tensor, .. }
            | Self::WrongShape { tensor, .. } => tensor,
        }
    }
}

/// Finds every wanted tensor by name; the result has the order of `wanted`.
///
/// ONNX Runtime never looks at the safetensors header: a wrong dtype of equal width, a transposed shape or a stale offset all
/// run and give wrong numbers. So everything is compared here (EVALUATION 2).
///
/// # Errors
/// The first tensor that is missing or differs in dtype or shape.
pub fn bind(header: &Header, wanted: &[GraphTensor]) -> Result<Vec<Binding>, BindingError> {
    bind_files(&[header], wanted)
}

/// As [`bind`], over the files of one checkpoint, which have each tensor once.
///
/// # Errors
/// The first tensor that is missing in all of them or differs in dtype or shape.
pub fn bind_files(
    headers: &[&Header],
    wanted: &[GraphTensor],
) -> Result<Vec<Binding>, BindingError> {
    let by_name: std::collections::HashMap<_, _> = headers
        .iter()
        .enumerate()
        .flat_map(|(file, &header)| {
            header.tensors.iter().map(move |t| (t.name.as_str(), (file, header, t)))
        })
        .collect();
    let bind_one = |want: &GraphTensor| {
        let tensor = want.name.clone();
        let Some(&(file, header, have)) = by_name.get(want.name.as_str()) else {
            return Err(BindingError::Missing { tensor });
        };
        if have.dtype != want.dtype {
            return Err(BindingError::WrongDtype { tensor, wanted: want.dtype, given: have.dtype });
        }
        if have.shape != want.shape {
            return Err(BindingError::WrongShape {
                tensor,
                wanted: want.shape.clone(),
                given: have.shape.clone(),
            });
        }
        Ok(Binding {
            name: tensor,
            file,
            offset: header.data_offset() + have.begin,
            length: have.end - have.begin,
        })
    };
    wanted.iter().map(bind_one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a tensor is bound by name with absolute offsets, and that each difference is refused with its name.
    #[test]
    fn bind_by_name() {
        let json = br#"{"w":{"dtype":"F32","shape":[2,3],"data_offsets":[4,28]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
        let header = Header::parse_json(json).unwrap();
        let want = |name: &str, dtype, shape: &[u64]| GraphTensor {
            name: name.to_owned(),
            dtype,
            shape: shape.to_vec(),
        };
        let bound =
            bind(&header, &[want("w", Dtype::F32, &[2, 3]), want("b", Dtype::F32, &[1])]).unwrap();
        let base = 8 + json.len() as u64;
        assert_eq!((bound[0].offset, bound[0].length, bound[1].offset), (base + 4, 24, base));
        for (wanted, code) in [
            (want("v", Dtype::F32, &[1]), "tensor_missing"),
            (want("w", Dtype::I32, &[2, 3]), "tensor_dtype_differs"),
            (want("w", Dtype::F32, &[3, 2]), "tensor_shape_differs"),
        ] {
            let error = bind(&header, std::slice::from_ref(&wanted)).unwrap_err();
            assert_eq!((error.code(), error.tensor()), (code, wanted.name.as_str()));
        }
    }
}
