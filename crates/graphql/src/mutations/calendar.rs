//! Calendars of funds.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};

use super::fund::fund_now;
use crate::{
    error::api_error,
    scalars::NameText,
    scope::{caller, service},
    types::fund::Fund,
};

/// Input of `fundCalendarSet`.
#[derive(InputObject)]
struct FundCalendarSetInput {
    /// The fund.
    fund: NameText,
    /// The rules, as JSON text; null takes the calendar away, and the fund is struck by hand.
    calendar: Option<String>,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Payload of `fundCalendarSet`.
#[derive(SimpleObject)]
struct FundCalendarSetPayload {
    /// The fund after it.
    fund: Fund,
}

/// Calendars of funds.
#[derive(Default)]
pub(super) struct CalendarMutation;

#[Object]
impl CalendarMutation {
    /// Sets the calendar of a fund, by which it is struck and reviewed from the next cut-off on. Scope `operate`.
    async fn fund_calendar_set(
        &self,
        context: &Context<'_>,
        input: FundCalendarSetInput,
    ) -> Result<FundCalendarSetPayload> {
        let (service, fund) = (service(context)?, &input.fund.0);
        let (key, text) = (&input.idempotency_key, input.calendar.as_deref());
        service.set_calendar(caller(context)?, key, fund, text).await.map_err(api_error)?;
        Ok(FundCalendarSetPayload { fund: fund_now(context, fund).await? })
    }
}
