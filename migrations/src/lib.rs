#![doc = include_str!("../README.md")]

mod m0001_access;
mod m0002_models;
mod m0003_objects;
mod m0004_versions;
mod m0005_aliases;
mod m0006_suites;
mod m0007_evaluation_jobs;
mod m0008_reports;
mod m0009_prices;
mod m0010_ledger;
mod m0011_funds;
mod m0012_idempotent_replies;
mod m0013_manual_clock;
mod m0014_audit;
mod m0016_versions;
mod m0017_model_access;
mod m0018_hub;
mod m0019_upload_sessions;
mod m0021_xet;
mod m0022_shards;
mod m0023_storage;
mod m0024_gates;
mod m0025_webhooks;
mod m0028_suite_moves;
mod m0030_evaluators;
mod m0031_likeness;
mod m0032_orders;
mod m0033_log;
mod m0034_dealing_windows;
mod m0035_methodologies;
mod m0037_travel;
mod m0038_calendars;
mod m0039_dealing_days;
mod m0040_commitments;
mod m0042_restatements;
mod m0043_waiting_orders;
mod m0046_window;
mod m0048_balance_seeds;
mod m0049_ledger_notes;
mod table;

use sea_orm_migration::prelude::async_trait::async_trait;
use sea_orm_migration::sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, IsolationLevel,
    SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use sea_orm_migration::{MigrationTrait, MigratorTrait};

/// Key of the advisory lock that lets one process at a time change the schema: the letters `mf_schem`.
const SCHEMA_LOCK: i64 = 0x6d66_5f73_6368_656d;

/// The steps of the schema, oldest first.
#[derive(Debug)]
pub struct Migrator;

#[async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_access::Migration),
            Box::new(m0002_models::Migration),
            Box::new(m0003_objects::Migration),
            Box::new(m0004_versions::Migration),
            Box::new(m0005_aliases::Migration),
            Box::new(m0006_suites::Migration),
            Box::new(m0007_evaluation_jobs::Migration),
            Box::new(m0008_reports::Migration),
            Box::new(m0009_prices::Migration),
            Box::new(m0010_ledger::Migration),
            Box::new(m0011_funds::Migration),
            Box::new(m0012_idempotent_replies::Migration),
            Box::new(m0013_manual_clock::Migration),
            Box::new(m0014_audit::Migration),
            Box::new(m0016_versions::Migration),
            Box::new(m0017_model_access::Migration),
            Box::new(m0018_hub::Migration),
            Box::new(m0019_upload_sessions::Migration),
            Box::new(m0021_xet::Migration),
            Box::new(m0022_shards::Migration),
            Box::new(m0023_storage::Migration),
            Box::new(m0024_gates::Migration),
            Box::new(m0025_webhooks::Migration),
            Box::new(m0028_suite_moves::Migration),
            Box::new(m0030_evaluators::Migration),
            Box::new(m0031_likeness::Migration),
            Box::new(m0032_orders::Migration),
            Box::new(m0033_log::Migration),
            Box::new(m0042_restatements::Migration),
            Box::new(m0046_window::Migration),
            Box::new(m0035_methodologies::Migration),
            Box::new(m0037_travel::Migration),
            Box::new(m0038_calendars::Migration),
            Box::new(m0039_dealing_days::Migration),
            Box::new(m0034_dealing_windows::Migration),
            Box::new(m0040_commitments::Migration),
            Box::new(m0043_waiting_orders::Migration),
            Box::new(m0049_ledger_notes::Migration),
            Box::new(m0048_balance_seeds::Migration),
        ]
    }
}

/// Applies every step that the database lacks, all of them or none.
///
/// Safe to call from several processes at once and again at every start: one goes first, the others find nothing to do.
///
/// # Errors
/// Whatever the database answers; the schema is then as it was before.
pub async fn run(connection: &DatabaseConnection) -> Result<(), DbErr> {
    let transaction = begin(connection).await?;
    Migrator::up(&transaction, None).await?;
    transaction.commit().await
}

/// Takes back every step and all data with it, all of them or none.
///
/// # Errors
/// Whatever the database answers; schema and data are then as they were before.
pub async fn revert(connection: &DatabaseConnection) -> Result<(), DbErr> {
    let transaction = begin(connection).await?;
    Migrator::down(&transaction, None).await?;
    transaction.commit().await
}

/// Takes back the steps down to the one of a name, that one with them, and the data that they alone have.
///
/// # Errors
/// Whatever the database answers, or that no step has this name; schema and data are then as they were before.
pub async fn revert_to(connection: &DatabaseConnection, name: &str) -> Result<(), DbErr> {
    let steps = Migrator::migrations();
    let place = steps.iter().position(|step| step.name() == name);
    let place = place.ok_or_else(|| DbErr::Custom(format!("no step is called {name}")))?;
    let transaction = begin(connection).await?;
    // Of a database that has them all, as one has on which this server runs.
    let back = u32::try_from(steps.len() - place).unwrap_or(u32::MAX);
    Migrator::down(&transaction, Some(back)).await?;
    transaction.commit().await
}

async fn begin(connection: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let transaction = connection
        .begin_with_options(TransactionOptions {
            isolation_level: match connection.get_database_backend() {
                DbBackend::Postgres => Some(IsolationLevel::ReadCommitted),
                _ => None,
            },
            access_mode: None,
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        })
        .await?;
    if transaction.get_database_backend() == DbBackend::Postgres {
        transaction
            .execute_unprepared(&format!("SELECT pg_advisory_xact_lock({SCHEMA_LOCK})"))
            .await?;
    }
    Ok(transaction)
}
