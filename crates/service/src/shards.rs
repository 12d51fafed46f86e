//! Checkpoints in shards: one document names index and shards, and stands for the checkpoint wherever one is named.

use bytes::Bytes;
use checkpoint::ObjectKind;
use domain::{
    checkpoint::{
        Header, SHARDS_MAX, SetDocument, ShardError, ShardFile, ShardIndex, check_set_header_bytes,
    },
    digest::Digest,
};
use store::{ShardRow, TensorRow, checkpoint_shard, checkpoint_tensor, stored_object};

use crate::{
    Service, ServiceError,
    accounts::{Entry, RecordAs},
    objects::Object,
    token::Caller,
    visibility::Reader,
};

/// Rows of a shard's manifest read from the database at a time.
const PAGE_TENSORS: u64 = 5000;

/// A file of a checkpoint in shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Place among the shards, from 0.
    pub position: u64,
    /// Its name.
    pub file: String,
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// How many they are.
    pub bytes: u64,
    /// Place of its first tensor among those of the checkpoint.
    pub first_tensor: u64,
}

impl TryFrom<ShardRow> for Shard {
    type Error = ServiceError;

    fn try_from(row: ShardRow) -> Result<Self, ServiceError> {
        Ok(Self {
            position: row.position.unsigned_abs(),
            file: row.file,
            digest: row.shard_digest.parse().map_err(ServiceError::internal)?,
            bytes: row.bytes.unsigned_abs(),
            first_tensor: row.first_tensor.unsigned_abs(),
        })
    }
}

