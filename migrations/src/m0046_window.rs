//! Orders of a third side, for the instant window, and what it paid each.
//!
//! The side is a check of the table, which SQLite cannot change in place: the table is made anew with the rows it had.

use sea_orm_migration::prelude::{
    ConnectionTrait, DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};

use crate::{
    m0032_orders,
    table::{self, Changes, TableDefinition, bigint, reference, text},
};

const CHECKS: &[&str] =
    &["side IN ('subscription', 'redemption', 'window')", "closed_by > event_seq"];

const FILLS: &[TableDefinition] = &[TableDefinition {
    name: "window_fill",
    columns: &[
        text("fund"),
        bigint("strike_number"),
        bigint("order_event_seq"),
        text("owner"),
        bigint("requested_nano"),
        bigint("shares_nano"),
        bigint("levy_nano"),
        bigint("cash_micro"),
    ],
    key: &["order_event_seq"],
    unique: &[],
    searched: &[&["fund", "strike_number", "order_event_seq"]],
    references: &[
        reference(&["fund"], "fund", &["name"]),
        reference(&["order_event_seq"], "ledger_event", &["seq"]),
    ],
    checks: &["shares_nano <= requested_nano", "levy_nano <= shares_nano"],
    changes: Changes::None,
}];

/// Makes the table of orders anew under other checks, with the rows that `kept` says.
async fn remake(
    manager: &SchemaManager<'_>,
    checks: &'static [&'static str],
    kept: &str,
) -> Result<(), DbErr> {
    let definition = TableDefinition { checks, ..m0032_orders::ORDERS };
    let connection = manager.get_connection();
    let copy = format!("CREATE TABLE fund_order_kept AS SELECT * FROM fund_order WHERE {kept}");
    connection.execute_unprepared(&copy).await?;
    table::drop(manager, &[m0032_orders::ORDERS]).await?;
    table::create(manager, &[definition]).await?;
    let back = "INSERT INTO fund_order (event_seq, fund, side, owner, closed_by) \
        SELECT event_seq, fund, side, owner, closed_by FROM fund_order_kept";
    connection.execute_unprepared(back).await?;
    connection.execute_unprepared("DROP TABLE fund_order_kept").await?;
    Ok(())
}

/// Lets orders be for the window and creates the table of what it paid; back, it drops both.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        remake(manager, CHECKS, "1 = 1").await?;
        table::create(manager, FILLS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        table::drop(manager, FILLS).await?;
        remake(manager, m0032_orders::ORDERS.checks, "side <> 'window'").await
    }
}
