//! Price decisions: what each report did to the accepted price, with the record that lets anybody repeat it.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};

use crate::table::{
    self, Changes, TableDefinition, bigint, bigint_or_null, reference, text, text_or_null,
};

const TABLES: &[TableDefinition] = &[TableDefinition {
    name: "price_decision",
    columns: &[
        text("model_id"),
        bigint("seq"),
        text("version_id"),
        text("report_digest"),
        text("status"),
        bigint_or_null("price_micro"),
        bigint_or_null("est_micro"),
        bigint_or_null("previous_micro"),
        text("sigma_ln"),
        text_or_null("sigma_delta"),
        text_or_null("band_ln"),
        text("record"),
        bigint("decided_at"),
    ],
    key: &["model_id", "seq"],
    unique: &[],
    searched: &[&["report_digest"]],
    references: &[
        reference(&["model_id"], "registered_model", &["id"]),
        reference(&["version_id"], "model_version", &["id"]),
        reference(&["report_digest"], "evaluation_report", &["digest"]),
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
