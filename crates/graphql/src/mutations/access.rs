//! Tokens, gates, requests for access, maintainers, contributors.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use service::{Contributor, CreateToken, DecideAccess, SetContributors};

use crate::{
    error::api_error,
    scalars::NameText,
    scope::{caller, request, service},
    types::{
        access::{AccessRequest, AccessToken, GateMode},
        model::Model,
    },
};

/// Input of `tokenCreate`.
#[derive(InputObject)]
struct TokenCreateInput {
    /// What the bearer calls it, at most 100 bytes.
    label: String,
    /// Words out of `publish`, `invest`, `evaluate`, `operate`, of those that the bearer's token has.
    scopes: Vec<String>,
    /// At most 50 models that it may write; null for all of the bearer's. A bound token has neither `invest` nor `operate`.
    models: Option<Vec<NameText>>,
    /// After how many days it ends, by the system's clock; null if never.
    expires_in_days: Option<i32>,
    /// Makes a repetition harmless: it answers the same token with `secret` null.
    idempotency_key: String,
}

/// Payload of `tokenCreate`.
#[derive(SimpleObject)]
struct TokenCreatePayload {
    /// The token.
    token: AccessToken,
    /// Its text, shown this once; null in the answer to a repetition, because only its hash is stored.
    secret: Option<String>,
}

/// Input of `tokenRevoke`.
#[derive(InputObject)]
struct TokenRevokeInput {
    /// The token.
    id: ID,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Payload of `tokenRevoke`.
#[derive(SimpleObject)]
struct TokenRevokePayload {
    /// The token.
    token: AccessToken,
}

/// Input of `modelGateSet`.
#[derive(InputObject)]
struct ModelGateSetInput {
    /// The bearer's model.
    model: NameText,
    /// How access to its bytes is given from now on.
    mode: GateMode,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Input of `accessRequest`.
#[derive(InputObject)]
struct AccessRequestInput {
    /// A gated model.
    model: NameText,
    /// What the bearer says for himself, at most 1,000 bytes.
    message: String,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Input of `accessRequestDecide`.
#[derive(InputObject)]
struct AccessRequestDecideInput {
    /// The bearer's model.
    model: NameText,
    /// Who asked.
    login: NameText,
    /// Whether he may have the bytes.
    granted: bool,
    /// Why, at most 1,000 bytes; the login can read it.
    reason: String,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// A request that was made or decided.
#[derive(SimpleObject)]
struct AccessRequestPayload {
    /// The request.
    request: AccessRequest,
}

/// Input of `modelMaintainerSet`.
#[derive(InputObject)]
struct ModelMaintainerSetInput {
    /// The bearer's model.
    model: NameText,
    /// The login.
    login: NameText,
    /// Whether it maintains the model from now on.
    granted: bool,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// One part of a split.
#[derive(InputObject)]
struct ContributorInput {
    /// Who.
    login: NameText,
    /// Parts per billion.
    share_ppb: i64,
}

/// Input of `modelContributorsSet`.
#[derive(InputObject)]
struct ModelContributorsSetInput {
    /// The bearer's model.
    model: NameText,
    /// One to 100 logins, none twice, whose parts sum to exactly 1,000,000,000; the first takes the dust of every payment.
    contributors: Vec<ContributorInput>,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// A model that was changed.
#[derive(SimpleObject)]
struct ModelAccessPayload {
    /// The model.
    model: Model,
}

/// Tokens, gates, requests for access, maintainers, contributors.
#[derive(Default)]
pub(super) struct AccessMutation;

#[Object]
impl AccessMutation {
    /// Makes a token for the bearer himself, of at most his own scopes.
    async fn token_create(
        &self,
        context: &Context<'_>,
        input: TokenCreateInput,
    ) -> Result<TokenCreatePayload> {
        let key = &input.idempotency_key;
        let mut random = [0; 20];
        random.copy_from_slice(&request(context)?.random_for(key)[..20]);
        let wanted = CreateToken {
            label: input.label,
            scopes: input.scopes,
            models: input.models.map(|models| models.into_iter().map(|name| name.0).collect()),
            expires_in_days: input.expires_in_days,
        };
        let wall = request(context)?.wall;
        let (token, secret) = service(context)?
            .create_token(caller(context)?, key, &wanted, random, wall)
            .await
            .map_err(api_error)?;
        let secret = secret.map(|secret| secret.reveal().to_owned());
        Ok(TokenCreatePayload { token: token.into(), secret })
    }

