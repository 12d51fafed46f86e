//! Who may write a model beside its publisher, who may have the bytes of a gated one, and who made it in which parts.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};

use crate::table::{self, Changes, TableDefinition, bigint, reference, text, text_or_null};

const TABLES: &[TableDefinition] = &[
    TableDefinition {
        name: "model_gate",
        columns: &[text("model_id"), bigint("seq"), text("mode"), text("set_by"), bigint("set_at")],
        key: &["model_id", "seq"],
        unique: &[],
        searched: &[],
        references: &[reference(&["model_id"], "registered_model", &["id"])],
        checks: &["mode IN ('none', 'auto', 'manual')"],
        changes: Changes::None,
    },
    TableDefinition {
        name: "access_request",
        columns: &[
            text("model_id"),
            text("login"),
            bigint("seq"),
            text("state"),
            text("words"),
            text("set_by"),
            bigint("set_at"),
        ],
        key: &["model_id", "login", "seq"],
        unique: &[],
        searched: &[],
        references: &[reference(&["model_id"], "registered_model", &["id"])],
        checks: &["state IN ('open', 'granted', 'refused')"],
        changes: Changes::None,
    },
    TableDefinition {
        name: "model_maintainer",
        columns: &[
            text("model_id"),
            text("login"),
            bigint("seq"),
            bigint("granted"),
            text("set_by"),
            bigint("set_at"),
        ],
        key: &["model_id", "login", "seq"],
        unique: &[],
        searched: &[],
        references: &[reference(&["model_id"], "registered_model", &["id"])],
        checks: &["granted IN (0, 1)"],
        changes: Changes::None,
    },
    TableDefinition {
        name: "model_contributor",
        columns: &[
            text("model_id"),
            bigint("revision"),
            bigint("position"),
            text("login"),
            bigint("share_ppb"),
            text("set_by"),
            bigint("set_at"),
        ],
        key: &["model_id", "revision", "position"],
        unique: &[&["model_id", "revision", "login"]],
        searched: &[],
        references: &[reference(&["model_id"], "registered_model", &["id"])],
        checks: &["share_ppb BETWEEN 1 AND 1000000000"],
        changes: Changes::None,
    },
    TableDefinition {
        name: "token_terms",
        columns: &[text("token_id"), text("label"), text_or_null("models")],
        key: &["token_id"],
        unique: &[],
        searched: &[],
        references: &[reference(&["token_id"], "access_token", &["id"])],
        checks: &[],
        changes: Changes::None,
    },
    TableDefinition {
        name: "audit_model",
        columns: &[bigint("seq"), text("model_id")],
        key: &["seq"],
        unique: &[],
        searched: &[&["model_id", "seq"]],
        references: &[
            reference(&["seq"], "audit_entry", &["seq"]),
            reference(&["model_id"], "registered_model", &["id"]),
        ],
        checks: &[],
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
