//! Restatements of strikes: each is a row of its own with the time from which it was known, beside the strike, which stays as it is.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};

use crate::table::{
    self, Changes, TableDefinition, bigint, bigint_or_null, reference, text, text_or_null,
};

const TABLES: &[TableDefinition] = &[
    TableDefinition {
        name: "restatement",
        columns: &[
            text("fund"),
            bigint("strike_number"),
            bigint("number"),
            bigint_or_null("event_seq"),
            text_or_null("payer"),
            bigint("threshold_ppb"),
            text("nav_published_femto"),
            text("nav_femto"),
            text("ask_femto"),
            bigint_or_null("nav_per_share_nano"),
            bigint("error_ppb"),
            bigint("ask_error_ppb"),
            bigint("passes"),
            bigint("fund_loss_micro"),
            bigint("fund_paid_micro"),
            bigint("owners_paid_micro"),
            text("reason"),
            text("restated_by"),
            text("digest"),
            text("body"),
            bigint("recorded_at"),
        ],
        key: &["fund", "strike_number", "number"],
        unique: &[&["event_seq"]],
        searched: &[],
        references: &[
            reference(&["fund", "strike_number"], "strike", &["fund", "number"]),
            reference(&["event_seq"], "ledger_event", &["seq"]),
        ],
        checks: &["number >= 1", "passes IN (0, 1)"],
        changes: Changes::None,
    },
    TableDefinition {
        name: "restatement_part",
        columns: &[
            text("fund"),
            bigint("strike_number"),
            bigint("number"),
            text("owner"),
            bigint("loss_micro"),
            bigint("paid_micro"),
        ],
        key: &["fund", "strike_number", "number", "owner"],
        unique: &[],
        searched: &[],
        references: &[reference(
            &["fund", "strike_number", "number"],
            "restatement",
            &["fund", "strike_number", "number"],
        )],
        checks: &["loss_micro >= 0", "paid_micro >= 0"],
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
