//! Which earlier version of another model a version is like.

use sea_orm::sea_query::{Condition, IntoCondition};

use crate::record::{self, equal, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// A version beside an earlier one of another model.
    pub struct LikenessRow in "version_likeness" {
        /// The later version.
        version_id: String,
        /// The earlier one.
        prior_version_id: String,
        /// Agreement of sketches; null where nothing could be compared.
        sketches: Option<String>,
        /// Correlation of answers; null where nothing was compared.
        logits: Option<String>,
        /// Correlation of residuals; null where nothing was compared.
        residual: Option<String>,
        /// Whether a person must look before the later one is eligible.
        flagged: bool,
        /// Milliseconds since 1970.
        recorded_at: i64,
    }
}

/// Writes one unless the pair is there; tells whether it was written.
///
/// # Errors
/// [`StoreError::MissingReference`] without one of the two.
pub async fn insert_if_absent(
    transaction: &StoreTransaction,
    row: LikenessRow,
) -> Result<bool, StoreError> {
    record::insert_if_absent_by(transaction, row, &["version_id", "prior_version_id"]).await
}

/// A page of what a version is like, by the id of the earlier one.
///
/// # Errors
/// Those of the database.
pub async fn list<C: Connection>(
    connection: &C,
    version_id: &str,
    after_prior: Option<&str>,
    limit: u64,
) -> Result<Vec<LikenessRow>, StoreError> {
    let condition = equal("version_id", version_id).into_condition();
    record::page(connection, condition, "prior_version_id", after_prior.map(Into::into), limit)
        .await
}

/// How many of a version are flagged; they only become more.
///
/// # Errors
/// Those of the database.
pub async fn count_flagged<C: Connection>(
    connection: &C,
    version_id: &str,
) -> Result<i64, StoreError> {
    let condition =
        Condition::all().add(equal("version_id", version_id)).add(equal("flagged", 1_i64));
    record::count::<LikenessRow, C>(connection, condition).await
}

/// The flagged one that was recorded last.
///
/// # Errors
/// Those of the database.
pub async fn latest_flagged<C: Connection>(
    connection: &C,
    version_id: &str,
) -> Result<Option<LikenessRow>, StoreError> {
    let condition =
        Condition::all().add(equal("version_id", version_id)).add(equal("flagged", 1_i64));
    record::last(connection, condition, "recorded_at").await
}
