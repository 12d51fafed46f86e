//! Evaluation jobs and reports.

use async_graphql::{Context, Enum, ID, Object, Result};
use service::{Job, JobState as State, ReportView};

use super::{evaluator::Attestation, model::Version, price::PriceDecision};
use crate::{
    error::api_error,
    scalars::{NameText, Price, Sha256, Time, WholeNumber},
    scope::service,
};

/// Where an evaluation job stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobState {
    /// Waits for a worker.
    Queued,
    /// A worker has it.
    Leased,
    /// Its evaluator has committed to a report that nobody sees before the reveal.
    Committed,
    /// Ended with a report.
    Done,
    /// Ended without one.
    Failed,
}

impl From<State> for JobState {
    fn from(state: State) -> Self {
        match state {
            State::Queued => Self::Queued,
            State::Leased => Self::Leased,
            State::Done => Self::Done,
            State::Failed => Self::Failed,
        }
    }
}

/// A request to evaluate a version on a suite.
#[derive(Clone, Debug)]
pub(crate) struct EvaluationJob(pub(crate) Job);

/// A request to evaluate a version on a suite.
#[Object]
impl EvaluationJob {
    /// Its id.
    async fn id(&self) -> ID {
        ID(self.0.id.clone())
    }

    /// Where it stands.
    async fn state(&self) -> JobState {
        if self.0.is_committed && self.0.state != State::Failed {
            return JobState::Committed;
        }
        self.0.state.into()
    }

    /// The suite's id.
    async fn suite(&self) -> &str {
        &self.0.suite
    }

    /// The protocol: `quick` (3 rounds), or `full` (16, as a listing wants them).
    async fn protocol(&self) -> &str {
        &self.0.protocol
    }

    /// Seed of every random order in the run.
    async fn seed(&self) -> WholeNumber {
        WholeNumber(self.0.seed)
    }

    /// Times that a worker took it.
    async fn attempts(&self) -> i64 {
        self.0.attempts
    }

    /// Why it failed, out of a closed list; null unless it failed.
    async fn failure_code(&self) -> Option<&str> {
        self.0.failure_code.as_deref()
    }

    /// Why it failed, in a sentence; null unless it failed.
    async fn failure_message(&self) -> Option<&str> {
        self.0.failure_message.as_deref()
    }

    /// Id of the round in which it is one evaluator's seat; null at a quorum of 1.
    async fn round_id(&self) -> Option<ID> {
        self.0.round.clone().map(ID)
    }

    /// When it was queued.
    async fn queued_at(&self) -> Time {
        Time(self.0.queued_at)
    }

    /// The version.
    async fn version(&self, context: &Context<'_>) -> Result<Version> {
        service(context)?
            .get_version_by_id(&self.0.version_id)
            .await
            .map(Version)
            .map_err(api_error)
    }

    /// The report; null until it is done.
    async fn report(&self, context: &Context<'_>) -> Result<Option<Report>> {
        let Some(digest) = self.0.report else { return Ok(None) };
        service(context)?.get_report(digest).await.map(|r| Some(Report(r))).map_err(api_error)
    }

    /// What became of its price; null until it is done, and for a report without a price.
    async fn decision(&self, context: &Context<'_>) -> Result<Option<PriceDecision>> {
        let Some(digest) = self.0.report else { return Ok(None) };
        Ok(service(context)?.find_decision(digest).await.map_err(api_error)?.map(PriceDecision))
    }
}

/// The immutable outcome of an evaluation.
#[derive(Clone, Debug)]
pub(crate) struct Report(pub(crate) ReportView);

/// The immutable outcome of an evaluation.
#[Object]
impl Report {
    /// SHA-256 of its canonical JSON, which is served under `/v1/objects/`.
    async fn digest(&self) -> Sha256 {
        Sha256(self.0.digest)
    }

    /// The canonical JSON: everything that the price is computed from.
    async fn body(&self) -> &str {
        &self.0.body
    }

    /// SHA-256 of the raw samples, served under `/v1/objects/`.
    async fn samples(&self) -> Sha256 {
        Sha256(self.0.samples)
    }

    /// Who evaluated.
    async fn evaluator(&self) -> NameText {
        NameText(self.0.evaluator.clone())
    }

    /// The evaluator's signature; null for a report that was not signed.
    async fn attestation(&self, context: &Context<'_>) -> Result<Option<Attestation>> {
        let signed = service(context)?.find_attestation(self.0.digest).await;
        Ok(signed.map_err(api_error)?.map(Attestation))
    }

    /// Cases that were scored.
    async fn items(&self) -> i64 {
        self.0.items
    }

    /// Cases that were answered right; null for a metric that does not count cases.
    async fn correct(&self) -> Option<i64> {
        self.0.correct
    }

    /// Whether every output was a finite number; if not, quality is 0.
    async fn finite(&self) -> bool {
        self.0.report.model.finite
    }

    /// Share of right answers; null for another metric.
    async fn accuracy(&self) -> Option<f64> {
        self.0.metric("accuracy").map(|m| m.value)
    }

    /// Lower end of its 95 % Wilson interval.
    async fn accuracy_low(&self) -> Option<f64> {
        self.0.metric("accuracy").map(|m| m.low)
    }

    /// Upper end of its 95 % Wilson interval.
    async fn accuracy_high(&self) -> Option<f64> {
        self.0.metric("accuracy").map(|m| m.high)
    }

    /// Quality: bits above the best answer that ignores the input.
    async fn quality_bits(&self) -> Option<f64> {
        self.0.report.quality_bits
    }

    /// Cost against the frozen reference on the same machine; 1 is equal, above is dearer. Null without a reference.
    async fn cost_index(&self) -> Option<f64> {
        self.0.report.cost_index
    }

    /// The price that this report alone gives; null if it gives none, and `noPrice` says why.
    async fn evaluated_price(&self) -> Option<Price> {
        self.0.price.map(Price)
    }

    /// Standard error of the natural logarithm of the evaluated price; null without a price.
    async fn sigma_ln_price(&self) -> Option<f64> {
        self.0.report.sigma_ln_price
    }

    /// The part of it that comes from the number of cases.
    async fn sigma_items(&self) -> Option<f64> {
        self.0.report.sigma_items
    }

    /// The part of it that comes from measuring cost.
    async fn sigma_cost(&self) -> Option<f64> {
        self.0.report.sigma_cost
    }

    /// Why there is no price; null if there is one.
    async fn no_price(&self) -> Option<String> {
        self.0.no_price()
    }

    /// The protocol that was run.
    async fn protocol(&self) -> &str {
        &self.0.report.protocol.name
    }

    /// When it was recorded.
    async fn recorded_at(&self) -> Time {
        Time(self.0.recorded_at)
    }

    /// The version that was evaluated.
    async fn version(&self, context: &Context<'_>) -> Result<Version> {
        service(context)?
            .get_version_by_id(&self.0.version_id)
            .await
            .map(Version)
            .map_err(api_error)
    }
}
