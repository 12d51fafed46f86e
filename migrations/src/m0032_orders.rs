//! Orders of both sides, which of them wait, and what a redemption order got: a slice.
//!
//! Whether an order waits is a column, so that a strike finds those that do without reading those of the past.

use sea_orm_migration::prelude::{
    ConnectionTrait, DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait,
};

use crate::table::{self, Changes, TableDefinition, bigint, bigint_or_null, reference, text};

/// Orders; a later step makes the table anew with another side.
pub(crate) const ORDERS: TableDefinition = TableDefinition {
    name: "fund_order",
    columns: &[
        bigint("event_seq"),
        text("fund"),
        text("side"),
        text("owner"),
        bigint_or_null("closed_by"),
    ],
    key: &["event_seq"],
    unique: &[],
    searched: &[&["fund", "side", "closed_by", "event_seq"], &["owner", "event_seq"]],
    references: &[
        reference(&["fund"], "fund", &["name"]),
        reference(&["event_seq"], "ledger_event", &["seq"]),
        reference(&["closed_by"], "ledger_event", &["seq"]),
    ],
    checks: &["side IN ('subscription', 'redemption')", "closed_by > event_seq"],
    changes: Changes::AllBut(&["event_seq", "fund", "side", "owner"]),
};

const TABLES: &[TableDefinition] = &[
    ORDERS,
    TableDefinition {
        name: "order_slice",
        columns: &[
            text("fund"),
            bigint("strike_number"),
            bigint("order_event_seq"),
            text("owner"),
            bigint("shares_nano"),
            bigint("cash_micro"),
            text("units"),
        ],
        key: &["order_event_seq"],
        unique: &[],
        searched: &[&["fund", "strike_number", "order_event_seq"]],
        references: &[
            reference(&["fund"], "fund", &["name"]),
            reference(&["order_event_seq"], "ledger_event", &["seq"]),
        ],
        checks: &[],
        changes: Changes::None,
    },
];

/// The subscriptions of the time before this step: filled ones were closed by their strike. Who ordered one that still waits is in its
/// event; here it is left to the login that asked, which is the same.
const EARLIER: &str = "INSERT INTO fund_order (event_seq, fund, side, owner, closed_by) \
    SELECT e.seq, e.fund, 'subscription', e.idempotency_actor, \
    (SELECT s.event_seq FROM order_fill f JOIN strike s ON s.fund = f.fund AND s.number = f.strike_number \
     WHERE f.order_event_seq = e.seq) \
    FROM ledger_event e WHERE e.op = 'subscribe'";

/// Creates the tables above and fills the first; back, it drops them.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        table::create(manager, TABLES).await?;
        manager.get_connection().execute_unprepared(EARLIER).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        table::drop(manager, TABLES).await
    }
}
