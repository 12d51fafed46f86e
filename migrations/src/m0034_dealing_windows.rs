//! Where the publishing and yanking of versions stand among the ledger's events, and which strike's mark of a fund came to know each:
//! between the two those who know more than the mark may not deal in the fund.
//!
//! Places in the journal, not times: two servers have two clocks, and the journal has one order.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};

use crate::table::{self, Changes, TableDefinition, bigint, reference, text};

const TABLES: &[TableDefinition] = &[
    TableDefinition {
        name: "version_moment",
        columns: &[text("version_id"), text("what"), text("model_id"), bigint("after_event")],
        key: &["version_id", "what"],
        unique: &[],
        searched: &[&["model_id", "what", "version_id"]],
        references: &[
            reference(&["version_id"], "model_version", &["id"]),
            reference(&["model_id"], "registered_model", &["id"]),
        ],
        checks: &["what IN ('published', 'yanked')", "after_event >= 0"],
        changes: Changes::None,
    },
    TableDefinition {
        name: "dealing_window_end",
        columns: &[text("fund"), text("version_id"), bigint("event_seq"), text("reason")],
        key: &["fund", "version_id"],
        unique: &[],
        searched: &[],
        references: &[
            reference(&["fund"], "fund", &["name"]),
            reference(&["version_id"], "model_version", &["id"]),
            reference(&["event_seq"], "ledger_event", &["seq"]),
        ],
        checks: &["reason IN ('marked', 'passed_over', 'delisted')"],
        changes: Changes::None,
    },
];

/// Creates the tables above, empty: versions from before this step open no window. Back, it drops them.
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
