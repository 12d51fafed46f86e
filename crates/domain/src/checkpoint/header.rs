//! The header of a safetensors file: `u64` length, JSON, then the tensors' bytes without holes.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::Dtype;

/// Largest header that is accepted, in bytes: what the stock Hugging Face client reads (REGISTRY 5.2).
pub const HEADER_BYTES_MAX: u64 = 25_000_000;

/// A header that passed every rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Tensors in the order of their bytes in the file.
    pub tensors: Vec<TensorEntry>,
    /// The free texts under `__metadata__`.
    pub metadata: BTreeMap<String, String>,
    /// Length of the JSON, padding included.
    pub json_bytes: u64,
}

/// One tensor of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorEntry {
    /// Name, unique in the file.
    pub name: String,
    /// Element type.
    pub dtype: Dtype,
    /// Lengths of the axes; empty for a scalar.
    pub shape: Vec<u64>,
    /// First byte, counted from the end of the header.
    pub begin: u64,
    /// One past the last byte, counted from the end of the header.
    pub end: u64,
}

/// The rule that a header breaks. [`HeaderError::code`] is the closed list that clients see.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum HeaderError {
    #[error("file has {bytes} bytes; a safetensors file starts with 8 bytes of header length")]
    TooShort { bytes: u64 },
    #[error("header length is {length} bytes; at most {HEADER_BYTES_MAX}")]
    HeaderTooLong { length: u64 },
    #[error(
        "file is {container}, and reading pickled weights runs whatever code they hold; convert it where it was trained: \
         safetensors.torch.save_file(torch.load(path, weights_only=True), \"model.safetensors\")"
    )]
    Pickle { container: &'static str },
    #[error("header length is {length} bytes, but only {left} bytes follow")]
    HeaderBeyondFile { length: u64, left: u64 },
    #[error("header is no UTF-8 text: invalid byte at {at}")]
    NotUtf8 { at: usize },
    #[error("header is no JSON object of safetensors: {reason}")]
    NotJson { reason: String },
    #[error("tensor {tensor:?}: the name stands twice in the header")]
    DuplicateKey { tensor: String },
    #[error("tensor {tensor:?}: {reason}")]
    BadEntry { tensor: String, reason: String },
    #[error("tensor {tensor:?}: begins at byte {begin} and ends at byte {end}")]
    InvertedOffsets { tensor: String, begin: u64, end: u64 },
    #[error(
        "tensor {tensor:?}: {dtype} {shape:?} takes {wanted} bytes, the header gives it {given}"
    )]
    WrongSize { tensor: String, dtype: Dtype, shape: Vec<u64>, wanted: u64, given: u64 },
    #[error("tensor {tensor:?}: {dtype} {shape:?} has no size in whole bytes below 2^64")]
    NoSize { tensor: String, dtype: Dtype, shape: Vec<u64> },
    #[error(
        "tensor {tensor:?}: begins at byte {begin}, inside the tensor before it, which ends at {before}"
    )]
    Overlap { tensor: String, begin: u64, before: u64 },
    #[error(
        "tensor {tensor:?}: begins at byte {begin}, but the tensor before it ends at {before}: a hole"
    )]
    Hole { tensor: String, begin: u64, before: u64 },
    #[error(
        "tensor {tensor:?}: ends at byte {end} of the data, but the file has {data} bytes of data: truncated"
    )]
    Truncated { tensor: String, end: u64, data: u64 },
    #[error("{extra} bytes follow the last tensor")]
    TrailingBytes { extra: u64 },
    #[error("metadata key {key:?} stands twice in the header")]
    DuplicateMetadata { key: String },
}

