//! What is said about versions after they are published: yanks, bases, pins, cards, tags, words to search by, structures.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};

use crate::table::{self, Changes, TableDefinition, bigint, reference, text, text_or_null};

const TABLES: &[TableDefinition] = &[
    TableDefinition {
        name: "version_yank",
        columns: &[text("version_id"), text("reason"), text("yanked_by"), bigint("yanked_at")],
        key: &["version_id"],
        unique: &[],
        searched: &[],
        references: &[reference(&["version_id"], "model_version", &["id"])],
        checks: &[],
        changes: Changes::None,
    },
    TableDefinition {
        name: "version_base",
        columns: &[text("version_id"), text("base_version_id"), bigint("declared_at")],
        key: &["version_id"],
        unique: &[],
        searched: &[&["base_version_id"]],
        references: &[
            reference(&["version_id"], "model_version", &["id"]),
            reference(&["base_version_id"], "model_version", &["id"]),
        ],
        checks: &["version_id <> base_version_id"],
        changes: Changes::None,
    },
    TableDefinition {
        name: "alias_pin",
        columns: &[
            text("model_id"),
            text("alias"),
            bigint("seq"),
            bigint("pinned"),
            text("reason"),
            text("set_by"),
            bigint("set_at"),
        ],
        key: &["model_id", "alias", "seq"],
        unique: &[],
        searched: &[],
        references: &[reference(&["model_id"], "registered_model", &["id"])],
        checks: &["pinned IN (0, 1)"],
        changes: Changes::None,
    },
    TableDefinition {
        name: "model_card",
        columns: &[
            text("model_id"),
            bigint("seq"),
            text("body"),
            text_or_null("licence"),
            text("written_by"),
            bigint("written_at"),
        ],
        key: &["model_id", "seq"],
        unique: &[],
        searched: &[],
        references: &[reference(&["model_id"], "registered_model", &["id"])],
        checks: &[],
        changes: Changes::None,
    },
    TableDefinition {
        name: "model_tag",
        columns: &[text("model_id"), bigint("seq"), text("tag")],
        key: &["model_id", "seq", "tag"],
        unique: &[],
        searched: &[&["tag", "model_id", "seq"]],
        references: &[reference(&["model_id", "seq"], "model_card", &["model_id", "seq"])],
        checks: &[],
        changes: Changes::None,
    },
    TableDefinition {
        name: "model_word",
        columns: &[text("word"), text("model_id"), bigint("seq")],
        key: &["word", "model_id", "seq"],
        unique: &[],
        searched: &[],
        references: &[reference(&["model_id"], "registered_model", &["id"])],
        checks: &[],
        changes: Changes::None,
    },
    TableDefinition {
        name: "checkpoint_structure",
        columns: &[
            text("checkpoint_digest"),
            bigint("parameters"),
            text("dtypes"),
            text("signature"),
        ],
        key: &["checkpoint_digest"],
        unique: &[],
        searched: &[&["signature"], &["parameters"]],
        references: &[reference(&["checkpoint_digest"], "stored_object", &["digest"])],
        checks: &["parameters >= 0"],
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
