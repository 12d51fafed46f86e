//! Versions: an immutable release names its bytes by digest, once a model.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};

use crate::table::{self, Changes, TableDefinition, bigint, reference, text};

const TABLES: &[TableDefinition] = &[TableDefinition {
    name: "model_version",
    columns: &[
        text("id"),
        text("model_id"),
        bigint("ordinal"),
        text("name"),
        text("digest"),
        text("checkpoint_digest"),
        text("graph_digest"),
        text("published_by"),
        bigint("published_at"),
    ],
    key: &["id"],
    unique: &[&["model_id", "name"], &["model_id", "ordinal"], &["model_id", "digest"]],
    searched: &[],
    references: &[
        reference(&["model_id"], "registered_model", &["id"]),
        reference(&["checkpoint_digest"], "stored_object", &["digest"]),
        reference(&["graph_digest"], "stored_object", &["digest"]),
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
