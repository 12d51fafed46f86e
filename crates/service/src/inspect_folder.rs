//! Looking at a folder of shards: the index against the shards' own headers, by the rules that a server goes by.

use std::path::Path;

use domain::checkpoint::{
    INDEX_BYTES_MAX, SetDocument, ShardError, ShardFile, ShardIndex, check_index_bytes,
    check_set_header_bytes, weights_file,
};
use serde_json::{Value, json};

use crate::inspect::{InspectError, look};

/// A checkpoint on a disk that passed every rule.
#[derive(Debug)]
pub struct FolderCheckpoint {
    /// The document of its shards; none for one file.
    pub document: Option<SetDocument>,
    /// Its digest: of the file, or of the document.
    pub digest: domain::digest::Digest,
    /// Digest, size, metadata and tensors of the one file or of every shard.
    pub found: Value,
}

/// Digest, size, metadata and tensors of every shard that a folder's index names, as one JSON object; of `model.safetensors` in
/// a folder that has one.
///
/// # Errors
/// [`InspectError`] with shard and tensor: a file that is bad, or an index that its shards do not bear out.
pub fn inspect_folder(folder: &Path, count_nonfinite: bool) -> Result<Value, InspectError> {
    Ok(check_folder(folder, count_nonfinite)?.found)
}

/// As [`inspect_folder`], with what the folder's checkpoint is called by a server.
///
/// # Errors
/// As [`inspect_folder`].
pub fn check_folder(
    folder: &Path,
    count_nonfinite: bool,
) -> Result<FolderCheckpoint, InspectError> {
    let name = weights_file(|name| folder.join(name).exists());
    let path = folder.join(name);
    if name != domain::checkpoint::INDEX_FILE {
        let (digest, _, found) = look(&path, count_nonfinite)?;
        return Ok(FolderCheckpoint { document: None, digest, found });
    }
    let bad = |source| InspectError::BadIndex { folder: folder.to_owned(), source };
    let text = read_index(&path, bad)?;
    let index = ShardIndex::parse(&text).map_err(bad)?;
    let (mut shards, mut headers, mut header_bytes) = (Vec::new(), Vec::new(), 0);
    let mut found = serde_json::Map::new();
    for file in index.files() {
        let path = folder.join(file);
        // Left out, so that the check names a tensor that is missed.
        if !path.exists() {
            continue;
        }
        let (digest, header, inspected) = look(&path, count_nonfinite)?;
        header_bytes += header.json_bytes;
        check_set_header_bytes(header_bytes).map_err(bad)?;
        shards.push(ShardFile { file: file.to_owned(), digest });
        headers.push(header);
        found.insert(file.to_owned(), inspected);
    }
    let document = SetDocument::try_new(&text, shards).map_err(bad)?;
    document.check(&headers).map_err(bad)?;
    let digest = document.digest().map_err(bad)?;
    let found = json!({ "digest": digest, "shards": found });
    Ok(FolderCheckpoint { document: Some(document), digest, found })
}

fn read_index(
    path: &Path,
    bad: impl Fn(ShardError) -> InspectError,
) -> Result<Vec<u8>, InspectError> {
    use std::io::Read as _;
    let mut text = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(INDEX_BYTES_MAX + 1).read_to_end(&mut text))
        .map_err(|source| InspectError::Unreadable { path: path.to_owned(), source })?;
    check_index_bytes(text.len() as u64).map_err(bad)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use domain::checkpoint::INDEX_FILE;

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
            std::fs::write(folder.path().join(INDEX_FILE), index).unwrap();
            inspect_folder(folder.path(), true).map_err(|e| e.to_string())
        };
        let found = look(json!({ "a": one, "b": two })).unwrap();
        assert_eq!(found["shards"][two]["tensors"][0]["nan"], 1);
        for (map, words) in [
            (json!({ "a": two, "b": two }), "the index puts it there"),
            (json!({ "a": one, "b": one }), "no shard has it"),
            (json!({ "a": one, "b": two, "c": two }), "\"c\": the index puts it there"),
            (json!({ "a": one, "b": "../x.safetensors" }), "is no shard"),
            (json!({ "a": one, "b": "gone.safetensors" }), "gone.safetensors"),
            (json!(7), "weight_map is no object"),
        ] {
            let said = look(map.clone()).unwrap_err();
            assert!(said.contains(words), "{map}: {said}");
        }
        shard(folder.path(), two, "a");
        let said = look(json!({ "a": one, "b": two })).unwrap_err();
        assert!(said.contains("stands in"), "{said}");
    }
}
