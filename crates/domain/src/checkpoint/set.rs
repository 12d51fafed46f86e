//! A checkpoint in shards: an index and the files that it names, which together have each tensor once.
//!
//! An index names no bytes: two steps of one training have the same one. So a set has an identity of its own, the digest of
//! [`SetDocument`], which holds the index and the digest of each shard.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{
    Header,
    shard_index::{INDEX_FILE, ONE_FILE, ShardError, ShardIndex, check_set_header_bytes},
};
use crate::{canonical, digest::Digest};

/// Largest document of a set, in bytes: an index whose every character is escaped, and the longest list of shards.
pub const SET_DOCUMENT_BYTES_MAX: u64 = 64 << 20;

/// One file of a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardFile {
    /// Its name, without a folder.
    pub file: String,
    /// SHA-256 of its bytes.
    pub digest: Digest,
}

/// What a set is made of. The SHA-256 of its canonical JSON is the digest of the checkpoint: it covers every byte of index and
/// shards, and the shards' names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetDocument {
    /// The text of the index, to the byte.
    pub index: String,
    /// The shards by the bytes of their names.
    pub shards: Vec<ShardFile>,
}

impl SetDocument {
    /// The document of an index and its shards, in whatever order they are given.
    ///
    /// # Errors
    /// The rule that the index breaks alone, or a shard that is missing, too much or given twice.
    pub fn try_new(index: &[u8], mut shards: Vec<ShardFile>) -> Result<Self, ShardError> {
        let parsed = ShardIndex::parse(index)?;
        shards.sort_by(|a, b| a.file.cmp(&b.file));
        check_files(&parsed, shards.iter().map(|shard| shard.file.as_str()))?;
        let not_utf8 = |_| ShardError::NotJson { reason: "it is no UTF-8 text".to_owned() };
        let index = String::from_utf8(index.to_vec()).map_err(not_utf8)?;
        Ok(Self { index, shards })
    }

    /// Reads a document in its one form; what it says of the index is checked too.
    ///
    /// # Errors
    /// [`ShardError::Document`] for another form, and those of [`Self::try_new`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ShardError> {
        let refuse = |reason: String| ShardError::Document { reason };
        if bytes.len() as u64 > SET_DOCUMENT_BYTES_MAX {
            let reason = format!("has {} bytes; at most {SET_DOCUMENT_BYTES_MAX}", bytes.len());
            return Err(refuse(reason));
        }
        let given: Self = serde_json::from_slice(bytes)
            .map_err(|e| refuse(format!("is no object of index and shards: {e}")))?;
        let document = Self::try_new(given.index.as_bytes(), given.shards)?;
        if document.to_bytes()? == bytes {
            Ok(document)
        } else {
            Err(refuse("is not in canonical form, with its shards by name".to_owned()))
        }
    }

    /// Its bytes: canonical JSON.
    ///
    /// # Errors
    /// [`ShardError::Document`] if it has no canonical form.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ShardError> {
        canonical::to_vec(self).map_err(|e| ShardError::Document { reason: e.to_string() })
    }

    /// The digest of the set.
    ///
    /// # Errors
    /// As [`Self::to_bytes`].
    pub fn digest(&self) -> Result<Digest, ShardError> {
        self.to_bytes().map(|bytes| Digest::of(&bytes))
    }

    /// Holds the index against the headers of the shards, in their order.
    ///
    /// # Errors
    /// The first rule that is broken, with file and tensor.
    pub fn check(&self, headers: &[Header]) -> Result<(), ShardError> {
        let index = ShardIndex::parse(self.index.as_bytes())?;
        let files: Vec<&str> = self.shards.iter().map(|shard| shard.file.as_str()).collect();
        if files.len() != headers.len() {
            let reason = format!("has {} shards, {} headers", files.len(), headers.len());
            return Err(ShardError::Document { reason });
        }
        check_headers(&index, &files, headers)
    }
}

/// Every file that the index names is there, and no other; `files` are sorted.
fn check_files<'a>(
    index: &ShardIndex,
    files: impl Iterator<Item = &'a str> + Clone,
) -> Result<(), ShardError> {
    let named = index.files();
    let mut before = None;
    for file in files.clone() {
        if before == Some(file) {
            return Err(ShardError::ShardTwice { file: file.to_owned() });
        }
        if !named.contains(file) {
            return Err(ShardError::ShardNotInIndex { file: file.to_owned() });
        }
        before = Some(file);
    }
    let given: std::collections::BTreeSet<&str> = files.collect();
    match index.weight_map.iter().find(|(_, file)| !given.contains(file.as_str())) {
        Some((tensor, file)) => {
            Err(ShardError::ShardMissing { file: file.clone(), tensor: tensor.clone() })
        }
        None => Ok(()),
    }
}

fn check_headers(index: &ShardIndex, files: &[&str], headers: &[Header]) -> Result<(), ShardError> {
    let sum = |part: fn(&Header) -> u64| headers.iter().map(part).fold(0, u64::saturating_add);
    check_set_header_bytes(sum(|header| header.json_bytes))?;
    let mut homes: HashMap<&str, &str> = HashMap::with_capacity(index.weight_map.len());
    for (file, header) in files.iter().zip(headers) {
        for tensor in &header.tensors {
            if let Some(other) = homes.insert(&tensor.name, file) {
                return Err(ShardError::TensorInTwoShards {
                    file: (*file).to_owned(),
                    tensor: tensor.name.clone(),
                    other: other.to_owned(),
                });
            }
        }
    }
    for (tensor, file) in &index.weight_map {
        let there = homes.get(tensor.as_str());
        if there != Some(&file.as_str()) {
            return Err(ShardError::TensorNotInShard {
                file: file.clone(),
                tensor: tensor.clone(),
                there: there.map(|&there| there.to_owned()),
            });
        }
    }
    for (file, header) in files.iter().zip(headers) {
        if let Some(extra) = header.tensors.iter().find(|t| !index.weight_map.contains_key(&t.name))
        {
            let (file, tensor) = ((*file).to_owned(), extra.name.clone());
            return Err(ShardError::TensorNotInIndex { file, tensor });
        }
    }
    let found = sum(Header::data_bytes);
    match index.total_size {
        Some(declared) if declared != found => {
            Err(ShardError::TotalSize { declared: declared.to_string(), found: found.to_string() })
        }
        _ => Ok(()),
    }
}

/// The file that holds the weights of a folder or repository, of those that it has: `model.safetensors`, or else the index.
///
/// A folder with both is taken as the one file, as the usual loaders do; this one rule goes for push, inspect, evaluate and
/// commits through the hub surface.
#[must_use]
pub fn weights_file(has: impl Fn(&str) -> bool) -> &'static str {
    if !has(ONE_FILE) && has(INDEX_FILE) { INDEX_FILE } else { ONE_FILE }
}
