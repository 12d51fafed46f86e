//! Requests for evaluation.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use service::{RequestEvaluation, RequestRound};

use crate::{
    error::api_error,
    scalars::{NameText, WholeNumber},
    scope::{caller, service},
    types::{evaluation::EvaluationJob, round::EvaluationRound},
};

/// Input of `evaluationRequest`.
#[derive(InputObject)]
struct EvaluationRequestInput {
    /// The model.
    model: NameText,
    /// Its version.
    version: NameText,
    /// The suite's id.
    suite: String,
    /// The protocol: `quick` (3 rounds), or `full` (16, as a listing wants them).
    protocol: String,
    /// Seed of every random order in the run. Where several evaluators measure, each run has a seed that nobody chooses, and this one
    /// is not used.
    seed: WholeNumber,
    /// Whether the answer is known: the version is a clone of the reference, and the round tests its evaluators. Scope `operate`.
    #[graphql(default)]
    trap: bool,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Payload of `evaluationRequest`.
#[derive(SimpleObject)]
struct EvaluationRequestPayload {
    /// The job; ask for it by its id until it is `DONE` or `FAILED`. Null where several evaluators measure.
    job: Option<EvaluationJob>,
    /// The round; ask for it by its id until it is `settled`. Null at a quorum of 1.
    round: Option<EvaluationRound>,
}

/// Requests for evaluation.
#[derive(Default)]
pub(super) struct EvaluationMutation;

#[Object]
impl EvaluationMutation {
    /// Queues an evaluation; its price is decided on when it is done. Scope `publish` for own models, `evaluate` for all.
    async fn evaluation_request(
        &self,
        context: &Context<'_>,
        input: EvaluationRequestInput,
    ) -> Result<EvaluationRequestPayload> {
        let (service, caller) = (service(context)?, caller(context)?);
        let quorum = service.quorum().await.map_err(api_error)?.quorum;
        if quorum > 1 || input.trap {
            let round = RequestRound {
                model: input.model.0,
                version: input.version.0,
                suite: input.suite,
                protocol: input.protocol,
                trap: input.trap,
            };
            let round = service.request_round(caller, &input.idempotency_key, &round).await;
            let round = Some(EvaluationRound(round.map_err(api_error)?));
            return Ok(EvaluationRequestPayload { job: None, round });
        }
        let evaluation = RequestEvaluation {
            model: input.model.0,
            version: input.version.0,
            suite: input.suite,
            protocol: input.protocol,
            seed: input.seed.0,
        };
        let job = service.request_evaluation(caller, &input.idempotency_key, &evaluation).await;
        let job = Some(EvaluationJob(job.map_err(api_error)?));
        Ok(EvaluationRequestPayload { job, round: None })
    }
}
