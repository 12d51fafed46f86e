//! Prices that grow old are measured again by themselves (EVALUATION 5.8): at five days, before they are stale at seven.

use domain::{
    digest::{Digest, to_hex},
    evaluation::acceptance::{Staleness, staleness},
    time::{DAY_MS, Timestamp},
};
use store::{
    ReportRow, StoreTransaction, alias_move, evaluation_job, evaluation_report, evaluation_round,
    registered_model, version_yank,
};

use crate::{
    Service, ServiceError,
    jobs::queued_row,
    quorum::setting,
    rounds::{Terms, insert_renewal},
    versions::LISTED,
};

/// Models that are looked at between two looks at the database.
const PAGE: u64 = 1_000;

/// How old the last report of a listed version is, in words of EVALUATION 5.8.
fn age_of(report: &ReportRow, now: Timestamp) -> Staleness {
    let age_ms = now.as_millis().saturating_sub(report.recorded_at);
    staleness(age_ms as f64 / DAY_MS as f64)
}

impl Service {
    /// Queues a new evaluation of every listed version whose last report is five days old or older; the number of them comes back.
    ///
    /// Safe to call from several servers and again and again: what is queued follows from the last report, so it is queued once.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails; what was queued before stays queued.
    pub async fn renew_prices(&self, now: Timestamp) -> Result<u64, ServiceError> {
        let (mut after, mut renewed) = (None::<String>, 0);
        loop {
            let models = registered_model::list(&self.store, after.as_deref(), PAGE).await?;
            let Some(last) = models.last() else { return Ok(renewed) };
            after = Some(last.name.clone());
            for model in models {
                let Some(alias) = alias_move::current(&self.store, &model.id, LISTED).await? else {
                    continue;
                };
                let version = alias.version_id;
                let Some(report) =
                    evaluation_report::latest_by_version(&self.store, &version).await?
                else {
                    continue;
                };
                if age_of(&report, now) != Staleness::Fresh {
                    renewed += u64::from(self.renew(&version, now).await?);
                }
            }
        }
    }

    /// Queues one, unless it is queued already or the version went away meanwhile.
    async fn renew(&self, version: &str, now: Timestamp) -> Result<bool, ServiceError> {
        let transaction = self.store.begin().await?;
        transaction.lock_ledger().await?;
        let report = evaluation_report::latest_by_version(&transaction, version).await?;
        let Some(report) = report.filter(|report| age_of(report, now) != Staleness::Fresh) else {
            return Ok(false);
        };
        if version_yank::find(&transaction, version).await?.is_some() {
            return Ok(false);
        }
        let is_queued = queue(&transaction, &report, now.as_millis()).await?;
        if is_queued {
            transaction.commit().await?;
        }
        Ok(is_queued)
    }
}

async fn queue(
    transaction: &StoreTransaction,
    report: &ReportRow,
    now: i64,
) -> Result<bool, ServiceError> {
    let Some(former) = evaluation_job::find(transaction, &report.job_id).await? else {
        return Ok(false);
    };
    // Id and seed follow from the last report, whose digest nobody chose; a failed attempt is followed by one a day later.
    let day = now / DAY_MS;
    let digest = Digest::of(format!("mf.renewal.v1\0{}\0{day}", report.digest).as_bytes());
    let id = format!("r-{}", to_hex(&digest.as_bytes()[..15]));
    let setting = setting(transaction).await?;
    if setting.quorum > 1 {
        let terms = Terms {
            version_id: &report.version_id,
            suite: &former.suite,
            protocol: &former.protocol,
        };
        let is_there = evaluation_round::find(transaction, &id).await?.is_some();
        if is_there || has_open_round(transaction, &report.version_id).await? {
            return Ok(false);
        }
        insert_renewal(transaction, id, &terms, setting, now).await?;
        return Ok(true);
    }
    let jobs = evaluation_job::list_by_version(transaction, &report.version_id, None, PAGE).await?;
    let waits = |job: &store::JobRow| {
        matches!(job.state, store::JobState::Queued | store::JobState::Leased)
    };
    if jobs.iter().any(|job| job.id == id || waits(job)) {
        return Ok(false);
    }
    let mut seed = [0; 8];
    seed.copy_from_slice(&digest.as_bytes()[..8]);
    let (suite, protocol) = (&former.suite, &former.protocol);
    let seed = u64::from_le_bytes(seed);
    let row = queued_row(id, &report.version_id, suite, protocol, seed, now);
    evaluation_job::insert(transaction, row).await?;
    Ok(true)
}

async fn has_open_round(
    transaction: &StoreTransaction,
    version: &str,
) -> Result<bool, ServiceError> {
    let open = evaluation_round::list_open(transaction, None, PAGE).await?;
    Ok(open.iter().any(|round| round.version_id == version))
}
