//! Moments of the ledger: how far its past is closed, and what finds the last event of a moment and the postings of an owner.
//!
//! An answer about a moment must never change; so a moment that was asked for is closed first, and nothing is recorded in it any more.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, Index, MigrationTrait, SchemaManager, async_trait,
};

use crate::table::{self, Changes, TableDefinition, bigint};

const TABLES: &[TableDefinition] = &[TableDefinition {
    name: "ledger_horizon",
    columns: &[bigint("closed_to")],
    key: &["closed_to"],
    unique: &[],
    searched: &[],
    references: &[],
    checks: &[],
    changes: Changes::None,
}];

/// Indexes over tables of earlier steps.
const INDEXES: [(&str, &str, [&str; 2]); 3] = [
    ("ledger_event_recorded_at_seq_idx", "ledger_event", ["recorded_at", "seq"]),
    ("custody_leg_from_account_event_seq_idx", "custody_leg", ["from_account", "event_seq"]),
    ("custody_leg_to_account_event_seq_idx", "custody_leg", ["to_account", "event_seq"]),
];

/// Creates table and indexes; back, it drops them.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        table::create(manager, TABLES).await?;
        for (name, table, columns) in INDEXES {
            let mut index = Index::create();
            index.name(name).table(table);
            for column in columns {
                index.col(column);
            }
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, table, _) in INDEXES {
            manager.drop_index(Index::drop().name(name).table(table).to_owned()).await?;
        }
        table::drop(manager, TABLES).await
    }
}