impl HeaderError {
    /// The closed code of the rule.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooShort { .. } => "file_too_short",
            Self::HeaderTooLong { .. } => "header_too_long",
            Self::Pickle { .. } => "pickled_weights",
            Self::HeaderBeyondFile { .. } => "header_beyond_file",
            Self::NotUtf8 { .. } => "header_not_utf8",
            Self::NotJson { .. } => "header_not_json",
            Self::DuplicateKey { .. } => "duplicate_tensor",
            Self::DuplicateMetadata { .. } => "duplicate_metadata",
            Self::BadEntry { .. } => "bad_tensor_entry",
            Self::InvertedOffsets { .. } => "inverted_offsets",
            Self::WrongSize { .. } => "wrong_tensor_size",
            Self::NoSize { .. } => "no_tensor_size",
            Self::Overlap { .. } => "overlapping_tensors",
            Self::Hole { .. } => "hole_between_tensors",
            Self::Truncated { .. } => "truncated",
            Self::TrailingBytes { .. } => "trailing_bytes",
        }
    }

    /// The tensor that breaks the rule, where it is one.
    #[must_use]
    pub fn tensor(&self) -> Option<&str> {
        match self {
            Self::DuplicateKey { tensor }
            | Self::BadEntry { tensor, .. }
            | Self::InvertedOffsets { tensor, .. }
            | Self::WrongSize { tensor, .. }
            | Self::NoSize { tensor, .. }
            | Self::Overlap { tensor, .. }
            | Self::Hole { tensor, .. }
            | Self::Truncated { tensor, .. } => Some(tensor),
            _ => None,
        }
    }
}

impl Header {
    /// Reads the length field in the first 8 bytes of a file.
    ///
    /// # Errors
    /// [`HeaderError::HeaderTooLong`] above [`HEADER_BYTES_MAX`], or [`HeaderError::Pickle`] where such a length is the beginning
    /// of pickled weights.
    pub fn length(first: [u8; 8]) -> Result<u64, HeaderError> {
        let length = u64::from_le_bytes(first);
        if length <= HEADER_BYTES_MAX {
            return Ok(length);
        }
        // Looked at only now: `80 02 00 …` is the length of an honest header of 640 bytes too.
        Err(match first {
            [b'P', b'K', 3, 4, ..] => {
                HeaderError::Pickle { container: "a zip archive, as torch.save writes" }
            }
            [0x80, 2..=5, ..] => HeaderError::Pickle { container: "a pickle" },
            _ => HeaderError::HeaderTooLong { length },
        })
    }

    /// Checks the first bytes of a file (length field and whole header at least) by every rule that they decide.
    ///
    /// `file_bytes` is the size of the whole file where it is known; then truncation and trailing bytes are found too.
    ///
    /// # Errors
    /// The first rule that is broken, with the tensor's name.
    pub fn parse(prefix: &[u8], file_bytes: Option<u64>) -> Result<Self, HeaderError> {
        let have = prefix.len() as u64;
        let Some((first, rest)) = prefix.split_first_chunk::<8>() else {
            return Err(HeaderError::TooShort { bytes: file_bytes.unwrap_or(have) });
        };
        let length = Self::length(*first)?;
        let left = file_bytes.unwrap_or(have).saturating_sub(8);
        if length > left || length > rest.len() as u64 {
            return Err(HeaderError::HeaderBeyondFile {
                length,
                left: left.min(rest.len() as u64),
            });
        }
        let header = Self::parse_json(&rest[..length as usize])?;
        match file_bytes {
            Some(bytes) => header.check_file_size(bytes).map(|()| header),
            None => Ok(header),
        }
    }

