//! The ledger: one sequence of events with what each moved in custody and in the books.

use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};

use crate::table::{self, Changes, TableDefinition, bigint, reference, text, text_or_null};

const TABLES: &[TableDefinition] = &[
    TableDefinition {
        name: "ledger_event",
        columns: &[
            bigint("seq"),
            text_or_null("fund"),
            text("op"),
            text("body"),
            text("chain"),
            text("idempotency_actor"),
            text("idempotency_key"),
            bigint("recorded_at"),
        ],
        key: &["seq"],
        unique: &[],
        searched: &[&["idempotency_actor", "idempotency_key"]],
        references: &[],
        checks: &[],
        changes: Changes::None,
    },
    TableDefinition {
        name: "ledger_entry",
        columns: &[
            bigint("event_seq"),
            bigint("position"),
            text("kind"),
            text_or_null("fund"),
            text("meta"),
        ],
        key: &["event_seq", "position"],
        unique: &[],
        searched: &[],
        references: &[reference(&["event_seq"], "ledger_event", &["seq"])],
        checks: &[],
        changes: Changes::None,
    },
    TableDefinition {
        name: "custody_leg",
        columns: &[
            bigint("event_seq"),
            bigint("entry"),
            bigint("position"),
            text("asset"),
            text("from_account"),
            text("to_account"),
            bigint("amount"),
        ],
        key: &["event_seq", "entry", "position"],
        unique: &[],
        searched: &[],
        references: &[reference(
            &["event_seq", "entry"],
            "ledger_entry",
            &["event_seq", "position"],
        )],
        checks: &[],
        changes: Changes::None,
    },
    TableDefinition {
        name: "gl_line",
        columns: &[
            bigint("event_seq"),
            bigint("entry"),
            bigint("position"),
            text("fund"),
            text("account"),
            text("delta_femto"),
        ],
        key: &["event_seq", "entry", "position"],
        unique: &[],
        searched: &[],
        references: &[reference(
            &["event_seq", "entry"],
            "ledger_entry",
            &["event_seq", "position"],
        )],
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
