//! Errors as clients see them: one code, one sentence, never a cause of ours.

use async_graphql::{Error, ErrorExtensions as _, Response, Value};
use service::ServiceError;

/// Turns a use case's answer into the API's; our own causes are logged here, once.
pub(crate) fn api_error(error: ServiceError) -> Error {
    if error.is_ours() {
        tracing::error!(cause = %error.chain(), "request failed");
        return Error::new("internal error").extend_with(|_, e| e.set("code", "internal"));
    }
    let (code, tensor) = (error.code(), error.tensor().map(str::to_owned));
    Error::new(error.to_string()).extend_with(|_, e| {
        e.set("code", code);
        if let Some(tensor) = tensor {
            e.set("tensor", tensor);
        }
    })
}

/// Gives `query_invalid` to errors that the GraphQL engine itself raised: syntax, validation, limits.
#[must_use]
pub fn code_errors(mut response: Response) -> Response {
    for error in &mut response.errors {
        let extensions = error.extensions.get_or_insert_with(Default::default);
        if extensions.get("code").is_none() {
            extensions.set("code", Value::from("query_invalid"));
        }
    }
    response
}

/// An input that is not of its form.
pub(crate) fn invalid(field: &str, reason: impl std::fmt::Display) -> Error {
    Error::new(format!("{field}: {reason}")).extend_with(|_, e| e.set("code", "invalid"))
}
