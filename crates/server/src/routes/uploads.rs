//! Upload sessions: `/v1/uploads`. A file comes in parts of which only the missing ones are sent.
//!
//! | request | body | answer |
//! | --- | --- | --- |
//! | `POST /v1/uploads?digest=SHA256&bytes=N` | the file's first bytes (length field and header), then 32 bytes a tensor: the keys | the session, or `{"state":"present"}` |
//! | `GET /v1/uploads` | | the caller's open sessions |
//! | `GET /v1/uploads/ID` | | the session |
//! | `PUT /v1/uploads/ID/parts/NUMBER`, `Content-Digest: sha-256=:…:` | the bytes of the part | 204 |
//! | `POST /v1/uploads/ID/finish` | | the stored object |
//! | `DELETE /v1/uploads/ID` | | 204 |
//!
//! A session tells its missing parts, each with its range of the file; `missing_more` says that there are more than it names.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::{
    checkpoint::{HEADER_BYTES_MAX, PART_BYTES_MAX},
    digest::Digest,
};
use futures::StreamExt as _;
use poem::{
    Body, IntoResponse, Request, Response, handler,
    http::StatusCode,
    web::{Data, Path, Query},
};
use serde::Deserialize;
use serde_json::{Value, json};
use service::{
    Caller, MissingPart, OpenUpload, Scope, ServiceError, StartUpload, Started, UploadSession,
};

use super::{
    Shared,
    objects::{invalid, parse_digest},
    problem::problem,
};

/// Most bytes of an announcement: the longest header, and 32 bytes for each of the most tensors that it can name (an entry of
/// a header takes more than 48 bytes).
const ANNOUNCEMENT_BYTES_MAX: usize = 8 + HEADER_BYTES_MAX as usize / 48 * (48 + 32);

/// Bytes of a refused part that are still taken, so that its sender gets to read why.
const DRAINED_BYTES_MAX: u64 = PART_BYTES_MAX + (1 << 20);

#[derive(Deserialize)]
struct StartQuery {
    digest: String,
    bytes: u64,
}

/// Begins a session, or goes on with it.
#[handler]
pub(super) async fn start(
    request: &Request,
    body: Body,
    query: poem::Result<Query<StartQuery>>,
    shared: Data<&Shared>,
) -> Response {
    answer(begin(request, body, query, &shared).await)
}

async fn begin(
    request: &Request,
    body: Body,
    query: poem::Result<Query<StartQuery>>,
    shared: &Shared,
) -> Result<Response, ServiceError> {
    let caller = caller(request, shared).await?;
    let Query(query) = query.map_err(|error| invalid("query", &error.to_string()))?;
    let digest = parse_digest("digest", &query.digest)?;
    let manifest = body.into_bytes_limit(ANNOUNCEMENT_BYTES_MAX).await;
    let manifest = manifest
        .map_err(|error| invalid("body", &format!("{error}; at most {ANNOUNCEMENT_BYTES_MAX}")))?;
    let announced = StartUpload { digest, bytes: query.bytes, manifest };
    Ok(match shared.service.start_upload(&caller, announced).await? {
        Started::Present { bytes } => {
            document(&json!({ "state": "present", "digest": digest, "bytes": bytes }))
        }
        Started::Open(session) => document(&view(&session)),
    })
}

/// The caller's open sessions.
#[handler]
pub(super) async fn list(request: &Request, shared: Data<&Shared>) -> Response {
    let found = async {
        let caller = caller(request, &shared).await?;
        shared.service.list_uploads(&caller).await
    };
    answer(found.await.map(|uploads| {
        let one = |upload: &OpenUpload| {
            json!({
                "id": upload.id, "digest": upload.digest, "bytes": upload.bytes,
                "planned_bytes": upload.planned_bytes, "expires_at": upload.expires_at.to_string(),
            })
        };
        document(&json!({ "uploads": uploads.iter().map(one).collect::<Vec<_>>() }))
    }))
}

