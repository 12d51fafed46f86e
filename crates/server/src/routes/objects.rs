//! Bytes in and out: `/v1/objects/{sha256}`.

use domain::digest::Digest;
use poem::{
    Body, IntoResponse, Request, Response, handler,
    http::{Method, StatusCode, header},
    web::{Data, Path, Query},
};
use serde::Deserialize;
use service::{Reader, ServiceError, Upload};

use super::{Shared, problem::problem};

#[derive(Deserialize)]
struct UploadQuery {
    kind: String,
    checkpoint: Option<String>,
}

/// Receives an object: `?kind=checkpoint`, `?kind=shards` (the document of stored shards, which is a checkpoint then), or
/// `?kind=graph&checkpoint=…`, which is checked against that checkpoint.
#[handler]
pub(super) async fn upload(
    request: &Request,
    body: Body,
    Path(digest): Path<String>,
    query: poem::Result<Query<UploadQuery>>,
    shared: Data<&Shared>,
) -> Response {
    let query = match query {
        Ok(Query(query)) => query,
        Err(error) => return problem(&invalid("query", &error.to_string())),
    };
    match receive(request, body, &digest, query, &shared).await {
        Ok(response) => response,
        Err(error) => problem(&error),
    }
}

async fn receive(
    request: &Request,
    body: Body,
    digest: &str,
    query: UploadQuery,
    shared: &Shared,
) -> Result<Response, ServiceError> {
    let caller = shared.caller(request).await?.ok_or(ServiceError::Unauthenticated)?;
    let digest = parse_digest("digest", digest)?;
    let wanted = match (query.kind.as_str(), query.checkpoint) {
        ("checkpoint", None) => Upload::Checkpoint,
        ("shards", None) => Upload::Shards,
        ("graph", Some(checkpoint)) => {
            Upload::Graph { checkpoint: parse_digest("checkpoint", &checkpoint)? }
        }
        ("graph", None) => {
            return Err(invalid("checkpoint", "a graph names the checkpoint that it binds to"));
        }
        ("checkpoint" | "shards", Some(_)) => {
            return Err(invalid("checkpoint", "only a graph names a checkpoint"));
        }
        (kind, _) => {
            return Err(invalid(
                "kind",
                &format!("{kind:?}; expected checkpoint, shards or graph"),
            ));
        }
    };
    let length =
        request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
    let object =
        shared.service.upload(&caller, digest, length, wanted, body.into_bytes_stream()).await?;
    let receipt = serde_json::json!({ "digest": object.digest, "bytes": object.bytes, "tensors": object.tensors });
    Ok(receipt
        .to_string()
        .with_content_type("application/json")
        .with_status(StatusCode::CREATED)
        .into_response())
}

/// Serves an object, or one range of it; the digest is the entity tag.
#[handler]
pub(super) async fn download(
    request: &Request,
    Path(digest): Path<String>,
    shared: Data<&Shared>,
) -> Response {
    match send(request, &digest, &shared).await {
        Ok(response) => response,
        Err(error) => problem(&error),
    }
}

