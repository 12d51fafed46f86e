//! What became of the dealing days of a fund, in the order in which it became known.

use sea_orm::sea_query::{Condition, Expr, ExprTrait, IntoCondition};

use crate::record::{self, equal, record, words};
use crate::{Connection, StoreError, StoreTransaction};

words! {
    /// What became of a dealing day.
    pub enum DealingState {
        /// A strike settled it in time.
        Struck = "struck",
        /// No strike came in time; a later one settled what waited, if the row names one.
        Missed = "missed",
        /// A strike was tried and refused; it is tried again.
        Failed = "failed",
        /// The review that was due happened.
        Reviewed = "reviewed",
        /// The review was tried and refused; it is tried again.
        ReviewFailed = "review_failed",
    }
}

record! {
    /// One word about a dealing day.
    pub struct DealingRow in "dealing_day" {
        /// The fund.
        fund: String,
        /// Place among the fund's rows, from 1, by the caller's count under the ledger's lock.
        seq: i64,
        /// The date in the fund's time zone, `YYYY-MM-DD`.
        date: String,
        /// Its cut-off, milliseconds since 1970.
        cut_off: i64,
        /// What became of it.
        state: DealingState,
        /// Whether weights are reviewed on this day.
        review: bool,
        /// The strike that settled it, or that the review followed.
        strike_number: Option<i64>,
        /// Why not, as a code.
        code: Option<String>,
        /// Why not, in words.
        reason: Option<String>,
        /// Milliseconds since 1970.
        recorded_at: i64,
    }
}

/// Writes rows.
///
/// # Errors
/// [`StoreError::Conflict`] on `dealing_day_pkey`; [`StoreError::MissingReference`] without the fund or the strike.
pub async fn insert_all(
    transaction: &StoreTransaction,
    rows: Vec<DealingRow>,
) -> Result<(), StoreError> {
    record::insert_all(transaction, rows).await
}

/// The place of the last row of a fund; none before the first.
///
/// # Errors
/// Those of the database.
pub async fn last_seq<C: Connection>(
    connection: &C,
    fund: &str,
) -> Result<Option<i64>, StoreError> {
    let of_fund = equal("fund", fund).into_condition();
    record::greatest::<DealingRow, C>(connection, of_fund, "seq").await
}

/// The settled day of the greatest date, struck or missed, that was written down at a moment or before it.
///
/// # Errors
/// Those of the database.
pub async fn last_settled_by<C: Connection>(
    connection: &C,
    fund: &str,
    recorded_at: i64,
) -> Result<Option<DealingRow>, StoreError> {
    record::last(connection, settled(fund).add(recorded_by(recorded_at)), "date").await
}

/// The settled day of the greatest date, struck or missed; with `review_due`, among those with a review and a strike.
///
/// # Errors
/// Those of the database.
pub async fn last_settled<C: Connection>(
    connection: &C,
    fund: &str,
    review_due: bool,
) -> Result<Option<DealingRow>, StoreError> {
    let mut condition = settled(fund);
    if review_due {
        condition =
            condition.add(equal("review", 1_i64)).add(Expr::col("strike_number").is_not_null());
    }
    record::last(connection, condition, "date").await
}

/// The last row of a fund in one state; with `date`, of that date.
///
/// # Errors
/// Those of the database.
pub async fn last_in_state<C: Connection>(
    connection: &C,
    fund: &str,
    state: DealingState,
    date: Option<&str>,
) -> Result<Option<DealingRow>, StoreError> {
    record::last(connection, of_state(fund, state, date), "seq").await
}

/// How many rows a date has in one state.
///
/// # Errors
/// Those of the database.
pub async fn count_in_state<C: Connection>(
    connection: &C,
    fund: &str,
    state: DealingState,
    date: &str,
) -> Result<i64, StoreError> {
    record::count::<DealingRow, C>(connection, of_state(fund, state, Some(date))).await
}

/// A page of a fund's rows that were written down at a moment or before it, oldest first.
///
/// # Errors
/// Those of the database.
pub async fn list_by<C: Connection>(
    connection: &C,
    fund: &str,
    recorded_at: i64,
    after_seq: Option<i64>,
    limit: u64,
) -> Result<Vec<DealingRow>, StoreError> {
    let known = equal("fund", fund).into_condition().add(recorded_by(recorded_at));
    record::page(connection, known, "seq", after_seq.map(Into::into), limit).await
}

fn settled(fund: &str) -> Condition {
    let settled = Condition::any()
        .add(equal("state", DealingState::Struck.as_str()))
        .add(equal("state", DealingState::Missed.as_str()));
    Condition::all().add(equal("fund", fund)).add(settled)
}

fn recorded_by(recorded_at: i64) -> Expr {
    Expr::col("recorded_at").lte(Expr::val(recorded_at))
}

fn of_state(fund: &str, state: DealingState, date: Option<&str>) -> Condition {
    let condition = Condition::all().add(equal("fund", fund)).add(equal("state", state.as_str()));
    date.map_or(condition.clone(), |date| condition.add(equal("date", date)))
}
