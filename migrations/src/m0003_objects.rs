//! Objects and tensors: what bytes exist, and where each tensor of a checkpoint lies, without reading the bytes.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};

use crate::table::{self, Changes, TableDefinition, bigint, reference, text};

const TABLES: &[TableDefinition] = &[
    TableDefinition {
        name: "stored_object",
        columns: &[
            text("digest"),
            text("kind"),
            bigint("bytes"),
            text("uploaded_by"),
            bigint("created_at"),
        ],
        key: &["digest"],
        unique: &[],
        searched: &[],
        references: &[],
        checks: &[
            "kind IN ('checkpoint', 'graph', 'cases', 'suite', 'report', 'samples')",
            "bytes >= 0",
        ],
        changes: Changes::None,
    },
    TableDefinition {
        name: "checkpoint_tensor",
        columns: &[
            text("checkpoint_digest"),
            bigint("position"),
            text("name"),
            text("dtype"),
            text("shape"),
            bigint("begin_byte"),
            bigint("end_byte"),
            text("tensor_key"),
        ],
        key: &["checkpoint_digest", "position"],
        unique: &[&["checkpoint_digest", "name"]],
        searched: &[&["tensor_key"]],
        references: &[reference(&["checkpoint_digest"], "stored_object", &["digest"])],
        checks: &["0 <= begin_byte AND begin_byte <= end_byte"],
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
