//! What one person takes home: `/v1/strikes/{fund}/{number}/balance` and `/v1/orders/{id}/proof`; a slash in a fund's name is `%2F`.

use domain::{canonical::CanonicalError, name::Name};
use poem::{
    IntoResponse, Request, Response, handler,
    web::{Data, Path, Query},
};
use serde::Deserialize;
use service::ServiceError;

use super::{Shared, problem::problem};

#[derive(Deserialize)]
struct BalanceQuery {
    /// Whose balance, for the operator; the bearer's own without it.
    owner: Option<String>,
}

/// Serves a balance at a strike with all that shows it, as canonical JSON; the same bytes whenever and wherever it is asked for.
///
/// Scope `invest`, for the bearer's own; scope `operate` for anybody's.
#[handler]
pub(super) async fn balance(
    request: &Request,
    Path((fund, number)): Path<(String, String)>,
    query: poem::Result<Query<BalanceQuery>>,
    shared: Data<&Shared>,
) -> Response {
    let sent = match query {
        Ok(Query(query)) => send_balance(request, (&fund, &number), query, &shared).await,
        Err(error) => Err(invalid("owner", &error.to_string())),
    };
    sent.unwrap_or_else(|error| problem(&error))
}

/// Serves an order in a closed book with all that shows it, as canonical JSON: its owner's, and anybody's for the operator.
#[handler]
pub(super) async fn order(
    request: &Request,
    Path(id): Path<String>,
    shared: Data<&Shared>,
) -> Response {
    send_order(request, &id, &shared).await.unwrap_or_else(|error| problem(&error))
}

async fn send_balance(
    request: &Request,
    (fund, number): (&str, &str),
    query: BalanceQuery,
    shared: &Shared,
) -> Result<Response, ServiceError> {
    let caller = shared.caller(request).await?.ok_or(ServiceError::Unauthenticated)?;
    let fund: Name = fund.parse().map_err(|_| invalid("fund", "is no name"))?;
    let number = number.parse().map_err(|_| invalid("number", "is no whole number"))?;
    let owner = match query.owner {
        Some(owner) => owner.parse().map_err(|_| invalid("owner", "is no name"))?,
        None => caller.owner.clone(),
    };
    let found = shared.service.balance_evidence(&caller, &owner, (&fund, number), None).await?;
    let evidence = found.map_err(|missing| ServiceError::Absent {
        kind: "proof of balance",
        name: format!("{owner} at {fund}/{number}: {}", missing.reason()),
    })?;
    json(evidence.to_canonical())
}

async fn send_order(
    request: &Request,
    id: &str,
    shared: &Shared,
) -> Result<Response, ServiceError> {
    let caller = shared.caller(request).await?.ok_or(ServiceError::Unauthenticated)?;
    let id: i64 = id.parse().map_err(|_| invalid("id", "is no order id"))?;
    let found = shared.service.order_evidence(&caller, id).await?;
    let name = || format!("{id}: it is in no closed book that a signed head has");
    let absent = || ServiceError::Absent { kind: "proof of order", name: name() };
    json(found.ok_or_else(absent)?.to_canonical())
}

fn json(text: Result<String, CanonicalError>) -> Result<Response, ServiceError> {
    let text = text.map_err(|error| ServiceError::Internal(Box::new(error)))?;
    Ok(text.with_content_type("application/json").into_response())
}

fn invalid(field: &'static str, reason: &str) -> ServiceError {
    ServiceError::Invalid { field, reason: reason.to_owned() }
}
