//! The ledger: events in one sequence, each with the entries it made in custody and in the books.

use sea_orm::sea_query::{Condition, Expr, ExprTrait, IntoCondition, Order};

use crate::record::{self, PAGE_ROWS_MAX, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// An event of the ledger.
    pub struct EventRow in "ledger_event" {
        /// Place in the one sequence, by the caller's count under the ledger's lock.
        seq: i64,
        /// The fund it concerns; null for what concerns none, such as a deposit.
        fund: Option<String>,
        /// Name of the operation.
        op: String,
        /// The event, JSON.
        body: String,
        /// Digest of the state chained over all batches up to this one, hex digits.
        chain: String,
        /// Who asked.
        idempotency_actor: String,
        /// Under which key.
        idempotency_key: String,
        /// Milliseconds since 1970.
        recorded_at: i64,
    }
}

record! {
    struct EntryRecord in "ledger_entry" {
        event_seq: i64,
        position: i64,
        kind: String,
        fund: Option<String>,
        meta: String,
    }
}

record! {
    struct LegRecord in "custody_leg" {
        event_seq: i64,
        entry: i64,
        position: i64,
        asset: String,
        from_account: String,
        to_account: String,
        amount: i64,
    }
}

record! {
    struct LineRecord in "gl_line" {
        event_seq: i64,
        entry: i64,
        position: i64,
        fund: String,
        account: String,
        delta_femto: String,
    }
}

/// A journal entry of an event; its place among the entries is its place in the list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EntryRow {
    /// Kind of entry.
    pub kind: String,
    /// The fund it concerns; null for none.
    pub fund: Option<String>,
    /// What else the kind records, JSON.
    pub meta: String,
    /// Movements in custody, in order.
    pub legs: Vec<LegRow>,
    /// Postings in the books, in order.
    pub lines: Vec<LineRow>,
}

/// A movement of an asset between two accounts in custody.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LegRow {
    /// The asset.
    pub asset: String,
    /// Account that gives.
    pub from_account: String,
    /// Account that takes.
    pub to_account: String,
    /// How much, in the smallest part of the asset.
    pub amount: i64,
}

/// A posting in the books of a fund.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LineRow {
    /// The fund.
    pub fund: String,
    /// The account.
    pub account: String,
    /// Change in 1e-15 credits, a signed whole number in decimal digits.
    pub delta_femto: String,
}

/// Writes an event with all its entries; take [`StoreTransaction::lock_ledger`] before counting its `seq`.
///
/// # Errors
/// [`StoreError::Conflict`] on `ledger_event_pkey` when the sequence went on meanwhile.
pub async fn append_event(
    transaction: &StoreTransaction,
    event: EventRow,
    entries: Vec<EntryRow>,
) -> Result<(), StoreError> {
    let event_seq = event.seq;
    let mut entry_records = Vec::with_capacity(entries.len());
    let mut leg_records = Vec::new();
    let mut line_records = Vec::new();
    for (entry, row) in (0_i64..).zip(entries) {
        for (position, leg) in (0_i64..).zip(row.legs) {
            let LegRow { asset, from_account, to_account, amount } = leg;
            leg_records.push(LegRecord {
                event_seq,
                entry,
                position,
                asset,
                from_account,
                to_account,
                amount,
            });
        }
        for (position, line) in (0_i64..).zip(row.lines) {
            let LineRow { fund, account, delta_femto } = line;
            line_records.push(LineRecord {
                event_seq,
                entry,
                position,
                fund,
                account,
                delta_femto,
            });
        }
        entry_records.push(EntryRecord {
            event_seq,
            position: entry,
            kind: row.kind,
            fund: row.fund,
            meta: row.meta,
        });
    }
    record::insert(transaction, event).await?;
    record::insert_all(transaction, entry_records).await?;
    record::insert_all(transaction, leg_records).await?;
    record::insert_all(transaction, line_records).await
}

/// A page of all events in their sequence.
///
/// # Errors
/// Those of the database.
pub async fn list_events<C: Connection>(
    connection: &C,
    after_seq: Option<i64>,
    limit: u64,
) -> Result<Vec<EventRow>, StoreError> {
    record::page(connection, Condition::all(), "seq", after_seq.map(Into::into), limit).await
}

/// A page of the events of a fund that are some of these operations, in their sequence.
///
/// # Errors
/// Those of the database.
pub async fn list_fund_events<C: Connection>(
    connection: &C,
    fund: &str,
    ops: &[&str],
    after_seq: Option<i64>,
    limit: u64,
) -> Result<Vec<EventRow>, StoreError> {
    let of_ops = Expr::col("op").is_in(ops.iter().copied());
    let condition = Condition::all().add(equal("fund", fund)).add(of_ops);
    record::page(connection, condition, "seq", after_seq.map(Into::into), limit).await
}

