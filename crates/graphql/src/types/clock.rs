//! The server's clock.

use async_graphql::SimpleObject;

use crate::{scalars::Time, scope::RequestScope};

/// The server's clock. It is the system's, unless the server was started with one that is moved by hand.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct Clock {
    /// Now.
    now: Time,
    /// Whole days since 1970-01-01: the day of a fund.
    day: i64,
    /// Whether the clock is moved by hand.
    manual: bool,
}

impl From<&RequestScope> for Clock {
    fn from(scope: &RequestScope) -> Self {
        Self { now: Time(scope.now), day: scope.now.day(), manual: scope.manual_clock }
    }
}
