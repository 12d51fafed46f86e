//! The log that proofs rest on: leaves, the finished subtrees over them, signed heads, and the records that strikes' leaves name.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};

use crate::table::{self, Changes, TableDefinition, bigint, reference, text, text_or_null};

const TABLES: &[TableDefinition] = &[
    TableDefinition {
        name: "log_leaf",
        columns: &[
            bigint("leaf_index"),
            text("kind"),
            text("subject"),
            text_or_null("model_id"),
            text("body"),
            text_or_null("evidence"),
            text("leaf_hash"),
            bigint("recorded_at"),
        ],
        key: &["leaf_index"],
        unique: &[],
        searched: &[&["kind", "subject", "leaf_index"]],
        references: &[reference(&["model_id"], "registered_model", &["id"])],
        checks: &["leaf_index >= 0"],
        changes: Changes::None,
    },
    TableDefinition {
        name: "log_node",
        columns: &[bigint("level"), bigint("node_index"), text("hash")],
        key: &["level", "node_index"],
        unique: &[],
        searched: &[],
        references: &[],
        checks: &["level >= 0", "node_index >= 0"],
        changes: Changes::None,
    },
    TableDefinition {
        name: "log_head",
        columns: &[
            bigint("size"),
            text("log"),
            text("root"),
            bigint("signed_at"),
            text("public_key"),
            text("signature"),
        ],
        key: &["size"],
        unique: &[],
        searched: &[],
        references: &[],
        checks: &["size >= 0"],
        changes: Changes::None,
    },
    TableDefinition {
        name: "strike_record",
        columns: &[text("fund"), bigint("number"), text("digest"), text("body")],
        key: &["fund", "number"],
        unique: &[],
        searched: &[],
        references: &[reference(&["fund", "number"], "strike", &["fund", "number"])],
        checks: &[],
        changes: Changes::None,
    },
];

/// Creates the tables above; back, it drops them. What happened before this step has no leaf.
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
