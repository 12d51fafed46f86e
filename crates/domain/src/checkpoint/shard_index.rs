//! The index of a checkpoint in shards, `model.safetensors.index.json`: which file holds which tensor.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;

use super::header::Entries;

/// The name of an index in a folder or repository.
pub const INDEX_FILE: &str = "model.safetensors.index.json";
/// The name of a checkpoint of one file in a folder or repository.
pub const ONE_FILE: &str = "model.safetensors";
/// Largest index that is read, in bytes; as for a header.
pub const INDEX_BYTES_MAX: u64 = 25_000_000;
/// Most shards of one checkpoint.
pub const SHARDS_MAX: usize = 1_000;
/// Longest file name of a shard, in bytes.
pub(super) const SHARD_NAME_BYTES_MAX: usize = 255;
/// Most bytes that the headers of all shards of one checkpoint have together.
pub const SET_HEADER_BYTES_MAX: u64 = 100_000_000;

/// An index that passed every rule which it decides alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardIndex {
    /// The shard of each tensor.
    pub weight_map: BTreeMap<String, String>,
    /// Bytes of all tensors, where the index says so.
    pub total_size: Option<u64>,
}

/// The rule that an index breaks, alone or against its shards. [`ShardError::code`] is the closed list that clients see.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum ShardError {
    #[error("{INDEX_FILE}: has {bytes} bytes; at most {INDEX_BYTES_MAX}")]
    IndexTooLong { bytes: u64 },
    #[error("{INDEX_FILE}: is no JSON object: {reason}")]
    NotJson { reason: String },
    #[error("{INDEX_FILE}: the key {key:?} stands twice")]
    DuplicateKey { key: String },
    #[error("{INDEX_FILE}: weight_map {reason}")]
    WeightMap { reason: String },
    #[error("{INDEX_FILE}: tensor {tensor:?}: the name stands twice in weight_map")]
    DuplicateTensor { tensor: String },
    #[error(
        "{INDEX_FILE}: tensor {tensor:?}: {file:?} is no shard; a shard is a plain file name that ends with .safetensors, of at \
         most {SHARD_NAME_BYTES_MAX} bytes, and not {ONE_FILE}, which is a checkpoint of one file"
    )]
    ShardPath { tensor: String, file: String },
    #[error("{INDEX_FILE}: names more than {SHARDS_MAX} shards")]
    TooManyShards,
    #[error("{INDEX_FILE}: metadata.total_size is {declared}; the tensors have {found} bytes")]
    TotalSize { declared: String, found: String },
    #[error("{file}: tensor {tensor:?}: the index puts it there, and the shard is not there")]
    ShardMissing { file: String, tensor: String },
    #[error("{file}: the shard is given, and the index does not name it")]
    ShardNotInIndex { file: String },
    #[error("{file}: the shard is given twice")]
    ShardTwice { file: String },
    #[error("{file}: tensor {tensor:?}: the index puts it there, {}", Elsewhere(.there.as_deref()))]
    TensorNotInShard { file: String, tensor: String, there: Option<String> },
    #[error("{file}: tensor {tensor:?}: the shard has it, and the index leaves it out")]
    TensorNotInIndex { file: String, tensor: String },
    #[error("{file}: tensor {tensor:?}: stands in {other} too")]
    TensorInTwoShards { file: String, tensor: String, other: String },
    #[error("the shards' headers have more than {SET_HEADER_BYTES_MAX} bytes together")]
    HeadersTooLong,
    #[error("the document of a set of shards {reason}")]
    Document { reason: String },
}

/// Where a tensor is instead.
struct Elsewhere<'a>(Option<&'a str>);

impl std::fmt::Display for Elsewhere<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(file) => write!(f, "it is in {file}"),
            None => f.write_str("no shard has it"),
        }
    }
}

impl ShardError {
    /// The closed code of the rule.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::IndexTooLong { .. } => "index_too_long",
            Self::NotJson { .. } => "index_not_json",
            Self::DuplicateKey { .. } => "index_duplicate_key",
            Self::WeightMap { .. } => "weight_map_missing",
            Self::DuplicateTensor { .. } => "index_duplicate_tensor",
            Self::ShardPath { .. } => "shard_path",
            Self::TooManyShards => "too_many_shards",
            Self::TotalSize { .. } => "total_size_wrong",
            Self::ShardMissing { .. } => "shard_missing",
            Self::ShardNotInIndex { .. } => "shard_not_in_index",
            Self::ShardTwice { .. } => "shard_twice",
            Self::TensorNotInShard { .. } => "tensor_not_in_shard",
            Self::TensorNotInIndex { .. } => "tensor_not_in_index",
            Self::TensorInTwoShards { .. } => "tensor_in_two_shards",
            Self::HeadersTooLong => "set_headers_too_long",
            Self::Document { .. } => "set_document",
        }
    }

    /// The tensor that breaks the rule, where it is one.
    #[must_use]
    pub fn tensor(&self) -> Option<&str> {
        match self {
            Self::DuplicateTensor { tensor }
            | Self::ShardPath { tensor, .. }
            | Self::ShardMissing { tensor, .. }
            | Self::TensorNotInShard { tensor, .. }
            | Self::TensorNotInIndex { tensor, .. }
            | Self::TensorInTwoShards { tensor, .. } => Some(tensor),
            _ => None,
        }
    }

    /// The file that breaks the rule: a shard, or the index itself; none where no file does alone.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        match self {
            Self::ShardMissing { file, .. }
            | Self::ShardNotInIndex { file }
            | Self::ShardTwice { file }
            | Self::TensorNotInShard { file, .. }
            | Self::TensorNotInIndex { file, .. }
            | Self::TensorInTwoShards { file, .. } => Some(file),
            Self::HeadersTooLong | Self::Document { .. } => None,
            _ => Some(INDEX_FILE),
        }
    }
}

