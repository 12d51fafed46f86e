//! Prices: what became of each report's price.

use async_graphql::{Context, Object, Result};
use service::PriceDecision as Decision;

use super::{evaluation::Report, model::Version, round::EvaluationRound};
use crate::{
    error::api_error,
    scalars::{Price, Sha256, Time},
    scope::service,
};

/// What became of one evaluated price (mark to model; no market stands behind it).
#[derive(Clone, Debug)]
pub(crate) struct PriceDecision(pub(crate) Decision);

/// What became of one evaluated price (mark to model; no market stands behind it).
#[Object]
impl PriceDecision {
    /// `ADMITTED` the first price, `ACCEPTED` it moved, `DEADBAND` held because the move is within noise, `TRIPPED` held by the
    /// breaker until a second run confirms it, `REFUSED` quality 0 at admission.
    async fn status(&self) -> &str {
        &self.0.status
    }

    /// The accepted price after this decision; null if there is none yet.
    async fn price(&self) -> Option<Price> {
        self.0.price.map(Price)
    }

    /// The pooled estimate, published beside it; subscriptions deal at the higher of the two. Null without a price.
    async fn estimate(&self) -> Option<Price> {
        self.0.estimate.map(Price)
    }

    /// The accepted price before; null at admission.
    async fn previous(&self) -> Option<Price> {
        self.0.previous.map(Price)
    }

    /// Standard error of the natural logarithm of the evaluated price.
    async fn sigma_ln(&self) -> f64 {
        self.0.sigma_ln
    }

    /// How far old and new price may lie apart by noise alone; null at admission.
    async fn sigma_delta(&self) -> Option<f64> {
        self.0.sigma_delta
    }

    /// A move of the logarithm up to this is held; null at admission.
    async fn band_ln(&self) -> Option<f64> {
        self.0.band_ln
    }

    /// Counts the decisions on a model from 1.
    async fn number(&self) -> i64 {
        self.0.seq
    }

    /// When it was decided.
    async fn decided_at(&self) -> Time {
        Time(self.0.decided_at)
    }

    /// Evaluators that it rests on: 1 for the word of a single machine.
    async fn quorum(&self, context: &Context<'_>) -> Result<i64> {
        let round = service(context)?.find_deciding_round(&self.0.model_id, self.0.seq).await;
        Ok(round.map_err(api_error)?.map_or(1, |round| round.quorum))
    }

    /// The round that it followed from, with every evaluator, its owner, its weight and what became of its report. Null at a quorum
    /// of 1.
    async fn round(&self, context: &Context<'_>) -> Result<Option<EvaluationRound>> {
        let round = service(context)?.find_deciding_round(&self.0.model_id, self.0.seq).await;
        Ok(round.map_err(api_error)?.map(EvaluationRound))
    }

    /// Digest of the report behind it; of several, the one that stands for their quality.
    async fn report_digest(&self) -> Sha256 {
        Sha256(self.0.report)
    }

    /// The report behind it.
    async fn report(&self, context: &Context<'_>) -> Result<Report> {
        service(context)?.get_report(self.0.report).await.map(Report).map_err(api_error)
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
