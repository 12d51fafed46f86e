//! Before a commit: which way each file goes, the links for those that go by themselves, and their bytes.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use domain::digest::Digest;
use futures::Stream;
use poem::{
    Body, Request, Response,
    http::{StatusCode, header},
};
use serde::Deserialize;
use serde_json::{Value, json};
use service::{
    HUB_PART_BYTES, HUB_REGULAR_BYTES_MAX, HubLink, ServiceError, hub_part_count, is_safetensors,
    refuse_bad_sample, refuse_pickle,
};

use super::{
    Ask, Place, Shared,
    answer::{Answer, Refusal, json},
    document, drain, query,
};
use crate::clock::wall_now;

/// How long after it was made a link may begin to be used.
const LINK_MS: i64 = 6 * 60 * 60 * 1000;

/// Before this release the client fails below a path such as `/hf` when it finds that nothing has changed.
const UNCHANGED_SINCE: (u32, u32) = (1, 0);

/// The transfer of a file in parts.
const MULTIPART: &str = "multipart";

const LFS_JSON: &str = "application/vnd.git-lfs+json";

#[derive(Deserialize)]
struct Preupload {
    files: Vec<Announced>,
}

#[derive(Deserialize)]
struct Announced {
    path: String,
    #[serde(default)]
    sample: String,
    size: u64,
}

/// `POST /api/models/{id}/preupload/{revision}`: refuses what can be told by name and first bytes, before any transfer.
pub(super) async fn preupload(
    ask: &Ask<'_>,
    place: Place<'_>,
    revision: &str,
    body: &[u8],
) -> Answer {
    let (_, repo) = ask.own_repo(place).await?;
    let service = &ask.shared.service;
    let wanted: Preupload = document(body)?;
    check_entries(wanted.files.len())?;
    let present = match service.hub_branch_head(&repo, revision).await? {
        Some(head) => service.hub_tree(&head).await?,
        None => Default::default(),
    };
    let mut files = Vec::with_capacity(wanted.files.len());
    for file in &wanted.files {
        refuse_pickle(&file.path)?;
        if is_safetensors(&file.path) && !file.sample.is_empty() {
            let sample = STANDARD.decode(&file.sample);
            let sample = sample.map_err(|e| bad(&format!("{}: sample: {e}", file.path)))?;
            refuse_bad_sample(&file.path, &sample, file.size)?;
        }
        let is_regular = file.size <= HUB_REGULAR_BYTES_MAX;
        let mode = if is_regular { "regular" } else { "lfs" };
        let mut answer = json!({ "path": file.path, "uploadMode": mode, "shouldIgnore": false });
        // The client compares the id of its own bytes with this one, and sends nothing when they are equal.
        let known = present.get(&file.path).filter(|_| release(ask) >= UNCHANGED_SINCE);
        if let Some(present) = known {
            let hex = present.digest.hex();
            let oid = if is_regular { present.git_oid.as_deref() } else { Some(hex.as_str()) };
            answer["oid"] = json!(oid);
        }
        files.push(answer);
    }
    Ok(json(&json!({ "files": files })))
}

/// Most files that one request may ask about; the stock client asks about 256 at a time.
const ENTRIES_MAX: usize = 2_000;

fn check_entries(entries: usize) -> Result<(), Refusal> {
    if entries <= ENTRIES_MAX {
        return Ok(());
    }
    Err(bad(&format!("the request asks about {entries} files; at most {ENTRIES_MAX}")))
}

#[derive(Deserialize)]
struct Batch {
    operation: String,
    objects: Vec<LfsObject>,
    #[serde(default)]
    hash_algo: Option<String>,
    #[serde(default)]
    transfers: Vec<String>,
}

#[derive(Deserialize)]
struct LfsObject {
    oid: String,
    size: u64,
}

/// `POST /{id}.git/info/lfs/objects/batch`: a link for every object that the caller has not sent before.
pub(super) async fn batch(ask: &Ask<'_>, place: Place<'_>, body: &[u8]) -> Answer {
    let (caller, _) = ask.own_repo(place).await?;
    let service = &ask.shared.service;
    let wanted: Batch = document(body)?;
    check_entries(wanted.objects.len())?;
    if wanted.operation != "upload" || wanted.hash_algo.is_some_and(|name| name != "sha256") {
        return Err(bad("expected operation upload and hash_algo sha256"));
    }
    let (key, now) = (link_key(ask.shared).await?, wall_now());
    let by_parts = wanted.transfers.iter().any(|transfer| transfer == MULTIPART);
    let mut objects: Vec<Value> = Vec::with_capacity(wanted.objects.len());
    for LfsObject { oid, size } in wanted.objects {
        let Ok(digest) = oid.parse::<Digest>() else {
            let error = json!({ "code": 422, "message": "oid is no SHA-256" });
            objects.push(json!({ "oid": oid, "size": size, "error": error }));
            continue;
        };
        if service.hub_bytes_of(caller, digest).await? == Some(size) {
            objects.push(json!({ "oid": oid, "size": size }));
            continue;
        }
        if let Err(error) = service.check_quota(caller, digest, size).await {
            if error.is_ours() {
                return Err(error.into());
            }
            let error = json!({ "code": 507, "message": error.to_string() });
            objects.push(json!({ "oid": oid, "size": size, "error": error }));
            continue;
        }
        let link = HubLink {
            owner: caller.owner.to_string(),
            token_id: caller.token_id.clone(),
            digest,
            bytes: size,
            expires_at: now.plus_millis(LINK_MS).as_millis(),
        };
        let in_parts = size > HUB_PART_BYTES && by_parts;
        let upload = action(&ask.endpoint(), &link, &key, in_parts);
        let actions = json!({ "upload": upload });
        objects
            .push(json!({ "oid": oid, "size": size, "authenticated": true, "actions": actions }));
    }
    // One name for all objects; the client looks at each object's own action.
    let is_in_parts = |object: &Value| !object["actions"]["upload"]["header"].is_null();
    let transfer = if objects.iter().any(is_in_parts) { MULTIPART } else { "basic" };
    let answer = json!({ "transfer": transfer, "objects": objects });
    Ok(Response::builder().content_type(LFS_JSON).body(answer.to_string()))
}

