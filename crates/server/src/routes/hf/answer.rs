//! Answers in the forms that the stock client reads.

use poem::{IntoResponse, Response, http::StatusCode};
use serde_json::Value;
use service::ServiceError;

/// What every route of this surface gives.
pub(super) type Answer = Result<Response, Refusal>;

/// A refusal: the client picks its exception by `X-Error-Code` and shows the message.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: Option<&'static str>,
    message: String,
    commit: Option<String>,
    body: Option<Box<Value>>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: &str) -> Self {
        Self { status, code: None, message: message.to_owned(), commit: None, body: None }
    }

    pub(super) fn unknown_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, "this server has no such route of the hub")
    }

    /// A file that a commit does not have: the client keeps in mind that it is not there.
    pub(super) fn no_entry(path: &str, commit: &str) -> Self {
        let refusal = Self::new(StatusCode::NOT_FOUND, &format!("no file {path:?} in {commit}"));
        Self { code: Some("EntryNotFound"), commit: Some(commit.to_owned()), ..refusal }
    }

    /// The refusal, about a commit that the client may keep in mind.
    pub(super) fn at_commit(self, commit: &str) -> Self {
        Self { commit: Some(commit.to_owned()), ..self }
    }

    /// The refusal with further fields beside the message.
    pub(super) fn with_body(self, body: Value) -> Self {
        Self { body: Some(body.into()), ..self }
    }

    /// The answer; one to `HEAD` has no body.
    pub(super) fn into_response(self, is_head: bool) -> Response {
        let mut builder = Response::builder()
            .status(self.status)
            .content_type("application/json")
            .header("x-error-message", header_text(&self.message));
        if let Some(code) = self.code {
            builder = builder.header("x-error-code", code);
        }
        if let Some(commit) = self.commit {
            builder = builder.header("x-repo-commit", commit);
        }
        if is_head {
            return builder.finish();
        }
        let mut body = self.body.map_or_else(|| serde_json::json!({}), |body| *body);
        body["error"] = self.message.into();
        builder.body(body.to_string())
    }
}

impl From<ServiceError> for Refusal {
    fn from(error: ServiceError) -> Self {
        use checkpoint::ReceiveError::TooLarge;
        if error.is_ours() {
            tracing::error!(cause = ?error, "request failed");
            return Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error");
        }
        let (status, code) = match &error {
            ServiceError::Unauthenticated => (StatusCode::UNAUTHORIZED, None),
            ServiceError::Scope(_) | ServiceError::NotOwner(_) | ServiceError::TokenBound(_) => {
                (StatusCode::FORBIDDEN, None)
            }
            ServiceError::Gated(_) => (StatusCode::FORBIDDEN, Some("GatedRepo")),
            ServiceError::Absent { kind, .. } => {
                let code = match *kind {
                    "repository" | "model" => Some("RepoNotFound"),
                    "revision" => Some("RevisionNotFound"),
                    _ => Some("EntryNotFound"),
                };
                (StatusCode::NOT_FOUND, code)
            }
            ServiceError::Exists { .. } => (StatusCode::CONFLICT, None),
            ServiceError::Invalid { field: "parentCommit", .. } => {
                (StatusCode::PRECONDITION_FAILED, None)
            }
            ServiceError::Busy(_) => (StatusCode::SERVICE_UNAVAILABLE, None),
            ServiceError::Upload(TooLarge { .. }) => (StatusCode::PAYLOAD_TOO_LARGE, None),
            _ => (StatusCode::BAD_REQUEST, None),
        };
        Self { code, ..Self::new(status, &error.to_string()) }
    }
}

/// A JSON document.
pub(super) fn json(body: &Value) -> Response {
    text(body.to_string())
}

/// A JSON document that is written already.
pub(super) fn text(body: String) -> Response {
    body.with_content_type("application/json").into_response()
}

/// A page of a list; `next` is the address of the page after it.
pub(super) fn page(body: &Value, next: Option<String>) -> Response {
    let mut response = json(body);
    let link = next.and_then(|url| format!("<{url}>; rel=\"next\"").parse().ok());
    if let Some(link) = link {
        response.headers_mut().insert("link", link);
    }
    response
}

/// Puts a text into an answer that the client shows as a warning about `topic`.
pub(super) fn warn(response: &mut Response, topic: &str, text: &str) {
    if let Ok(value) = header_text(&format!("{topic}; {text}")).parse() {
        response.headers_mut().insert("x-hf-warning", value);
    }
}

/// A text as a header can carry it.
fn header_text(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    text.chars().take(1000).map(plain).collect()
}
