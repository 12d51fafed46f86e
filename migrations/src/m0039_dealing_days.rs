//! What became of each dealing day: struck, missed, failed, and reviewed or not. A row is never corrected: the next one follows it.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};

use crate::table::{
    self, Changes, TableDefinition, bigint, bigint_or_null, reference, text, text_or_null,
};

const TABLES: &[TableDefinition] = &[TableDefinition {
    name: "dealing_day",
    columns: &[
        text("fund"),
        bigint("seq"),
        text("date"),
        bigint("cut_off"),
        text("state"),
        bigint("review"),
        bigint_or_null("strike_number"),
        text_or_null("code"),
        text_or_null("reason"),
        bigint("recorded_at"),
    ],
    key: &["fund", "seq"],
    unique: &[],
    searched: &[&["fund", "state", "date"]],
    references: &[
        reference(&["fund"], "fund", &["name"]),
        reference(&["fund", "strike_number"], "strike", &["fund", "number"]),
    ],
    checks: &[
        "seq >= 1",
        "state IN ('struck', 'missed', 'failed', 'reviewed', 'review_failed')",
        "review IN (0, 1)",
        "(state IN ('struck', 'reviewed')) = (code IS NULL)",
        "(code IS NULL) = (reason IS NULL)",
        "state <> 'struck' OR strike_number IS NOT NULL",
    ],
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
