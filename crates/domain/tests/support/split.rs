//! Cuts a safetensors file into shards with their index, as a test does it and not as the product does.

use std::{collections::BTreeMap, path::Path};

/// The shards of a file, by name, and the index. Tensors go round by name, so that each shard has tensors of all over the file; every
/// other header ends at an odd place.
pub(crate) fn split(whole: &[u8], count: usize) -> (BTreeMap<String, Vec<u8>>, String) {
    let length = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let header: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&whole[8..8 + length]).unwrap();
    let data = &whole[8 + length..];
    let mut parts = vec![(serde_json::Map::new(), Vec::new()); count];
    let (mut map, mut total) = (serde_json::Map::new(), 0);
    let name = |place: usize| format!("model-{:05}-of-{count:05}.safetensors", place + 1);
    let tensors = header.into_iter().filter(|(tensor, _)| tensor != "__metadata__");
    for (number, (tensor, mut entry)) in tensors.enumerate() {
        let place = number % count;
        let at = |n: usize| entry["data_offsets"][n].as_u64().unwrap() as usize;
        let bytes = &data[at(0)..at(1)];
        let (entries, target) = &mut parts[place];
        entry["data_offsets"] = serde_json::json!([target.len(), target.len() + bytes.len()]);
        target.extend_from_slice(bytes);
        total += bytes.len();
        map.insert(tensor.clone(), name(place).into());
        entries.insert(tensor, entry);
    }
    let file = |(place, (entries, data)): (usize, (serde_json::Map<_, _>, Vec<u8>))| {
        let mut json = serde_json::Value::Object(entries).to_string().into_bytes();
        while json.len() % 8 != place % 2 {
            json.push(b' ');
        }
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.extend(json);
        bytes.extend(data);
        (name(place), bytes)
    };
    let shards = parts.into_iter().enumerate().map(file).collect();
    let index = serde_json::json!({ "metadata": { "total_size": total }, "weight_map": map });
    (shards, serde_json::to_string_pretty(&index).unwrap())
}

/// Writes shards and index into a folder.
pub(crate) fn split_into(whole: &[u8], count: usize, folder: &Path) {
    let (shards, index) = split(whole, count);
    for (name, bytes) in shards {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
    std::fs::write(folder.join("model.safetensors.index.json"), index).unwrap();
}
