//! The manual clock: `--clock manual` must tell the same time after a restart.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};

use crate::table::{self, Changes, TableDefinition, bigint};

const TABLES: &[TableDefinition] = &[TableDefinition {
    name: "manual_clock",
    columns: &[bigint("seq"), bigint("now_ms")],
    key: &["seq"],
    unique: &[],
    searched: &[],
    references: &[],
    checks: &[],
    changes: Changes::None,
}];

/// Creates the tables above; back, it drops them.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        table::create(manager, TABLES).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        table::drop(manager, TABLES).await
    }
}
