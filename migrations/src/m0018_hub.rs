//! The hub surface: files of a repository as commits, trees and moves of branches and tags; nothing of it ever changes.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};

use crate::table::{self, Changes, TableDefinition, bigint, reference, text, text_or_null};

const TABLES: &[TableDefinition] = &[
    TableDefinition {
        name: "hub_key",
        columns: &[text("purpose"), text("secret"), bigint("created_at")],
        key: &["purpose"],
        unique: &[],
        searched: &[],
        references: &[],
        checks: &[],
        changes: Changes::None,
    },
    TableDefinition {
        name: "hub_blob",
        columns: &[
            text("owner"),
            text("digest"),
            bigint("bytes"),
            text("kind"),
            text_or_null("git_oid"),
            bigint("uploaded_at"),
        ],
        key: &["owner", "digest"],
        unique: &[],
        searched: &[&["digest"]],
        references: &[],
        checks: &["kind IN ('checkpoint', 'file')", "bytes >= 0"],
        changes: Changes::None,
    },
    TableDefinition {
        name: "hub_tree_entry",
        columns: &[
            text("tree"),
            text("path"),
            text("digest"),
            bigint("bytes"),
            text_or_null("git_oid"),
        ],
        key: &["tree", "path"],
        unique: &[],
        searched: &[&["digest"]],
        references: &[],
        checks: &["bytes >= 0"],
        changes: Changes::None,
    },
    TableDefinition {
        name: "hub_commit",
        columns: &[
            text("model_id"),
            text("id"),
            bigint("ordinal"),
            text_or_null("parent"),
            text("tree"),
            text("title"),
            text("message"),
            text("author"),
            bigint("committed_at"),
        ],
        key: &["model_id", "id"],
        unique: &[&["model_id", "ordinal"]],
        searched: &[],
        references: &[
            reference(&["model_id"], "registered_model", &["id"]),
            reference(&["model_id", "parent"], "hub_commit", &["model_id", "id"]),
        ],
        checks: &[],
        changes: Changes::None,
    },
    TableDefinition {
        name: "hub_ref_move",
        columns: &[
            text("model_id"),
            text("kind"),
            text("name"),
            bigint("seq"),
            text_or_null("commit_id"),
            text_or_null("message"),
            text("moved_by"),
            bigint("moved_at"),
        ],
        key: &["model_id", "kind", "name", "seq"],
        unique: &[],
        searched: &[],
        references: &[
            reference(&["model_id"], "registered_model", &["id"]),
            reference(&["model_id", "commit_id"], "hub_commit", &["model_id", "id"]),
        ],
        checks: &["kind IN ('branch', 'tag')"],
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
