//! Evaluators and the quorum.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use service::{QuorumSetting, RegisterEvaluator, SetStanding};

use crate::{
    error::{api_error, invalid},
    scalars::{NameText, WholeNumber},
    scope::{caller, service},
    types::evaluator::{Evaluator, Quorum},
};

/// Input of `evaluatorRegister`.
#[derive(InputObject)]
struct EvaluatorRegisterInput {
    /// Whose name its reports bear.
    name: NameText,
    /// The login that answers for it.
    owner: NameText,
    /// Its ed25519 public key, as `modelfolio evaluator keygen` prints it.
    public_key: String,
    /// Its weight, at most 1,000,000,000.
    weight_ppb: WholeNumber,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Input of `evaluatorStandingSet`.
#[derive(InputObject)]
struct EvaluatorStandingSetInput {
    /// The evaluator.
    name: NameText,
    /// Its weight, at most 1,000,000,000.
    weight_ppb: WholeNumber,
    /// Whether it is drawn; a retired one is not.
    active: bool,
    /// Why.
    reason: String,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Input of `quorumSet`.
#[derive(InputObject)]
struct QuorumSetInput {
    /// Evaluators of a round: 1, or 3 to 25.
    quorum: i32,
    /// Seconds from the draw to the last commitment.
    commit_seconds: WholeNumber,
    /// Seconds from then to the last reveal.
    reveal_seconds: WholeNumber,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Payload of `evaluatorRegister` and `evaluatorStandingSet`.
#[derive(SimpleObject)]
struct EvaluatorPayload {
    /// The evaluator as it stands now.
    evaluator: Evaluator,
}

/// Payload of `quorumSet`.
#[derive(SimpleObject)]
struct QuorumSetPayload {
    /// What is in force now.
    quorum: Quorum,
}

/// Evaluators and the quorum.
#[derive(Default)]
pub(super) struct EvaluatorMutation;

#[Object]
impl EvaluatorMutation {
    /// Registers an evaluator; it is drawn from then on. Scope `operate`.
    async fn evaluator_register(
        &self,
        context: &Context<'_>,
        input: EvaluatorRegisterInput,
    ) -> Result<EvaluatorPayload> {
        let register = RegisterEvaluator {
            name: input.name.0,
            owner: input.owner.0,
            public_key: input.public_key.parse().map_err(|e| invalid("publicKey", e))?,
            weight_ppb: input.weight_ppb.0,
        };
        let (service, caller) = (service(context)?, caller(context)?);
        let done = service.register_evaluator(caller, &input.idempotency_key, &register).await;
        Ok(EvaluatorPayload { evaluator: Evaluator(done.map_err(api_error)?) })
    }

    /// Changes the weight of an evaluator, retires it or lets it in again; the history stays. Scope `operate`.
    async fn evaluator_standing_set(
        &self,
        context: &Context<'_>,
        input: EvaluatorStandingSetInput,
    ) -> Result<EvaluatorPayload> {
        let standing = SetStanding {
            name: input.name.0,
            weight_ppb: input.weight_ppb.0,
            active: input.active,
            reason: input.reason,
        };
        let (service, caller) = (service(context)?, caller(context)?);
        let done = service.set_standing(caller, &input.idempotency_key, &standing).await;
        Ok(EvaluatorPayload { evaluator: Evaluator(done.map_err(api_error)?) })
    }

    /// Sets how many evaluators measure from now on, and how long they have; rounds that run keep theirs. Scope `operate`.
    async fn quorum_set(
        &self,
        context: &Context<'_>,
        input: QuorumSetInput,
    ) -> Result<QuorumSetPayload> {
        let setting = QuorumSetting {
            quorum: u32::try_from(input.quorum).map_err(|_| invalid("quorum", "is negative"))?,
            commit_seconds: input.commit_seconds.0,
            reveal_seconds: input.reveal_seconds.0,
        };
        let (service, caller) = (service(context)?, caller(context)?);
        let done = service.set_quorum(caller, &input.idempotency_key, &setting).await;
        Ok(QuorumSetPayload { quorum: Quorum(done.map_err(api_error)?) })
    }
}
