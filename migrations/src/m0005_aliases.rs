//! Aliases: where a pointer such as `listed` stood at any time is history, so each move is a row.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};

use crate::table::{self, Changes, TableDefinition, bigint, reference, text};

const TABLES: &[TableDefinition] = &[TableDefinition {
    name: "alias_move",
    columns: &[
        text("model_id"),
        text("alias"),
        bigint("seq"),
        text("version_id"),
        text("moved_by"),
        text("reason"),
        bigint("moved_at"),
    ],
    key: &["model_id", "alias", "seq"],
    unique: &[],
    searched: &[],
    references: &[
        reference(&["model_id"], "registered_model", &["id"]),
        reference(&["version_id"], "model_version", &["id"]),
    ],
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
