//! `POST /graphql`.

use std::time::Duration;

use ::graphql::{RequestScope, code_errors};
use async_graphql::{
    ErrorExtensionValues, Request as Operation, Response as GraphqlAnswer, ServerError,
};
use poem::{Body, IntoResponse, Request, Response, handler, http::StatusCode, web::Data};
use service::ServiceError;

use super::{Shared, problem::problem};
use crate::Clock;

/// Longest time that one operation may take.
const OPERATION_WAIT: Duration = Duration::from_secs(60);
/// Longest body of an operation; the largest that we send ourselves is a suite's manifest.
const OPERATION_BYTES_MAX: usize = 1 << 20;

/// Executes one operation, sent as JSON, as the bearer of the request's token.
#[handler]
pub(super) async fn execute(request: &Request, body: Body, shared: Data<&Shared>) -> Response {
    let scope = match scope(request, &shared).await {
        Ok(scope) => scope,
        Err(error @ ServiceError::Unauthenticated) => {
            let refused = refusal(&error.to_string(), error.code());
            return answer(&refused, StatusCode::UNAUTHORIZED)
                .with_header("www-authenticate", "Bearer")
                .into_response();
        }
        Err(error) => return problem(&error),
    };
    let Ok(bytes) = body.into_bytes_limit(OPERATION_BYTES_MAX).await else {
        let text = format!("the body was cut off, or has more than {OPERATION_BYTES_MAX} bytes");
        return answer(&refusal(&text, "body_too_large"), StatusCode::PAYLOAD_TOO_LARGE);
    };
    let operation: Operation = match serde_json::from_slice(&bytes) {
        Ok(operation) => operation,
        Err(error) => {
            let text = format!("the body is no GraphQL request in JSON: {error}");
            return answer(&refusal(&text, "query_invalid"), StatusCode::BAD_REQUEST);
        }
    };
    let before = scope.now;
    let run = async {
        let response = shared.api.execute(operation.data(scope)).await;
        if shared.clock == Clock::Manual && shared.keeps_calendars {
            crate::calendars::keep_after_move(&shared.service, before).await;
        }
        response
    };
    match tokio::time::timeout(OPERATION_WAIT, run).await {
        Ok(response) => answer(&response, StatusCode::OK),
        Err(_) => answer(&refusal("the operation took too long", "timeout"), StatusCode::OK),
    }
}

async fn scope(request: &Request, shared: &Shared) -> Result<RequestScope, ServiceError> {
    let caller = shared.caller(request).await?;
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|e| ServiceError::Internal(e.to_string().into()))?;
    Ok(RequestScope {
        caller,
        now: shared.now().await?,
        manual_clock: shared.clock == Clock::Manual,
        wall: crate::clock::wall_now(),
        random,
    })
}

fn refusal(message: &str, code: &str) -> GraphqlAnswer {
    let mut error = ServerError::new(message, None);
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", code);
    error.extensions = Some(extensions);
    code_errors(GraphqlAnswer::from_errors(vec![error]))
}

fn answer(response: &GraphqlAnswer, status: StatusCode) -> Response {
    match serde_json::to_string(response) {
        Ok(text) => text.with_content_type("application/json").with_status(status).into_response(),
        Err(error) => problem(&ServiceError::Internal(error.into())),
    }
}
