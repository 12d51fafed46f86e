//! Price decisions: what each report did to the accepted price of a model.

use sea_orm::sea_query::{Expr, ExprTrait, IntoCondition, Order};

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A decision on a price.
    pub struct PriceDecisionRow in "price_decision" {
        /// The model.
        model_id: String,
        /// Place among the decisions of this model, by the caller's count.
        seq: i64,
        /// The version that was measured.
        version_id: String,
        /// The report that asked for a new price.
        report_digest: String,
        /// `ADMITTED`, `ACCEPTED`, `DEADBAND`, `TRIPPED` or another word of the domain.
        status: String,
        /// Accepted price after the decision, micro-credits per unit; null while there is none.
        price_micro: Option<i64>,
        /// Pooled estimate, micro-credits per unit.
        est_micro: Option<i64>,
        /// Accepted price before the decision, micro-credits per unit; null before the first.
        previous_micro: Option<i64>,
        /// Standard error of ln(price), a number in its shortest decimal form.
        sigma_ln: String,
        /// Paired standard error of the difference; null where old and new scored different items.
        sigma_delta: Option<String>,
        /// Half-width of the band in ln; null where no band applied.
        band_ln: Option<String>,
        /// The domain's record of the decision, JSON.
        record: String,
        /// Milliseconds since 1970.
        decided_at: i64,
    }
}

/// Writes a decision.
///
/// # Errors
/// [`StoreError::Conflict`] on `price_decision_pkey` when somebody else decided at the same time;
/// [`StoreError::MissingReference`] without the model, the version or the report.
pub async fn insert(
    transaction: &StoreTransaction,
    row: PriceDecisionRow,
) -> Result<(), StoreError> {
    record::insert(transaction, row).await
}

/// The last decision on a model.
///
/// # Errors
/// Those of the database.
pub async fn latest<C: Connection>(
    connection: &C,
    model_id: &str,
) -> Result<Option<PriceDecisionRow>, StoreError> {
    record::last(connection, equal("model_id", model_id), "seq").await
}

/// The last decision on a model that was made at a moment or before it.
///
/// # Errors
/// Those of the database.
pub async fn latest_by<C: Connection>(
    connection: &C,
    model_id: &str,
    decided_at: i64,
) -> Result<Option<PriceDecisionRow>, StoreError> {
    let by = Expr::col("decided_at").lte(Expr::val(decided_at));
    record::last(connection, equal("model_id", model_id).into_condition().add(by), "seq").await
}

/// The last decision that set a model's price: status `ADMITTED` or `ACCEPTED`.
///
/// # Errors
/// Those of the database.
pub async fn latest_accepted<C: Connection>(
    connection: &C,
    model_id: &str,
) -> Result<Option<PriceDecisionRow>, StoreError> {
    let condition = equal("model_id", model_id)
        .into_condition()
        .add(Expr::col("status").is_in(["ADMITTED", "ACCEPTED"]));
    record::last(connection, condition, "seq").await
}

/// The last decision by which a model's price was set or found to stand.
///
/// # Errors
/// Those of the database.
pub async fn latest_standing<C: Connection>(
    connection: &C,
    model_id: &str,
) -> Result<Option<PriceDecisionRow>, StoreError> {
    latest_standing_by(connection, model_id, i64::MAX).await
}

/// The last decision, made at a moment or before it, by which a model's price was set or found to stand: status `ADMITTED`, `ACCEPTED` or
/// `DEADBAND`.
///
/// # Errors
/// Those of the database.
pub async fn latest_standing_by<C: Connection>(
    connection: &C,
    model_id: &str,
    decided_at: i64,
) -> Result<Option<PriceDecisionRow>, StoreError> {
    let condition = equal("model_id", model_id)
        .into_condition()
        .add(Expr::col("status").is_in(["ADMITTED", "ACCEPTED", "DEADBAND"]))
        .add(Expr::col("decided_at").lte(Expr::val(decided_at)));
    record::last(connection, condition, "seq").await
}

/// The last decision that set a model's price and was made at a moment or before it; where there is none, the first that set it.
///
/// # Errors
/// Those of the database.
pub async fn latest_accepted_by<C: Connection>(
    connection: &C,
    model_id: &str,
    decided_at: i64,
) -> Result<Option<PriceDecisionRow>, StoreError> {
    let accepted = || {
        equal("model_id", model_id)
            .into_condition()
            .add(Expr::col("status").is_in(["ADMITTED", "ACCEPTED"]))
    };
    let by = accepted().add(Expr::col("decided_at").lte(Expr::val(decided_at)));
    if let Some(row) = record::last(connection, by, "seq").await? {
        return Ok(Some(row));
    }
    Ok(record::page(connection, accepted(), "seq", None, 1).await?.pop())
}

/// A page of the decisions on a model, oldest first.
///
/// # Errors
/// Those of the database.
pub async fn list<C: Connection>(
    connection: &C,
    model_id: &str,
    after_seq: Option<i64>,
    limit: u64,
) -> Result<Vec<PriceDecisionRow>, StoreError> {
    let condition = equal("model_id", model_id).into_condition();
    record::page(connection, condition, "seq", after_seq.map(Into::into), limit).await
}

/// A page of the decisions on a model, the youngest first, before a place.
///
/// # Errors
/// Those of the database.
pub async fn list_before<C: Connection>(
    connection: &C,
    model_id: &str,
    before_seq: Option<i64>,
    limit: u64,
) -> Result<Vec<PriceDecisionRow>, StoreError> {
    let mut statement = record::select::<PriceDecisionRow>();
    statement.cond_where(equal("model_id", model_id).into_condition());
    statement.order_by("seq", Order::Desc).limit(record::page_rows(limit));
    if let Some(before) = before_seq {
        statement.and_where(Expr::col("seq").lt(Expr::val(before)));
    }
    record::rows(connection, statement).await
}

/// The last decision on a model that tripped.
///
/// # Errors
/// Those of the database.
pub async fn latest_tripped<C: Connection>(
    connection: &C,
    model_id: &str,
) -> Result<Option<PriceDecisionRow>, StoreError> {
    let condition = equal("model_id", model_id).into_condition().add(equal("status", "TRIPPED"));
    record::last(connection, condition, "seq").await
}

/// The last decision that followed from a measurement of a version.
///
/// # Errors
/// Those of the database.
pub async fn latest_by_version<C: Connection>(
    connection: &C,
    model_id: &str,
    version_id: &str,
) -> Result<Option<PriceDecisionRow>, StoreError> {
    let condition =
        equal("model_id", model_id).into_condition().add(equal("version_id", version_id));
    record::last(connection, condition, "seq").await
}

/// The first decision that followed from a report.
///
/// # Errors
/// Those of the database.
pub async fn find_by_report<C: Connection>(
    connection: &C,
    report_digest: &str,
) -> Result<Option<PriceDecisionRow>, StoreError> {
    let statement = record::select::<PriceDecisionRow>()
        .and_where(equal("report_digest", report_digest))
        .order_by("model_id", Order::Asc)
        .order_by("seq", Order::Asc)
        .take();
    record::first(connection, statement).await
}