/// Tells what is missing.
#[handler]
pub(super) async fn get(
    request: &Request,
    Path(id): Path<String>,
    shared: Data<&Shared>,
) -> Response {
    let found = async {
        let caller = caller(request, &shared).await?;
        shared.service.get_upload(&caller, &id).await
    };
    answer(found.await.map(|session| document(&view(&session))))
}

/// Receives one part.
#[handler]
pub(super) async fn put_part(
    request: &Request,
    body: Body,
    Path((id, number)): Path<(String, u64)>,
    shared: Data<&Shared>,
) -> Response {
    let mut stream = std::pin::pin!(body.into_bytes_stream());
    let received = async {
        let caller = caller(request, &shared).await?;
        let digest = content_digest(request)?;
        shared.service.put_upload_part(&caller, &id, number, digest, &mut stream).await
    };
    let received = received.await;
    let mut left = DRAINED_BYTES_MAX;
    while received.is_err()
        && left > 0
        && let Some(Ok(piece)) = stream.next().await
    {
        left = left.saturating_sub(piece.len() as u64);
    }
    answer(received.map(|()| StatusCode::NO_CONTENT.into_response()))
}

/// Puts the file together and stores it.
#[handler]
pub(super) async fn finish(
    request: &Request,
    Path(id): Path<String>,
    shared: Data<&Shared>,
) -> Response {
    let stored = async {
        let caller = caller(request, &shared).await?;
        shared.service.finish_upload(&caller, &id).await
    };
    answer(stored.await.map(|object| {
        document(
            &json!({ "digest": object.digest, "bytes": object.bytes, "tensors": object.tensors }),
        )
    }))
}

/// Ends a session.
#[handler]
pub(super) async fn abort(
    request: &Request,
    Path(id): Path<String>,
    shared: Data<&Shared>,
) -> Response {
    let ended = async {
        let caller = caller(request, &shared).await?;
        shared.service.abort_upload(&caller, &id).await
    };
    answer(ended.await.map(|()| StatusCode::NO_CONTENT.into_response()))
}

/// The bearer; refused before anything else is read if he may not send at all.
async fn caller(request: &Request, shared: &Shared) -> Result<Caller, ServiceError> {
    let caller = shared.caller(request).await?.ok_or(ServiceError::Unauthenticated)?;
    if caller.may(Scope::Publish) || caller.may(Scope::Operate) {
        return Ok(caller);
    }
    Err(ServiceError::Scope(Scope::Publish.as_str()))
}

/// The SHA-256 of RFC 9530's header.
fn content_digest(request: &Request) -> Result<Digest, ServiceError> {
    let header = request.header("content-digest").unwrap_or_default();
    let value = header.split(',').find_map(|one| one.trim().strip_prefix("sha-256=:"));
    let bytes = value.and_then(|text| STANDARD.decode(text.strip_suffix(':')?).ok());
    let digest = bytes.and_then(|bytes| Some(Digest::from_bytes(*bytes.first_chunk::<32>()?)));
    digest.ok_or_else(|| invalid("Content-Digest", "expected sha-256=:BASE64:"))
}

fn view(session: &UploadSession) -> Value {
    let part = |part: &MissingPart| json!({ "number": part.number, "begin": part.range.start, "end": part.range.end });
    let missing: Vec<Value> = session.missing.iter().map(part).collect();
    let told: u64 = session.missing.iter().map(|part| part.range.end - part.range.start).sum();
    json!({
        "state": "open",
        "id": session.id,
        "digest": session.digest,
        "bytes": session.bytes,
        "planned_bytes": session.planned_bytes,
        "missing_bytes": session.missing_bytes,
        "missing": missing,
        "missing_more": told < session.missing_bytes,
        "expires_at": session.expires_at.to_string(),
    })
}

fn document(value: &Value) -> Response {
    value.to_string().with_content_type("application/json").into_response()
}

fn answer(result: Result<Response, ServiceError>) -> Response {
    result.unwrap_or_else(|error| problem(&error))
}
