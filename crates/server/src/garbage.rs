//! The collector's timer, and a collection by hand.

use std::{sync::Arc, time::Duration};

use service::{Collected, Collection, Service, ServiceError};

use crate::{Clock, Installation, OpenError};

/// Most objects, and most parts, of one run of the timer.
const RUN_LIMIT: u64 = 10_000;

/// Pause between two steps of entering the objects of a time before accounts.
const ENTERING_WAIT: Duration = Duration::from_millis(100);

/// When garbage goes.
#[derive(Clone, Copy, Debug)]
pub struct GarbageOptions {
    /// How long an upload that nothing cites stays.
    pub grace: Duration,
    /// Time between two runs, by the system's clock; the grace is by the server's.
    pub interval: Duration,
}

/// Collects by a timer until it is dropped. A failure is logged, and the next run goes on from there.
pub(crate) async fn collect_by_timer(service: Arc<Service>, clock: Clock, options: GarbageOptions) {
    loop {
        let done = async {
            let now = clock.now(&service).await?;
            service.collect_garbage(&collection(now, options.grace, false, RUN_LIMIT)).await
        };
        let wait = match done.await {
            Ok(Collected { is_entering: true, .. }) => ENTERING_WAIT,
            Ok(done) => {
                if done != Collected::default() {
                    tracing::info!(
                        objects = done.objects,
                        bytes = done.part_bytes,
                        parts = done.parts,
                        "collected garbage"
                    );
                }
                options.interval
            }
            Err(error) => {
                tracing::warn!(cause = %error.chain(), "garbage was not collected");
                options.interval
            }
        };
        tokio::time::sleep(wait).await;
    }
}

/// Why a collection by hand did not happen.
#[derive(Debug, thiserror::Error)]
pub enum GarbageError {
    /// The installation cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Database or storage failed on the way; the next collection goes on from there.
    #[error(transparent)]
    Collect(#[from] ServiceError),
}

/// Collects once, beside servers that may run: all that is due, or with `dry_run` only tells it.
///
/// # Errors
/// See [`GarbageError`].
pub async fn collect_garbage(
    installation: &Installation,
    clock: Clock,
    grace: Duration,
    dry_run: bool,
) -> Result<Collected, GarbageError> {
    let service = installation.open().await?;
    let now = clock.now(&service).await?;
    let mut all = Collected::default();
    loop {
        let done = service.collect_garbage(&collection(now, grace, dry_run, RUN_LIMIT)).await?;
        if done.is_entering {
            continue;
        }
        all.objects += done.objects;
        all.object_bytes += done.object_bytes;
        all.parts += done.parts;
        all.part_bytes += done.part_bytes;
        if dry_run || done == Collected::default() {
            return Ok(all);
        }
    }
}

fn collection(
    now: domain::time::Timestamp,
    grace: Duration,
    dry_run: bool,
    limit: u64,
) -> Collection {
    let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
    Collection { now, grace_ms, limit, dry_run }
}
