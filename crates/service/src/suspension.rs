//! When subscriptions wait: nobody buys at a price that is known to be open (DESIGN 4, Price; FUND 1.3, 6).

use domain::{evaluation::PriceState, name::Name};
use store::{
    JobState, StoreTransaction, VersionRow, evaluation_job, evaluation_report, evaluation_round,
    model_version, price_decision, registered_model, round_commitment, round_verdict,
};

use crate::{
    ServiceError,
    aliases::unlistable,
    funds::live_models,
    ledger::LedgerUnit,
    prices::listed_ordinal,
    rotation::{SuiteStage, stage_of},
};

/// Rows read from the database at a time.
const PAGE_ROWS: u64 = 100;

/// A model of the fund with a version that may price and that the price does not know yet: published, and not measured, or measured by evaluators of whom
/// too few have said what they found.
///
/// A version whose evaluations all failed will get no price, so nobody waits for it; nor for one that cannot price, being yanked or passed
/// over by a pin. A version that the price knows may be measured again without anybody waiting.
pub(crate) async fn unknown_version(
    ledger: &LedgerUnit<'_>,
    fund: &Name,
) -> Result<Option<String>, ServiceError> {
    let Some(state) = ledger.state.fund(fund) else { return Ok(None) };
    let transaction = &ledger.unit.transaction;
    for model in live_models(ledger, state) {
        let row = registered_model::find_by_name(transaction, model.as_str()).await?;
        let Some(row) = row else { continue };
        let listed = listed_ordinal(transaction, &row.id).await?.unwrap_or(0);
        // An older version than the listed one prices no more; every later one may, whatever was published after it.
        let mut after = Some(listed - 1);
        loop {
            let page = model_version::list(transaction, &row.id, after, PAGE_ROWS).await?;
            for version in &page {
                if let Some(what) = open_question(transaction, version).await? {
                    return Ok(Some(format!("version {model}/{} {what}", version.name)));
                }
            }
            match page.last() {
                Some(last) if page.len() as u64 == PAGE_ROWS => after = Some(last.ordinal),
                _ => break,
            }
        }
    }
    Ok(None)
}

/// Whether the version that tripped last was yanked, or is passed over by a pin: then nobody waits for its confirmation.
async fn is_withdrawn(
    transaction: &StoreTransaction,
    model_id: &str,
) -> Result<bool, ServiceError> {
    let Some(row) = price_decision::latest_tripped(transaction, model_id).await? else {
        return Ok(false);
    };
    match model_version::find_by_id(transaction, &row.version_id).await? {
        Some(version) => Ok(unlistable(transaction, &version).await?.is_some()),
        None => Ok(false),
    }
}

/// What is open about a version; none if nobody can know more of it than the price does.
async fn open_question(
    transaction: &StoreTransaction,
    version: &VersionRow,
) -> Result<Option<&'static str>, ServiceError> {
    if unlistable(transaction, version).await?.is_some() {
        return Ok(None);
    }
    let decided =
        price_decision::latest_by_version(transaction, &version.model_id, &version.id).await?;
    if decided.is_some() {
        return Ok(None);
    }
    if let Some(round) = evaluation_round::latest_by_version(transaction, &version.id).await? {
        if round_verdict::find(transaction, &round.id).await?.is_none() {
            return Ok(Some("is published and being measured"));
        }
        // A round that ended without a price although some had measured: they know what the price does not.
        if !round_commitment::list(transaction, &round.id).await?.is_empty() {
            return Ok(Some("was measured, and too few evaluators have told what they found"));
        }
    }
    let open =
        !is_told(transaction, &version.id).await? && !all_failed(transaction, &version.id).await?;
    Ok(open.then_some("is published and not evaluated yet"))
}

/// Whether a report of the version is public on a suite that prices; a shadow tells a result and decides nothing.
async fn is_told(transaction: &StoreTransaction, version_id: &str) -> Result<bool, ServiceError> {
    let mut after: Option<(i64, String)> = None;
    loop {
        let cursor = after.as_ref().map(|(at, digest)| (*at, digest.as_str()));
        let page =
            evaluation_report::list_by_version(transaction, version_id, cursor, PAGE_ROWS).await?;
        for row in &page {
            if stage_of(transaction, &row.suite).await? == SuiteStage::Active {
                return Ok(true);
            }
        }
        match page.last() {
            Some(last) if page.len() as u64 == PAGE_ROWS => {
                after = Some((last.recorded_at, last.digest.clone()));
            }
            _ => return Ok(false),
        }
    }
}

/// Whether there were evaluations and every one of them failed.
async fn all_failed(
    transaction: &StoreTransaction,
    version_id: &str,
) -> Result<bool, ServiceError> {
    let mut after: Option<String> = None;
    loop {
        let page =
            evaluation_job::list_by_version(transaction, version_id, after.as_deref(), PAGE_ROWS)
                .await?;
        if page.iter().any(|job| job.state != JobState::Failed) {
            return Ok(false);
        }
        match page.last() {
            Some(last) if page.len() as u64 == PAGE_ROWS => after = Some(last.id.clone()),
            last => return Ok(after.is_some() || last.is_some()),
        }
    }
}

/// Whether a model's price waits for confirmation by a second run.
pub(crate) async fn is_tripped(
    transaction: &StoreTransaction,
    model_id: &str,
) -> Result<bool, ServiceError> {
    let Some(latest) = price_decision::latest(transaction, model_id).await? else {
        return Ok(false);
    };
    let record: Option<PriceState> =
        serde_json::from_str(&latest.record).map_err(ServiceError::internal)?;
    Ok(record.is_some_and(|record| record.tripped.is_some())
        && !is_withdrawn(transaction, model_id).await?)
}
