//! Reports: immutable outcomes, each with the raw samples that it follows from.

use domain::{
    amount::PriceNano,
    digest::Digest,
    evaluation::{Report, report::MetricValue},
    name::Name,
    time::Timestamp,
};
use store::{ReportRow, evaluation_report};

use crate::{Service, ServiceError, prices::micro_to_nano, versions::Version};

/// A recorded report.
#[derive(Clone, Debug)]
pub struct ReportView {
    /// SHA-256 of the canonical JSON.
    pub digest: Digest,
    /// The version's row id.
    pub version_id: String,
    /// The job that it came from.
    pub job_id: String,
    /// SHA-256 of the raw samples.
    pub samples: Digest,
    /// Who evaluated.
    pub evaluator: Name,
    /// Cases that were scored.
    pub items: i64,
    /// Cases that were answered right.
    pub correct: Option<i64>,
    /// The price that this report alone gives.
    pub price: Option<PriceNano>,
    /// The canonical JSON.
    pub body: String,
    /// The same, parsed.
    pub report: Report,
    /// When it was recorded.
    pub recorded_at: Timestamp,
}

impl ReportView {
    fn read(row: ReportRow) -> Result<Self, ServiceError> {
        Ok(Self {
            digest: row.digest.parse().map_err(ServiceError::internal)?,
            version_id: row.version_id,
            job_id: row.job_id,
            samples: row.samples_digest.parse().map_err(ServiceError::internal)?,
            evaluator: row.evaluator.parse().map_err(ServiceError::internal)?,
            items: row.items,
            correct: row.correct,
            price: row.price_micro.map(micro_to_nano).transpose()?,
            report: serde_json::from_str(&row.body).map_err(ServiceError::internal)?,
            body: row.body,
            recorded_at: Timestamp::from_millis(row.recorded_at),
        })
    }

    /// A metric by its name.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<&MetricValue> {
        self.report.metrics.get(name)
    }

    /// Why there is no price.
    #[must_use]
    pub fn no_price(&self) -> Option<String> {
        self.report.no_price.as_ref().map(ToString::to_string)
    }

    /// Where this report stands in the list of its version.
    #[must_use]
    pub fn cursor(&self) -> String {
        format!("{}:{}", self.recorded_at.as_millis(), self.digest.hex())
    }
}

impl Service {
    /// The report of this digest.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] if there is none.
    pub async fn get_report(&self, digest: Digest) -> Result<ReportView, ServiceError> {
        let row = evaluation_report::find(&self.store, &digest.hex()).await?;
        ReportView::read(row.ok_or_else(|| ServiceError::absent("report", digest.to_string()))?)
    }

    /// Reports of a version, oldest first, after a cursor of [`ReportView::cursor`].
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] for a cursor that is none.
    pub async fn list_reports(
        &self,
        version: &Version,
        after: Option<&str>,
        limit: u64,
    ) -> Result<Vec<ReportView>, ServiceError> {
        let cursor = |text: &str| {
            let (millis, digest) = text.split_once(':')?;
            Some((millis.parse::<i64>().ok()?, digest.to_owned()))
        };
        let after = after.map(|text| {
            cursor(text).ok_or_else(|| ServiceError::invalid("after", "is no cursor of this list"))
        });
        let after = after.transpose()?;
        let after = after.as_ref().map(|(millis, digest)| (*millis, digest.as_str()));
        let rows =
            evaluation_report::list_by_version(&self.store, &version.id, after, limit).await?;
        rows.into_iter().map(ReportView::read).collect()
    }
}
