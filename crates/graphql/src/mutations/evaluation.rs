//! Requests for evaluation.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use service::RequestEvaluation;

use crate::{
    error::api_error,
    scalars::{NameText, WholeNumber},
    scope::{caller, service},
    types::evaluation::EvaluationJob,
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
    /// Seed of every random order in the run.
    seed: WholeNumber,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Payload of `evaluationRequest`.
#[derive(SimpleObject)]
struct EvaluationRequestPayload {
    /// The job; ask for it by its id until it is `DONE` or `FAILED`.
    job: EvaluationJob,
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
        let evaluation = RequestEvaluation {
            model: input.model.0,
            version: input.version.0,
            suite: input.suite,
            protocol: input.protocol,
            seed: input.seed.0,
        };
        let job = service(context)?
            .request_evaluation(caller(context)?, &input.idempotency_key, &evaluation)
            .await;
        Ok(EvaluationRequestPayload { job: EvaluationJob(job.map_err(api_error)?) })
    }
}
