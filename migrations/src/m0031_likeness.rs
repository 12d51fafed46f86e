//! What is kept of measured versions so that others can be compared with them, which are alike, and who has looked.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};

use crate::table::{
    self, Changes, TableDefinition, bigint, bigint_or_null, reference, text, text_or_null,
};

const TABLES: &[TableDefinition] = &[
    TableDefinition {
        name: "version_print",
        columns: &[
            text("version_id"),
            text("suite"),
            bigint("seq"),
            text("model_id"),
            text("weights"),
            text_or_null("answers_sketch"),
            bigint_or_null("answers_classes"),
            bigint("recorded_at"),
        ],
        key: &["version_id", "suite"],
        unique: &[&["seq"]],
        searched: &[],
        references: &[
            reference(&["version_id"], "model_version", &["id"]),
            reference(&["suite"], "suite", &["id"]),
        ],
        checks: &["seq > 0"],
        changes: Changes::None,
    },
    TableDefinition {
        name: "version_answers",
        columns: &[text("version_id"), text("suite"), text("body")],
        key: &["version_id", "suite"],
        unique: &[],
        searched: &[],
        references: &[reference(
            &["version_id", "suite"],
            "version_print",
            &["version_id", "suite"],
        )],
        checks: &[],
        changes: Changes::None,
    },
    TableDefinition {
        name: "version_likeness",
        columns: &[
            text("version_id"),
            text("prior_version_id"),
            text_or_null("sketches"),
            text_or_null("logits"),
            text_or_null("residual"),
            bigint("flagged"),
            bigint("recorded_at"),
        ],
        key: &["version_id", "prior_version_id"],
        unique: &[],
        searched: &[&["prior_version_id"]],
        references: &[
            reference(&["version_id"], "model_version", &["id"]),
            reference(&["prior_version_id"], "model_version", &["id"]),
        ],
        checks: &["flagged IN (0, 1)", "version_id <> prior_version_id"],
        changes: Changes::None,
    },
    TableDefinition {
        name: "likeness_review",
        columns: &[
            text("version_id"),
            bigint("seq"),
            bigint("cleared"),
            bigint("findings"),
            text("reason"),
            text("reviewed_by"),
            bigint("reviewed_at"),
        ],
        key: &["version_id", "seq"],
        unique: &[],
        searched: &[],
        references: &[reference(&["version_id"], "model_version", &["id"])],
        checks: &["cleared IN (0, 1)", "seq > 0"],
        changes: Changes::None,
    },
];

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
