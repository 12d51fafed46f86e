//! The clocks that a server may run on.

use std::{str::FromStr, time::SystemTime};

use domain::time::Timestamp;
use service::{Service, ServiceError};

/// Which clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// The system's.
    #[default]
    System,
    /// One that a mutation moves; for tests and the demo.
    Manual,
}

/// No clock has this name.
#[derive(Debug, thiserror::Error)]
#[error("unknown clock {0:?}: expected system or manual")]
pub struct UnknownClock(String);

impl FromStr for Clock {
    type Err = UnknownClock;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "system" => Ok(Self::System),
            "manual" => Ok(Self::Manual),
            other => Err(UnknownClock(other.to_owned())),
        }
    }
}

impl Clock {
    /// Now.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the manual clock cannot be read.
    pub async fn now(self, service: &Service) -> Result<Timestamp, ServiceError> {
        match self {
            Self::System => Ok(wall_now()),
            Self::Manual => service.manual_now().await,
        }
    }
}

/// The system's time; the one place that asks for it.
#[expect(clippy::disallowed_methods, reason = "this is the clock that everything else is handed")]
pub(crate) fn wall_now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Timestamp::from_millis(since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX)))
}
