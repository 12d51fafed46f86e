//! Funds: strikes, baskets and fills are read far oftener than replayed, so they stand beside the ledger that proves them.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};

use crate::table::{self, Changes, TableDefinition, bigint, bigint_or_null, reference, text};

const TABLES: &[TableDefinition] = &[
    TableDefinition {
        name: "fund",
        columns: &[
            text("name"),
            text("methodology"),
            text("methodology_digest"),
            text("created_by"),
            bigint("created_at"),
        ],
        key: &["name"],
        unique: &[],
        searched: &[],
        references: &[],
        checks: &[],
        changes: Changes::None,
    },
    TableDefinition {
        name: "strike",
        columns: &[
            text("fund"),
            bigint("number"),
            bigint("day"),
            bigint("event_seq"),
            text("nav_femto"),
            text("ask_femto"),
            bigint("shares_nano"),
            bigint("nav_per_share_nano"),
            bigint_or_null("level_nano"),
            bigint("winding"),
            text("record"),
            bigint("struck_at"),
        ],
        key: &["fund", "number"],
        unique: &[&["event_seq"]],
        searched: &[],
        references: &[
            reference(&["fund"], "fund", &["name"]),
            reference(&["event_seq"], "ledger_event", &["seq"]),
        ],
        checks: &["winding IN (0, 1)"],
        changes: Changes::None,
    },
    TableDefinition {
        name: "index_basket",
        columns: &[
            text("fund"),
            bigint("seq"),
            bigint("strike_number"),
            bigint("day"),
            text("record"),
            bigint("level_nano"),
            bigint("recorded_at"),
        ],
        key: &["fund", "seq"],
        unique: &[],
        searched: &[],
        references: &[reference(&["fund"], "fund", &["name"])],
        checks: &[],
        changes: Changes::None,
    },
    TableDefinition {
        name: "order_fill",
        columns: &[
            text("fund"),
            bigint("strike_number"),
            bigint("order_event_seq"),
            text("owner"),
            bigint("amount_micro"),
            bigint("shares_nano"),
            bigint("cost_micro"),
            bigint("levy_micro"),
        ],
        key: &["order_event_seq"],
        unique: &[],
        searched: &[&["fund", "strike_number", "order_event_seq"], &["owner", "order_event_seq"]],
        references: &[
            reference(&["fund"], "fund", &["name"]),
            reference(&["order_event_seq"], "ledger_event", &["seq"]),
        ],
        checks: &[],
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
