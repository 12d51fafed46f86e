//! The fingerprint of a checkpoint on disk: one pass over its large tensors, some megabytes at a time.

use std::{io, path::Path};

use domain::{
    checkpoint::{INDEX_FILE, TensorEntry},
    evaluation::{
        fingerprint::{ELEMENTS_MIN, Fingerprint, TENSORS_MAX, TensorSketch},
        similarity::Sketch,
    },
};

use crate::{
    error::{EvaluationError, Side},
    safetensors_file::{FileError, SafetensorsFile},
    score::element_reader,
    shards::open_shards,
    subject::io_error,
};

/// Bytes that are read at a time; a multiple of every element's width.
const PART_BYTES: u64 = 4 << 20;

/// Sketches the large tensors of a checkpoint: a safetensors file, or the index of its shards.
///
/// # Errors
/// The file that cannot be read, or what is wrong with it.
pub fn fingerprint(checkpoint: &Path) -> Result<Fingerprint, EvaluationError> {
    let files = open(checkpoint)?;
    let mut large: Vec<(&SafetensorsFile, &TensorEntry, u64)> = Vec::new();
    for file in &files {
        for tensor in &file.header.tensors {
            let elements = tensor.shape.iter().product::<u64>();
            if elements >= ELEMENTS_MIN && element_reader(tensor.dtype).is_some() {
                large.push((file, tensor, elements));
            }
        }
    }
    large.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| a.1.name.cmp(&b.1.name)));
    large.truncate(TENSORS_MAX);
    let mut tensors = Vec::with_capacity(large.len());
    for (file, tensor, _) in large {
        let sketch = sketch(file, tensor).map_err(io_error("cannot read", &file.path))?;
        let (name, shape) = (tensor.name.clone(), tensor.shape.clone());
        tensors.push(TensorSketch { name, shape, sketch });
    }
    Ok(Fingerprint { tensors })
}

fn open(path: &Path) -> Result<Vec<SafetensorsFile>, EvaluationError> {
    let side = Side::Model;
    if path.file_name().is_some_and(|name| name == INDEX_FILE) {
        return Ok(open_shards(side, path)?.files);
    }
    let file = SafetensorsFile::open(path).map_err(|error| match error {
        FileError::Io(source) => io_error("cannot read", path)(source),
        FileError::Header(source) => EvaluationError::Checkpoint { side, source },
    })?;
    Ok(vec![file])
}

/// What is no number counts as nothing, so that one such element does not hide all others of its sum.
fn sketch(file: &SafetensorsFile, tensor: &TensorEntry) -> io::Result<Sketch> {
    let Some(read) = element_reader(tensor.dtype) else { return Ok(Sketch::of([])) };
    let (bytes, width) = (tensor.end - tensor.begin, (tensor.dtype.bits() / 8).max(1));
    let mut failure = None;
    let part = |offset: u64| {
        let mut part = vec![0; PART_BYTES.min(bytes - offset) as usize];
        match file.read_part(tensor, offset, &mut part) {
            Ok(()) => Some(part),
            Err(error) => {
                failure = Some(error);
                None
            }
        }
    };
    let parts = (0..bytes).step_by(PART_BYTES as usize).map_while(part);
    let elements = parts.flat_map(|part| {
        let values: Vec<f64> = part.chunks_exact(width as usize).map(read).collect();
        values.into_iter().map(|value| if value.is_finite() { value } else { 0.0 })
    });
    let sketch = Sketch::of(elements);
    failure.map_or(Ok(sketch), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demo(name: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../cli/demo").join(name)
    }

    /// Proves on the demo's checkpoints that one run of training is found again and another architecture is not, and that
    /// tensors of more than one part are sketched like any other.
    #[test]
    fn demo_checkpoints() {
        let print = |name: &str| fingerprint(&demo(name)).unwrap();
        let (early, late) =
            (print("mlp/step-0810.safetensors"), print("mlp/step-1700.safetensors"));
        assert_eq!(late.agreement(&late), Some(1.0));
        let agreement = early.agreement(&late).unwrap();
        assert!((0.7..1.0).contains(&agreement), "{agreement}");
        assert!(fingerprint(&demo("none.safetensors")).is_err());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large.safetensors");
        let values = (0..2_500_000u32).map(|n| (f64::from(n) * 0.7).sin() as f32);
        let data: Vec<u8> = values.clone().flat_map(f32::to_le_bytes).collect();
        let json = format!(
            r#"{{"w":{{"dtype":"F32","shape":[2500000],"data_offsets":[0,{}]}}}}"#,
            data.len()
        );
        let json = format!("{json:<width$}", width = json.len().next_multiple_of(8));
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(json.as_bytes());
        bytes.extend_from_slice(&data);
        std::fs::write(&path, bytes).unwrap();
        let whole = Sketch::of(values.map(f64::from));
        assert_eq!(fingerprint(&path).unwrap().tensors[0].sketch, whole);
    }
}
