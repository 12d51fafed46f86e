//! The audit log: who did what with which token, in one order.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};

use crate::table::{self, Changes, TableDefinition, bigint, text, text_or_null};

const TABLES: &[TableDefinition] = &[TableDefinition {
    name: "audit_entry",
    columns: &[
        bigint("seq"),
        text("actor"),
        text_or_null("token_id"),
        text("operation"),
        text("subject"),
        bigint("at"),
    ],
    key: &["seq"],
    unique: &[],
    searched: &[],
    references: &[],
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
