//! Use cases: what publishers, investors, analysts, operators and workers can do.
//!
//! Laws of this crate: a command is one transaction under an idempotency key; time and random bytes come in as values; whatever
//! decides about money is a function of `domain`, called with rows of `store`.

mod access;
mod accounts;
mod aliases;
mod audit;
mod backtests;
mod balances;
mod bids;
mod budget;
mod bundle;
mod calendars;
mod cards;
mod citing;
mod clock;
mod collector;
mod command;
mod contributors;
mod corrections;
mod creations;
mod cut_offs;
mod dealing;
mod dealing_register;
mod disclosures;
mod distributions;
mod doubt;
mod eligibility;
mod error;
mod evaluators;
mod exits;
mod fee_shares;
mod folder;
mod follow;
mod fund_view;
mod funds;
mod gates;
mod history;
mod holds;
mod hub;
mod hub_commit;
mod hub_link;
mod hub_objects;
mod hub_parts;
mod hub_refs;
mod hub_version;
mod hub_xet;
mod inspect;
mod inspect_folder;
mod jobs;
mod kept;
mod known_leaves;
mod ledger;
mod likeness;
mod likeness_review;
mod lineage;
mod log;
mod log_gap;
mod log_lookup;
mod methodologies;
mod methodology_comparison;
pub mod methodology_gate;
mod models;
mod moment;
mod nonfinite;
mod objects;
mod old_objects;
mod order_proof;
mod orders;
mod prices;
mod proofs;
mod quorum;
mod quota;
mod rebalances;
mod renewal;
mod reports;
mod restatements;
mod restrictions;
mod reveal;
mod roles;
mod rotation;
mod rounds;
mod sealed;
mod shards;
mod standby;
mod statement;
mod strikes;
mod suites;
mod suspension;
mod token;
mod turns;
mod uploads;
mod versions;
mod visibility;
mod webhook_delivery;
mod webhooks;
mod window;
mod worker;
mod worker_log;
mod worker_round;
mod yanks;

use checkpoint::ObjectStorage;
use domain::proof::LogKey;
use store::Store;

