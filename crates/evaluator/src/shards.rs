//! A checkpoint in shards: the index is read, every shard beside it opened, and the one held against the others.

use std::{fs::File, io::Read as _, path::Path};

use domain::{
    checkpoint::{
        Header, INDEX_BYTES_MAX, SetDocument, ShardError, ShardFile, ShardIndex, check_index_bytes,
        check_set_header_bytes,
    },
    digest::Digest,
};

use crate::{
    error::{EvaluationError, Side},
    safetensors_file::{FileError, SafetensorsFile},
    subject::io_error,
};

/// The files of a checkpoint, and what they are together.
pub(crate) struct OpenShards {
    /// Digest of the checkpoint.
    pub digest: Digest,
    /// Names and digests of the shards; empty for a checkpoint of one file.
    pub shards: Vec<ShardFile>,
    /// The open files, in the same order.
    pub files: Vec<SafetensorsFile>,
}

/// Opens the shards of an index, which lie beside it.
pub(crate) fn open_shards(side: Side, path: &Path) -> Result<OpenShards, EvaluationError> {
    let refuse = |source: ShardError| EvaluationError::Shards { side, source };
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(INDEX_BYTES_MAX + 1).read_to_end(&mut text))
        .map_err(io_error("cannot read", path))?;
    check_index_bytes(text.len() as u64).map_err(refuse)?;
    let index = ShardIndex::parse(&text).map_err(refuse)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let (mut shards, mut files, mut header_bytes) = (Vec::new(), Vec::new(), 0);
    for name in index.files() {
        let path = folder.join(name);
        // Left out, so that the check names a tensor that is missed.
        if !path.exists() {
            continue;
        }
        let file = SafetensorsFile::open(&path).map_err(|error| match error {
            FileError::Io(source) => io_error("cannot read", &path)(source),
            FileError::Header(source) => {
                EvaluationError::Shard { side, file: name.to_owned(), source }
            }
        })?;
        header_bytes += file.header.json_bytes;
        check_set_header_bytes(header_bytes).map_err(refuse)?;
        let digest = file.digest().map_err(io_error("cannot read", &path))?;
        shards.push(ShardFile { file: name.to_owned(), digest });
        files.push(file);
    }
    let document = SetDocument::try_new(&text, shards).map_err(refuse)?;
    let headers: Vec<Header> = files.iter().map(|file| file.header.clone()).collect();
    document.check(&headers).map_err(refuse)?;
    let digest = document.digest().map_err(refuse)?;
    Ok(OpenShards { digest, shards: document.shards, files })
}
