//! Funds that have a calendar are struck and reviewed on time, and once more after an outage.

use std::{sync::Arc, time::Duration};

use domain::time::Timestamp;
use service::{Kept, Service};

use crate::Clock;

/// Keeps the calendars until it is dropped, the first time at once; several servers may. `every` is by the system's clock, and zero is
/// never.
pub(crate) async fn keep(service: Arc<Service>, clock: Clock, every: Duration) {
    if every.is_zero() {
        return;
    }
    loop {
        let done = async { service.keep_calendars(clock.now(&service).await?).await };
        match done.await {
            Ok(Kept { failures: 0, .. }) => {}
            Ok(Kept { failures, .. }) => {
                tracing::warn!(
                    failures,
                    "some funds could not be struck or reviewed by their calendar"
                )
            }
            Err(error) => {
                tracing::warn!(cause = %error.chain(), "the calendars of funds were not kept")
            }
        }
        tokio::time::sleep(every).await;
    }
}

/// Keeps them if the manual clock has moved since `before`, so that whoever moved it sees the strikes at once.
pub(crate) async fn keep_after_move(service: &Service, before: Timestamp) {
    let done = async {
        let now = service.manual_now().await?;
        if now == before { Ok(Kept::default()) } else { service.keep_calendars(now).await }
    };
    if let Err(error) = done.await {
        tracing::warn!(cause = %error.chain(), "the calendars of funds were not kept");
    }
}