/// A page of a fund's events of one operation, in their sequence.
///
/// # Errors
/// Those of the database.
pub async fn list_operations<C: Connection>(
    connection: &C,
    fund: &str,
    op: &str,
    after_seq: Option<i64>,
    limit: u64,
) -> Result<Vec<EventRow>, StoreError> {
    let condition = equal("fund", fund).into_condition().add(equal("op", op));
    record::page(connection, condition, "seq", after_seq.map(Into::into), limit).await
}

/// The event of a place.
///
/// # Errors
/// Those of the database.
pub async fn find_event<C: Connection>(
    connection: &C,
    seq: i64,
) -> Result<Option<EventRow>, StoreError> {
    record::find(connection, equal("seq", seq)).await
}

/// The last event; null before the first.
///
/// # Errors
/// Those of the database.
pub async fn latest_event<C: Connection>(connection: &C) -> Result<Option<EventRow>, StoreError> {
    record::last(connection, Condition::all(), "seq").await
}

/// The last event that was recorded at a moment or before it; null where there is none.
///
/// # Errors
/// Those of the database.
pub async fn latest_event_by<C: Connection>(
    connection: &C,
    recorded_at: i64,
) -> Result<Option<EventRow>, StoreError> {
    let statement = record::select::<EventRow>()
        .and_where(Expr::col("recorded_at").lte(Expr::val(recorded_at)))
        .order_by("recorded_at", Order::Desc)
        .order_by("seq", Order::Desc)
        .take();
    record::first(connection, statement).await
}

/// The place of the last event; null before the first.
///
/// # Errors
/// Those of the database.
pub async fn max_seq<C: Connection>(connection: &C) -> Result<Option<i64>, StoreError> {
    record::greatest::<EventRow, C>(connection, Condition::all(), "seq").await
}

/// A page of the entries of an event, each with all its legs and lines, after the entry of this place (from 0).
///
/// # Errors
/// [`StoreError::Corrupt`] when a place is missing in the order.
pub async fn list_entries<C: Connection>(
    connection: &C,
    event_seq: i64,
    after_position: Option<i64>,
    limit: u64,
) -> Result<Vec<EntryRow>, StoreError> {
    let of_event = equal("event_seq", event_seq).into_condition();
    let after = after_position.map(Into::into);
    let entries: Vec<EntryRecord> =
        record::page(connection, of_event, "position", after, limit).await?;
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
        return Ok(Vec::new());
    };
    let (first, last) = (first.position, last.position);
    let mut answer = Vec::with_capacity(entries.len());
    for (position, entry) in (first..).zip(entries) {
        if entry.position != position {
            return Err(StoreError::Corrupt { what: "ledger_entry.position".to_owned() });
        }
        answer.push(EntryRow {
            kind: entry.kind,
            fund: entry.fund,
            meta: entry.meta,
            legs: Vec::new(),
            lines: Vec::new(),
        });
    }
    for leg in parts::<LegRecord, C>(connection, event_seq, first, last).await? {
        let LegRecord { asset, from_account, to_account, amount, .. } = leg;
        if let Some(entry) = place(&mut answer, leg.entry - first) {
            entry.legs.push(LegRow { asset, from_account, to_account, amount });
        }
    }
    for line in parts::<LineRecord, C>(connection, event_seq, first, last).await? {
        let LineRecord { fund, account, delta_femto, .. } = line;
        if let Some(entry) = place(&mut answer, line.entry - first) {
            entry.lines.push(LineRow { fund, account, delta_femto });
        }
    }
    Ok(answer)
}

/// Legs or lines of a range of entries, read in pages so that one answer stays bounded.
async fn parts<R: record::Record, C: Connection>(
    connection: &C,
    event_seq: i64,
    first: i64,
    last: i64,
) -> Result<Vec<R>, StoreError> {
    let mut all = Vec::new();
    loop {
        let statement = record::select::<R>()
            .and_where(equal("event_seq", event_seq))
            .and_where(Expr::col("entry").between(first, last))
            .order_by("entry", Order::Asc)
            .order_by("position", Order::Asc)
            .limit(PAGE_ROWS_MAX)
            .offset(all.len() as u64)
            .take();
        let page: Vec<R> = record::rows(connection, statement).await?;
        let end = (page.len() as u64) < PAGE_ROWS_MAX;
        all.extend(page);
        if end {
            return Ok(all);
        }
    }
}

fn place(entries: &mut [EntryRow], index: i64) -> Option<&mut EntryRow> {
    usize::try_from(index).ok().and_then(|index| entries.get_mut(index))
}
