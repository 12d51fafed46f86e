//! Models, versions, suites.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use service::{PublishVersion, RegisterSuite, VersionName};

use crate::{
    error::api_error,
    scalars::{NameText, Sha256},
    scope::{caller, service},
    types::{
        model::{Model, Version},
        suite::Suite,
    },
};

/// Input of `modelCreate`.
#[derive(InputObject)]
struct ModelCreateInput {
    /// The new model's name; `login/…` is only for this login.
    name: NameText,
    /// Whether only its publisher, the operator and those who were granted it may see it; its name then begins with the bearer's
    /// login and a slash.
    #[graphql(default)]
    private: bool,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Payload of `modelCreate`.
#[derive(SimpleObject)]
struct ModelCreatePayload {
    /// The model.
    model: Model,
}

/// Input of `versionPublish`.
#[derive(InputObject)]
struct VersionPublishInput {
    /// The bearer's model.
    model: NameText,
    /// The new version's name.
    version: NameText,
    /// The uploaded safetensors file; for a checkpoint in shards the document of the set, uploaded with `kind=shards`.
    checkpoint: Sha256,
    /// The uploaded graph.
    graph: Sha256,
    /// The version that it was made from, if the publisher declares one.
    base: Option<BaseInput>,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// The version that another one was made from.
#[derive(InputObject)]
struct BaseInput {
    /// The model, any that the bearer may read.
    model: NameText,
    /// Its version.
    version: NameText,
}

/// Payload of `versionPublish`.
#[derive(SimpleObject)]
struct VersionPublishPayload {
    /// The version.
    version: Version,
}

/// Input of `suiteRegister`.
#[derive(InputObject)]
struct SuiteRegisterInput {
    /// Text of `suite.toml`.
    manifest: String,
    /// The uploaded `cases.safetensors`.
    cases: Sha256,
    /// The uploaded `reference/model.safetensors`.
    reference_checkpoint: Sha256,
    /// The uploaded `reference/graph.onnx`.
    reference_graph: Sha256,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Payload of `suiteRegister`.
#[derive(SimpleObject)]
struct SuiteRegisterPayload {
    /// The suite.
    suite: Suite,
}

/// Models, versions, suites.
#[derive(Default)]
pub(super) struct RegistryMutation;

#[Object]
impl RegistryMutation {
    /// Creates a model of the bearer's. Scope `publish`.
    async fn model_create(
        &self,
        context: &Context<'_>,
        input: ModelCreateInput,
    ) -> Result<ModelCreatePayload> {
        let model = service(context)?
            .create_model_as(caller(context)?, &input.idempotency_key, &input.name.0, input.private)
            .await;
        Ok(ModelCreatePayload { model: Model(model.map_err(api_error)?) })
    }

    /// Publishes an immutable version: every tensor of the graph is in the checkpoint with its dtype and shape. Scope `publish`.
    async fn version_publish(
        &self,
        context: &Context<'_>,
        input: VersionPublishInput,
    ) -> Result<VersionPublishPayload> {
        let publish = PublishVersion {
            model: input.model.0,
            version: input.version.0,
            checkpoint: input.checkpoint.0,
            graph: input.graph.0,
        };
        let base =
            input.base.map(|base| VersionName { model: base.model.0, version: base.version.0 });
        let version = service(context)?
            .publish_version_from(caller(context)?, &input.idempotency_key, &publish, base.as_ref())
            .await;
        Ok(VersionPublishPayload { version: Version(version.map_err(api_error)?) })
    }

    /// Registers a suite with its frozen reference. Scope `operate`.
    async fn suite_register(
        &self,
        context: &Context<'_>,
        input: SuiteRegisterInput,
    ) -> Result<SuiteRegisterPayload> {
        let register = RegisterSuite {
            manifest: input.manifest,
            cases: input.cases.0,
            reference_checkpoint: input.reference_checkpoint.0,
            reference_graph: input.reference_graph.0,
        };
        let suite = service(context)?
            .register_suite(caller(context)?, &input.idempotency_key, &register)
            .await;
        Ok(SuiteRegisterPayload { suite: Suite(suite.map_err(api_error)?) })
    }
}
