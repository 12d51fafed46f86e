//! Aliases, yanks, cards, visibility and grants of models.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use service::{MoveAlias, ReviewLikeness, WriteCard, YankVersion};

use crate::{
    error::api_error,
    scalars::NameText,
    scope::{caller, service},
    types::{
        model::{Model, Version},
        release::AliasMove,
    },
};

/// Input of `aliasMove`.
#[derive(InputObject)]
struct AliasMoveInput {
    /// The bearer's model.
    model: NameText,
    /// The alias, such as `champion`; not `listed`, which follows evaluations.
    alias: NameText,
    /// The version that it shall point at.
    version: NameText,
    /// Why, in words.
    reason: String,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Payload of `aliasMove`.
#[derive(SimpleObject)]
struct AliasMovePayload {
    /// The move; the one before, if the alias pointed there already.
    alias: AliasMove,
}

/// Input of `listedPinSet`.
#[derive(InputObject)]
struct ListedPinSetInput {
    /// The bearer's model.
    model: NameText,
    /// Whether `listed` stays where it is from now on.
    pinned: bool,
    /// Why, in words.
    reason: String,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Input of `versionYank`.
#[derive(InputObject)]
struct VersionYankInput {
    /// The model.
    model: NameText,
    /// Its version.
    version: NameText,
    /// Why, in words.
    reason: String,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Input of `likenessReview`.
#[derive(InputObject)]
struct LikenessReviewInput {
    /// The model.
    model: NameText,
    /// Its version, which was flagged.
    version: NameText,
    /// Whether a fund may hold it from now on.
    cleared: bool,
    /// Why, in words.
    reason: String,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Payload of `likenessReview`.
#[derive(SimpleObject)]
struct LikenessReviewPayload {
    /// The version.
    version: Version,
}

/// Payload of `versionYank`.
#[derive(SimpleObject)]
struct VersionYankPayload {
    /// The version.
    version: Version,
}

/// Input of `modelCardWrite`.
#[derive(InputObject)]
struct ModelCardWriteInput {
    /// The bearer's model.
    model: NameText,
    /// Markdown, at most 65,536 bytes.
    text: String,
    /// Licence, such as `Apache-2.0`.
    licence: Option<String>,
    /// At most 32 tags.
    #[graphql(default)]
    tags: Vec<String>,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Input of `modelVisibilitySet`.
#[derive(InputObject)]
struct ModelVisibilitySetInput {
    /// The bearer's model; to be private, its name begins with the bearer's login and a slash.
    model: NameText,
    /// Whether only its publisher, the operator and those who were granted it may see it from now on.
    private: bool,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Input of `accessGrant` and `accessRevoke`.
#[derive(InputObject)]
struct AccessInput {
    /// The bearer's model.
    model: NameText,
    /// The login that may read it, or may no longer.
    grantee: NameText,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// A model that was changed.
#[derive(SimpleObject)]
struct ModelPayload {
    /// The model.
    model: Model,
}

/// Aliases, yanks, cards, visibility and grants of models.
#[derive(Default)]
pub(super) struct ReleaseMutation;

#[Object]
impl ReleaseMutation {
    /// Moves an alias of the bearer's model to a version that is not yanked; the move stays in the history. Scope `publish`.
    async fn alias_move(
        &self,
        context: &Context<'_>,
        input: AliasMoveInput,
    ) -> Result<AliasMovePayload> {
        let wanted = MoveAlias {
            model: input.model.0,
            alias: input.alias.0,
            version: input.version.0,
            reason: input.reason,
        };
        let moved =
            service(context)?.move_alias(caller(context)?, &input.idempotency_key, &wanted).await;
        Ok(AliasMovePayload { alias: AliasMove(moved.map_err(api_error)?) })
    }

    /// Keeps `listed` where it is, or lets it follow evaluations again. While it is pinned, reports of other versions decide nothing
    /// about the price. Scope `publish`.
    async fn listed_pin_set(
        &self,
        context: &Context<'_>,
        input: ListedPinSetInput,
    ) -> Result<ModelPayload> {
        let (key, name) = (&input.idempotency_key, &input.model.0);
        let model = service(context)?
            .set_listed_pin(caller(context)?, key, name, input.pinned, &input.reason)
            .await;
        Ok(ModelPayload { model: Model(model.map_err(api_error)?) })
    }

    /// Withdraws a version from new use, for ever: no evaluation, no alias. It stays readable and downloadable, and shows who yanked it,
    /// when and why. Scope `publish` for own models, `operate` for all.
    async fn version_yank(
        &self,
        context: &Context<'_>,
        input: VersionYankInput,
    ) -> Result<VersionYankPayload> {
        let wanted =
            YankVersion { model: input.model.0, version: input.version.0, reason: input.reason };
        let version =
            service(context)?.yank_version(caller(context)?, &input.idempotency_key, &wanted).await;
        Ok(VersionYankPayload { version: Version(version.map_err(api_error)?) })
    }

    /// Says of a version that was found like another publisher's whether a fund may hold it; the last word counts, until more is found.
    /// Scope `operate`.
    async fn likeness_review(
        &self,
        context: &Context<'_>,
        input: LikenessReviewInput,
    ) -> Result<LikenessReviewPayload> {
        let wanted = ReviewLikeness {
            model: input.model.0,
            version: input.version.0,
            cleared: input.cleared,
            reason: input.reason,
        };
        let version = service(context)?
            .review_likeness(caller(context)?, &input.idempotency_key, &wanted)
            .await;
        Ok(LikenessReviewPayload { version: Version(version.map_err(api_error)?) })
    }

    /// Writes a new revision of a model's card, licence and tags; the ones before stay. Scope `publish`.
    async fn model_card_write(
        &self,
        context: &Context<'_>,
        input: ModelCardWriteInput,
    ) -> Result<ModelPayload> {
        let wanted = WriteCard {
            model: input.model.0,
            text: input.text,
            licence: input.licence,
            tags: input.tags,
        };
        let model =
            service(context)?.write_card(caller(context)?, &input.idempotency_key, &wanted).await;
        Ok(ModelPayload { model: Model(model.map_err(api_error)?) })
    }

    /// Makes a model private or public. A private model is absent for everybody who may not read it. Scope `publish`.
    async fn model_visibility_set(
        &self,
        context: &Context<'_>,
        input: ModelVisibilitySetInput,
    ) -> Result<ModelPayload> {
        let (service, caller, name) = (service(context)?, caller(context)?, &input.model.0);
        service
            .set_visibility(caller, &input.idempotency_key, name, input.private)
            .await
            .map_err(api_error)?;
        let model = service.get_readable_model(&caller.into(), name).await.map_err(api_error)?;
        Ok(ModelPayload { model: Model(model) })
    }

    /// Lets a login read a model while it is private. Scope `publish`.
    async fn access_grant(
        &self,
        context: &Context<'_>,
        input: AccessInput,
    ) -> Result<ModelPayload> {
        set_grant(context, &input, true).await
    }

    /// Ends a grant. Scope `publish`.
    async fn access_revoke(
        &self,
        context: &Context<'_>,
        input: AccessInput,
    ) -> Result<ModelPayload> {
        set_grant(context, &input, false).await
    }
}

async fn set_grant(
    context: &Context<'_>,
    input: &AccessInput,
    granted: bool,
) -> Result<ModelPayload> {
    let (key, model, grantee) = (&input.idempotency_key, &input.model.0, &input.grantee.0);
    let model = service(context)?.set_grant(caller(context)?, key, model, grantee, granted).await;
    Ok(ModelPayload { model: Model(model.map_err(api_error)?) })
}
