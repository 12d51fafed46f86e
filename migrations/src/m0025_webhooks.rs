//! Webhooks and what they are to be told: deliveries are written with the change that they tell of.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};

use crate::table::{
    self, Changes, TableDefinition, bigint, bigint_or_null, reference, text, text_or_null,
};

const TABLES: &[TableDefinition] = &[
    TableDefinition {
        name: "webhook",
        columns: &[
            text("id"),
            text("owner"),
            text_or_null("model_id"),
            text("url"),
            text("events"),
            text("secret"),
            bigint("created_at"),
            bigint_or_null("deleted_at"),
        ],
        key: &["id"],
        unique: &[],
        searched: &[&["owner"]],
        references: &[reference(&["model_id"], "registered_model", &["id"])],
        checks: &[],
        changes: Changes::AllBut(&[
            "id",
            "owner",
            "model_id",
            "url",
            "events",
            "secret",
            "created_at",
        ]),
    },
    TableDefinition {
        name: "webhook_delivery",
        columns: &[
            text("id"),
            text("webhook_id"),
            bigint("audit_seq"),
            text("model_id"),
            text("event"),
            text("body"),
            text("state"),
            bigint("attempts"),
            bigint("due_at"),
            text_or_null("lease_holder"),
            bigint_or_null("lease_until"),
            bigint_or_null("status"),
            text_or_null("last_error"),
        ],
        key: &["id"],
        unique: &[&["webhook_id", "audit_seq"]],
        searched: &[&["state", "due_at"]],
        references: &[
            reference(&["webhook_id"], "webhook", &["id"]),
            reference(&["audit_seq"], "audit_entry", &["seq"]),
        ],
        checks: &["state IN ('pending', 'leased', 'delivered', 'failed')", "attempts >= 0"],
        changes: Changes::AllBut(&["id", "webhook_id", "audit_seq", "model_id", "event", "body"]),
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
