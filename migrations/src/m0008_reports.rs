//! Evaluation reports: the immutable outcome that a price is derived from, kept with its canonical body.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};

use crate::table::{self, Changes, TableDefinition, bigint, bigint_or_null, reference, text};

const TABLES: &[TableDefinition] = &[TableDefinition {
    name: "evaluation_report",
    columns: &[
        text("digest"),
        text("version_id"),
        text("suite"),
        text("job_id"),
        text("samples_digest"),
        text("evaluator"),
        bigint("items"),
        bigint_or_null("correct"),
        bigint_or_null("price_micro"),
        text("body"),
        bigint("void"),
        bigint("recorded_at"),
    ],
    key: &["digest"],
    unique: &[],
    searched: &[&["version_id", "recorded_at", "digest"]],
    references: &[reference(&["version_id"], "model_version", &["id"])],
    checks: &["void IN (0, 1)"],
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
