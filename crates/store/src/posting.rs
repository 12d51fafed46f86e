//! Postings: the legs that touched an account, in the order of the journal.

use sea_orm::sea_query::{Condition, Expr, ExprTrait, Order, Query};

use crate::record::{self, read_field};
use crate::{Connection, StoreError};

const TABLE: &str = "custody_leg";

/// A leg with what its entry and its event say of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PostingRow {
    /// Where it stands in the journal.
    pub place: PostingPlace,
    /// The asset.
    pub asset: String,
    /// Account that gives.
    pub from_account: String,
    /// Account that takes.
    pub to_account: String,
    /// How much, in the smallest part of the asset.
    pub amount: i64,
    /// Kind of its entry.
    pub kind: String,
    /// When its event was recorded, milliseconds since 1970.
    pub recorded_at: i64,
}

/// Where a leg stands: event, entry of the event, leg of the entry.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct PostingPlace {
    /// The event.
    pub event_seq: i64,
    /// The entry, from 0.
    pub entry: i64,
    /// The leg, from 0.
    pub position: i64,
}

/// On which side of its legs an account is looked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PostingSide {
    /// It gives.
    From,
    /// It takes.
    To,
}

/// A page of the legs that touched an account on a side, from a place on, until the event `last`.
///
/// # Errors
/// Those of the database.
pub async fn list<C: Connection>(
    connection: &C,
    (account, side): (&str, PostingSide),
    first: PostingPlace,
    last: i64,
    limit: u64,
) -> Result<Vec<PostingRow>, StoreError> {
    let column = match side {
        PostingSide::From => "from_account",
        PostingSide::To => "to_account",
    };
    let leg = |column: &'static str| Expr::col(("l", column));
    let at = |column: &'static str, value: i64| leg(column).eq(Expr::val(value));
    let beyond = |column: &'static str, value: i64| leg(column).gt(Expr::val(value));
    let PostingPlace { event_seq, entry, position } = first;
    let in_entry = Condition::all()
        .add(at("event_seq", event_seq))
        .add(at("entry", entry))
        .add(leg("position").gte(Expr::val(position)));
    let in_event = Condition::all().add(at("event_seq", event_seq)).add(beyond("entry", entry));
    let from_there =
        Condition::any().add(beyond("event_seq", event_seq)).add(in_event).add(in_entry);
    let mut statement = Query::select();
    for name in ["event_seq", "entry", "position", "asset", "from_account", "to_account", "amount"]
    {
        statement.expr_as(leg(name), name);
    }
    statement
        .expr_as(Expr::col(("e", "kind")), "kind")
        .expr_as(Expr::col(("v", "recorded_at")), "recorded_at")
        .from_as(TABLE, "l")
        .from_as("ledger_entry", "e")
        .from_as("ledger_event", "v")
        .and_where(Expr::col(("e", "event_seq")).eq(leg("event_seq")))
        .and_where(Expr::col(("e", "position")).eq(leg("entry")))
        .and_where(Expr::col(("v", "seq")).eq(leg("event_seq")))
        .and_where(leg(column).eq(Expr::val(account)))
        // Said twice, so that the index is searched by it.
        .and_where(leg("event_seq").between(event_seq, last))
        .cond_where(from_there)
        .order_by(("l", "event_seq"), Order::Asc)
        .order_by(("l", "entry"), Order::Asc)
        .order_by(("l", "position"), Order::Asc)
        .limit(record::page_rows(limit));
    let rows = record::answer(connection, &statement.take()).await?;
    rows.iter()
        .map(|row| {
            Ok(PostingRow {
                place: PostingPlace {
                    event_seq: read_field(row, TABLE, "event_seq")?,
                    entry: read_field(row, TABLE, "entry")?,
                    position: read_field(row, TABLE, "position")?,
                },
                asset: read_field(row, TABLE, "asset")?,
                from_account: read_field(row, TABLE, "from_account")?,
                to_account: read_field(row, TABLE, "to_account")?,
                amount: read_field(row, TABLE, "amount")?,
                kind: read_field(row, "ledger_entry", "kind")?,
                recorded_at: read_field(row, "ledger_event", "recorded_at")?,
            })
        })
        .collect()
}
