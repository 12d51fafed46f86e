//! RFC 9457 problems: what our own routes answer when they refuse.

use poem::{IntoResponse, Response, http::StatusCode};
use service::ServiceError;

/// A refusal, as `application/problem+json` with a closed code and the tensor at fault.
pub(crate) fn problem(error: &ServiceError) -> Response {
    let status = status(error);
    let detail = if error.is_ours() {
        tracing::error!(cause = ?error, "request failed");
        "internal error".to_owned()
    } else {
        error.to_string()
    };
    let code = if error.is_ours() { "internal" } else { error.code() };
    let body = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("refused"),
        "status": status.as_u16(),
        "code": code,
        "detail": detail,
        "tensor": error.tensor(),
    });
    body.to_string()
        .with_content_type("application/problem+json")
        .with_status(status)
        .into_response()
}

fn status(error: &ServiceError) -> StatusCode {
    use checkpoint::ReceiveError::{Interrupted, TooLarge};
    match error {
        _ if error.is_ours() => StatusCode::INTERNAL_SERVER_ERROR,
        ServiceError::Unauthenticated => StatusCode::UNAUTHORIZED,
        ServiceError::Scope(_) | ServiceError::NotOwner(_) => StatusCode::FORBIDDEN,
        ServiceError::Absent { .. } => StatusCode::NOT_FOUND,
        ServiceError::Exists { .. } | ServiceError::KeyReused { .. } => StatusCode::CONFLICT,
        ServiceError::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
        ServiceError::Upload(TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
        ServiceError::Upload(Interrupted { .. }) => StatusCode::BAD_REQUEST,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}
