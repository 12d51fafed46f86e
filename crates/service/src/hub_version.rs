//! A commit that holds weights and a graph at its top is a version: one file, or an index with its shards.

use domain::{
    checkpoint::{
        INDEX_FILE, SetDocument, ShardFile, ShardIndex, check_index_bytes, check_set_header_bytes,
        weights_file,
    },
    digest::Digest,
};

use crate::{
    Service, ServiceError,
    hub::{HubFile, HubRepo},
    hub_commit::{HubCommit, Tree},
    objects::Upload,
    token::Caller,
    versions::PublishVersion,
};

/// The graph of a commit that is a version.
const GRAPH: &str = "graph.onnx";

/// The weights of a commit.
enum Weights {
    OneFile(Digest),
    Shards(SetDocument),
}

/// What the shards of an index say of themselves.
#[derive(Debug)]
pub struct HubShards {
    /// The text of the index.
    pub index: String,
    /// Name and header text of each shard.
    pub headers: Vec<(String, String)>,
}

impl Service {
    /// Publishes the commit as a version if its files are new together and bind; a sentence says why they do not.
    pub(crate) async fn publish_hub_version(
        &self,
        caller: &Caller,
        repo: &HubRepo,
        commit: &HubCommit,
        before: &Tree,
        after: &Tree,
    ) -> Result<Option<String>, ServiceError> {
        let weights = match self.hub_version_weights(before, after).await {
            Ok(Some(weights)) => weights,
            Ok(None) => return Ok(None),
            Err(error) => return refusal(error),
        };
        let (checkpoint, set) = match weights {
            Weights::OneFile(digest) => (digest, None),
            Weights::Shards(document) => (document.digest()?, Some(document)),
        };
        if let Some(document) = set
            && let Err(error) = self.register_set(caller, &document).await
        {
            return refusal(error);
        }
        let Some(HubFile { digest: graph, bytes, .. }) = after.get(GRAPH).cloned() else {
            return Ok(None);
        };
        let stream = self.open_object(graph, None).await?;
        // The same check as for a graph that is sent by itself: it must bind before it is registered.
        let upload = Upload::Graph { checkpoint };
        if let Err(error) = self.upload(caller, graph, Some(bytes), upload, stream).await {
            return refusal(error);
        }
        let version = commit.version_name().parse().map_err(ServiceError::internal)?;
        let input = PublishVersion { model: repo.model.name.clone(), version, checkpoint, graph };
        let key = format!("hub.version.{}.{}", repo.model.id, commit.id);
        match self.publish_version(caller, &key, &input).await {
            // The same commit was published before under another head of the same tree.
            Ok(_) | Err(ServiceError::Exists { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The weights of a commit, if it has weights and a graph and they are not all those of the commit before it.
    async fn hub_version_weights(
        &self,
        before: &Tree,
        after: &Tree,
    ) -> Result<Option<Weights>, ServiceError> {
        let name = weights_file(|path| after.contains_key(path));
        let (Some(weights), true) = (after.get(name), after.contains_key(GRAPH)) else {
            return Ok(None);
        };
        let same = |path: &str| {
            let digest = |tree: &Tree| tree.get(path).map(|file| file.digest);
            digest(before) == digest(after)
        };
        let same_pair = same(name) && same(GRAPH);
        if name != INDEX_FILE {
            return Ok((!same_pair).then_some(Weights::OneFile(weights.digest)));
        }
        let text = self.read_hub_index(weights).await?;
        let index = match ShardIndex::parse(&text) {
            // Said once, of the commit that brought it.
            Err(_) if same_pair => return Ok(None),
            other => other?,
        };
        if same_pair && index.files().into_iter().all(same) {
            return Ok(None);
        }
        let shard = |file: &str| {
            let digest = after.get(file)?.digest;
            Some(ShardFile { file: file.to_owned(), digest })
        };
        let shards = index.files().into_iter().filter_map(shard).collect();
        Ok(Some(Weights::Shards(SetDocument::try_new(&text, shards)?)))
    }

    /// The files that hold the weights at the top of a commit: the one, or those shards of its index that are there.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the storage fails.
    pub async fn hub_weights(&self, tree: &Tree) -> Result<Vec<HubFile>, ServiceError> {
        let name = weights_file(|path| tree.contains_key(path));
        let Some(file) = tree.get(name) else { return Ok(Vec::new()) };
        if name != INDEX_FILE {
            return Ok(vec![file.clone()]);
        }
        if check_index_bytes(file.bytes).is_err() {
            return Ok(Vec::new());
        }
        let index = ShardIndex::parse(&self.read_hub_index(file).await?);
        let Ok(index) = index else { return Ok(Vec::new()) };
        Ok(index.files().into_iter().filter_map(|shard| tree.get(shard).cloned()).collect())
    }

    /// The index at `path`, and the headers of its shards, which lie beside it.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] for a path or shard that the commit does not have, [`ServiceError::Shards`] for a bad index.
    pub async fn hub_shards(&self, tree: &Tree, path: &str) -> Result<HubShards, ServiceError> {
        let file = tree.get(path).ok_or_else(|| ServiceError::absent("file", path))?;
        let text = self.read_hub_index(file).await?;
        let index = ShardIndex::parse(&text)?;
        let folder =
            path.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
        let (mut headers, mut header_bytes) = (Vec::new(), 0u64);
        for shard in index.files() {
            let path = format!("{folder}{shard}");
            let file = tree.get(&path).ok_or_else(|| ServiceError::absent("file", path))?;
            let (header, text) = self.header_and_text_of(file.digest).await?;
            header_bytes = header_bytes.saturating_add(header.json_bytes);
            check_set_header_bytes(header_bytes)?;
            let text = String::from_utf8(text).map_err(ServiceError::internal)?;
            headers.push((shard.to_owned(), text));
        }
        let index = String::from_utf8(text).map_err(ServiceError::internal)?;
        Ok(HubShards { index, headers })
    }

    async fn read_hub_index(&self, file: &HubFile) -> Result<Vec<u8>, ServiceError> {
        check_index_bytes(file.bytes)?;
        Ok(self.objects.read(file.digest).await?.into())
    }
}

/// Why a commit is no version, unless the trouble is ours and passes.
fn refusal(error: ServiceError) -> Result<Option<String>, ServiceError> {
    match error {
        ServiceError::Busy(_) | ServiceError::Internal(_) => Err(error),
        error => Ok(Some(error.to_string())),
    }
}
