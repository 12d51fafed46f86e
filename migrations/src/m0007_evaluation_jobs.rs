//! Evaluation jobs: a queue in the database survives any process, so these rows alone change state.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};

use crate::table::{
    self, Changes, TableDefinition, bigint, bigint_or_null, reference, text, text_or_null,
};

const TABLES: &[TableDefinition] = &[TableDefinition {
    name: "evaluation_job",
    columns: &[
        text("id"),
        text("version_id"),
        text("suite"),
        text("protocol"),
        text("seed"),
        text_or_null("confirms"),
        text("state"),
        bigint("attempts"),
        bigint("attempts_max"),
        text_or_null("lease_holder"),
        bigint_or_null("lease_until"),
        text_or_null("report_digest"),
        text_or_null("failure_code"),
        text_or_null("failure_message"),
        bigint("queued_at"),
        bigint("updated_at"),
    ],
    key: &["id"],
    unique: &[&["version_id", "suite", "protocol", "seed"]],
    searched: &[&["state", "queued_at", "id"]],
    references: &[reference(&["version_id"], "model_version", &["id"])],
    checks: &[
        "state IN ('queued', 'leased', 'done', 'failed')",
        "(state = 'leased') = (lease_holder IS NOT NULL)",
        "(state = 'leased') = (lease_until IS NOT NULL)",
        "(state = 'done') = (report_digest IS NOT NULL)",
    ],
    changes: Changes::AllBut(&[
        "id",
        "version_id",
        "suite",
        "protocol",
        "seed",
        "confirms",
        "attempts_max",
        "queued_at",
    ]),
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
