//! Calendars of funds: when a fund is struck without anybody asking, every version since the first.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};

use crate::table::{self, Changes, TableDefinition, bigint, reference, text, text_or_null};

const TABLES: &[TableDefinition] = &[TableDefinition {
    name: "fund_calendar",
    columns: &[
        text("fund"),
        bigint("seq"),
        text_or_null("calendar"),
        text_or_null("digest"),
        text("set_by"),
        bigint("set_at"),
    ],
    key: &["fund", "seq"],
    unique: &[],
    searched: &[],
    references: &[reference(&["fund"], "fund", &["name"])],
    checks: &["seq >= 1", "(calendar IS NULL) = (digest IS NULL)"],
    changes: Changes::None,
}];

/// Creates the table above; back, it drops it, and funds are struck by hand again.
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
