//! What a resolver knows of its request.

use std::sync::Arc;

use async_graphql::{Context, Result};
use domain::{digest::Digest, time::Timestamp};
use service::{Caller, Reader, Service, ServiceError};

use crate::error::api_error;

/// Who asks and when, as the server found out.
#[derive(Clone)]
pub struct RequestScope {
    /// The bearer, if a valid token came with the request.
    pub caller: Option<Caller>,
    /// Time by the server's clock.
    pub now: Timestamp,
    /// Whether that clock is moved by hand.
    pub manual_clock: bool,
    /// Time by the system's clock, by which tokens expire.
    pub wall: Timestamp,
    /// Fresh random bytes of this request, from which its secrets are made.
    pub random: [u8; 32],
}

impl RequestScope {
    /// Random bytes for one mutation of the request: two of them never get the same, because their keys differ.
    pub(crate) fn random_for(&self, key: &str) -> [u8; 32] {
        let mut seed = b"mf.random.v1\0".to_vec();
        seed.extend_from_slice(&self.random);
        seed.extend_from_slice(key.as_bytes());
        *Digest::of(&seed).as_bytes()
    }
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
