//! Values of an ONNX tensor as the bytes that safetensors holds.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::{Component, Path},
};

use domain::checkpoint::Dtype;

use crate::{
    graph::{dtype, is_external},
    onnx::TensorProto,
};

/// Why a tensor has no values that can be packed; the caller knows its name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum ValueError {
    #[error("safetensors has no element type for ONNX type {data_type}")]
    Dtype { data_type: i32 },
    #[error("a length is negative, or the size passes 2^63")]
    Shape,
    #[error("{dtype} {shape:?} has {wanted} elements, {given} are given")]
    Count { dtype: Dtype, shape: Vec<u64>, wanted: u64, given: u64 },
    #[error("its raw data has {given} bytes, {dtype} {shape:?} takes {wanted}")]
    RawBytes { dtype: Dtype, shape: Vec<u64>, wanted: u64, given: u64 },
    #[error("its data lies in {location:?}, which is no plain path inside the model's folder")]
    Location { location: String },
    #[error("its data in {location:?}, {length} bytes from {offset}, cannot be read: {reason}")]
    External { location: String, offset: u64, length: u64, reason: String },
    #[error("external_data {key:?} is {value:?}, no number")]
    Entry { key: String, value: String },
}

/// A tensor's type, shape and bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Values {
    pub dtype: Dtype,
    pub shape: Vec<u64>,
    /// Row-major, little endian.
    pub bytes: Vec<u8>,
}

/// The shape of a tensor.
pub(crate) fn shape_of(tensor: &TensorProto) -> Result<Vec<u64>, ValueError> {
    let shape = tensor.dims.iter().map(|d| u64::try_from(*d)).collect::<Result<Vec<_>, _>>();
    let shape = shape.map_err(|_| ValueError::Shape)?;
    let count = shape.iter().try_fold(1u64, |product, d| product.checked_mul(*d));
    count.filter(|count| *count < 1 << 60).map(|_| shape).ok_or(ValueError::Shape)
}

/// Reads the values, whichever of the forms of ONNX they have; external ones from `folder`.
pub(crate) fn read(tensor: &TensorProto, folder: &Path) -> Result<Values, ValueError> {
    let kind = dtype(tensor.data_type());
    let kind = kind.ok_or(ValueError::Dtype { data_type: tensor.data_type() })?;
    let shape = shape_of(tensor)?;
    let wanted = kind.tensor_bytes(&shape).ok_or(ValueError::Shape)?;
    let bytes = if is_external(tensor) {
        external(tensor, folder, wanted)?
    } else if let Some(raw) = tensor.raw_data.as_ref().filter(|raw| !raw.is_empty()) {
        raw.clone()
    } else {
        return typed(tensor, kind, shape, wanted);
    };
    if bytes.len() as u64 != wanted {
        let given = bytes.len() as u64;
        return Err(ValueError::RawBytes { dtype: kind, shape, wanted, given });
    }
    Ok(Values { dtype: kind, shape, bytes })
}

/// Values in the field of their type: narrow types stand one an entry in `int32_data`, or in `uint64_data` for unsigned ones.
fn typed(
    tensor: &TensorProto,
    kind: Dtype,
    shape: Vec<u64>,
    wanted_bytes: u64,
) -> Result<Values, ValueError> {
    let width = (kind.bits() / 8) as usize;
    let low = |bytes: [u8; 8]| bytes.into_iter().take(width).collect::<Vec<_>>();
    let bytes: Vec<u8> = match kind {
        Dtype::F32 => tensor.float_data.iter().flat_map(|v| v.to_le_bytes()).collect(),
        Dtype::F64 => tensor.double_data.iter().flat_map(|v| v.to_le_bytes()).collect(),
        Dtype::I64 => tensor.int64_data.iter().flat_map(|v| v.to_le_bytes()).collect(),
        Dtype::U32 | Dtype::U64 => {
            tensor.uint64_data.iter().flat_map(|v| low(v.to_le_bytes())).collect()
        }
        _ => tensor.int32_data.iter().flat_map(|v| low(i64::from(*v).to_le_bytes())).collect(),
    };
    if bytes.len() as u64 == wanted_bytes {
        return Ok(Values { dtype: kind, shape, bytes });
    }
    let width = width.max(1) as u64;
    let (wanted, given) = (wanted_bytes / width, bytes.len() as u64 / width);
    Err(ValueError::Count { dtype: kind, shape, wanted, given })
}

/// Bytes beside the model: a plain path that stays in its folder, followed no further than that.
fn external(tensor: &TensorProto, folder: &Path, wanted: u64) -> Result<Vec<u8>, ValueError> {
    let entry = |key: &str| {
        let found = tensor.external_data.iter().find(|e| e.key.as_deref() == Some(key));
        found.and_then(|e| e.value.clone())
    };
    let number = |key: &str| match entry(key) {
        None => Ok(None),
        Some(value) => {
            let error = || ValueError::Entry { key: key.to_owned(), value: value.clone() };
            value.trim().parse::<u64>().map(Some).map_err(|_| error())
        }
    };
    let location = entry("location").unwrap_or_default();
    let path = external_path(folder, &location)
        .ok_or_else(|| ValueError::Location { location: location.clone() })?;
    let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?.unwrap_or(wanted));
    let fail = |reason: String| ValueError::External {
        location: location.clone(),
        offset,
        length,
        reason,
    };
    let mut file = File::open(path).map_err(|e| fail(e.to_string()))?;
    let size = file.metadata().map_err(|e| fail(e.to_string()))?.len();
    if offset.checked_add(length).is_none_or(|end| end > size) {
        return Err(fail(format!("the file has {size} bytes")));
    }
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(offset)).map_err(|e| fail(e.to_string()))?;
    file.take(length).read_to_end(&mut bytes).map_err(|e| fail(e.to_string()))?;
    Ok(bytes)
}

