//! Rules that a fund may come to have after those of its creation, which stay in `fund`: version 1 is there, later ones are here.
//!
//! What became of a proposal is a row of its own, once and for ever, so that a proposal is never changed.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, Index, MigrationTrait, SchemaManager, async_trait,
};

use crate::table::{self, Changes, TableDefinition, bigint, bigint_or_null, reference, text};

const TABLES: &[TableDefinition] = &[
    TableDefinition {
        name: "fund_methodology",
        columns: &[
            text("fund"),
            bigint("version"),
            text("body"),
            text("digest"),
            text("proposed_by"),
            bigint("proposed_at"),
            bigint("effective_day"),
            text("comparison"),
        ],
        key: &["fund", "version"],
        unique: &[],
        searched: &[&["fund", "digest"]],
        references: &[reference(&["fund"], "fund", &["name"])],
        checks: &["version >= 2"],
        changes: Changes::None,
    },
    TableDefinition {
        name: "methodology_end",
        columns: &[
            text("fund"),
            bigint("version"),
            text("kind"),
            bigint_or_null("event_seq"),
            bigint_or_null("strike_number"),
            text("recorded_by"),
            bigint("recorded_at"),
        ],
        key: &["fund", "version"],
        unique: &[&["event_seq"]],
        searched: &[&["fund", "kind", "version"]],
        references: &[
            reference(&["fund", "version"], "fund_methodology", &["fund", "version"]),
            reference(&["event_seq"], "ledger_event", &["seq"]),
        ],
        checks: &[
            "kind IN ('adopted', 'withdrawn')",
            "(kind = 'adopted') = (event_seq IS NOT NULL)",
            "(kind = 'adopted') = (strike_number IS NOT NULL)",
        ],
        changes: Changes::None,
    },
];

/// By it the prices of a fund's strikes are found without reading the events of all others.
const INDEX: &str = "ledger_event_fund_op_seq_idx";

/// Creates the tables above and the index; back, it drops them.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        table::create(manager, TABLES).await?;
        let mut index = Index::create();
        index.name(INDEX).table("ledger_event").col("fund").col("op").col("seq");
        manager.create_index(index).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut index = Index::drop();
        index.name(INDEX).table("ledger_event");
        manager.drop_index(index).await?;
        table::drop(manager, TABLES).await
    }
}
