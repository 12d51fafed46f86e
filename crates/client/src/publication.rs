//! Models and versions, as far as a transfer needs them.

use domain::{digest::Digest, name::Name};
use serde::Deserialize;
use serde_json::json;

use crate::{Client, ClientError, retry::Patience};

/// A version as the server tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its name.
    pub name: Name,
    /// The safetensors file, or the document of a checkpoint in shards.
    pub checkpoint: Digest,
    /// Size of the file, or of all shards.
    pub checkpoint_bytes: u64,
    /// Whether it is in shards.
    pub is_sharded: bool,
    /// The graph.
    pub graph: Digest,
}

const FIELDS: &str = "name graph checkpoint { digest bytes isSharded }";

#[derive(Deserialize)]
struct VersionNode {
    name: Name,
    graph: Digest,
    checkpoint: CheckpointNode,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CheckpointNode {
    digest: Digest,
    bytes: String,
    is_sharded: bool,
}

impl TryFrom<VersionNode> for Published {
    type Error = ClientError;

    fn try_from(node: VersionNode) -> Result<Self, ClientError> {
        let bytes = node.checkpoint.bytes;
        let unread = |_| ClientError::Answer { reason: format!("{bytes:?} is no size") };
        Ok(Self {
            name: node.name,
            checkpoint: node.checkpoint.digest,
            checkpoint_bytes: bytes.parse().map_err(unread)?,
            is_sharded: node.checkpoint.is_sharded,
            graph: node.graph,
        })
    }
}

impl Client {
    /// As [`Client::graphql`], again and again while the connection fails; for queries and mutations with an idempotency key.
    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        query: &str,
        variables: serde_json::Value,
    ) -> Result<T, ClientError> {
        let mut patience = Patience::default();
        loop {
            match self.graphql(query, variables.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => patience.wait(error).await?,
            }
        }
    }

    /// Creates a model of the bearer's, unless there is one of this name already.
    ///
    /// # Errors
    /// A refusal, or a failure of the connection.
    pub async fn ensure_model(&self, model: &Name) -> Result<(), ClientError> {
        let query = "query($m: NameText!) { model(name: $m) { name } }";
        let answer: serde_json::Value = self.ask(query, json!({ "m": model })).await?;
        if !answer["model"].is_null() {
            return Ok(());
        }
        let create =
            "mutation($i: ModelCreateInput!) { modelCreate(input: $i) { model { name } } }";
        let input = json!({ "name": model, "idempotencyKey": format!("push:model:{model}") });
        match self.ask::<serde_json::Value>(create, json!({ "i": input })).await {
            // Another push was quicker.
            Err(error) if error.code() == Some("exists") => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// A version by name; without a name the one under `listed`, or the newest where none is listed.
    ///
    /// # Errors
    /// A refusal, or a failure of the connection.
    pub async fn find_version(
        &self,
        model: &Name,
        version: Option<&Name>,
    ) -> Result<Option<Published>, ClientError> {
        #[derive(Deserialize)]
        struct Answer {
            model: Option<ModelNode>,
        }
        #[derive(Deserialize)]
        struct ModelNode {
            #[serde(alias = "listed")]
            version: Option<VersionNode>,
        }
        let (field, variables, declared) = match version {
            Some(name) => {
                ("version(name: $v)", json!({ "m": model, "v": name }), ", $v: NameText!")
            }
            None => ("listed", json!({ "m": model }), ""),
        };
        let query = format!(
            "query($m: NameText!{declared}) {{ model(name: $m) {{ {field} {{ {FIELDS} }} }} }}"
        );
        let answer: Answer = self.ask(&query, variables).await?;
        match answer.model {
            None => Ok(None),
            Some(ModelNode { version: Some(found) }) => found.try_into().map(Some),
            Some(_) if version.is_none() => self.find_newest_version(model).await,
            Some(_) => Ok(None),
        }
    }

    async fn find_newest_version(&self, model: &Name) -> Result<Option<Published>, ClientError> {
        #[derive(Deserialize)]
        struct Answer {
            model: Option<ModelNode>,
        }
        #[derive(Deserialize)]
        struct ModelNode {
            versions: Page,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Page {
            nodes: Vec<VersionNode>,
            page_info: PageInfo,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct PageInfo {
            has_next_page: bool,
            end_cursor: Option<String>,
        }
        let query = format!(
            "query($m: NameText!, $a: String) {{ model(name: $m) {{ versions(after: $a, first: 50) {{ \
             nodes {{ {FIELDS} }} pageInfo {{ hasNextPage endCursor }} }} }} }}"
        );
        let (mut newest, mut after) = (None, None);
        loop {
            let answer: Answer = self.ask(&query, json!({ "m": model, "a": after })).await?;
            let Some(ModelNode { versions }) = answer.model else { return Ok(None) };
            newest = versions.nodes.into_iter().next_back().or(newest);
            if !versions.page_info.has_next_page {
                return newest.map(Published::try_from).transpose();
            }
            after = versions.page_info.end_cursor;
        }
    }

    /// Publishes two stored objects as a version; the same call again is harmless.
    ///
    /// # Errors
    /// A refusal (the version exists with other bytes, the model is another's), or a failure of the connection.
    pub async fn publish(
        &self,
        model: &Name,
        version: &Name,
        checkpoint: Digest,
        graph: Digest,
    ) -> Result<Digest, ClientError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Answer {
            version_publish: Payload,
        }
        #[derive(Deserialize)]
        struct Payload {
            version: Node,
        }
        #[derive(Deserialize)]
        struct Node {
            digest: Digest,
        }
        // The key follows from the whole request: a repetition is the same, and other bytes are never taken for a repetition.
        let request = format!("{model}\0{version}\0{}\0{}", checkpoint.hex(), graph.hex());
        let key = format!("push:version:{}", Digest::of(request.as_bytes()).hex());
        let query = "mutation($i: VersionPublishInput!) { versionPublish(input: $i) { version { digest } } }";
        let input = json!({
            "model": model, "version": version, "checkpoint": checkpoint, "graph": graph, "idempotencyKey": key,
        });
        let answer: Answer = self.ask(query, json!({ "i": input })).await?;
        Ok(answer.version_publish.version.digest)
    }
}