/// The file of a location; none where it would leave the folder, by its own words or by a link.
pub(crate) fn external_path(folder: &Path, location: &str) -> Option<std::path::PathBuf> {
    let relative = Path::new(location);
    let plain = relative.components().all(|part| matches!(part, Component::Normal(_)));
    if location.is_empty() || !plain {
        return None;
    }
    let folder = folder.canonicalize().ok()?;
    let path = folder.join(relative).canonicalize().ok()?;
    (path.starts_with(&folder) && path.is_file()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::StringStringEntryProto;

    fn tensor(data_type: i32, dims: &[i64]) -> TensorProto {
        TensorProto { data_type: Some(data_type), dims: dims.to_vec(), ..TensorProto::default() }
    }

    /// Proves that every encoding of ONNX gives the same bytes as raw data: typed fields, narrow types one an entry, and a file.
    #[test]
    fn encodings_give_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let raw = |data_type, dims: &[i64], bytes: &[u8]| TensorProto {
            raw_data: Some(bytes.to_vec()),
            ..tensor(data_type, dims)
        };
        let int32 = |data_type, dims: &[i64], values: &[i32]| TensorProto {
            int32_data: values.to_vec(),
            ..tensor(data_type, dims)
        };
        let one_half = [0x00, 0x3c, 0x00, 0x38];
        let cases = [
            (
                raw(1, &[2], &[0, 0, 128, 63, 0, 0, 0, 191]),
                TensorProto { float_data: vec![1.0, -0.5], ..tensor(1, &[2]) },
            ),
            (raw(10, &[2], &one_half), int32(10, &[2], &[0x3c00, 0x3800])),
            (raw(16, &[1], &[0x80, 0x3f]), int32(16, &[1], &[0x3f80])),
            (raw(9, &[3], &[1, 0, 1]), int32(9, &[3], &[1, 0, 1])),
            (raw(3, &[2], &[255, 127]), int32(3, &[2], &[-1, 127])),
            (raw(2, &[2], &[255, 0]), int32(2, &[2], &[255, 0])),
            (raw(6, &[1], &[254, 255, 255, 255]), int32(6, &[1], &[-2])),
            (
                raw(7, &[], &[5, 0, 0, 0, 0, 0, 0, 0]),
                TensorProto { int64_data: vec![5], ..tensor(7, &[]) },
            ),
            (
                raw(12, &[1], &[1, 2, 0, 0]),
                TensorProto { uint64_data: vec![513], ..tensor(12, &[1]) },
            ),
            (
                raw(11, &[1], &0.25f64.to_le_bytes()),
                TensorProto { double_data: vec![0.25], ..tensor(11, &[1]) },
            ),
        ];
        for (raw, typed) in cases {
            assert_eq!(
                read(&raw, folder.path()),
                read(&typed, folder.path()),
                "{:?}",
                raw.data_type
            );
        }
        std::fs::write(folder.path().join("w.bin"), [9, 9, 0, 0, 128, 63]).unwrap();
        let entry = |key: &str, value: &str| StringStringEntryProto {
            key: Some(key.to_owned()),
            value: Some(value.to_owned()),
        };
        let mut outside = tensor(1, &[1]);
        outside.external_data =
            vec![entry("location", "w.bin"), entry("offset", "2"), entry("length", "4")];
        assert_eq!(read(&outside, folder.path()).unwrap().bytes, 1f32.to_le_bytes());
        for location in ["../w.bin", "/etc/passwd", "", "a/../../w.bin", "missing"] {
            outside.external_data[0] = entry("location", location);
            assert!(
                matches!(read(&outside, folder.path()), Err(ValueError::Location { .. })),
                "{location}"
            );
        }
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).unwrap();
        outside.external_data[0] = entry("location", "link");
        assert!(matches!(read(&outside, folder.path()), Err(ValueError::Location { .. })));
        outside.external_data =
            vec![entry("location", "w.bin"), entry("offset", "4"), entry("length", "4")];
        assert!(matches!(read(&outside, folder.path()), Err(ValueError::External { .. })));
    }

    /// Proves that data of another length than the shape says is refused with both numbers, and an unknown type by its number.
    #[test]
    fn wrong_lengths_are_refused() {
        let here = Path::new(".");
        let short = TensorProto { float_data: vec![1.0], ..tensor(1, &[2]) };
        let error = read(&short, here).unwrap_err().to_string();
        assert_eq!(error, "F32 [2] has 2 elements, 1 are given");
        let raw = TensorProto { raw_data: Some(vec![0; 3]), ..tensor(1, &[1]) };
        assert_eq!(
            read(&raw, here).unwrap_err().to_string(),
            "its raw data has 3 bytes, F32 [1] takes 4"
        );
        assert_eq!(read(&tensor(8, &[1]), here), Err(ValueError::Dtype { data_type: 8 }));
        assert_eq!(read(&tensor(1, &[-1]), here), Err(ValueError::Shape));
        assert_eq!(read(&tensor(1, &[i64::MAX, 9]), here), Err(ValueError::Shape));
    }
}
