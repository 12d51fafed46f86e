//! Chunks that the stock client has sent: which xorbs an owner sent, and in which stored files their chunks lie by now.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};

use crate::table::{self, Changes, TableDefinition, bigint, bigint_or_null, text};

const TABLES: &[TableDefinition] = &[
    TableDefinition {
        name: "hub_xorb",
        columns: &[
            text("owner"),
            text("hash"),
            text("chunks"),
            bigint("sent_at"),
            bigint_or_null("dropped_at"),
        ],
        key: &["owner", "hash"],
        unique: &[],
        searched: &[&["sent_at"]],
        references: &[],
        checks: &[],
        changes: Changes::AllBut(&["owner", "hash"]),
    },
    TableDefinition {
        name: "hub_xorb_place",
        columns: &[
            text("owner"),
            text("xorb"),
            bigint("first_chunk"),
            bigint("end_chunk"),
            text("digest"),
            bigint("file_offset"),
            bigint("placed_at"),
        ],
        key: &["owner", "xorb", "first_chunk", "end_chunk", "digest"],
        unique: &[],
        searched: &[&["digest"]],
        references: &[table::Reference {
            columns: &["owner", "xorb"],
            table: "hub_xorb",
            key: &["owner", "hash"],
        }],
        checks: &["first_chunk >= 0", "end_chunk > first_chunk", "file_offset >= 0"],
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
