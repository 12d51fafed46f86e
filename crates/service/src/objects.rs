//! Objects: received, checked, and entered into the registry together with their tensors.

use bytes::Bytes;
use checkpoint::ObjectKind;
use domain::{
    checkpoint::{GraphTensor, Header, SET_DOCUMENT_BYTES_MAX, SetDocument, bind_files},
    digest::Digest,
};
use futures::Stream;
use store::{TensorRow, checkpoint_tensor, stored_object};

use crate::{
    Service, ServiceError,
    accounts::{Entry, RecordAs},
    token::{Caller, Scope},
};

/// What an uploader says his bytes are.
#[derive(Clone, Copy, Debug)]
pub enum Upload {
    /// A safetensors file.
    Checkpoint,
    /// The document of a checkpoint in shards, all of them already stored.
    Shards,
    /// A weightless graph that binds to this checkpoint.
    Graph {
        /// The checkpoint, already stored.
        checkpoint: Digest,
    },
}

/// A stored object.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its identity.
    pub digest: Digest,
    /// Its size.
    pub bytes: u64,
    /// Tensors in it, for a safetensors file.
    pub tensors: Option<u64>,
}

/// One row of a checkpoint's manifest.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// Place in the file, or in all shards one after the other, from 0.
    pub position: u64,
    /// The shard that holds it; none in a checkpoint of one file.
    pub file: Option<String>,
    /// Name.
    pub name: String,
    /// Element type.
    pub dtype: String,
    /// Lengths of the axes.
    pub shape: Vec<u64>,
    /// Bytes.
    pub bytes: u64,
    /// Key over type, shape and bytes, in hexadecimal digits.
    pub key: String,
}

impl Service {
    /// Receives an object under its announced digest.
    ///
    /// # Errors
    /// [`ServiceError::Upload`], [`ServiceError::Binding`] or [`ServiceError::Shards`] with rule and tensor; nothing is stored then.
    pub async fn upload<S, E>(
        &self,
        caller: &Caller,
        digest: Digest,
        length: Option<u64>,
        upload: Upload,
        stream: S,
    ) -> Result<Object, ServiceError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: std::fmt::Display + Send,
    {
        if !caller.may(Scope::Publish) && !caller.may(Scope::Operate) {
            return Err(Scope::Publish.into());
        }
        if let Some(bytes) = length {
            self.check_quota(caller, digest, bytes).await?;
        }
        let (staged, kind) = match upload {
            Upload::Checkpoint => {
                let kind = ObjectKind::Checkpoint;
                let staged = self.objects.stage_object(kind, Some(digest), length, stream).await?;
                (staged, store::ObjectKind::Checkpoint)
            }
            Upload::Shards => {
                let bytes = collect(stream, SET_DOCUMENT_BYTES_MAX).await?;
                let found = Digest::of(&bytes);
                if found != digest {
                    let wrong = checkpoint::ReceiveError::WrongDigest { declared: digest, found };
                    return Err(wrong.into());
                }
                return self.register_set(caller, &SetDocument::parse(&bytes)?).await;
            }
            Upload::Graph { checkpoint } => {
                let bytes = collect(stream, ObjectKind::Graph.bytes_max()).await?;
                // What a refusal says about the checkpoint is only for those who may read it.
                self.check_checkpoint_readable(&caller.into(), checkpoint).await?;
                // Checked before it is stored: a graph that does not fit leaves nothing behind.
                let headers = self.headers_of(checkpoint).await?;
                bind_files(&headers.iter().collect::<Vec<_>>(), &wanted_tensors(&bytes)?)?;
                let pieces = futures::stream::iter([Ok::<_, std::convert::Infallible>(bytes)]);
                let kind = ObjectKind::Graph;
                let staged = self.objects.stage_object(kind, Some(digest), length, pieces).await?;
                (staged, store::ObjectKind::Graph)
            }
        };
        let (digest, bytes) = (staged.digest(), staged.bytes());
        let entry = Entry::of(caller);
        let manifest = self.accounts().enter(staged, entry, RecordAs::Object(kind)).await?;
        Ok(Object { digest, bytes, tensors: manifest.map(|c| c.keys.len() as u64) })
    }

    /// The checked header of a stored safetensors file, read from its own bytes.
    pub(crate) async fn header_of(&self, digest: Digest) -> Result<Header, ServiceError> {
        Ok(self.header_and_text_of(digest).await?.0)
    }

    /// As [`Self::header_of`], with its JSON.
    pub(crate) async fn header_and_text_of(
        &self,
        digest: Digest,
    ) -> Result<(Header, Vec<u8>), ServiceError> {
        let header = self.read_header(digest).await;
        self.absent_if_collected(digest, header).await
    }

    async fn read_header(&self, digest: Digest) -> Result<(Header, Vec<u8>), ServiceError> {
        let size = self.objects.size(digest).await?;
        let prefix = |end: u64| async move {
            use futures::TryStreamExt as _;
            let pieces: Vec<Bytes> = self
                .objects
                .stream(digest, Some(0..end.min(size)))
                .await?
                .try_collect()
                .await
                .map_err(ServiceError::internal)?;
            Ok::<_, ServiceError>(pieces.concat())
        };
        let not_a_checkpoint = || {
            ServiceError::invalid("checkpoint", format!("object {digest} is no safetensors file"))
        };
        let first: [u8; 8] = prefix(8).await?.try_into().map_err(|_| not_a_checkpoint())?;
        let length = Header::length(first).map_err(|_| not_a_checkpoint())?;
        let mut text = prefix(8 + length).await?;
        let header = Header::parse(&text, Some(size)).map_err(|_| not_a_checkpoint())?;
        Ok((header, text.split_off(8)))
    }

