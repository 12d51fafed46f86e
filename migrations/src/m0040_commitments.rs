//! Commitments to the prices of strikes to come, with what is sealed until the reveal, so that a restart loses nothing of it.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};

use crate::table::{
    self, Changes, TableDefinition, bigint, bigint_or_null, reference, text, text_or_null,
};

const TABLES: &[TableDefinition] = &[TableDefinition {
    name: "price_commitment",
    columns: &[
        bigint("event_seq"),
        text("fund"),
        bigint("number"),
        text("digest"),
        text("sealed"),
        bigint("committed_at"),
        bigint_or_null("closed_by"),
        text_or_null("book_root"),
        bigint_or_null("book_count"),
        bigint_or_null("closed_at"),
        bigint_or_null("used_by"),
        bigint_or_null("revealed_at"),
    ],
    key: &["event_seq"],
    unique: &[&["used_by"]],
    searched: &[&["fund", "event_seq"]],
    references: &[
        reference(&["fund"], "fund", &["name"]),
        reference(&["event_seq"], "ledger_event", &["seq"]),
        reference(&["closed_by"], "ledger_event", &["seq"]),
        reference(&["used_by"], "ledger_event", &["seq"]),
    ],
    checks: &[
        "closed_by > event_seq",
        "used_by > event_seq",
        "(closed_by IS NULL) = (book_root IS NULL)",
        "revealed_at IS NULL OR used_by IS NOT NULL",
    ],
    changes: Changes::AllBut(&["event_seq", "fund", "number", "digest", "sealed", "committed_at"]),
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
