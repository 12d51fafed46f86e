//! Notes: moments at which something about funds was recorded without an event of the ledger, such as a calendar or a price.
//!
//! What is told as of a moment is told by the last thing that was recorded by then; so the moments of things that are no events have to
//! be found as fast as those of events. What was recorded before this step is noted by it.

use sea_orm_migration::prelude::{
    ConnectionTrait, DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};

use crate::table::{self, Changes, TableDefinition, bigint};

const TABLES: &[TableDefinition] = &[TableDefinition {
    name: "ledger_note",
    columns: &[bigint("recorded_at")],
    key: &["recorded_at"],
    unique: &[],
    searched: &[],
    references: &[],
    checks: &[],
    changes: Changes::None,
}];

/// The rows that the tables of earlier steps have already.
const NOTED: &str = "INSERT INTO ledger_note (recorded_at) \
    SELECT set_at FROM fund_calendar UNION SELECT recorded_at FROM dealing_day UNION \
    SELECT proposed_at FROM fund_methodology UNION SELECT recorded_at FROM methodology_end UNION \
    SELECT decided_at FROM price_decision UNION SELECT recorded_at FROM restatement";

/// Creates the table with the notes that were missed; back, it drops it.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        table::create(manager, TABLES).await?;
        manager.get_connection().execute_unprepared(NOTED).await.map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        table::drop(manager, TABLES).await
    }
}