    /// Ends a token at once: one of the bearer's own, or any with the scope `operate`.
    async fn token_revoke(
        &self,
        context: &Context<'_>,
        input: TokenRevokeInput,
    ) -> Result<TokenRevokePayload> {
        let (key, wall) = (&input.idempotency_key, request(context)?.wall);
        let token = service(context)?.revoke_token(caller(context)?, key, &input.id, wall).await;
        Ok(TokenRevokePayload { token: token.map_err(api_error)?.into() })
    }

    /// Sets whether the bytes of a model need a grant. The model, its card, prices and reports stay as visible as they are.
    /// Scope `publish`.
    async fn model_gate_set(
        &self,
        context: &Context<'_>,
        input: ModelGateSetInput,
    ) -> Result<ModelAccessPayload> {
        let (key, mode) = (&input.idempotency_key, input.mode.into());
        let model = service(context)?.set_gate(caller(context)?, key, &input.model.0, mode).await;
        Ok(ModelAccessPayload { model: Model(model.map_err(api_error)?) })
    }

    /// Asks for the bytes of a gated model. An automatic gate grants at once; after a refusal one does not ask again.
    async fn access_request(
        &self,
        context: &Context<'_>,
        input: AccessRequestInput,
    ) -> Result<AccessRequestPayload> {
        let (key, model) = (&input.idempotency_key, &input.model.0);
        let request = service(context)?
            .request_access(caller(context)?, key, model, &input.message)
            .await
            .map_err(api_error)?;
        Ok(AccessRequestPayload { request: request.into() })
    }

    /// Decides about a request; a decision may be revised. Scope `publish`.
    async fn access_request_decide(
        &self,
        context: &Context<'_>,
        input: AccessRequestDecideInput,
    ) -> Result<AccessRequestPayload> {
        let wanted = DecideAccess {
            model: input.model.0,
            login: input.login.0,
            granted: input.granted,
            reason: input.reason,
        };
        let request = service(context)?
            .decide_access(caller(context)?, &input.idempotency_key, &wanted)
            .await
            .map_err(api_error)?;
        Ok(AccessRequestPayload { request: request.into() })
    }

    /// Makes a login a maintainer, who may publish versions, commit, move aliases and write cards; or ends that. Scope `publish`.
    async fn model_maintainer_set(
        &self,
        context: &Context<'_>,
        input: ModelMaintainerSetInput,
    ) -> Result<ModelAccessPayload> {
        let (key, name, login) = (&input.idempotency_key, &input.model.0, &input.login.0);
        let model = service(context)?
            .set_maintainer(caller(context)?, key, name, login, input.granted)
            .await;
        Ok(ModelAccessPayload { model: Model(model.map_err(api_error)?) })
    }

    /// Declares who made a model, in which parts. The first admission to a fund takes the split in force then and fixes it on the
    /// ledger; what is declared later changes this page only. Scope `publish`.
    async fn model_contributors_set(
        &self,
        context: &Context<'_>,
        input: ModelContributorsSetInput,
    ) -> Result<ModelAccessPayload> {
        let part =
            |part: ContributorInput| Contributor { login: part.login.0, share_ppb: part.share_ppb };
        let wanted = SetContributors {
            model: input.model.0,
            parts: input.contributors.into_iter().map(part).collect(),
        };
        let model = service(context)?
            .set_contributors(caller(context)?, &input.idempotency_key, &wanted)
            .await;
        Ok(ModelAccessPayload { model: Model(model.map_err(api_error)?) })
    }
}
