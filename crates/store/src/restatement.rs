//! Restatements of strikes: what a strike would have been at other prices, and who was paid for it. The strike's own row never changes.

use sea_orm::sea_query::{Condition, Expr, ExprTrait};

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A restatement of a strike.
    pub struct RestatementRow in "restatement" {
        /// The fund.
        fund: String,
        /// The strike.
        strike_number: i64,
        /// Counts the restatements of the strike from 1; the last one holds.
        number: i64,
        /// The ledger's event that compensated; null where nothing was owed.
        event_seq: Option<i64>,
        /// Who paid; null where nothing was owed.
        payer: Option<String>,
        /// The error from which on somebody is compensated, ppb.
        threshold_ppb: i64,
        /// NAV that was published, 1e-15 credits, decimal digits.
        nav_published_femto: String,
        /// The right NAV, 1e-15 credits, decimal digits.
        nav_femto: String,
        /// The right NAV at the larger of price and estimate, 1e-15 credits, decimal digits.
        ask_femto: String,
        /// The right NAV per share, 1e-9 credits; null beyond the range of a price.
        nav_per_share_nano: Option<i64>,
        /// How far NAV was off, ppb of the right one.
        error_ppb: i64,
        /// The same of the ask.
        ask_error_ppb: i64,
        /// Whether the error reaches the threshold.
        passes: bool,
        /// What the fund lost, micro-credits.
        fund_loss_micro: i64,
        /// What the fund was paid by this restatement, micro-credits.
        fund_paid_micro: i64,
        /// What owners were paid by this restatement, micro-credits.
        owners_paid_micro: i64,
        /// Why, in words.
        reason: String,
        /// Who restated.
        restated_by: String,
        /// Digest of the body, hex digits: what its leaf names.
        digest: String,
        /// The record, canonical JSON.
        body: String,
        /// Milliseconds since 1970: known from then on.
        recorded_at: i64,
    }
}

record! {
    /// An owner's part in a restatement.
    pub struct RestatementPartRow in "restatement_part" {
        /// The fund.
        fund: String,
        /// The strike.
        strike_number: i64,
        /// The restatement.
        number: i64,
        /// The owner.
        owner: String,
        /// What he lost, micro-credits.
        loss_micro: i64,
        /// What he was paid by this restatement, micro-credits.
        paid_micro: i64,
    }
}

/// Writes a restatement with its parts.
///
/// # Errors
/// [`StoreError::Conflict`] on `restatement_pkey`; [`StoreError::MissingReference`] without the strike or the event.
pub async fn insert(
    transaction: &StoreTransaction,
    row: RestatementRow,
    parts: Vec<RestatementPartRow>,
) -> Result<(), StoreError> {
    record::insert(transaction, row).await?;
    record::insert_all(transaction, parts).await
}

/// The restatement that holds; null where the strike stands as it was published.
///
/// # Errors
/// Those of the database.
pub async fn latest<C: Connection>(
    connection: &C,
    fund: &str,
    strike_number: i64,
) -> Result<Option<RestatementRow>, StoreError> {
    record::last(connection, of_strike(fund, strike_number), "number").await
}

/// A page of what was known of a strike at a moment (milliseconds since 1970; none for now), by number. What is recorded later changes
/// no answer about an earlier moment.
///
/// # Errors
/// Those of the database.
pub async fn list_restatements<C: Connection>(
    connection: &C,
    (fund, strike_number): (&str, i64),
    known_at: Option<i64>,
    after_number: Option<i64>,
    limit: u64,
) -> Result<Vec<RestatementRow>, StoreError> {
    let mut condition = of_strike(fund, strike_number);
    if let Some(known_at) = known_at {
        condition = condition.add(Expr::col("recorded_at").lte(known_at));
    }
    record::page(connection, condition, "number", after_number.map(Into::into), limit).await
}

/// A page of the parts of a restatement by owner, or the part of one owner.
///
/// # Errors
/// Those of the database.
pub async fn list_parts<C: Connection>(
    connection: &C,
    (fund, strike_number, number): (&str, i64, i64),
    owner: Option<&str>,
    after_owner: Option<&str>,
    limit: u64,
) -> Result<Vec<RestatementPartRow>, StoreError> {
    let mut condition = of_strike(fund, strike_number).add(equal("number", number));
    if let Some(owner) = owner {
        condition = condition.add(equal("owner", owner));
    }
    record::page(connection, condition, "owner", after_owner.map(Into::into), limit).await
}

fn of_strike(fund: &str, strike_number: i64) -> Condition {
    Condition::all().add(equal("fund", fund)).add(equal("strike_number", strike_number))
}
