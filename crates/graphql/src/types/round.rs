//! Rounds of several evaluators.

use async_graphql::{Context, ID, Object, Result};
use service::{Round as View, Seat as SeatView, Verdict as VerdictView};

use super::{evaluation::Report, model::Version};
use crate::{
    error::api_error,
    scalars::{NameText, Price, Sha256, Time},
    scope::service,
};

/// Several evaluators measure one version: they commit, then they reveal, then their reports are counted.
#[derive(Clone, Debug)]
pub(crate) struct EvaluationRound(pub(crate) View);

/// Several evaluators measure one version: they commit, then they reveal, then their reports are counted.
#[Object]
impl EvaluationRound {
    /// Its id.
    async fn id(&self) -> ID {
        ID(self.0.id.clone())
    }

    /// Counts the rounds of the installation; the `strike` of every commitment in it.
    async fn number(&self) -> i64 {
        self.0.number
    }

    /// The suite's id; the `fund` of every commitment in it.
    async fn suite(&self) -> &str {
        &self.0.suite
    }

    /// The protocol.
    async fn protocol(&self) -> &str {
        &self.0.protocol
    }

    /// Evaluators that were wanted.
    async fn quorum(&self) -> i64 {
        self.0.quorum
    }

    /// `asked`, `committing`, `revealing` or `settled`.
    async fn phase(&self) -> &str {
        &self.0.phase
    }

    /// End of the phase; null before the draw and after the verdict.
    async fn deadline(&self) -> Option<Time> {
        self.0.deadline.map(Time)
    }

    /// Seed of the draw, made of random bytes that were drawn after the round was asked for; null before the draw.
    async fn seed(&self) -> Option<Sha256> {
        self.0.seed.map(Sha256)
    }

    /// Who sits, replacements included; at most 75.
    async fn seats(&self) -> Vec<Seat> {
        self.0.seats.iter().cloned().map(Seat).collect()
    }

    /// What it ended with; null while it runs.
    async fn verdict(&self) -> Option<Verdict> {
        self.0.verdict.clone().map(Verdict)
    }

    /// When it was asked for.
    async fn asked_at(&self) -> Time {
        Time(self.0.asked_at)
    }

    /// The version.
    async fn version(&self, context: &Context<'_>) -> Result<Version> {
        let version = service(context)?.get_version_by_id(&self.0.version_id).await;
        version.map(Version).map_err(api_error)
    }
}

/// A seat of a round.
#[derive(Clone, Debug)]
pub(crate) struct Seat(SeatView);

/// A seat of a round.
#[Object]
impl Seat {
    /// The evaluator.
    async fn evaluator(&self) -> NameText {
        NameText(self.0.evaluator.clone())
    }

    /// The login that answers for it.
    async fn owner(&self) -> NameText {
        NameText(self.0.owner.clone())
    }

    /// Id of its job.
    async fn job_id(&self) -> ID {
        ID(self.0.job_id.clone())
    }

    /// The evaluator that did not answer in time and whose place this is; null for a seat of the first draw.
    async fn replaces(&self) -> Option<NameText> {
        self.0.replaces.clone().map(NameText)
    }

    /// The salted digest that it committed to; null before.
    async fn commitment(&self) -> Option<Sha256> {
        self.0.commitment.map(Sha256)
    }

    /// Order of its commitment in the round; null before.
    async fn place(&self) -> Option<i64> {
        self.0.place
    }

    /// The salt of its commitment, 64 hexadecimal digits; null before the reveal.
    async fn salt(&self) -> Option<&str> {
        self.0.salt.as_deref()
    }

    /// Why reveals of it were refused; empty if none was.
    async fn refused_reveals(&self) -> &[String] {
        &self.0.refused
    }

    /// `kept`, `copied`, `rejected`, `no_price`, `unrevealed`, `missed` or `failed`; null before the verdict, but for `missed`.
    async fn outcome(&self) -> Option<&str> {
        self.0.outcome.as_deref()
    }

    /// Its weight in the round, of 1,000,000,000; null before the verdict.
    async fn weight_ppb(&self) -> Option<i64> {
        self.0.weight_ppb
    }

    /// Distance of its price from the median, in scales; null without a vote.
    async fn deviation(&self) -> Option<f64> {
        self.0.deviation
    }

    /// Whether it decided every case as most of the kept reports did; null without a report.
    async fn decisions_agree(&self) -> Option<bool> {
        self.0.decisions_agree
    }

    /// Its report; null before the reveal.
    async fn report(&self, context: &Context<'_>) -> Result<Option<Report>> {
        let Some(digest) = self.0.report else { return Ok(None) };
        service(context)?.get_report(digest).await.map(|r| Some(Report(r))).map_err(api_error)
    }
}

/// What a round ended with.
#[derive(Clone, Debug)]
pub(crate) struct Verdict(VerdictView);

/// What a round ended with.
#[Object]
impl Verdict {
    /// Whether a quorum agreed; if not, the price is held.
    async fn agreed(&self) -> bool {
        self.0.agreed
    }

    /// Why.
    async fn reason(&self) -> &str {
        &self.0.reason
    }

    /// The consensus; null without a quorum.
    async fn price(&self) -> Option<Price> {
        self.0.price.map(Price)
    }

    /// Standard error of the natural logarithm of the consensus; null without a quorum.
    async fn sigma_ln(&self) -> Option<f64> {
        self.0.sigma_ln
    }

    /// When.
    async fn settled_at(&self) -> Time {
        Time(self.0.settled_at)
    }
}
