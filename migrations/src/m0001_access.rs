//! Access tokens: everything but public reading needs one, and only its hash may rest here.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};

use crate::table::{self, Changes, TableDefinition, bigint, bigint_or_null, text};

const TABLES: &[TableDefinition] = &[TableDefinition {
    name: "access_token",
    columns: &[
        text("id"),
        text("owner"),
        text("secret_sha256"),
        text("scopes"),
        bigint("created_at"),
        bigint_or_null("expires_at"),
        bigint_or_null("revoked_at"),
    ],
    key: &["id"],
    unique: &[&["secret_sha256"]],
    searched: &[],
    references: &[],
    checks: &[],
    changes: Changes::AllBut(&[
        "id",
        "owner",
        "secret_sha256",
        "scopes",
        "created_at",
        "expires_at",
    ]),
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
