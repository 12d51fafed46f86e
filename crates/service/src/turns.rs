//! Whose turn it is to compute: questions that anybody may ask and that take a core for a while, one after the other.
//!
//! What such a question costs has a limit of its own; this is the limit of all of them together, so that who asks many times takes time
//! from others who ask, and none from those who deal.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::ServiceError;

/// Questions that compute at once: two, so that a short one passes a long one.
const RUNNING_MAX: usize = 2;
/// Questions that compute or wait for it.
const QUEUE_MAX: usize = 32;

/// The places at the cores that questions have.
#[derive(Debug)]
pub(crate) struct Turns {
    running: Arc<Semaphore>,
    queue: Arc<Semaphore>,
}

impl Default for Turns {
    fn default() -> Self {
        let places = |most| Arc::new(Semaphore::new(most));
        Self { running: places(RUNNING_MAX), queue: places(QUEUE_MAX) }
    }
}

impl Turns {
    /// Computes when its turn comes. Whoever stops waiting gives the place in the queue back; a computation that runs keeps its own.
    ///
    /// # Errors
    /// [`ServiceError::Crowded`] where too many wait; [`ServiceError::Internal`] where the computation panicked.
    pub(crate) async fn compute<T: Send + 'static>(
        &self,
        computation: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ServiceError> {
        let limit = QUEUE_MAX;
        let place = self.queue.clone().try_acquire_owned();
        let place = place.map_err(|_| ServiceError::Crowded { limit })?;
        let turn = self.running.clone().acquire_owned().await.map_err(ServiceError::internal)?;
        let computed = tokio::task::spawn_blocking(move || {
            let _held = (place, turn);
            computation()
        });
        computed.await.map_err(ServiceError::internal)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicBool, AtomicUsize, Ordering},
        time::Duration,
    };

    use super::*;

    /// Proves that no more than two compute at once, that the one behind the last place is refused at once, and that places are free again
    /// after computations that ended, that panicked, and whose askers went away.
    #[tokio::test(flavor = "multi_thread")]
    async fn turns_are_bounded() {
        let turns = Arc::new(Turns::default());
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let is_open = Arc::new(AtomicBool::new(false));
        let ask = |number: usize| {
            let (turns, running) = (turns.clone(), running.clone());
            let (most, is_open) = (most.clone(), is_open.clone());
            let computation = move || {
                most.fetch_max(1 + running.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
                while !is_open.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(1));
                }
                running.fetch_sub(1, Ordering::SeqCst);
                assert!(number != RUNNING_MAX, "one of them fails");
            };
            tokio::spawn(async move { turns.compute(computation).await })
        };
        let mut questions: Vec<_> = (0..QUEUE_MAX).map(ask).collect();
        while turns.queue.available_permits() > 0 || running.load(Ordering::SeqCst) < RUNNING_MAX {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let refused = turns.compute(|| ()).await;
        assert!(matches!(refused, Err(ServiceError::Crowded { limit: QUEUE_MAX })), "{refused:?}");
        questions.swap_remove(QUEUE_MAX - 1).abort();
        is_open.store(true, Ordering::SeqCst);
        let mut failed = 0;
        for question in questions {
            failed += usize::from(question.await.unwrap().is_err());
        }
        assert_eq!(failed, 1);
        assert_eq!(most.load(Ordering::SeqCst), RUNNING_MAX);
        assert_eq!(turns.queue.available_permits(), QUEUE_MAX);
    }
}
