#![doc = include_str!("../README.md")]

pub mod access_token;
pub mod alias_move;
pub mod audit_entry;
pub mod checkpoint_tensor;
pub mod evaluation_job;
pub mod evaluation_report;
pub mod fund;
pub mod idempotent_reply;
pub mod index_basket;
pub mod ledger;
pub mod manual_clock;
pub mod model_version;
pub mod order_fill;
pub mod price_decision;
pub mod registered_model;
pub mod stored_object;
pub mod strike;
pub mod suite;

mod connection;
mod error;
mod record;

pub use access_token::AccessTokenRow;
pub use alias_move::AliasMoveRow;
pub use audit_entry::AuditRow;
pub use checkpoint_tensor::TensorRow;
pub use connection::{Connection, Store, StoreTransaction};
pub use error::{Cause, StoreError};
pub use evaluation_job::{JobCount, JobRow, JobState};
pub use evaluation_report::ReportRow;
pub use fund::FundRow;
pub use idempotent_reply::ReplyRow;
pub use index_basket::BasketRow;
pub use ledger::{EntryRow, EventRow, LegRow, LineRow};
pub use manual_clock::ClockRow;
pub use model_version::VersionRow;
pub use order_fill::FillRow;
pub use price_decision::PriceDecisionRow;
pub use record::PAGE_ROWS_MAX;
pub use registered_model::ModelRow;
pub use stored_object::{ObjectKind, ObjectRow};
pub use strike::StrikeRow;
pub use suite::SuiteRow;
