//! RFC 9457 problems: what our own routes answer when they refuse.

use poem::{IntoResponse, Response, http::StatusCode};
use service::ServiceError;

/// A refusal, as `application/problem+json` with a closed code and the tensor at fault.
pub(crate) fn problem(error: &ServiceError) -> Response {
    let status = status(error);
    let detail = if error.is_ours() {
        tracing::error!(cause = %error.chain(), "request failed");
        "internal error".to_owned()
    } else {
        error.to_string()
    };
    let code = if error.is_ours() { "internal" } else { error.code() };
    let response = document(status, code, &detail, error.tensor());
    if status == StatusCode::UNAUTHORIZED {
        response.with_header("www-authenticate", "Bearer").into_response()
    } else {
        response
    }
}

fn document(status: StatusCode, code: &str, detail: &str, tensor: Option<&str>) -> Response {
    let body = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("refused"),
        "status": status.as_u16(),
        "code": code,
        "detail": detail,
        "tensor": tensor,
    });
    body.to_string()
        .with_content_type("application/problem+json")
        .with_status(status)
        .into_response()
}

/// What the router itself refuses: no such route, no such method, a field of the wrong form.
pub(crate) async fn unrouted(error: poem::Error) -> Response {
    let status = error.status();
    let code = if status == StatusCode::NOT_FOUND { "absent" } else { "invalid" };
    document(status, code, &error.to_string(), None)
}

fn status(error: &ServiceError) -> StatusCode {
    use checkpoint::ReceiveError::{Interrupted, TooLarge};
    use service::UploadError::{Differs, PartsMissing, TooManyBytes, TooManyOpen};
    match error {
        _ if error.is_ours() => StatusCode::INTERNAL_SERVER_ERROR,
        ServiceError::Unauthenticated => StatusCode::UNAUTHORIZED,
        ServiceError::Scope(_)
        | ServiceError::NotOwner(_)
        | ServiceError::Gated(_)
        | ServiceError::TokenBound(_) => StatusCode::FORBIDDEN,
        ServiceError::Absent { .. } => StatusCode::NOT_FOUND,
        ServiceError::Exists { .. } | ServiceError::KeyReused { .. } => StatusCode::CONFLICT,
        ServiceError::Session(PartsMissing { .. } | Differs { .. }) => StatusCode::CONFLICT,
        ServiceError::Session(TooManyOpen { .. } | TooManyBytes { .. }) => {
            StatusCode::TOO_MANY_REQUESTS
        }
        ServiceError::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
        ServiceError::Upload(TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
        ServiceError::Upload(Interrupted { .. }) => StatusCode::BAD_REQUEST,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}
