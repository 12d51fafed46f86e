//! Shards: a checkpoint of several files names them, so that its bytes are found, served and kept with it.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};

use crate::table::{self, Changes, TableDefinition, bigint, reference, text};

const TABLES: &[TableDefinition] = &[TableDefinition {
    name: "checkpoint_shard",
    columns: &[
        text("checkpoint_digest"),
        bigint("position"),
        text("file"),
        text("shard_digest"),
        bigint("bytes"),
        bigint("first_tensor"),
    ],
    key: &["checkpoint_digest", "position"],
    unique: &[&["checkpoint_digest", "file"]],
    searched: &[&["shard_digest"]],
    references: &[
        reference(&["checkpoint_digest"], "stored_object", &["digest"]),
        reference(&["shard_digest"], "stored_object", &["digest"]),
    ],
    checks: &["checkpoint_digest <> shard_digest", "bytes >= 0", "first_tensor >= 0"],
    changes: Changes::None,
}];

/// Creates the table above; back, it drops it.
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
