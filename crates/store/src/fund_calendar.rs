//! Calendars of funds: the last of a fund is in force; one that is null says that the fund is struck by hand.

use sea_orm::sea_query::{Condition, Expr, ExprTrait, Query};

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A calendar, from its setting on.
    pub struct CalendarRow in "fund_calendar" {
        /// The fund.
        fund: String,
        /// Place among its calendars, from 1, by the caller's count.
        seq: i64,
        /// Canonical JSON; null for none.
        calendar: Option<String>,
        /// SHA-256 of it, 64 hex digits.
        digest: Option<String>,
        /// The login that set it.
        set_by: String,
        /// Milliseconds since 1970.
        set_at: i64,
    }
}

/// Writes a calendar.
///
/// # Errors
/// [`StoreError::Conflict`] on `fund_calendar_pkey` when somebody else set one at the same time;
/// [`StoreError::MissingReference`] without the fund.
pub async fn insert(transaction: &StoreTransaction, row: CalendarRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The last calendar of a fund; none when there was never one.
///
/// # Errors
/// Those of the database.
pub async fn current<C: Connection>(
    connection: &C,
    fund: &str,
) -> Result<Option<CalendarRow>, StoreError> {
    record::last(connection, equal("fund", fund), "seq").await
}

/// The last calendar of a fund that was set at a moment or before it; none when there was none by then.
///
/// # Errors
/// Those of the database.
pub async fn current_by<C: Connection>(
    connection: &C,
    fund: &str,
    set_at: i64,
) -> Result<Option<CalendarRow>, StoreError> {
    let by = Expr::col("set_at").lte(Expr::val(set_at));
    record::last(connection, Condition::all().add(equal("fund", fund)).add(by), "seq").await
}

/// A page of the funds that have a calendar now, by name, each with it.
///
/// # Errors
/// Those of the database.
pub async fn list_current<C: Connection>(
    connection: &C,
    after_fund: Option<&str>,
    limit: u64,
) -> Result<Vec<CalendarRow>, StoreError> {
    let later = Query::select()
        .expr(Expr::val(1))
        .from_as("fund_calendar", "later")
        .and_where(Expr::col(("later", "fund")).equals(("fund_calendar", "fund")))
        .and_where(Expr::col(("later", "seq")).gt(Expr::col(("fund_calendar", "seq"))))
        .take();
    let condition =
        Condition::all().add(Expr::col("calendar").is_not_null()).add(Expr::exists(later).not());
    record::page(connection, condition, "fund", after_fund.map(Into::into), limit).await
}