    /// A stored object.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] if there is none.
    pub async fn get_object(&self, digest: Digest) -> Result<Object, ServiceError> {
        let row = stored_object::find(&self.store, &digest.hex()).await?;
        let row = row.ok_or_else(|| ServiceError::absent("object", digest.to_string()))?;
        let tensors = match row.kind {
            store::ObjectKind::Checkpoint => {
                Some(checkpoint_tensor::count(&self.store, &row.digest).await?.unsigned_abs())
            }
            _ => None,
        };
        Ok(Object { digest, bytes: row.bytes.unsigned_abs(), tensors })
    }

    /// The tensors of a stored checkpoint after `position`, at most `limit`, in the order of the file or of the shards.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn list_tensors(
        &self,
        digest: Digest,
        after: Option<i64>,
        limit: u64,
    ) -> Result<Vec<Tensor>, ServiceError> {
        let rows = checkpoint_tensor::list(&self.store, &digest.hex(), after, limit).await?;
        let shards = self.all_shards(digest).await?;
        let file = |position: u64| {
            let before = shards.partition_point(|shard| shard.first_tensor <= position);
            before.checked_sub(1).map(|place| shards[place].file.clone())
        };
        let tensor = |row: TensorRow| {
            Ok(Tensor {
                file: file(row.position.unsigned_abs()),
                position: row.position.unsigned_abs(),
                name: row.name,
                dtype: row.dtype,
                shape: serde_json::from_str(&row.shape).map_err(ServiceError::internal)?,
                bytes: (row.end_byte - row.begin_byte).unsigned_abs(),
                key: row.tensor_key,
            })
        };
        rows.into_iter().map(tensor).collect()
    }

    /// The tensor of a name in a stored checkpoint, the file that it lies in, and its bytes in that file.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] if the checkpoint has none of this name.
    pub async fn get_tensor(
        &self,
        digest: Digest,
        name: &str,
    ) -> Result<(Tensor, Digest, std::ops::Range<u64>), ServiceError> {
        let row = checkpoint_tensor::find_by_name(&self.store, &digest.hex(), name).await?;
        let row = row.ok_or_else(|| ServiceError::absent("tensor", name))?;
        let shards = self.all_shards(digest).await?;
        let position = row.position.unsigned_abs();
        let before = shards.partition_point(|shard| shard.first_tensor <= position);
        let shard = before.checked_sub(1).map(|place| &shards[place]);
        let file = shard.map_or(digest, |shard| shard.digest);
        let header = self.header_of(file).await?;
        let entry = header.tensors.iter().find(|tensor| tensor.name == name);
        let entry = entry.ok_or_else(|| ServiceError::absent("tensor", name))?;
        let range = header.data_offset() + entry.begin..header.data_offset() + entry.end;
        let tensor = Tensor {
            file: shard.map(|shard| shard.file.clone()),
            position,
            name: row.name,
            dtype: row.dtype,
            shape: serde_json::from_str(&row.shape).map_err(ServiceError::internal)?,
            bytes: range.end - range.start,
            key: row.tensor_key,
        };
        Ok((tensor, file, range))
    }

    /// A signed link to an object that lies whole in a bucket; none where there is no such thing. Who may have it is for the
    /// caller to check.
    ///
    /// # Errors
    /// [`ServiceError::Absent`], or the storage's failure.
    pub async fn signed_link(&self, digest: Digest) -> Result<Option<String>, ServiceError> {
        Ok(self.objects.signed_link(digest).await?)
    }

    /// Bytes of a stored object: of a registered one, or of a document such as a report.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] if there is none.
    pub async fn object_size(&self, digest: Digest) -> Result<u64, ServiceError> {
        Ok(self.objects.size(digest).await?)
    }

    /// The bytes of an object, or a range of them.
    ///
    /// # Errors
    /// [`ServiceError::Absent`], or [`ServiceError::Internal`] if the storage fails.
    pub async fn open_object(
        &self,
        digest: Digest,
        range: Option<std::ops::Range<u64>>,
    ) -> Result<futures::stream::BoxStream<'static, Result<Bytes, std::io::Error>>, ServiceError>
    {
        Ok(self.objects.stream(digest, range).await?)
    }
}

/// The tensors that a weightless graph names; every refusal of the evaluator's reader is the sender's fault.
pub(crate) fn wanted_tensors(graph: &[u8]) -> Result<Vec<GraphTensor>, ServiceError> {
    let graph = evaluator::graph::Graph::parse(graph)
        .map_err(|e| ServiceError::Graph { code: "graph_refused", reason: e.to_string() })?;
    Ok(graph.tensors().to_vec())
}

async fn collect<S, E>(stream: S, bytes_max: u64) -> Result<Bytes, ServiceError>
where
    S: Stream<Item = Result<Bytes, E>>,
    E: std::fmt::Display,
{
    use futures::StreamExt as _;
    let mut stream = std::pin::pin!(stream);
    let mut whole = Vec::new();
    while let Some(chunk) = stream.next().await {
        let after = whole.len() as u64;
        let chunk = chunk
            .map_err(|e| checkpoint::ReceiveError::Interrupted { after, reason: e.to_string() })?;
        if after + chunk.len() as u64 > bytes_max {
            return Err(checkpoint::ReceiveError::TooLarge { bytes_max }.into());
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.into())
}
