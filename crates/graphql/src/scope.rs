//! What a resolver knows of its request.

use std::sync::Arc;

use async_graphql::{Context, Result};
use domain::time::Timestamp;
use service::{Caller, Reader, Service, ServiceError};

use crate::error::api_error;

/// Who asks and when, as the server found out.
#[derive(Clone, Debug)]
pub struct RequestScope {
    /// The bearer, if a valid token came with the request.
    pub caller: Option<Caller>,
    /// Time by the server's clock.
    pub now: Timestamp,
    /// Whether that clock is moved by hand.
    pub manual_clock: bool,
}

pub(crate) fn service<'a>(context: &Context<'a>) -> Result<&'a Arc<Service>> {
    context.data::<Arc<Service>>()
}

pub(crate) fn request<'a>(context: &Context<'a>) -> Result<&'a RequestScope> {
    context.data::<RequestScope>()
}

/// On whose behalf the request reads.
pub(crate) fn reader(context: &Context<'_>) -> Result<Reader> {
    Ok(Reader::from(request(context)?.caller.as_ref()))
}

/// The bearer; a request without a valid token is refused.
pub(crate) fn caller<'a>(context: &Context<'a>) -> Result<&'a Caller> {
    request(context)?.caller.as_ref().ok_or_else(|| api_error(ServiceError::Unauthenticated))
}