impl Service {
    /// The shards of a checkpoint after `position`, at most `limit`; none for a checkpoint of one file.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn list_shards(
        &self,
        checkpoint: Digest,
        after: Option<i64>,
        limit: u64,
    ) -> Result<Vec<Shard>, ServiceError> {
        let rows = checkpoint_shard::list(&self.store, &checkpoint.hex(), after, limit).await?;
        rows.into_iter().map(Shard::try_from).collect()
    }

    /// All shards of a checkpoint; their number is bounded.
    pub(crate) async fn all_shards(&self, checkpoint: Digest) -> Result<Vec<Shard>, ServiceError> {
        self.list_shards(checkpoint, None, SHARDS_MAX as u64).await
    }

    /// Bytes of a checkpoint's one file, or of all its shards.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] if there is no such object.
    pub async fn checkpoint_bytes(&self, checkpoint: Digest) -> Result<u64, ServiceError> {
        let shards = self.all_shards(checkpoint).await?;
        if shards.is_empty() {
            return Ok(self.get_object(checkpoint).await?.bytes);
        }
        Ok(shards.iter().map(|shard| shard.bytes).sum())
    }

    /// The document of a checkpoint in shards; none for a checkpoint of one file.
    pub(crate) async fn find_set_document(
        &self,
        checkpoint: Digest,
    ) -> Result<Option<SetDocument>, ServiceError> {
        if self.list_shards(checkpoint, None, 1).await?.is_empty() {
            return Ok(None);
        }
        let document = SetDocument::parse(&self.objects.read(checkpoint).await?);
        document.map(Some).map_err(ServiceError::internal)
    }

    /// The headers of a checkpoint's one file, or of its shards in their order.
    pub(crate) async fn headers_of(&self, checkpoint: Digest) -> Result<Vec<Header>, ServiceError> {
        let shards = self.all_shards(checkpoint).await?;
        if shards.is_empty() {
            return Ok(vec![self.header_of(checkpoint).await?]);
        }
        self.headers_of_files(shards.iter().map(|shard| shard.digest)).await
    }

    async fn headers_of_files(
        &self,
        files: impl Iterator<Item = Digest> + Send,
    ) -> Result<Vec<Header>, ServiceError> {
        let (mut headers, mut header_bytes) = (Vec::new(), 0u64);
        for file in files {
            let header = self.header_of(file).await?;
            header_bytes = header_bytes.saturating_add(header.json_bytes);
            check_set_header_bytes(header_bytes)?;
            headers.push(header);
        }
        Ok(headers)
    }

    /// Checks that the reader may have the bytes of a checkpoint, of its object and of each of its shards, and may run them.
    ///
    /// The cases of a suite are nobody's weights: a graph that binds the right answers would know them.
    /// Whoever registered a set holds its document for ever, but perhaps not the shards, of which some were only lent to him.
    pub(crate) async fn check_checkpoint_readable(
        &self,
        reader: &Reader,
        checkpoint: Digest,
    ) -> Result<(), ServiceError> {
        self.check_weights_readable(reader, checkpoint).await?;
        for shard in self.all_shards(checkpoint).await? {
            self.check_weights_readable(reader, shard.digest).await?;
        }
        Ok(())
    }

    async fn check_weights_readable(
        &self,
        reader: &Reader,
        digest: Digest,
    ) -> Result<(), ServiceError> {
        if self.is_hidden(digest).await? {
            return Err(ServiceError::absent("object", digest.to_string()));
        }
        self.check_object_readable(reader, digest).await
    }

    /// Enters a set of shards into the registry as one checkpoint: every shard is stored and the caller may read it, and the index
    /// is what the shards' headers say. The same set again changes nothing.
    ///
    /// # Errors
    /// [`ServiceError::Shards`] with file, tensor and rule; nothing is stored then.
    pub(crate) async fn register_set(
        &self,
        caller: &Caller,
        document: &SetDocument,
    ) -> Result<Object, ServiceError> {
        for shard in &document.shards {
            self.check_shard(&caller.into(), document, shard).await?;
        }
        let headers = self.headers_of_files(document.shards.iter().map(|s| s.digest)).await?;
        document.check(&headers)?;
        let bytes = document.to_bytes()?;
        let digest = Digest::of(&bytes);
        let tensors: u64 = headers.iter().map(|header| header.tensors.len() as u64).sum();
        let object = Object { digest, bytes: bytes.len() as u64, tensors: Some(tensors) };
        let (shards, tensors) = self.rows_of_set(digest, document, &headers).await?;
        let cited: Vec<Digest> = document.shards.iter().map(|shard| shard.digest).collect();
        self.account_for(&cited, caller.now).await?;
        let (length, kind) = (Some(bytes.len() as u64), ObjectKind::Document);
        let piece = futures::stream::iter([Ok::<_, std::convert::Infallible>(Bytes::from(bytes))]);
        let staged = self.objects.stage_object(kind, Some(digest), length, piece).await?;
        let entry = Entry::of(caller);
        self.accounts().enter(staged, entry, RecordAs::Set { shards, tensors }).await?;
        Ok(object)
    }

    /// A shard that is not there and one that the caller may not read get the same answer, with a tensor that is missed.
    async fn check_shard(
        &self,
        reader: &Reader,
        document: &SetDocument,
        shard: &ShardFile,
    ) -> Result<(), ServiceError> {
        let found = stored_object::find(&self.store, &shard.digest.hex()).await?;
        let is_file = found.is_some_and(|row| row.kind == store::ObjectKind::Checkpoint)
            && self.list_shards(shard.digest, None, 1).await?.is_empty();
        let readable = self.check_weights_readable(reader, shard.digest).await;
        match readable {
            Ok(()) if is_file => return Ok(()),
            Ok(()) | Err(ServiceError::Absent { .. } | ServiceError::Gated(_)) => {}
            Err(error) => return Err(error),
        }
        let index = ShardIndex::parse(document.index.as_bytes())?;
        let tensor = index.weight_map.into_iter().find(|(_, file)| *file == shard.file);
        let tensor = tensor.map(|(tensor, _)| tensor).unwrap_or_default();
        Err(ShardError::ShardMissing { file: shard.file.clone(), tensor }.into())
    }

    /// The rows of a set: its shards, and the tensors of all of them under its own digest, so that manifest, structure, search and
    /// differences see one checkpoint.
    async fn rows_of_set(
        &self,
        digest: Digest,
        document: &SetDocument,
        headers: &[Header],
    ) -> Result<(Vec<ShardRow>, Vec<TensorRow>), ServiceError> {
        let hex = digest.hex();
        let (mut shards, mut tensors) = (Vec::new(), Vec::new());
        for (shard, header) in document.shards.iter().zip(headers) {
            let first_tensor = tensors.len() as i64;
            let file_hex = shard.digest.hex();
            let mut after = None;
            loop {
                let page =
                    checkpoint_tensor::list(&self.store, &file_hex, after, PAGE_TENSORS).await?;
                let Some(last) = page.last() else { break };
                after = Some(last.position);
                tensors.extend(page.into_iter().map(|row| TensorRow {
                    checkpoint_digest: hex.clone(),
                    position: first_tensor + row.position,
                    ..row
                }));
            }
            if tensors.len() as i64 - first_tensor != header.tensors.len() as i64 {
                let text = format!("the manifest of {} is not whole", shard.digest);
                return Err(ServiceError::internal(text));
            }
            shards.push(ShardRow {
                checkpoint_digest: hex.clone(),
                position: shards.len() as i64,
                file: shard.file.clone(),
                shard_digest: file_hex,
                bytes: header.file_bytes() as i64,
                first_tensor,
            });
        }
        Ok((shards, tensors))
    }
}
