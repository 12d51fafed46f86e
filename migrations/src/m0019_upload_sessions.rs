//! Upload sessions: who sends which file in parts, and until when; the parts themselves lie in the object storage.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};

use crate::table::{self, Changes, TableDefinition, bigint, text};

const TABLES: &[TableDefinition] = &[TableDefinition {
    name: "upload_session",
    columns: &[
        text("id"),
        text("owner"),
        text("digest"),
        bigint("ordinal"),
        bigint("bytes"),
        text("manifest"),
        text("plan"),
        bigint("planned_bytes"),
        text("state"),
        bigint("created_at"),
        bigint("expires_at"),
    ],
    key: &["id"],
    // Two requests that begin the same session at once: one of them finds the other's.
    unique: &[&["owner", "digest", "ordinal"]],
    searched: &[&["owner", "state"], &["state", "expires_at"]],
    references: &[],
    checks: &[
        "state IN ('open', 'finished', 'aborted', 'expired')",
        "bytes >= 0",
        "planned_bytes >= 0",
        "ordinal >= 1",
    ],
    changes: Changes::AllBut(&[
        "id",
        "owner",
        "digest",
        "ordinal",
        "bytes",
        "manifest",
        "created_at",
    ]),
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
