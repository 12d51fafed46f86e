//! The server signs what others appended to the log: workers have no key, and rounds end by themselves.

use std::{sync::Arc, time::Duration};

use service::Service;

use crate::Clock;

/// Pause between two looks; a command's own leaves are signed with the command.
const SIGN_EVERY: Duration = Duration::from_secs(1);

/// Signs heads until it is dropped, the first at once, so that even an empty log has one.
pub(crate) async fn keep_signing(service: Arc<Service>, clock: Clock) {
    loop {
        let done = async { service.sign_log(clock.now(&service).await?).await };
        if let Err(error) = done.await {
            tracing::warn!(cause = %error.chain(), "the log's head was not signed");
        }
        tokio::time::sleep(SIGN_EVERY).await;
    }
}
