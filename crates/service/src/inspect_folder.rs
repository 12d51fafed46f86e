//! Looking at a folder of shards: the index against the shards' own headers.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::inspect::{InspectError, inspect, inspect_with_nonfinite};

/// The file that says which shard holds which tensor.
const INDEX: &str = "model.safetensors.index.json";
/// Largest index that is read, in bytes.
const INDEX_BYTES_MAX: u64 = 25_000_000;

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// Digest, size, metadata and tensors of every shard that a folder's index names, as one JSON object; of `model.safetensors` in
/// a folder without an index.
///
/// # Errors
/// [`InspectError`] with shard and tensor: a shard that is missing or bad, a tensor that the index puts where it is not, one that
/// the index leaves out, or one in two shards.
pub fn inspect_folder(folder: &Path, count_nonfinite: bool) -> Result<Value, InspectError> {
    let look = |path: &Path| {
        if count_nonfinite { inspect_with_nonfinite(path) } else { inspect(path) }
    };
    let path = folder.join(INDEX);
    if !path.exists() {
        return look(&folder.join("model.safetensors"));
    }
    let bad = |reason: String| InspectError::BadIndex { path: path.clone(), reason };
    let index = read_index(&path)?;
    let shards: BTreeSet<&String> = index.weight_map.values().collect();
    let mut found = serde_json::Map::new();
    let mut home = BTreeMap::new();
    for shard in shards {
        if shard.contains(['/', '\\']) || !shard.ends_with(".safetensors") {
            return Err(bad(format!("{shard:?} is no shard's name")));
        }
        let inspected = look(&folder.join(shard))?;
        for tensor in inspected["tensors"].as_array().into_iter().flatten() {
            let name = tensor["name"].as_str().unwrap_or_default().to_owned();
            if let Some(other) = home.insert(name.clone(), shard.clone()) {
                return Err(bad(format!("tensor {name:?}: stands in {other} and in {shard}")));
            }
        }
        found.insert(shard.clone(), inspected);
    }
    for (tensor, shard) in &index.weight_map {
        match home.remove(tensor) {
            Some(there) if there == *shard => {}
            Some(there) => {
                return Err(bad(format!(
                    "tensor {tensor:?}: the index says {shard}, it is in {there}"
                )));
            }
            None => {
                return Err(bad(format!(
                    "tensor {tensor:?}: the index says {shard}, no shard has it"
                )));
            }
        }
    }
    match home.pop_first() {
        None => Ok(json!({ "shards": found })),
        Some((tensor, shard)) => {
            Err(bad(format!("tensor {tensor:?}: is in {shard}, the index leaves it out")))
        }
    }
}

fn read_index(path: &Path) -> Result<Index, InspectError> {
    let unreadable = |source| InspectError::Unreadable { path: path.to_owned(), source };
    let bad = |reason: String| InspectError::BadIndex { path: path.to_owned(), reason };
    let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    if bytes > INDEX_BYTES_MAX {
        return Err(bad(format!("has {bytes} bytes; at most {INDEX_BYTES_MAX}")));
    }
    let text = std::fs::read(path).map_err(unreadable)?;
    serde_json::from_slice(&text).map_err(|e| bad(format!("is no index of shards: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(folder: &Path, name: &str, tensor: &str) {
        let header =
            format!(r#"{{"{tensor}":{{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}}}"#);
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(&f32::NAN.to_le_bytes());
        std::fs::write(folder.join(name), bytes).unwrap();
    }

    /// Proves that an index is held against its shards' headers, and that each difference is refused with tensor and shard.
    #[test]
    fn index_against_shards() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = ("m-1-of-2.safetensors", "m-2-of-2.safetensors");
        shard(folder.path(), one, "a");
        shard(folder.path(), two, "b");
        let look = |map: Value| {
            let index = json!({ "weight_map": map }).to_string();
            std::fs::write(folder.path().join(INDEX), index).unwrap();
            inspect_folder(folder.path(), true).map_err(|e| e.to_string())
        };
        let found = look(json!({ "a": one, "b": two })).unwrap();
        assert_eq!(found["shards"][two]["tensors"][0]["nan"], 1);
        for (map, words) in [
            (json!({ "a": two, "b": two }), "the index says"),
            (json!({ "a": one, "b": one }), "no shard has it"),
            (json!({ "a": one, "b": two, "c": two }), "\"c\": the index says"),
            (json!({ "a": one, "b": "../x.safetensors" }), "no shard's name"),
            (json!({ "a": one, "b": "gone.safetensors" }), "gone.safetensors"),
            (json!(7), "no index of shards"),
        ] {
            let said = look(map.clone()).unwrap_err();
            assert!(said.contains(words), "{map}: {said}");
        }
        shard(folder.path(), two, "a");
        let said = look(json!({ "a": one, "b": two })).unwrap_err();
        assert!(said.contains("stands in"), "{said}");
    }
}
