//! Strikes that prove themselves: `/v1/strikes/{fund}/{number}/bundle`; a slash in a fund's name is written `%2F`.

use poem::{
    IntoResponse, Request, Response, handler,
    web::{Data, Path, Query},
};
use serde::Deserialize;
use service::ServiceError;

use super::{Shared, problem::problem};

#[derive(Deserialize)]
struct BundleQuery {
    /// Whether the raw samples go with the reports.
    #[serde(default)]
    samples: bool,
}

/// Serves a strike with all that it follows from, as JSON; `?samples=true` puts the raw samples of its reports in.
///
/// Scope `operate`: the journal in it names everybody who ever dealt.
#[handler]
pub(super) async fn bundle(
    request: &Request,
    Path((fund, number)): Path<(String, String)>,
    query: poem::Result<Query<BundleQuery>>,
    shared: Data<&Shared>,
) -> Response {
    let sent = match query {
        Ok(Query(query)) => send(request, (&fund, &number), query.samples, &shared).await,
        Err(error) => Err(invalid("samples", &error.to_string())),
    };
    sent.unwrap_or_else(|error| problem(&error))
}

async fn send(
    request: &Request,
    (fund, number): (&str, &str),
    samples: bool,
    shared: &Shared,
) -> Result<Response, ServiceError> {
    let caller = shared.caller(request).await?.ok_or(ServiceError::Unauthenticated)?;
    let fund = fund.parse().map_err(|_| invalid("fund", "is no name"))?;
    let number = number.parse().map_err(|_| invalid("number", "is no whole number"))?;
    let whole = shared.service.strike_bundle(&caller, &fund, number, samples).await?;
    let text =
        serde_json::to_string(&whole).map_err(|error| ServiceError::Internal(Box::new(error)))?;
    Ok(text.with_content_type("application/json").into_response())
}

fn invalid(field: &'static str, reason: &str) -> ServiceError {
    ServiceError::Invalid { field, reason: reason.to_owned() }
}
