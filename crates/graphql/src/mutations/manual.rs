//! The clock that is moved by hand: only on a server that was started with it.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};

use crate::{
    error::{api_error, invalid},
    scalars::{Time, WholeNumber},
    scope::{RequestScope, caller, request, service},
    types::clock::Clock,
};

/// Input of `clockAdvance`.
#[derive(InputObject)]
struct ClockAdvanceInput {
    /// The day to whose beginning to move, counted from 1970-01-01; never back.
    day: Option<WholeNumber>,
    /// The instant to move to, instead of a day; never back.
    to: Option<Time>,
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
    /// Moves the clock forward to the beginning of a day, or to an instant; funds with a calendar are struck before the next operation.
    /// Scope `operate`.
    async fn clock_advance(
        &self,
        context: &Context<'_>,
        input: ClockAdvanceInput,
    ) -> Result<ClockAdvancePayload> {
        let (service, caller) = (service(context)?, caller(context)?);
        let key = &input.idempotency_key;
        let moved = match (input.day, input.to) {
            (Some(day), None) => service.advance_clock(caller, key, day.0).await,
            (None, Some(to)) => service.advance_clock_to(caller, key, to.0).await,
            _ => return Err(invalid("day", "expected a day or an instant, not both")),
        };
        let scope = RequestScope { now: moved.map_err(api_error)?, ..request(context)?.clone() };
        Ok(ClockAdvancePayload { clock: (&scope).into() })
    }
}
