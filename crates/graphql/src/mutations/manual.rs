//! The clock that is moved by hand: only on a server that was started with it.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};

use crate::{
    error::api_error,
    scalars::WholeNumber,
    scope::{RequestScope, caller, request, service},
    types::clock::Clock,
};

/// Input of `clockAdvance`.
#[derive(InputObject)]
struct ClockAdvanceInput {
    /// The day to move to, counted from 1970-01-01; never back.
    day: WholeNumber,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Payload of `clockAdvance`.
#[derive(SimpleObject)]
struct ClockAdvancePayload {
    /// The clock after it.
    clock: Clock,
}

/// Moves time by hand.
#[derive(Default)]
pub(crate) struct ClockMutation;

#[Object]
impl ClockMutation {
    /// Moves the clock forward to the beginning of a day. Scope `operate`.
    async fn clock_advance(
        &self,
        context: &Context<'_>,
        input: ClockAdvanceInput,
    ) -> Result<ClockAdvancePayload> {
        let moved = service(context)?
            .advance_clock(caller(context)?, &input.idempotency_key, input.day.0)
            .await;
        let scope = RequestScope { now: moved.map_err(api_error)?, ..request(context)?.clone() };
        Ok(ClockAdvancePayload { clock: (&scope).into() })
    }
}