pub use access::{CreateToken, TokenView};
pub use aliases::{AliasMove, MoveAlias, Pin};
pub use audit::{AuditEntry, AuditSearch};
pub use backtests::{BacktestRow, BacktestRun, BacktestSource, RunBacktest};
pub use balances::NoBalanceProof;
pub use bids::{OpenBids, SealBids};
pub use calendars::{Dealing, DealingState, FundCalendar, Kept};
pub use cards::{Card, Search, WriteCard};
pub use collector::{Collected, Collection};
pub use contributors::{Contributor, Contributors, SetContributors};
pub use corrections::CorrectEntry;
pub use creations::GivenInKind;
pub use cut_offs::OrderDealing;
pub use dealing_register::RegisteredDealing;
pub use disclosures::FundDisclosure;
pub use distributions::DistributedFees;
pub use error::ServiceError;
pub use evaluator::pack;
pub use evaluator::{child_main, runtime};
pub use evaluators::{Evaluator, RegisterEvaluator, SetStanding};
pub use exits::{ReceivedInKind, RedeemInKind, TransferAsset};
pub use folder::{
    FolderError, FolderEvaluation, FolderReport, check_device, evaluate_folder, verify_on_suite,
};
pub use fund_view::{FundView, Holding};
pub use funds::{AdmitModel, Fund};
pub use gates::{AccessRequest, DecideAccess, GateMode, RequestState};
pub use holds::HOLD_DAYS_MAX;
pub use hub::{HubFile, HubFilter, HubRepo};
pub use hub_commit::{HubChange, HubCommit, HubCommitRequest, MAIN};
pub use hub_link::HubLink;
pub use hub_objects::{
    HUB_REGULAR_BYTES_MAX, git_oid, is_safetensors, refuse_bad_sample, refuse_pickle,
};
pub use hub_parts::{HUB_PART_BYTES, hub_part_count};
pub use hub_refs::{HubRef, HubRefKind};
pub use hub_version::HubShards;
pub use hub_xet::{XORB_KEPT_MS, XetToken};
pub use inspect::{InspectError, inspect, inspect_with_nonfinite};
pub use inspect_folder::{FolderCheckpoint, check_folder, inspect_folder};
pub use jobs::{Job, JobState, RequestEvaluation};
pub use likeness::{FeeShare, Similar};
pub use likeness_review::{LikenessReview, ReviewLikeness};
pub use lineage::{Lineage, StructureView, VersionName};
pub use log::LogLeaf;
pub use methodologies::{MethodologyState, MethodologyVersion, ProposeMethodology};
pub use methodology_comparison::{ComparedMethodology, MethodologyComparison};
pub use models::Model;
pub use moment::{LedgerAt, Moment};
pub use objects::{Object, Tensor, Upload};
pub use orders::{Order, OrderSize, OrderSlice, OrderState};
pub use prices::PriceDecision;
pub use proofs::StrikeProof;
pub use quorum::QuorumSetting;
pub use quota::StorageUse;
pub use rebalances::{Rebalance, Rebalanced};
pub use reports::ReportView;
pub use restatements::{RestateNav, Restatement, RestatementPart};
pub use restrictions::{FundRestrictions, OwnerList};
pub use reveal::{CutOff, StrikeCommitment, ToldPrices};
pub use roles::Maintainer;
pub use rotation::{FundMove, MoveSuite, Rotation, ShadowPrice, SuiteMove, SuiteStage};
pub use rounds::{RequestRound, Reveal, Round, Seat, Verdict};
pub use shards::Shard;
pub use statement::{Balance, Place, Posting, Purse, Statement};
pub use strikes::{OrderFill, Strike};
pub use suites::{RegisterSuite, RegisteredSuite};
pub use token::{Caller, Scope, Token, UnknownScope};
pub use uploads::{
    MissingPart, OpenUpload, StartUpload, Started, UPLOAD_LIMITS, UploadError, UploadLimits,
    UploadSession,
};
pub use versions::{LISTED, PublishVersion, Version};
pub use visibility::{Grant, Reader};
pub use webhook_delivery::{LeasedDelivery, RETRY_AFTER_S};
pub use webhooks::{CreateWebhook, Delivery, DeliveryState, WEBHOOK_EVENTS, Webhook};
pub use window::{OrderPayment, PlaceWindowRequest, WindowView};
pub use worker::{Worked, Worker, WorkerError};
pub use yanks::{Yank, YankVersion};

/// One installation: its database, its objects, and the ledger's state in memory.
#[derive(Debug)]
pub struct Service {
    store: Store,
    objects: ObjectStorage,
    ledger: ledger::LedgerCache,
    history: history::History,
    accounts: accounts::Accounts,
    /// The last error budget of each fund.
    budgets: budget::Budgets,
    /// Whose question is computed.
    turns: turns::Turns,
    /// The last trees over balances and orders that somebody asked for a path of.
    balances: balances::KeptBalances,
    books: order_proof::KeptBooks,
    /// Signs the heads of the log; none in a process that leaves them to another.
    log_key: Option<LogKey>,
}

impl Service {
    /// Puts the use cases over a migrated database and an object storage.
    #[must_use]
    pub fn new(store: Store, objects: ObjectStorage) -> Self {
        let accounts = accounts::Accounts {
            store: store.clone(),
            objects: objects.clone(),
            quota_default: None,
        };
        let (ledger, history) = Default::default();
        let (budgets, turns, balances, books) = Default::default();
        let log_key = None;
        Self { store, objects, ledger, history, accounts, budgets, turns, balances, books, log_key }
    }

    /// Lets this process sign the heads of the log.
    #[must_use]
    pub fn with_log_key(mut self, key: LogKey) -> Self {
        self.log_key = Some(key);
        self
    }

    /// Limits what a login may hold, in bytes, where the operator sets nothing else for it.
    #[must_use]
    pub const fn with_quota_default(mut self, bytes: Option<u64>) -> Self {
        self.accounts.quota_default = bytes;
        self
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
