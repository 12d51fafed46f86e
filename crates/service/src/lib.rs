//! Use cases: what publishers, investors, analysts, operators and workers can do.
//!
//! Laws of this crate: a command is one transaction under an idempotency key; time and random bytes come in as values; whatever
//! decides about money is a function of `domain`, called with rows of `store`.

mod access;
mod aliases;
mod audit;
mod cards;
mod clock;
mod command;
mod error;
mod folder;
mod fund_view;
mod funds;
mod hub;
mod hub_commit;
mod hub_link;
mod hub_objects;
mod hub_refs;
mod hub_xet;
mod inspect;
mod inspect_folder;
mod jobs;
mod ledger;
mod lineage;
mod models;
mod nonfinite;
mod objects;
mod prices;
mod reports;
mod strikes;
mod suites;
mod suspension;
mod token;
mod versions;
mod visibility;
mod worker;
mod yanks;

use checkpoint::ObjectStorage;
use store::Store;

pub use aliases::{AliasMove, MoveAlias, Pin};
pub use audit::AuditEntry;
pub use cards::{Card, Search, WriteCard};
pub use error::ServiceError;
pub use evaluator::{child_main, runtime};
pub use folder::{FolderError, FolderEvaluation, check_device, evaluate_folder};
pub use fund_view::{FundView, Holding};
pub use funds::{AdmitModel, Fund};
pub use hub::{HubFile, HubFilter, HubRepo};
pub use hub_commit::{HubChange, HubCommit, HubCommitRequest, MAIN};
pub use hub_link::HubLink;
pub use hub_objects::{
    HUB_REGULAR_BYTES_MAX, git_oid, is_safetensors, refuse_bad_sample, refuse_pickle,
};
pub use hub_refs::{HubRef, HubRefKind};
pub use hub_xet::{XORB_KEPT_MS, XetToken};
pub use inspect::{InspectError, inspect, inspect_with_nonfinite};
pub use inspect_folder::inspect_folder;
pub use jobs::{Job, JobState, RequestEvaluation};
pub use lineage::{Lineage, StructureView, VersionName};
pub use models::Model;
pub use objects::{Object, Tensor, Upload};
pub use prices::PriceDecision;
pub use reports::ReportView;
pub use strikes::{OrderFill, Rebalanced, Strike};
pub use suites::{RegisterSuite, RegisteredSuite};
pub use token::{Caller, Scope, Token, UnknownScope};
pub use versions::{LISTED, PublishVersion, Version};
pub use visibility::{Grant, Reader};
pub use worker::{Worked, Worker, WorkerError};
pub use yanks::{Yank, YankVersion};

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
    pub async fn sweep(&self) -> Result<(), checkpoint::StorageError> {
        let swept = self.objects.sweep_staging().await?;
        if swept > 0 {
            tracing::info!(files = swept, "removed what was left half received");
        }
        Ok(())
    }
}