async fn send(request: &Request, digest: &str, shared: &Shared) -> Result<Response, ServiceError> {
    let digest = parse_digest("digest", digest)?;
    let caller = shared.caller(request).await?;
    check_readable(shared, caller.as_ref(), digest).await?;
    let size = shared.service.object_size(digest).await?;
    let tag = format!("\"{}\"", digest.hex());
    let known = request.headers().get(header::IF_NONE_MATCH).and_then(|v| v.to_str().ok());
    if known.is_some_and(|known| known.split(',').any(|one| one.trim() == tag)) {
        return Ok(Response::builder()
            .status(StatusCode::NOT_MODIFIED)
            .header(header::ETAG, tag)
            .finish());
    }
    let range = request
        .headers()
        .get(header::RANGE)
        .and_then(|v| v.to_str().ok())
        .and_then(|text| byte_range(text, size));
    // What a token opened is not kept for those who come without it.
    let cached = match &caller {
        Some(_) => "private, max-age=31536000, immutable",
        None => "public, max-age=31536000, immutable",
    };
    let head = request.method() == Method::HEAD;
    let builder = Response::builder()
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::ETAG, tag)
        .header(header::CACHE_CONTROL, cached)
        .content_type("application/octet-stream");
    let (builder, wanted) = match range {
        Some(Err(Unsatisfiable)) => {
            return Ok(builder
                .status(StatusCode::RANGE_NOT_SATISFIABLE)
                .header(header::CONTENT_RANGE, format!("bytes */{size}"))
                .finish());
        }
        Some(Ok(range)) => {
            let content = format!("bytes {}-{}/{size}", range.start, range.end - 1);
            (
                builder.status(StatusCode::PARTIAL_CONTENT).header(header::CONTENT_RANGE, content),
                range,
            )
        }
        None => (builder, 0..size),
    };
    let builder = builder.header(header::CONTENT_LENGTH, wanted.end - wanted.start);
    if head {
        if let Some(caller) = &caller {
            // A client that asks whether an object is there will not send it again.
            shared.service.keep_object(digest, caller.now).await?;
        }
        return Ok(builder.finish());
    }
    if let Some(link) = shared.link_to(digest).await? {
        // For this reader and for some minutes: nobody may keep the way for others.
        return Ok(Response::builder()
            .status(StatusCode::FOUND)
            .header(header::LOCATION, link)
            .header(header::CACHE_CONTROL, "private, no-store")
            .finish());
    }
    let stream = shared.service.open_object(digest, Some(wanted)).await?;
    Ok(builder.body(Body::from_bytes_stream(stream)))
}

/// Whether the bearer may have the bytes of an object.
pub(super) async fn check_readable(
    shared: &Shared,
    caller: Option<&service::Caller>,
    digest: Digest,
) -> Result<(), ServiceError> {
    if shared.service.is_hidden(digest).await? {
        // The cases of a suite are hidden from those whom they measure, as if they were not there.
        if !caller.is_some_and(service::Caller::may_measure) {
            return Err(ServiceError::Absent { kind: "object", name: digest.to_string() });
        }
        return Ok(());
    }
    shared.service.check_object_readable(&Reader::from(caller), digest).await
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unsatisfiable;

/// One range of RFC 9110; anything that is not one range is answered with the whole object, as the RFC allows.
pub(super) fn byte_range(
    text: &str,
    size: u64,
) -> Option<Result<std::ops::Range<u64>, Unsatisfiable>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last) = (first.trim(), last.trim());
    let range = match (first.is_empty(), last.is_empty()) {
        (true, true) => return None,
        (true, false) => size.saturating_sub(last.parse().ok()?)..size,
        (false, true) => first.parse().ok()?..size,
        (false, false) => {
            let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(size)
        }
    };
    Some(if range.start < range.end { Ok(range) } else { Err(Unsatisfiable) })
}

pub(super) fn parse_digest(field: &'static str, text: &str) -> Result<Digest, ServiceError> {
    text.parse().map_err(|e: domain::digest::ParseDigestError| invalid(field, &e.to_string()))
}

pub(super) fn invalid(field: &'static str, reason: &str) -> ServiceError {
    ServiceError::Invalid { field, reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves the forms of a range, its ends, and what is not satisfiable.
    #[test]
    fn range_forms() {
        for (text, wanted) in [
            ("bytes=0-9", Some(Ok(0..10))),
            ("bytes=90-200", Some(Ok(90..100))),
            ("bytes=10-", Some(Ok(10..100))),
            ("bytes=-5", Some(Ok(95..100))),
            ("bytes=-500", Some(Ok(0..100))),
            ("bytes=100-", Some(Err(Unsatisfiable))),
            ("bytes=-0", Some(Err(Unsatisfiable))),
            ("bytes=18446744073709551615-18446744073709551615", Some(Err(Unsatisfiable))),
            ("bytes=9-1", None),
            ("bytes=0-1,5-6", None),
            ("bytes=-", None),
            ("items=0-1", None),
        ] {
            assert_eq!(byte_range(text, 100), wanted, "{text}");
        }
    }
}
