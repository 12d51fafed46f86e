//! `POST /graphql`.

use std::time::Duration;

use ::graphql::{RequestScope, code_errors};
use async_graphql::{ErrorExtensionValues, Response as GraphqlAnswer, ServerError};
use async_graphql_poem::GraphQLRequest;
use poem::{IntoResponse, Request, Response, handler, http::StatusCode, web::Data};
use service::ServiceError;

use super::{Shared, problem::problem};
use crate::Clock;

/// Longest time that one operation may take.
const OPERATION_WAIT: Duration = Duration::from_secs(60);

/// Executes one operation as the bearer of the request's token.
#[handler]
pub(super) async fn execute(
    request: &Request,
    operation: GraphQLRequest,
    shared: Data<&Shared>,
) -> Response {
    let scope = match scope(request, &shared).await {
        Ok(scope) => scope,
        Err(error @ ServiceError::Unauthenticated) => {
            return answer(&refusal(&error.to_string(), error.code()), StatusCode::UNAUTHORIZED);
        }
        Err(error) => return problem(&error),
    };
    let run = shared.api.execute(operation.0.data(scope));
    match tokio::time::timeout(OPERATION_WAIT, run).await {
        Ok(response) => answer(&response, StatusCode::OK),
        Err(_) => answer(&refusal("the operation took too long", "timeout"), StatusCode::OK),
    }
}

async fn scope(request: &Request, shared: &Shared) -> Result<RequestScope, ServiceError> {
    let caller = shared.caller(request).await?;
    Ok(RequestScope {
        caller,
        now: shared.now().await?,
        manual_clock: shared.clock == Clock::Manual,
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
