//! Work on the bytes of a stream beside the receiving of the next ones: one lane hashes, another checks and writes.
//!
//! A lane works a batch at a time on the blocking pool and holds no thread between two batches, so that senders who stall cost
//! none, however many they are.

use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinHandle;

use crate::{ReceiveError, StorageError};

/// Bytes of a stream in the pieces in which they came, shared by the lanes.
pub(crate) type Batch = Arc<[Bytes]>;

/// A state, and the work that has it at the moment.
pub(crate) struct Lane<S> {
    idle: Option<S>,
    busy: Option<JoinHandle<Result<S, ReceiveError>>>,
}

impl<S: Send + 'static> Lane<S> {
    pub(crate) const fn new(state: S) -> Self {
        Self { idle: Some(state), busy: None }
    }

    /// Waits until the last batch is done.
    pub(crate) async fn settle(&mut self) -> Result<(), ReceiveError> {
        if let Some(work) = &mut self.busy {
            let done = work.await;
            self.busy = None;
            self.idle = Some(done.map_err(StorageError::join)??);
        }
        Ok(())
    }

    /// Waits for a failure, for ever if there is none. May be dropped and asked again.
    pub(crate) async fn failure(&mut self) -> ReceiveError {
        match self.settle().await {
            Err(error) => error,
            Ok(()) => std::future::pending().await,
        }
    }

    /// Starts on a batch once the one before is done; `work` is called with each piece in order.
    pub(crate) async fn start(
        &mut self,
        batch: Batch,
        work: fn(&mut S, &[u8]) -> Result<(), ReceiveError>,
    ) -> Result<(), ReceiveError> {
        self.settle().await?;
        let mut state = self.idle.take().ok_or_else(ended)?;
        self.busy = Some(tokio::task::spawn_blocking(move || {
            batch.iter().try_for_each(|piece| work(&mut state, piece))?;
            Ok(state)
        }));
        Ok(())
    }

    /// Ends the lane after the last batch.
    pub(crate) async fn end(&mut self) -> Result<S, ReceiveError> {
        self.settle().await?;
        self.idle.take().ok_or_else(ended)
    }
}

fn ended() -> ReceiveError {
    StorageError::Staging(std::io::Error::other("the work on this upload has ended")).into()
}
