//! Suites: a report is comparable only with reports of the same suite, version and epoch.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};

use crate::table::{self, Changes, TableDefinition, bigint, text, text_or_null};

const TABLES: &[TableDefinition] = &[TableDefinition {
    name: "suite",
    columns: &[
        text("id"),
        text("suite_id"),
        bigint("version"),
        bigint("epoch"),
        text("digest"),
        text("manifest"),
        text("cases_digest"),
        text_or_null("reference_checkpoint_digest"),
        text_or_null("reference_graph_digest"),
        text("registered_by"),
        bigint("registered_at"),
    ],
    key: &["id"],
    unique: &[&["suite_id", "version", "epoch"], &["digest"]],
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
