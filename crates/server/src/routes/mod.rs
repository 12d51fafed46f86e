//! The routes: bytes, GraphQL, pages.

mod evidence;
mod graphql;
mod hf;
mod objects;
mod pages;
mod problem;
mod strikes;
mod tensors;
mod uploads;

use std::sync::Arc;

use ::graphql::Api;
use domain::{digest::Digest, time::Timestamp};
use poem::{
    Endpoint, EndpointExt, Request, Response, Route, get, handler,
    http::{HeaderValue, header},
    middleware::SetHeader,
    post, put,
};
use service::{Caller, Service, ServiceError};

use crate::Clock;

/// What every route needs.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) service: Arc<Service>,
    pub(crate) api: Api,
    pub(crate) clock: Clock,
    /// Whether readers are sent to a bucket where that can be.
    pub(crate) redirect_reads: bool,
    /// Whether this process keeps the calendars of funds.
    pub(crate) keeps_calendars: bool,
}

impl Shared {
    /// A link to an object in a bucket, for a reader who may have it.
    async fn link_to(&self, digest: Digest) -> Result<Option<String>, ServiceError> {
        if self.redirect_reads { self.service.signed_link(digest).await } else { Ok(None) }
    }

    async fn now(&self) -> Result<Timestamp, ServiceError> {
        self.clock.now(&self.service).await
    }

    /// The bearer of a request: none without a token, an error with one that is not valid.
    ///
    /// Tokens expire by the system's clock, whatever clock the funds run on.
    async fn caller(&self, request: &Request) -> Result<Option<Caller>, ServiceError> {
        let Some(value) = request.headers().get(header::AUTHORIZATION) else { return Ok(None) };
        let token = value.to_str().ok().and_then(|text| text.split_once(' '));
        let token = token
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token);
        let token = token.ok_or(ServiceError::Unauthenticated)?;
        let caller = self.service.authenticate(token.trim(), crate::clock::wall_now()).await?;
        Ok(Some(Caller { now: self.now().await?, ..caller }))
    }
}

/// Everything under one roof; no page may load anything from another address.
pub(crate) fn app(shared: Shared) -> impl Endpoint {
    const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; \
                          worker-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";
    let headers = SetHeader::new()
        .appending("content-security-policy", POLICY)
        .appending("x-content-type-options", "nosniff")
        .appending("referrer-policy", "no-referrer");
    Route::new()
        .at("/healthz", get(healthz))
        .at("/graphql", post(graphql::execute))
        .at(
            "/v1/objects/:digest",
            get(objects::download).head(objects::download).put(objects::upload),
        )
        .at("/v1/objects/:digest/tensors/:name", get(tensors::download).head(tensors::download))
        .at("/v1/strikes/:fund/:number/bundle", get(strikes::bundle))
        .at("/v1/strikes/:fund/:number/balance", get(evidence::balance))
        .at("/v1/orders/:id/proof", get(evidence::order))
        .at("/v1/uploads", get(uploads::list).post(uploads::start))
        .at("/v1/uploads/:id", get(uploads::get).delete(uploads::abort))
        .at("/v1/uploads/:id/parts/:number", put(uploads::put_part))
        .at("/v1/uploads/:id/finish", post(uploads::finish))
        .at("/hf/*path", hf::hub)
        .at("/playground", get(pages::playground))
        .at("/playground/:asset", get(pages::playground_asset))
        .at("/", get(pages::dashboard))
        .at("/dashboard/:asset", get(pages::dashboard_asset))
        .data(shared)
        .with(headers)
        .catch_all_error(problem::unrouted)
        .around(close_unread)
}

/// Says that the connection closes, where a request with a long body was refused.
///
/// What is left of such a body is not read, so no other request can follow on the connection; a client that isn't told sends one
/// and loses it.
async fn close_unread(
    endpoint: Arc<impl Endpoint<Output = Response>>,
    request: Request,
) -> poem::Result<Response> {
    const SHORT: u64 = 1 << 13;
    let headers = request.headers();
    let declared = headers
        .get(header::CONTENT_LENGTH)
        .map(|value| value.to_str().ok().and_then(|text| text.parse().ok()).unwrap_or(u64::MAX));
    let long = match declared {
        Some(bytes) => bytes > SHORT,
        None => headers.contains_key(header::TRANSFER_ENCODING),
    };
    let mut response = endpoint.call(request).await?;
    if long && (response.status().is_client_error() || response.status().is_server_error()) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// Answers as soon as requests are taken.
#[handler]
const fn healthz() -> &'static str {
    "ok"
}
