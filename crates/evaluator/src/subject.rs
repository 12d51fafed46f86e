//! One checkpoint with its graph: opened, checked, bound, put into a private folder.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use domain::{
    checkpoint::{Header, INDEX_FILE, ShardFile, bind_files},
    digest::Digest,
};

use crate::{
    device::Device,
    error::{EvaluationError, Side},
    graph::{GRAPH_BYTES_MAX, Graph, GraphError},
    protocol::JobSubject,
    safetensors_file::{FileError, SafetensorsFile},
    shards::{OpenShards, open_shards},
};

/// A checkpoint and the weightless graph that gives its tensors meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The safetensors file; or `model.safetensors.index.json`, whose shards lie beside it.
    pub checkpoint: PathBuf,
    /// The ONNX graph.
    pub graph: PathBuf,
}

/// A subject that passed every check which needs no inference.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub side: Side,
    pub graph: Graph,
    pub graph_digest: Digest,
    /// Digest of the one file, or of the set of shards.
    pub weights_digest: Digest,
    /// The shards by name; empty for a checkpoint of one file.
    pub shards: Vec<ShardFile>,
    /// Items of one call at most; set when graph and suite have met.
    pub call_items: u64,
    /// Cases of every call, where the graph fixes its batch axis.
    pub fixed_rows: Option<u64>,
    /// The one file, or the shards in their order.
    weights: Vec<SafetensorsFile>,
}

impl Prepared {
    /// Reads graph and headers, checks both and their fit.
    pub(crate) fn open(side: Side, subject: &Subject) -> Result<Self, EvaluationError> {
        let path = &subject.checkpoint;
        let is_index = path.file_name().is_some_and(|name| name == INDEX_FILE);
        let OpenShards { digest, shards, files } =
            if is_index { open_shards(side, path)? } else { open_one(side, path)? };
        let mut bytes = Vec::new();
        File::open(&subject.graph)
            .and_then(|file| file.take(GRAPH_BYTES_MAX + 1).read_to_end(&mut bytes))
            .map_err(io_error("cannot read", &subject.graph))?;
        let refuse = |source| EvaluationError::Graph { side, source };
        let graph = Graph::parse(&bytes).map_err(refuse)?;
        let headers: Vec<&Header> = files.iter().map(|file| &file.header).collect();
        bind_files(&headers, graph.tensors()).map_err(|e| refuse(GraphError::Binding(e)))?;
        Ok(Self {
            side,
            graph,
            graph_digest: Digest::of(&bytes),
            weights_digest: digest,
            shards,
            call_items: 1,
            fixed_rows: None,
            weights: files,
        })
    }

    /// Bytes of the files that the graph may read.
    pub(crate) fn weight_bytes(&self) -> u64 {
        self.weights.iter().map(|file| file.header.data_bytes()).sum()
    }

    /// What a job says about this subject.
    pub(crate) fn job(&self) -> JobSubject {
        JobSubject {
            graph: self.graph_name(),
            call_items: self.call_items,
            fixed_rows: self.fixed_rows,
        }
    }

    /// The same for calls of any size, where the graph takes any.
    pub(crate) fn job_of_any_size(&self) -> JobSubject {
        let call_items = if self.fixed_rows.is_some() { self.call_items } else { u64::MAX };
        JobSubject { call_items, ..self.job() }
    }

    /// File names in the private folder.
    pub(crate) fn files(&self) -> Vec<String> {
        let weights = (0..self.weights.len()).map(|place| self.weights_name(place));
        std::iter::once(self.graph_name()).chain(weights).collect()
    }

    /// Whether its files are moved into a child's folder and back instead of being linked.
    pub(crate) const fn is_moved(&self) -> bool {
        self.graph.has_body_weights()
    }

    fn graph_name(&self) -> String {
        format!("{}.onnx", self.side)
    }

    fn weights_name(&self, place: usize) -> String {
        match self.shards.len() {
            0 => format!("{}.safetensors", self.side),
            _ => format!("{}-{place}.safetensors", self.side),
        }
    }

