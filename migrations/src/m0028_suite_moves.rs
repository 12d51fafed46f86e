//! Stages of a suite: a re-draw is a shadow before it prices, and closed once the next one does. Each move is a row.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};

use crate::table::{self, Changes, TableDefinition, bigint, reference, text};

const TABLES: &[TableDefinition] = &[TableDefinition {
    name: "suite_move",
    columns: &[
        text("suite"),
        bigint("seq"),
        text("stage"),
        text("reason"),
        text("record"),
        text("moved_by"),
        bigint("moved_at"),
    ],
    key: &["suite", "seq"],
    unique: &[],
    searched: &[],
    references: &[reference(&["suite"], "suite", &["id"])],
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