    /// Checks the JSON alone.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn parse_json(json: &[u8]) -> Result<Self, HeaderError> {
        let text =
            std::str::from_utf8(json).map_err(|e| HeaderError::NotUtf8 { at: e.valid_up_to() })?;
        if !text.starts_with('{') {
            return Err(HeaderError::NotJson { reason: "the first byte is not '{'".to_owned() });
        }
        let entries: Entries<Box<RawValue>> = serde_json::from_str(text)
            .map_err(|e| HeaderError::NotJson { reason: e.to_string() })?;
        let mut metadata = BTreeMap::new();
        let mut tensors = Vec::with_capacity(entries.0.len());
        let mut seen = std::collections::HashSet::with_capacity(entries.0.len());
        for (name, raw) in entries.0 {
            if !seen.insert(name.clone()) {
                return Err(HeaderError::DuplicateKey { tensor: name });
            }
            if name == "__metadata__" {
                metadata = parse_metadata(&raw)?;
            } else {
                tensors.push(parse_entry(name, &raw)?);
            }
        }
        // Tensors of no bytes share an offset with their neighbour: they come first, then by name, so that the order is one.
        tensors.sort_by(|a, b| (a.begin, a.end, &a.name).cmp(&(b.begin, b.end, &b.name)));
        let mut before = 0;
        for TensorEntry { name, begin, end, .. } in &tensors {
            let (tensor, begin) = (name.clone(), *begin);
            if begin < before {
                return Err(HeaderError::Overlap { tensor, begin, before });
            }
            if begin > before {
                return Err(HeaderError::Hole { tensor, begin, before });
            }
            before = *end;
        }
        Ok(Self { tensors, metadata, json_bytes: json.len() as u64 })
    }

    /// Compares the ends of the tensors with the size of the file.
    ///
    /// # Errors
    /// [`HeaderError::Truncated`] or [`HeaderError::TrailingBytes`].
    pub fn check_file_size(&self, file_bytes: u64) -> Result<(), HeaderError> {
        let data = file_bytes.saturating_sub(self.data_offset());
        if let Some(tensor) = self.tensors.iter().find(|t| t.end > data) {
            return Err(HeaderError::Truncated {
                tensor: tensor.name.clone(),
                end: tensor.end,
                data,
            });
        }
        match data - self.data_bytes() {
            0 => Ok(()),
            extra => Err(HeaderError::TrailingBytes { extra }),
        }
    }

    /// Where the first tensor's bytes begin in the file.
    #[must_use]
    pub const fn data_offset(&self) -> u64 {
        8 + self.json_bytes
    }

    /// Bytes of all tensors.
    #[must_use]
    pub fn data_bytes(&self) -> u64 {
        self.tensors.last().map_or(0, |t| t.end)
    }

    /// Size of the whole file.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.data_offset() + self.data_bytes()
    }

    /// The tensor of this name.
    #[must_use]
    pub fn find_tensor(&self, name: &str) -> Option<&TensorEntry> {
        self.tensors.iter().find(|t| t.name == name)
    }
}