impl ShardIndex {
    /// Checks the text of an index by every rule that it decides alone.
    ///
    /// Keys beside `metadata` and `weight_map` are let pass, and so is whatever `metadata` says besides `total_size`.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn parse(text: &[u8]) -> Result<Self, ShardError> {
        check_index_bytes(text.len() as u64)?;
        let not_json = |e: serde_json::Error| ShardError::NotJson { reason: e.to_string() };
        let top: Entries<Box<RawValue>> = serde_json::from_slice(text).map_err(not_json)?;
        let top = unique(top, |key| ShardError::DuplicateKey { key })?;
        let total_size = match top.get("metadata") {
            Some(metadata) => total_size(metadata)?,
            None => None,
        };
        let map = |reason: &str| ShardError::WeightMap { reason: reason.to_owned() };
        let raw = top.get("weight_map").ok_or_else(|| map("is not there"))?;
        let entries: Entries<String> = serde_json::from_str(raw.get())
            .map_err(|e| map(&format!("is no object of texts: {e}")))?;
        let weight_map = unique(entries, |tensor| ShardError::DuplicateTensor { tensor })?;
        if weight_map.is_empty() {
            return Err(map("names no tensor"));
        }
        let index = Self { weight_map, total_size };
        if let Some((tensor, file)) = index.weight_map.iter().find(|(_, file)| !is_shard_name(file))
        {
            let file = file.chars().take(80).collect();
            return Err(ShardError::ShardPath { tensor: tensor.clone(), file });
        }
        if index.files().len() > SHARDS_MAX {
            return Err(ShardError::TooManyShards);
        }
        Ok(index)
    }

    /// The shards that it names, by the bytes of their names: the order of a set.
    #[must_use]
    pub fn files(&self) -> BTreeSet<&str> {
        self.weight_map.values().map(String::as_str).collect()
    }
}

/// Refuses an index by its size, before it is read.
///
/// # Errors
/// [`ShardError::IndexTooLong`].
pub const fn check_index_bytes(bytes: u64) -> Result<(), ShardError> {
    if bytes > INDEX_BYTES_MAX { Err(ShardError::IndexTooLong { bytes }) } else { Ok(()) }
}

/// Refuses headers that have so many bytes together, while they are read one after the other.
///
/// # Errors
/// [`ShardError::HeadersTooLong`].
pub const fn check_set_header_bytes(bytes: u64) -> Result<(), ShardError> {
    if bytes > SET_HEADER_BYTES_MAX { Err(ShardError::HeadersTooLong) } else { Ok(()) }
}

/// Whether a name stays in its folder, whatever system the folder lies on.
fn is_shard_name(file: &str) -> bool {
    let stem = file.strip_suffix(".safetensors");
    stem.is_some_and(|stem| !stem.is_empty())
        && !file.eq_ignore_ascii_case(ONE_FILE)
        && file.len() <= SHARD_NAME_BYTES_MAX
        && !file.starts_with('.')
        && !file.contains(|c: char| matches!(c, '/' | '\\' | ':') || c.is_control())
}

fn unique<V>(
    entries: Entries<V>,
    refuse: impl Fn(String) -> ShardError,
) -> Result<BTreeMap<String, V>, ShardError> {
    let mut found = BTreeMap::new();
    for (key, value) in entries.0 {
        if found.contains_key(&key) {
            return Err(refuse(key));
        }
        found.insert(key, value);
    }
    Ok(found)
}

fn total_size(metadata: &RawValue) -> Result<Option<u64>, ShardError> {
    let entries: Entries<Box<RawValue>> = serde_json::from_str(metadata.get())
        .map_err(|e| ShardError::NotJson { reason: format!("metadata: {e}") })?;
    let entries = unique(entries, |key| ShardError::DuplicateKey { key })?;
    let Some(raw) = entries.get("total_size") else { return Ok(None) };
    let declared: String = raw.get().chars().take(40).collect();
    let whole = |_| ShardError::TotalSize { declared, found: "a whole number of".to_owned() };
    raw.get().parse().map(Some).map_err(whole)
}
