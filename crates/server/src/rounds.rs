//! What a server does for prices by itself: rounds go on, and prices that grow old are measured again.

use std::{sync::Arc, time::Duration};

use service::{Service, ServiceError};

use crate::Clock;

/// Pause between two looks at the rounds that run.
const ROUND_EVERY: Duration = Duration::from_secs(1);

/// 32 random bytes; none if the system gives none.
pub(crate) fn entropy() -> Option<[u8; 32]> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).ok().map(|()| random)
}

/// Moves rounds on until it is dropped. Workers do it too; several at once do it once.
pub(crate) async fn keep_advancing(service: Arc<Service>, clock: Clock) {
    loop {
        let done = async {
            let random = entropy().ok_or_else(|| {
                ServiceError::Internal("the system gives no random numbers".into())
            })?;
            service.advance_rounds(clock.now(&service).await?, random).await
        };
        if let Err(error) = done.await {
            tracing::warn!(cause = %error.chain(), "rounds were not moved on");
        }
        tokio::time::sleep(ROUND_EVERY).await;
    }
}

/// Queues what has grown old, by the server's clock, until it is dropped; `every` is by the system's, and zero is never.
pub(crate) async fn keep_renewing(service: Arc<Service>, clock: Clock, every: Duration) {
    if every.is_zero() {
        return;
    }
    loop {
        tokio::time::sleep(every).await;
        let done = async { service.renew_prices(clock.now(&service).await?).await };
        match done.await {
            Ok(0) => {}
            Ok(versions) => tracing::info!(versions, "queued what had grown old"),
            Err(error) => {
                tracing::warn!(cause = %error.chain(), "what has grown old was not queued")
            }
        }
    }
}
