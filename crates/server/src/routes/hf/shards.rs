//! Checkpoints in shards: their elements by type, and all headers in one answer.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json, value::RawValue};
use service::{HubFile, ServiceError};

use super::{
    Ask, Place,
    answer::{Answer, Refusal, text},
};

/// Tensors that are looked through at a time.
const PAGE_TENSORS: u64 = 5000;

#[derive(serde::Deserialize)]
struct Index<'a> {
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
}

#[derive(serde::Serialize)]
struct Metadata<'a> {
    index: BTreeMap<&'static str, &'a RawValue>,
    headers: BTreeMap<&'a str, &'a RawValue>,
}

/// `GET /api/models/{id}/safetensors-metadata/{index path}`: the headers of all shards of the index on `main`.
pub(super) async fn metadata(ask: &Ask<'_>, place: Place<'_>, path: &str) -> Answer {
    let service = &ask.shared.service;
    let repo = ask.repo(place).await?;
    // Headers are bytes of files, metadata of the publisher's included.
    ask.check_open(&repo).await?;
    let commit = service.hub_revision(&repo, service::MAIN).await?;
    let files = service.hub_tree(&commit).await?;
    let path = path.trim_matches('/');
    if !files.contains_key(path) {
        return Err(Refusal::no_entry(path, &commit.id));
    }
    let shards = service.hub_shards(&files, path).await?;
    // Every part passed its rules before: it is passed on as it stands in its file.
    let broken = |error: serde_json::Error| Refusal::from(ServiceError::Internal(error.into()));
    let index: Index<'_> = serde_json::from_str(&shards.index).map_err(broken)?;
    let mut headers = BTreeMap::new();
    for (name, header) in &shards.headers {
        headers.insert(name.as_str(), serde_json::from_str(header).map_err(broken)?);
    }
    let index = index.metadata.map(|metadata| ("metadata", metadata)).into_iter().collect();
    Ok(text(serde_json::to_string(&Metadata { index, headers }).map_err(broken)?))
}

/// Elements by type in the files that hold the weights, from the tensors that were recorded when they came in.
pub(super) async fn parameters(ask: &Ask<'_>, files: &[HubFile]) -> Result<Value, Refusal> {
    let mut counts = Map::new();
    let mut total = 0u64;
    for file in files {
        let mut after = None;
        loop {
            let page = ask.shared.service.list_tensors(file.digest, after, PAGE_TENSORS).await?;
            for tensor in &page {
                let elements: u64 = tensor.shape.iter().product();
                let before = counts.get(&tensor.dtype).and_then(Value::as_u64).unwrap_or_default();
                counts.insert(tensor.dtype.clone(), before.saturating_add(elements).into());
                total = total.saturating_add(elements);
            }
            if (page.len() as u64) < PAGE_TENSORS {
                break;
            }
            after = page.last().map(|tensor| tensor.position as i64);
        }
    }
    Ok(json!({ "parameters": counts, "total": total }))
}
