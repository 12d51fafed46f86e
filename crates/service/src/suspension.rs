//! When subscriptions wait: nobody buys at a price that is known to be open (DESIGN 4, Price; FUND 1.3, 6).

use domain::{
    amount::Femto,
    evaluation::{PriceState, Status},
    name::Name,
};
use store::{
    JobState, StoreTransaction, evaluation_job, evaluation_report, model_version, price_decision,
    registered_model,
};

use crate::{ServiceError, funds::live_models, ledger::LedgerUnit};

/// Tripped names may be this part of NAV, one in so many, before subscriptions wait.
const TRIPPED_PARTS: usize = 10;

/// A model of the fund whose newest version the price does not know yet: published, and not evaluated.
///
/// A version whose evaluations all failed will get no price, so nobody waits for it.
pub(crate) async fn unknown_version(
    ledger: &LedgerUnit<'_>,
    fund: &Name,
) -> Result<Option<String>, ServiceError> {
    let Some(state) = ledger.state.fund(fund) else { return Ok(None) };
    let transaction = &ledger.unit.transaction;
    for model in live_models(ledger, state) {
        let row = registered_model::find_by_name(transaction, model.as_str()).await?;
        let Some(row) = row else { continue };
        let Some(version) = model_version::latest(transaction, &row.id).await? else { continue };
        if evaluation_report::latest_by_version(transaction, &version.id).await?.is_none()
            && !all_failed(transaction, &version.id).await?
        {
            return Ok(Some(format!(
                "version {}/{} is published and not evaluated yet",
                model, version.name
            )));
        }
    }
    Ok(None)
}

async fn all_failed(
    transaction: &StoreTransaction,
    version_id: &str,
) -> Result<bool, ServiceError> {
    const JOBS_MAX: u64 = 100;
    let jobs = evaluation_job::list_by_version(transaction, version_id, None, JOBS_MAX).await?;
    Ok(!jobs.is_empty() && jobs.iter().all(|job| job.state == JobState::Failed))
}

/// The models whose price waits for confirmation, if they are more than a tenth of NAV.
pub(crate) async fn tripped_names(
    ledger: &LedgerUnit<'_>,
    fund: &Name,
) -> Result<Option<String>, ServiceError> {
    let Some(state) = ledger.state.fund(fund) else { return Ok(None) };
    let transaction = &ledger.unit.transaction;
    let (mut tripped, mut value) = (Vec::new(), Femto::ZERO);
    for holding in state.holdings(&ledger.state) {
        let row = registered_model::find_by_name(transaction, holding.model.as_str()).await?;
        let Some(row) = row else { continue };
        let latest = price_decision::latest(transaction, &row.id).await?;
        let Some(latest) = latest.filter(|row| row.status == Status::Tripped.as_str()) else {
            continue;
        };
        let record: Option<PriceState> =
            serde_json::from_str(&latest.record).map_err(ServiceError::internal)?;
        if record.is_some_and(|record| record.tripped.is_some()) {
            tripped.push(holding.model.to_string());
            value += holding.value;
        }
    }
    let times: Femto = std::iter::repeat_n(value, TRIPPED_PARTS).sum();
    let above = !tripped.is_empty() && times > state.nav(&ledger.state);
    Ok(above.then(|| format!("the prices of {} wait for confirmation", tripped.join(", "))))
}
