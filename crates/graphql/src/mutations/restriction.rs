//! Who may hold shares of a fund, and what is paused.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use domain::name::Name;

use super::fund::fund_now;
use crate::{
    error::api_error,
    scalars::NameText,
    scope::{caller, service},
    types::fund::Fund,
};

/// Input of `ownerFreeze`.
#[derive(InputObject)]
struct OwnerFreezeInput {
    /// The fund.
    fund: NameText,
    /// Who; those whom the fees flow to cannot be frozen.
    owner: NameText,
    /// Whether he is frozen from now on.
    frozen: bool,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Input of `ownerAllow`.
#[derive(InputObject)]
struct OwnerAllowInput {
    /// The fund.
    fund: NameText,
    /// Who.
    owner: NameText,
    /// Whether he is on the list from now on.
    allowed: bool,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Input of `allowListSet`.
#[derive(InputObject)]
struct AllowListSetInput {
    /// The fund.
    fund: NameText,
    /// Whether its list counts from now on; who stands on it is kept.
    on: bool,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Input of `fundPause`.
#[derive(InputObject)]
struct FundPauseInput {
    /// The fund.
    fund: NameText,
    /// Whether it is paused from now on.
    paused: bool,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// A fund after a change of its restrictions.
#[derive(SimpleObject)]
struct RestrictionPayload {
    /// The fund.
    fund: Fund,
}

/// Who may hold shares of a fund, and what is paused.
#[derive(Default)]
pub(super) struct RestrictionMutation;

#[Object]
impl RestrictionMutation {
    /// Freezes an owner in a fund, or ends that: no shares come to him and he gives none away, and what he has he may take out like
    /// anybody. An order of his to buy that waits is given back at the strike. Scope `operate`.
    async fn owner_freeze(
        &self,
        context: &Context<'_>,
        input: OwnerFreezeInput,
    ) -> Result<RestrictionPayload> {
        let (key, fund, owner) = (&input.idempotency_key, &input.fund.0, &input.owner.0);
        let caller = caller(context)?;
        service(context)?
            .freeze_owner(caller, key, fund, owner, input.frozen)
            .await
            .map_err(api_error)?;
        payload(context, fund).await
    }

    /// Puts an owner on the list of those who may receive shares of a fund, or takes him off. Scope `operate`.
    async fn owner_allow(
        &self,
        context: &Context<'_>,
        input: OwnerAllowInput,
    ) -> Result<RestrictionPayload> {
        let (key, fund, owner) = (&input.idempotency_key, &input.fund.0, &input.owner.0);
        let caller = caller(context)?;
        service(context)?
            .allow_owner(caller, key, fund, owner, input.allowed)
            .await
            .map_err(api_error)?;
        payload(context, fund).await
    }

    /// Lets a fund's list of owners count, or not. Scope `operate`.
    async fn allow_list_set(
        &self,
        context: &Context<'_>,
        input: AllowListSetInput,
    ) -> Result<RestrictionPayload> {
        let (key, fund, caller) = (&input.idempotency_key, &input.fund.0, caller(context)?);
        service(context)?.set_allow_list(caller, key, fund, input.on).await.map_err(api_error)?;
        payload(context, fund).await
    }

    /// Pauses a fund, or ends the pause: no subscriptions, no gifts of shares, no trades. Redemptions, leaving in kind, claims,
    /// cancellations, royalties and strikes go on. Scope `operate`.
    async fn fund_pause(
        &self,
        context: &Context<'_>,
        input: FundPauseInput,
    ) -> Result<RestrictionPayload> {
        let (key, fund, caller) = (&input.idempotency_key, &input.fund.0, caller(context)?);
        service(context)?.pause_fund(caller, key, fund, input.paused).await.map_err(api_error)?;
        payload(context, fund).await
    }
}

async fn payload(context: &Context<'_>, fund: &Name) -> Result<RestrictionPayload> {
    Ok(RestrictionPayload { fund: fund_now(context, fund).await? })
}
