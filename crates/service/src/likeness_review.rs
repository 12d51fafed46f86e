//! A person looks at a version that was flagged, and says whether it is eligible.

use domain::{name::Name, time::Timestamp};
use serde::{Deserialize, Serialize};
use store::{Connection, LikenessReviewRow, likeness_review, version_likeness};

use crate::{
    Service, ServiceError,
    command::{Begun, Request},
    token::{Caller, Scope},
    versions::Version,
    yanks::check_reason,
};

/// What is said of a flagged version.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReviewLikeness {
    /// The model.
    pub model: Name,
    /// Its version.
    pub version: Name,
    /// Whether it is eligible from now on.
    pub cleared: bool,
    /// Why, in words.
    pub reason: String,
}

/// A review; the last one counts.
#[derive(Clone, Debug)]
pub struct LikenessReview {
    /// Whether the version is eligible since.
    pub cleared: bool,
    /// Why.
    pub reason: String,
    /// Who looked.
    pub reviewed_by: Name,
    /// When.
    pub reviewed_at: Timestamp,
}

/// Whether the last review cleared a version of all that is found by now; what is found later wants another look. Findings are counted,
/// not dated: clocks of several servers do not decide who saw what.
pub(crate) async fn is_cleared<C: Connection>(
    connection: &C,
    version_id: &str,
) -> Result<bool, ServiceError> {
    let Some(review) = likeness_review::current(connection, version_id).await? else {
        return Ok(false);
    };
    let findings = version_likeness::count_flagged(connection, version_id).await?;
    Ok(review.cleared && review.findings == findings)
}

impl Service {
    /// Clears a flagged version, or says that it stays out.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] for a version that is not flagged or a reason that says nothing, [`ServiceError::Absent`].
    pub async fn review_likeness(
        &self,
        caller: &Caller,
        key: &str,
        input: &ReviewLikeness,
    ) -> Result<Version, ServiceError> {
        let model = self.get_readable_model(&caller.into(), &input.model).await?;
        check_reason(&input.reason)?;
        let version = self.get_version(&model, &input.version).await?;
        let scope = [Scope::Operate];
        let request = Request { caller, scope: &scope, key, operation: "likeness_review", input };
        let unit = match self.begin::<_, String>(&request).await? {
            Begun::Replayed(_) => return Ok(version),
            Begun::Fresh(unit) => unit.about(&model),
        };
        let transaction = &unit.transaction;
        // Likenesses are recorded under the same lock: what comes after this review is not cleared by it.
        transaction.lock_ledger().await?;
        if version_likeness::latest_flagged(transaction, &version.id).await?.is_none() {
            let reason = format!("version {}/{} is not flagged", model.name, version.name);
            return Err(ServiceError::invalid("version", reason));
        }
        let last = likeness_review::current(transaction, &version.id).await?;
        let row = LikenessReviewRow {
            version_id: version.id.clone(),
            seq: last.map_or(1, |row| row.seq + 1),
            cleared: input.cleared,
            findings: version_likeness::count_flagged(transaction, &version.id).await?,
            reason: input.reason.clone(),
            reviewed_by: unit.owner().to_owned(),
            reviewed_at: unit.now(),
        };
        likeness_review::insert(transaction, row).await?;
        unit.finish(&format!("{}/{}", model.name, version.name), version.id.clone()).await?;
        Ok(version)
    }

    /// The last review of a version.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn find_likeness_review(
        &self,
        version: &Version,
    ) -> Result<Option<LikenessReview>, ServiceError> {
        let review = |row: LikenessReviewRow| {
            Ok(LikenessReview {
                cleared: row.cleared,
                reason: row.reason,
                reviewed_by: row.reviewed_by.parse().map_err(ServiceError::internal)?,
                reviewed_at: Timestamp::from_millis(row.reviewed_at),
            })
        };
        likeness_review::current(&self.store, &version.id).await?.map(review).transpose()
    }
}