/// A JSON object as a list, so that a key that stands twice is seen.
pub(super) struct Entries<V>(pub(super) Vec<(String, V)>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Entries<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor<V>(std::marker::PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for EntriesVisitor<V> {
            type Value = Entries<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(EntriesVisitor(std::marker::PhantomData))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

fn parse_metadata(raw: &RawValue) -> Result<BTreeMap<String, String>, HeaderError> {
    let entries: Entries<String> = serde_json::from_str(raw.get()).map_err(|e| {
        HeaderError::NotJson { reason: format!("__metadata__ is no object of texts: {e}") }
    })?;
    let mut metadata = BTreeMap::new();
    for (key, value) in entries.0 {
        if metadata.insert(key.clone(), value).is_some() {
            return Err(HeaderError::DuplicateMetadata { key });
        }
    }
    Ok(metadata)
}

fn parse_entry(tensor: String, raw: &RawValue) -> Result<TensorEntry, HeaderError> {
    let entry: RawEntry = serde_json::from_str(raw.get())
        .map_err(|e| HeaderError::BadEntry { tensor: tensor.clone(), reason: e.to_string() })?;
    let dtype: Dtype = entry.dtype.parse().map_err(|e: super::dtype::UnknownDtype| {
        HeaderError::BadEntry { tensor: tensor.clone(), reason: e.to_string() }
    })?;
    let (begin, end) = entry.data_offsets;
    let Some(given) = end.checked_sub(begin) else {
        return Err(HeaderError::InvertedOffsets { tensor, begin, end });
    };
    match dtype.tensor_bytes(&entry.shape) {
        None => Err(HeaderError::NoSize { tensor, dtype, shape: entry.shape }),
        Some(wanted) if wanted != given => {
            Err(HeaderError::WrongSize { tensor, dtype, shape: entry.shape, wanted, given })
        }
        Some(_) => Ok(TensorEntry { name: tensor, dtype, shape: entry.shape, begin, end }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(json: &str, data: usize) -> Vec<u8> {
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(json.as_bytes());
        bytes.resize(bytes.len() + data, 7);
        bytes
    }

    /// Proves that each hostile header is refused by its own rule and with its tensor's name.
    #[test]
    #[expect(clippy::too_many_lines, reason = "a table of exhibits, one beside the other")]
    fn header_refusals() {
        let a = r#""a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#;
        let cases: Vec<(&str, Vec<u8>, &str, Option<&str>)> = vec![
            ("empty", vec![], "file_too_short", None),
            ("seven bytes", vec![0; 7], "file_too_short", None),
            ("length 2^63", (1u64 << 63).to_le_bytes().to_vec(), "header_too_long", None),
            ("zip of torch.save", b"PK\x03\x04\0\0\x08\x08".to_vec(), "pickled_weights", None),
            ("pickle", b"\x80\x02\x8a\x0al\xfc\x9cF".to_vec(), "pickled_weights", None),
            ("length beyond file", 100u64.to_le_bytes().to_vec(), "header_beyond_file", None),
            (
                "not UTF-8",
                {
                    let mut f = file("{  }", 0);
                    f[9] = 0xff;
                    f
                },
                "header_not_utf8",
                None,
            ),
            ("not JSON", file("{oops}", 0), "header_not_json", None),
            ("an array", file("[]", 0), "header_not_json", None),
            ("blank before", file(" {}", 0), "header_not_json", None),
            ("text after", file("{} x", 0), "header_not_json", None),
            ("same name twice", file(&format!("{{{a},{a}}}"), 8), "duplicate_tensor", Some("a")),
            (
                "same key twice",
                file(r#"{"a":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#, 0),
                "bad_tensor_entry",
                Some("a"),
            ),
            (
                "unknown dtype",
                file(r#"{"a":{"dtype":"F33","shape":[2],"data_offsets":[0,8]}}"#, 8),
                "bad_tensor_entry",
                Some("a"),
            ),
            (
                "unknown key",
                file(r#"{"a":{"dtype":"U8","x":1,"shape":[0],"data_offsets":[0,0]}}"#, 0),
                "bad_tensor_entry",
                Some("a"),
            ),
            (
                "negative dimension",
                file(r#"{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,0]}}"#, 0),
                "bad_tensor_entry",
                Some("a"),
            ),
            (
                "shape times dtype",
                file(r#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#, 8),
                "wrong_tensor_size",
                Some("a"),
            ),
            (
                "overflowing shape",
                file(
                    r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,8]}}"#,
                    8,
                ),
                "no_tensor_size",
                Some("a"),
            ),
            (
                "half a byte",
                file(r#"{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}}"#, 2),
                "no_tensor_size",
                Some("a"),
            ),
            (
                "inverted",
                file(r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}}"#, 1),
                "inverted_offsets",
                Some("a"),
            ),
            (
                "overlap",
                file(
                    &format!(r#"{{{a},"b":{{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}}}"#),
                    12,
                ),
                "overlapping_tensors",
                Some("b"),
            ),
            (
                "hole",
                file(
                    &format!(r#"{{{a},"b":{{"dtype":"F32","shape":[2],"data_offsets":[9,17]}}}}"#),
                    17,
                ),
                "hole_between_tensors",
                Some("b"),
            ),
            (
                "hole at the start",
                file(r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#, 2),
                "hole_between_tensors",
                Some("a"),
            ),
            ("truncated", file(&format!("{{{a}}}"), 7), "truncated", Some("a")),
            ("trailing", file(&format!("{{{a}}}"), 9), "trailing_bytes", None),
            ("metadata no text", file(r#"{"__metadata__":{"k":1}}"#, 0), "header_not_json", None),
            (
                "metadata twice",
                file(r#"{"__metadata__":{"k":"1","k":"2"}}"#, 0),
                "duplicate_metadata",
                None,
            ),
        ];
        for (name, bytes, code, tensor) in cases {
            let error = Header::parse(&bytes, Some(bytes.len() as u64)).expect_err(name);
            assert_eq!((error.code(), error.tensor()), (code, tensor), "{name}: {error}");
        }
    }

    /// Proves that a good header is read whole: order of bytes, scalars, empty tensors, padding, metadata.
    #[test]
    fn header_accepts() {
        let json = r#"{"b":{"dtype":"F32","shape":[],"data_offsets":[2,6]},"__metadata__":{"k":"v"},"e":{"dtype":"U8","shape":[0,5],"data_offsets":[2,2]},"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}   "#;
        let bytes = file(json, 6);
        let header = Header::parse(&bytes, Some(bytes.len() as u64)).unwrap();
        assert_eq!(
            header.tensors.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(),
            ["a", "e", "b"]
        );
        assert_eq!((header.metadata["k"].as_str(), header.file_bytes()), ("v", bytes.len() as u64));
        assert_eq!(Header::parse(&file("{}", 0), Some(10)).unwrap().data_bytes(), 0);
    }
}
