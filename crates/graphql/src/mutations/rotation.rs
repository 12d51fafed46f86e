//! Rotation of suites.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use service::MoveSuite;

use crate::{
    error::api_error,
    scope::{caller, service},
    types::suite::Suite,
};

/// Input of `suiteActivate`.
#[derive(InputObject)]
struct SuiteActivateInput {
    /// The suite's id.
    suite: ID,
    /// Why, in words.
    reason: String,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Payload of `suiteActivate`.
#[derive(SimpleObject)]
struct SuiteActivatePayload {
    /// The suite.
    suite: Suite,
}

/// Input of `suiteReveal`.
#[derive(InputObject)]
struct SuiteRevealInput {
    /// The suite's id.
    suite: ID,
    /// Why, in words.
    reason: String,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Payload of `suiteReveal`.
#[derive(SimpleObject)]
struct SuiteRevealPayload {
    /// The suite.
    suite: Suite,
}

/// Rotation of suites.
#[derive(Default)]
pub(super) struct RotationMutation;

#[Object]
impl RotationMutation {
    /// Lets a shadow price: its reports count, and the epoch that priced before is closed. Refused while a listed version is not
    /// measured on it, and where it would move the NAV of a fund by more than 1 % if no model changed. Scope `operate`.
    async fn suite_activate(
        &self,
        context: &Context<'_>,
        input: SuiteActivateInput,
    ) -> Result<SuiteActivatePayload> {
        let moved = MoveSuite { suite: input.suite.0, reason: input.reason };
        let suite = service(context)?
            .activate_suite(caller(context)?, &input.idempotency_key, &moved)
            .await;
        Ok(SuiteActivatePayload { suite: Suite(suite.map_err(api_error)?) })
    }

    /// Lets everybody read the cases of a closed suite, so that they can check its digest. Cases that the next suite has too are
    /// no longer hidden then. Scope `operate`.
    async fn suite_reveal(
        &self,
        context: &Context<'_>,
        input: SuiteRevealInput,
    ) -> Result<SuiteRevealPayload> {
        let moved = MoveSuite { suite: input.suite.0, reason: input.reason };
        let suite =
            service(context)?.reveal_suite(caller(context)?, &input.idempotency_key, &moved).await;
        Ok(SuiteRevealPayload { suite: Suite(suite.map_err(api_error)?) })
    }
}
