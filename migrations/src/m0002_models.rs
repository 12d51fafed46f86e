//! Models: the names that versions, prices and units hang on.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};

use crate::table::{self, Changes, TableDefinition, bigint, text};

const TABLES: &[TableDefinition] = &[TableDefinition {
    name: "registered_model",
    columns: &[text("id"), text("name"), text("publisher"), bigint("created_at")],
    key: &["id"],
    unique: &[&["name"]],
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