    /// Puts the weights and the graph bound to them into `folder`.
    pub(crate) fn put(&self, folder: &Path, device: Device) -> Result<(), EvaluationError> {
        let names: Vec<String> =
            (0..self.weights.len()).map(|place| self.weights_name(place)).collect();
        let mut headers = Vec::with_capacity(names.len());
        for (file, name) in self.weights.iter().zip(&names) {
            headers.push(put_weights(file, &folder.join(name), self.graph.has_body_weights())?);
        }
        let files: Vec<(&Header, &str)> =
            headers.iter().zip(names.iter().map(String::as_str)).collect();
        let bound = match device {
            Device::Cpu => self.graph.bind_for_processor(&files),
            Device::Cuda(_) => self.graph.bind_files(&files),
        };
        let bound = bound.map_err(|source| EvaluationError::Graph { side: self.side, source })?;
        let graph = folder.join(self.graph_name());
        fs::write(&graph, bound).map_err(io_error("cannot write", &graph))
    }
}

fn open_one(side: Side, path: &Path) -> Result<OpenShards, EvaluationError> {
    let file = SafetensorsFile::open(path).map_err(|error| match error {
        FileError::Io(source) => io_error("cannot read", path)(source),
        FileError::Header(source) => EvaluationError::Checkpoint { side, source },
    })?;
    let digest = file.digest().map_err(io_error("cannot read", path))?;
    Ok(OpenShards { digest, shards: Vec::new(), files: vec![file] })
}

/// Puts one file of weights at `to`, as a file of its own where it must be; its header as it stands there.
fn put_weights(file: &SafetensorsFile, to: &Path, own: bool) -> Result<Header, EvaluationError> {
    let mut header = file.header.clone();
    if header.data_offset().is_multiple_of(8) && own {
        fs::copy(&file.path, to)
            .and_then(|_| read_only(to))
            .map_err(io_error("cannot write", to))?;
    } else if header.data_offset().is_multiple_of(8) {
        link_or_copy(&file.path, to).map_err(io_error("cannot write", to))?;
    } else {
        // Kernels read whole words: data that starts at an odd place is moved, by blanks behind the JSON.
        let blanks = 8 - header.data_offset() % 8;
        copy_realigned(&file.path, to, header.json_bytes, blanks)
            .map_err(io_error("cannot write", to))?;
        header.json_bytes += blanks;
    }
    Ok(header)
}

/// A hard link where the file system allows one, else a read-only copy.
///
/// The permissions of a linked file are the owner's and stay as they are.
pub(crate) fn link_or_copy(from: &Path, to: &Path) -> io::Result<()> {
    // A link to a symbolic link would lead out of the folder, and ONNX Runtime refuses that.
    let from = from.canonicalize()?;
    if fs::hard_link(&from, to).is_err() {
        fs::copy(&from, to)?;
        read_only(to)?;
    }
    Ok(())
}

fn copy_realigned(from: &Path, to: &Path, json_bytes: u64, blanks: u64) -> io::Result<()> {
    let mut source = File::open(from)?;
    source.seek(SeekFrom::Start(8))?;
    let mut target = File::create_new(to)?;
    target.write_all(&(json_bytes + blanks).to_le_bytes())?;
    io::copy(&mut (&source).take(json_bytes), &mut target)?;
    io::copy(&mut io::repeat(b' ').take(blanks), &mut target)?;
    io::copy(&mut source, &mut target)?;
    read_only(to)
}

fn read_only(path: &Path) -> io::Result<()> {
    let mut permissions = fs::metadata(path)?.permissions();
    permissions.set_readonly(true);
    fs::set_permissions(path, permissions)
}

pub(crate) fn io_error(
    what: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> EvaluationError {
    let path = path.to_owned();
    move |source| EvaluationError::Io { what, path, source }
}

#[cfg(test)]
mod tests {
    use domain::checkpoint::Header;

    use super::*;

    /// Proves that a file whose data starts at an odd place is moved to a multiple of 8, tensors unchanged.
    #[test]
    fn odd_data_is_realigned() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("a"), folder.path().join("b"));
        let json = br#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(json);
        bytes.extend_from_slice(b"data");
        fs::write(&from, bytes).unwrap();
        let before = SafetensorsFile::open(&from).ok().unwrap().header;
        let blanks = 8 - before.data_offset() % 8;
        copy_realigned(&from, &to, before.json_bytes, blanks).unwrap();
        let after = SafetensorsFile::open(&to).ok().unwrap();
        assert_eq!(after.header.data_offset() % 8, 0);
        assert_eq!(after.header, Header { json_bytes: before.json_bytes + blanks, ..before });
        assert_eq!(after.read(&after.header.tensors[0]).unwrap(), b"data");
    }
}