/// Where an object goes: to one link, or part by part to one each, of a size that the client is told, and then to a last one.
fn action(endpoint: &str, link: &HubLink, key: &[u8; 32], in_parts: bool) -> Value {
    if !in_parts {
        return json!({ "href": address(endpoint, link, key, "") });
    }
    let mut header = serde_json::Map::new();
    header.insert("chunk_size".to_owned(), HUB_PART_BYTES.to_string().into());
    for number in 1..=hub_part_count(link.bytes) {
        let href = address(endpoint, link, key, &format!("/{number}"));
        header.insert(format!("{number:05}"), href.into());
    }
    json!({ "href": address(endpoint, link, key, "/complete"), "header": header })
}

/// `PUT` to a link: the bytes of one object, or of one part of it.
pub(super) async fn receive(
    request: &Request,
    body: Body,
    shared: &Shared,
    digest: &str,
    part: Option<&str>,
) -> Answer {
    let mut stream = std::pin::pin!(body.into_bytes_stream());
    let received = match part {
        None => receive_stream(request, &mut stream, shared, digest).await,
        Some(part) => receive_part(request, &mut stream, shared, digest, part).await,
    };
    if received.is_err() {
        drain(stream).await;
    }
    received
}

/// `POST` to the last link of an object in parts.
pub(super) async fn complete(request: &Request, shared: &Shared, digest: &str) -> Answer {
    let (caller, link) = sender(request, shared, digest).await?;
    shared.service.complete_hub_parts(&caller, link.digest, link.bytes).await?;
    Ok(json(&json!({ "oid": link.digest.hex(), "size": link.bytes })))
}

async fn receive_part<S>(
    request: &Request,
    stream: S,
    shared: &Shared,
    digest: &str,
    part: &str,
) -> Answer
where
    S: Stream<Item = Result<Bytes, std::io::Error>> + Send,
{
    let number = part.parse().map_err(|_| bad("the link names no part"))?;
    let (caller, HubLink { digest, bytes, .. }) = sender(request, shared, digest).await?;
    let service = &shared.service;
    let found = service.receive_hub_part(&caller, digest, bytes, number, stream).await?;
    Ok(Response::builder().header(header::ETAG, format!("\"{}\"", found.hex())).finish())
}

async fn receive_stream<S>(request: &Request, stream: S, shared: &Shared, digest: &str) -> Answer
where
    S: Stream<Item = Result<Bytes, std::io::Error>> + Send,
{
    let (caller, link) = sender(request, shared, digest).await?;
    let announced: Option<u64> =
        request.header(header::CONTENT_LENGTH).and_then(|text| text.parse().ok());
    if announced.is_some_and(|bytes| bytes != link.bytes) {
        return Err(bad("Content-Length is not the size that the link was made for"));
    }
    shared.service.receive_hub_stream(&caller, link.digest, link.bytes, stream).await?;
    Ok(Response::builder()
        .header(header::ETAG, format!("\"{}\"", link.digest.hex()))
        .status(StatusCode::OK)
        .finish())
}

/// Who sends by a link, and what the link is for.
async fn sender(
    request: &Request,
    shared: &Shared,
    digest: &str,
) -> Result<(service::Caller, HubLink), Refusal> {
    let text = |name: &str| query(request, name).unwrap_or_default();
    let number = |name: &str| query(request, name).and_then(|text| text.parse().ok());
    let digest = digest.parse().map_err(|_| ServiceError::Unauthenticated)?;
    let link = HubLink {
        owner: text("owner"),
        token_id: text("token"),
        digest,
        bytes: number("size").unwrap_or_default() as u64,
        expires_at: number("expires").unwrap_or_default(),
    };
    let key = link_key(shared).await?;
    let signature = text("signature");
    let caller = shared.service.hub_link_caller(&link, &key, &signature, wall_now()).await?;
    Ok((service::Caller { now: shared.now().await?, ..caller }, link))
}

/// The client's release: its first two numbers, zeros for another client.
fn release(ask: &Ask<'_>) -> (u32, u32) {
    let agent = ask.request.header(header::USER_AGENT).unwrap_or_default();
    let release = agent.split_once("hf_hub/").map_or("", |(_, rest)| rest);
    let mut numbers = release.split('.').map(|part| part.parse().unwrap_or(0u32));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// A link; `what` follows the digest: nothing, a part's number, or the completion.
fn address(endpoint: &str, link: &HubLink, key: &[u8; 32], what: &str) -> String {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    let plain = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    format!(
        "{endpoint}/lfs/{}{what}?owner={}&token={}&size={}&expires={}&signature={}",
        link.digest.hex(),
        plain(&link.owner),
        plain(&link.token_id),
        link.bytes,
        link.expires_at,
        link.sign(key)
    )
}

/// The installation's key; the random bytes are used once, when there is none yet.
async fn link_key(shared: &Shared) -> Result<[u8; 32], Refusal> {
    let mut random = [0; 32];
    getrandom::fill(&mut random)
        .map_err(|error| ServiceError::Internal(error.to_string().into()))?;
    Ok(shared.service.hub_link_key(random, wall_now()).await?)
}

fn bad(text: &str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, text)
}
