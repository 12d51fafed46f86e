//! Changes of a fund's rules: proposed, and taken back before their day.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use domain::name::Name;
use service::ProposeMethodology;

use crate::{
    error::api_error,
    scalars::NameText,
    scope::{caller, service},
    types::methodology::MethodologyVersion,
};

/// Input of `methodologyPropose`.
#[derive(InputObject)]
struct MethodologyProposeInput {
    /// The fund.
    fund: NameText,
    /// The rules, as JSON text.
    methodology: String,
    /// Days of the fund's clock until the first strike that puts them in force: at least 7, and 7 where none is given.
    notice_days: Option<i32>,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Input of `methodologyWithdraw`.
#[derive(InputObject)]
struct MethodologyWithdrawInput {
    /// The fund.
    fund: NameText,
    /// The version that is proposed.
    version: i32,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Rules after a change.
#[derive(SimpleObject)]
struct MethodologyPayload {
    /// The rules.
    methodology: MethodologyVersion,
}

/// Changes of a fund's rules.
#[derive(Default)]
pub(super) struct MethodologyMutation;

#[Object]
impl MethodologyMutation {
    /// Proposes other rules to a fund, beside a backtest of them and of those in force. They come into force by themselves, right after
    /// the first strike on or after their day; until then whoever does not like them can leave. Scope `operate`.
    async fn methodology_propose(
        &self,
        context: &Context<'_>,
        input: MethodologyProposeInput,
    ) -> Result<MethodologyPayload> {
        let (key, fund) = (&input.idempotency_key, input.fund.0);
        let notice_days = input.notice_days.map(i64::from);
        let proposal =
            ProposeMethodology { fund: fund.clone(), methodology: input.methodology, notice_days };
        let proposed =
            service(context)?.propose_methodology(caller(context)?, key, &proposal).await;
        payload(context, &fund, proposed.map_err(api_error)?).await
    }

    /// Takes a proposal back before its day. Scope `operate`.
    async fn methodology_withdraw(
        &self,
        context: &Context<'_>,
        input: MethodologyWithdrawInput,
    ) -> Result<MethodologyPayload> {
        let (key, fund) = (&input.idempotency_key, &input.fund.0);
        let version = i64::from(input.version);
        let withdrawn =
            service(context)?.withdraw_methodology(caller(context)?, key, fund, version).await;
        payload(context, fund, withdrawn.map_err(api_error)?).await
    }
}

async fn payload(context: &Context<'_>, fund: &Name, version: i64) -> Result<MethodologyPayload> {
    let found = service(context)?.get_methodology(fund, version).await.map_err(api_error)?;
    Ok(MethodologyPayload { methodology: MethodologyVersion(found) })
}
