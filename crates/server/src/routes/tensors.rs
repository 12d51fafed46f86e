//! One tensor by its name: `/v1/objects/{sha256}/tensors/{name}`, checked against its key on the way out.

use poem::{
    Body, Request, Response, handler,
    http::{Method, StatusCode, header},
    web::{Data, Path},
};
use service::ServiceError;

use super::{
    Shared,
    objects::{Unsatisfiable, byte_range, check_readable, parse_digest},
    problem::problem,
};

/// Serves the bytes of a tensor, or one range of them; its key is the entity tag.
#[handler]
pub(super) async fn download(
    request: &Request,
    Path((digest, name)): Path<(String, String)>,
    shared: Data<&Shared>,
) -> Response {
    match send(request, &digest, &name, &shared).await {
        Ok(response) => response,
        Err(error) => problem(&error),
    }
}

async fn send(
    request: &Request,
    digest: &str,
    name: &str,
    shared: &Shared,
) -> Result<Response, ServiceError> {
    let digest = parse_digest("digest", digest)?;
    let caller = shared.caller(request).await?;
    check_readable(shared, caller.as_ref(), digest).await?;
    let (tensor, file, place) = shared.service.get_tensor(digest, name).await?;
    let text = request.headers().get(header::RANGE).and_then(|value| value.to_str().ok());
    let shape = serde_json::to_string(&tensor.shape).unwrap_or_default();
    let builder = Response::builder()
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::ETAG, format!("\"{}\"", tensor.key))
        .header("x-tensor-dtype", tensor.dtype)
        .header("x-tensor-shape", shape)
        .content_type("application/octet-stream");
    let (builder, wanted) = match text.and_then(|text| byte_range(text, tensor.bytes)) {
        Some(Err(Unsatisfiable)) => {
            return Ok(builder
                .status(StatusCode::RANGE_NOT_SATISFIABLE)
                .header(header::CONTENT_RANGE, format!("bytes */{}", tensor.bytes))
                .finish());
        }
        Some(Ok(range)) => {
            let content = format!("bytes {}-{}/{}", range.start, range.end - 1, tensor.bytes);
            let builder = builder.status(StatusCode::PARTIAL_CONTENT);
            (builder.header(header::CONTENT_RANGE, content), range)
        }
        None => (builder, 0..tensor.bytes),
    };
    let builder = builder.header(header::CONTENT_LENGTH, wanted.end - wanted.start);
    if request.method() == Method::HEAD {
        return Ok(builder.finish());
    }
    let range = place.start + wanted.start..place.start + wanted.end;
    let stream = shared.service.open_object(file, Some(range)).await?;
    Ok(builder.body(Body::from_bytes_stream(stream)))
}
