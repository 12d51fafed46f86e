//! What is kept of a measured version so that others can be compared with it without its bytes.

use sea_orm::sea_query::{Condition, Expr, ExprTrait};

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// The fingerprint of a version, as it was measured on a suite.
    pub struct PrintRow in "version_print" {
        /// The version.
        version_id: String,
        /// The suite.
        suite: String,
        /// Counts all prints from 1, by the caller's count.
        seq: i64,
        /// The version's model.
        model_id: String,
        /// Sketches of the large tensors, as JSON.
        weights: String,
        /// Sketch of the answers, 64 hexadecimal digits; null where there are none, or they are not told yet.
        answers_sketch: Option<String>,
        /// Numbers of a row of answers.
        answers_classes: Option<i64>,
        /// Milliseconds since 1970.
        recorded_at: i64,
    }
}

record! {
    /// A version's answers to the first cases of a suite.
    pub struct AnswersRow in "version_answers" {
        /// The version.
        version_id: String,
        /// The suite.
        suite: String,
        /// Single-precision bits, eight hexadecimal digits a number.
        body: String,
    }
}

/// Writes a print, with its answers where there are some.
///
/// # Errors
/// [`StoreError::Conflict`] on `version_print_pkey` or `version_print_seq_key`; [`StoreError::MissingReference`] without version
/// or suite.
pub async fn insert(
    transaction: &StoreTransaction,
    row: PrintRow,
    answers: Option<String>,
) -> Result<(), StoreError> {
    let answers = answers.map(|body| AnswersRow {
        version_id: row.version_id.clone(),
        suite: row.suite.clone(),
        body,
    });
    record::insert(transaction, row).await?;
    match answers {
        Some(row) => record::insert(transaction, row).await,
        None => Ok(()),
    }
}

/// The print of a version on a suite.
///
/// # Errors
/// Those of the database.
pub async fn find<C: Connection>(
    connection: &C,
    version_id: &str,
    suite: &str,
) -> Result<Option<PrintRow>, StoreError> {
    record::find(connection, key(version_id, suite)).await
}

/// The answers of a version on a suite.
///
/// # Errors
/// Those of the database.
pub async fn find_answers<C: Connection>(
    connection: &C,
    version_id: &str,
    suite: &str,
) -> Result<Option<AnswersRow>, StoreError> {
    record::find(connection, key(version_id, suite)).await
}

/// A page of the prints of all other models, oldest first.
///
/// # Errors
/// Those of the database.
pub async fn list_others<C: Connection>(
    connection: &C,
    model_id: &str,
    after_seq: i64,
    limit: u64,
) -> Result<Vec<PrintRow>, StoreError> {
    let condition = Condition::all().add(Expr::col("model_id").ne(Expr::val(model_id)));
    record::page(connection, condition, "seq", Some(after_seq.into()), limit).await
}

/// The number of the youngest print; 0 while there is none.
///
/// # Errors
/// Those of the database.
pub async fn max_seq<C: Connection>(connection: &C) -> Result<i64, StoreError> {
    let all = Condition::all();
    Ok(record::greatest::<PrintRow, C>(connection, all, "seq").await?.unwrap_or(0))
}

fn key(version_id: &str, suite: &str) -> Condition {
    Condition::all().add(equal("version_id", version_id)).add(equal("suite", suite))
}
