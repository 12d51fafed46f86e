//! Evaluation rounds: several evaluators measure one version.

use sea_orm::sea_query::{Condition, Expr, ExprTrait, IntoCondition, Query};

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A round as it was asked for.
    pub struct RoundRow in "evaluation_round" {
        /// Id.
        id: String,
        /// Counts the rounds of the installation from 1, by the caller.
        number: i64,
        /// The version to measure.
        version_id: String,
        /// Id of the suite's row.
        suite: String,
        /// Name of the protocol.
        protocol: String,
        /// Evaluators to draw.
        quorum: i64,
        /// Milliseconds that they have to commit.
        commit_ms: i64,
        /// Milliseconds that they have to reveal.
        reveal_ms: i64,
        /// Digest of the report of a tripped round that this one is to confirm.
        confirms: Option<String>,
        /// Whether the answer is known: the version is a clone of the reference.
        trap: bool,
        /// The login that asked.
        asked_by: String,
        /// Milliseconds since 1970.
        asked_at: i64,
    }
}

/// Writes one.
///
/// # Errors
/// [`StoreError::Conflict`] on `evaluation_round_pkey` or `evaluation_round_number_key`;
/// [`StoreError::MissingReference`] without what it names.
pub async fn insert(transaction: &StoreTransaction, row: RoundRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The round of an id.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(connection: &C, id: &str) -> Result<Option<RoundRow>, StoreError> {
    record::find(connection, equal("id", id)).await
}

/// The last round.
///
/// # Errors
/// Those of the database.
pub async fn latest<C: Connection>(connection: &C) -> Result<Option<RoundRow>, StoreError> {
    record::last(connection, Condition::all(), "number").await
}

/// A page of a version's rounds, oldest first.
///
/// # Errors
/// Those of the database.
pub async fn list_by_version<C: Connection>(
    connection: &C,
    version_id: &str,
    after_number: Option<i64>,
    limit: u64,
) -> Result<Vec<RoundRow>, StoreError> {
    let condition = equal("version_id", version_id).into_condition();
    record::page(connection, condition, "number", after_number.map(Into::into), limit).await
}

/// A version's youngest round that is no trap.
///
/// # Errors
/// Those of the database.
pub async fn latest_by_version<C: Connection>(
    connection: &C,
    version_id: &str,
) -> Result<Option<RoundRow>, StoreError> {
    let condition = equal("version_id", version_id).into_condition().add(equal("trap", 0_i64));
    record::last(connection, condition, "number").await
}

/// A page of the rounds without a verdict, oldest first.
///
/// # Errors
/// Those of the database.
pub async fn list_open<C: Connection>(
    connection: &C,
    after_number: Option<i64>,
    limit: u64,
) -> Result<Vec<RoundRow>, StoreError> {
    let verdict = Query::select()
        .expr(Expr::val(1))
        .from("round_verdict")
        .and_where(Expr::col(("round_verdict", "round_id")).equals(("evaluation_round", "id")))
        .take();
    let condition = Condition::all().add(Expr::not_exists(verdict));
    record::page(connection, condition, "number", after_number.map(Into::into), limit).await
}
