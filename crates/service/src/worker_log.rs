//! What a worker's turn leaves in the audit log and tells webhooks, in the transaction that ends the job.

use domain::time::Timestamp;
use serde_json::{Value, json};
use store::{
    AuditRow, JobRow, ModelRow, StoreTransaction, VersionRow, model_version, price_decision,
    registered_model,
};

use crate::{
    ServiceError,
    command::{Change, record_change},
    prices::Run,
    webhooks::ModelEvent,
    worker::Worker,
};

impl Worker {
    /// Logs a recorded report and, if it decided on a price, the decision.
    pub(crate) async fn log_report(
        &self,
        transaction: &StoreTransaction,
        run: &Run<'_>,
    ) -> Result<(), ServiceError> {
        let report = run.digest.to_string();
        let told = json!({
            "version": run.version.name, "job": run.job.id, "state": "done", "report": report,
        });
        let about = About { version: run.version, now: run.now };
        log(
            transaction,
            self.evaluator.as_str(),
            &about,
            "report_record",
            Some(("evaluation.finished", told)),
        )
        .await?;
        log_decision(transaction, self.evaluator.as_str(), run).await
    }

    /// Logs an attempt that ended without a report; webhooks hear of it when no other attempt follows.
    pub(crate) async fn log_failure(
        &self,
        transaction: &StoreTransaction,
        job: &JobRow,
        code: &str,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        let version = model_version::find_by_id(transaction, &job.version_id).await?;
        let version = version.ok_or_else(|| ServiceError::internal("a job without a version"))?;
        let ended = store::evaluation_job::find(transaction, &job.id).await?;
        let is_over = ended.is_some_and(|job| job.state == store::JobState::Failed);
        let told = json!({
            "version": version.name, "job": job.id, "state": "failed", "code": code,
        });
        // How a seat's run ended is embargoed like its report; the round's verdict tells it.
        let is_seated = store::round_seat::find(transaction, &job.id).await?.is_some();
        let event = (is_over && !is_seated).then_some(("evaluation.finished", told));
        log(
            transaction,
            self.evaluator.as_str(),
            &About { version: &version, now },
            "evaluation_fail",
            event,
        )
        .await
    }
}

/// Logs the decision that followed from a report, if there was one.
pub(crate) async fn log_decision(
    transaction: &StoreTransaction,
    actor: &str,
    run: &Run<'_>,
) -> Result<(), ServiceError> {
    let decision = price_decision::find_by_report(transaction, &run.digest.hex()).await?;
    let Some(decision) = decision else { return Ok(()) };
    let is_accepted = matches!(decision.status.as_str(), "ADMITTED" | "ACCEPTED");
    let told = json!({
        "version": run.version.name, "report": run.digest.to_string(), "status": decision.status,
        "priceMicro": decision.price_micro,
    });
    let event = is_accepted.then_some(("price.accepted", told));
    let about = About { version: run.version, now: run.now };
    log(transaction, actor, &about, "price_decide", event).await
}

async fn log(
    transaction: &StoreTransaction,
    actor: &str,
    about: &About<'_>,
    operation: &str,
    event: Option<(&'static str, Value)>,
) -> Result<(), ServiceError> {
    let model = registered_model::find_by_id(transaction, &about.version.model_id).await?;
    let model: ModelRow =
        model.ok_or_else(|| ServiceError::internal("a version without a model"))?;
    let audit = AuditRow {
        seq: 0,
        actor: actor.to_owned(),
        token_id: None,
        operation: operation.to_owned(),
        subject: format!("{}/{}", model.name, about.version.name),
        at: about.now.as_millis(),
    };
    let event = event.map(|(event, data)| ModelEvent {
        model_id: model.id.clone(),
        model: model.name.clone(),
        publisher: model.publisher.clone(),
        event,
        data,
        only: None,
    });
    let change = Change { audit, model_id: Some(&model.id), event: event.as_ref() };
    record_change(transaction, change).await
}

/// What a turn was about.
struct About<'a> {
    version: &'a VersionRow,
    now: Timestamp,
}
