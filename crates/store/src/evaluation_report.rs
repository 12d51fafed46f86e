//! Evaluation reports: the immutable outcome of a run.

use sea_orm::sea_query::{Condition, Expr, ExprTrait, IntoCondition, Order};

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// An evaluation report.
    pub struct ReportRow in "evaluation_report" {
        /// SHA-256 of the canonical body, 64 hex digits.
        digest: String,
        /// The version that was measured.
        version_id: String,
        /// Id of the suite's row.
        suite: String,
        /// The job that asked for it.
        job_id: String,
        /// SHA-256 of the samples.
        samples_digest: String,
        /// Who measured.
        evaluator: String,
        /// Cases of the suite.
        items: i64,
        /// Cases answered correctly; null when the suite's metric counts no such thing.
        correct: Option<i64>,
        /// Price in micro-credits per unit; null when the run is void.
        price_micro: Option<i64>,
        /// Canonical JSON.
        body: String,
        /// Whether the control failed, so that the report prices nothing.
        void: bool,
        /// Milliseconds since 1970.
        recorded_at: i64,
    }
}

/// Writes a report.
///
/// # Errors
/// [`StoreError::Conflict`] on `evaluation_report_pkey`; [`StoreError::MissingReference`] without the version.
pub async fn insert(transaction: &StoreTransaction, row: ReportRow) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The report of a digest.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    digest: &str,
) -> Result<Option<ReportRow>, StoreError> {
    record::find(connection, equal("digest", digest)).await
}

/// A page of a version's reports, oldest first, after the report of this `recorded_at` and digest.
///
/// # Errors
/// Those of the database.
pub async fn list_by_version<C: Connection>(
    connection: &C,
    version_id: &str,
    after: Option<(i64, &str)>,
    limit: u64,
) -> Result<Vec<ReportRow>, StoreError> {
    let mut condition = equal("version_id", version_id).into_condition();
    if let Some((recorded_at, digest)) = after {
        let tie = Condition::all()
            .add(equal("recorded_at", recorded_at))
            .add(Expr::col("digest").gt(digest));
        condition =
            condition.add(Condition::any().add(Expr::col("recorded_at").gt(recorded_at)).add(tie));
    }
    let statement = record::select::<ReportRow>()
        .cond_where(condition)
        .order_by("recorded_at", Order::Asc)
        .order_by("digest", Order::Asc)
        .limit(record::page_rows(limit))
        .take();
    record::rows(connection, statement).await
}

/// The youngest report of a version, void ones included.
///
/// # Errors
/// Those of the database.
pub async fn latest_by_version<C: Connection>(
    connection: &C,
    version_id: &str,
) -> Result<Option<ReportRow>, StoreError> {
    let statement = record::select::<ReportRow>()
        .and_where(equal("version_id", version_id))
        .order_by("recorded_at", Order::Desc)
        .order_by("digest", Order::Desc)
        .take();
    record::first(connection, statement).await
}

/// The youngest report of a version on one suite, void ones left out.
///
/// # Errors
/// Those of the database.
pub async fn latest_on<C: Connection>(
    connection: &C,
    version_id: &str,
    suite: &str,
) -> Result<Option<ReportRow>, StoreError> {
    let statement = record::select::<ReportRow>()
        .and_where(equal("version_id", version_id))
        .and_where(equal("suite", suite))
        .and_where(equal("void", false))
        .order_by("recorded_at", Order::Desc)
        .order_by("digest", Order::Desc)
        .take();
    record::first(connection, statement).await
}

/// The youngest report of the installation.
///
/// # Errors
/// Those of the database.
pub async fn latest<C: Connection>(connection: &C) -> Result<Option<ReportRow>, StoreError> {
    let statement = record::select::<ReportRow>()
        .order_by("recorded_at", Order::Desc)
        .order_by("digest", Order::Desc)
        .take();
    record::first(connection, statement).await
}
