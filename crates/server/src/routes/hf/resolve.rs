//! `/{id}/resolve/{revision}/{path}`: the bytes of a file, or a range of them.

use poem::{
    Body, Response,
    http::{Method, StatusCode, header},
};

use super::{
    Ask, Place,
    answer::{Answer, Refusal},
};
use crate::routes::objects::{Unsatisfiable, byte_range};

/// `HEAD` and `GET`; the entity tag is the SHA-256, so that the client's cache bears the digest.
pub(super) async fn resolve(ask: &Ask<'_>, place: Place<'_>, revision: &str, path: &str) -> Answer {
    let service = &ask.shared.service;
    let repo = ask.repo(place).await?;
    let commit = service.hub_revision(&repo, revision).await?;
    let Some(file) = service.find_hub_file(&commit, path).await? else {
        return Err(Refusal::no_entry(path, &commit.id));
    };
    let tag = format!("\"{}\"", file.digest.hex());
    let builder = Response::builder()
        .header("x-repo-commit", &commit.id)
        .header("x-linked-size", file.bytes)
        .header("x-linked-etag", &tag)
        .header(header::ETAG, &tag)
        .header(header::ACCEPT_RANGES, "bytes")
        .content_type("application/octet-stream");
    let open = ask.check_open(&repo).await;
    if let Err(refusal) = open {
        return Err(refusal.at_commit(&commit.id));
    }
    let range = ask.request.header(header::RANGE).and_then(|text| byte_range(text, file.bytes));
    let (builder, wanted) = match range {
        Some(Err(Unsatisfiable)) => {
            return Ok(builder
                .status(StatusCode::RANGE_NOT_SATISFIABLE)
                .header(header::CONTENT_RANGE, format!("bytes */{}", file.bytes))
                .finish());
        }
        Some(Ok(range)) => {
            let content = format!("bytes {}-{}/{}", range.start, range.end - 1, file.bytes);
            let builder = builder.status(StatusCode::PARTIAL_CONTENT);
            (builder.header(header::CONTENT_RANGE, content), range)
        }
        None => (builder, 0..file.bytes),
    };
    let builder = builder.header(header::CONTENT_LENGTH, wanted.end - wanted.start);
    if ask.request.method() == Method::HEAD {
        return Ok(builder.finish());
    }
    if let Some(link) = ask.shared.link_to(file.digest).await? {
        return Ok(Response::builder()
            .status(StatusCode::FOUND)
            .header(header::LOCATION, link)
            .header("x-repo-commit", &commit.id)
            .header("x-linked-size", file.bytes)
            .header("x-linked-etag", format!("\"{}\"", file.digest.hex()))
            .finish());
    }
    let stream = service.open_object(file.digest, Some(wanted)).await?;
    Ok(builder.body(Body::from_bytes_stream(stream)))
}
