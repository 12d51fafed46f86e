//! Use cases: what publishers, investors, analysts, operators and workers can do.
//!
//! Laws of this crate: a command is one transaction under an idempotency key; time and random bytes come in as values; whatever
//! decides about money is a function of `domain`, called with rows of `store`.

mod access;
mod clock;
mod command;
mod error;
mod folder;
mod fund_view;
mod funds;
mod inspect;
mod jobs;
mod ledger;
mod models;
mod objects;
mod prices;
mod reports;
mod strikes;
mod suites;
mod suspension;
mod token;
mod versions;
mod worker;

use checkpoint::ObjectStorage;
use store::Store;

pub use error::ServiceError;
pub use evaluator::{child_main, runtime};
pub use folder::{FolderError, FolderEvaluation, check_device, evaluate_folder};
pub use fund_view::{FundView, Holding};
pub use funds::{AdmitModel, Fund};
pub use inspect::{InspectError, inspect};
pub use jobs::{Job, JobState, RequestEvaluation};
pub use models::Model;
pub use objects::{Object, Tensor, Upload};
pub use prices::PriceDecision;
pub use reports::ReportView;
pub use strikes::{OrderFill, Rebalanced, Strike};
pub use suites::{RegisterSuite, RegisteredSuite};
pub use token::{Caller, Scope, Token, UnknownScope};
pub use versions::{LISTED, PublishVersion, Version};
pub use worker::{Worked, Worker, WorkerError};

/// One installation: its database, its objects, and the ledger's state in memory.
#[derive(Debug)]
pub struct Service {
    store: Store,
    objects: ObjectStorage,
    ledger: ledger::LedgerCache,
}

impl Service {
    /// Puts the use cases over a migrated database and an object storage.
    #[must_use]
    pub fn new(store: Store, objects: ObjectStorage) -> Self {
        Self { store, objects, ledger: ledger::LedgerCache::default() }
    }

    /// Removes what dead processes left half received. For a server to call when it starts.
    ///
    /// # Errors
    /// The storage's failure.
    pub fn sweep(&self) -> Result<(), checkpoint::StorageError> {
        let swept = self.objects.sweep_staging()?;
        if swept > 0 {
            tracing::info!(files = swept, "removed what was left half received");
        }
        Ok(())
    }
}
