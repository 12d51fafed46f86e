//! Webhooks: made, ended, tested.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use service::CreateWebhook;

use crate::{
    error::api_error,
    scalars::NameText,
    scope::{caller, request, service},
    types::webhook::Webhook,
};

/// Input of `webhookCreate`.
#[derive(InputObject)]
struct WebhookCreateInput {
    /// The bearer's model; null for all that he publishes.
    model: Option<NameText>,
    /// Where deliveries go: `http` or `https`, at most 2,000 bytes, no login in it. Private addresses are refused when something is
    /// sent, unless the server allows them.
    url: String,
    /// Words out of `access.requested`, `alias.moved`, `evaluation.finished`, `price.accepted`, `version.published`,
    /// `version.yanked`.
    events: Vec<String>,
    /// Makes a repetition harmless: it answers the same webhook with `secret` null.
    idempotency_key: String,
}

/// Payload of `webhookCreate`.
#[derive(SimpleObject)]
struct WebhookCreatePayload {
    /// The webhook.
    webhook: Webhook,
    /// The key that signs its deliveries, shown this once; null in the answer to a repetition.
    secret: Option<String>,
}

/// Input of `webhookDelete` and `webhookTest`.
#[derive(InputObject)]
struct WebhookInput {
    /// The webhook.
    id: ID,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Payload of `webhookDelete`.
#[derive(SimpleObject)]
struct WebhookDeletePayload {
    /// Id of the webhook that ended.
    id: ID,
}

/// Payload of `webhookTest`.
#[derive(SimpleObject)]
struct WebhookTestPayload {
    /// The webhook.
    webhook: Webhook,
}

/// Webhooks: made, ended, tested.
#[derive(Default)]
pub(super) struct WebhookMutation;

#[Object]
impl WebhookMutation {
    /// Makes a webhook of the bearer's. Deliveries come at least once, each model's in order, signed. Scope `publish`.
    async fn webhook_create(
        &self,
        context: &Context<'_>,
        input: WebhookCreateInput,
    ) -> Result<WebhookCreatePayload> {
        let key = &input.idempotency_key;
        let random = request(context)?.random_for(key);
        let wanted = CreateWebhook {
            model: input.model.map(|name| name.0),
            url: input.url,
            events: input.events,
        };
        let (webhook, secret) = service(context)?
            .create_webhook(caller(context)?, key, &wanted, random)
            .await
            .map_err(api_error)?;
        Ok(WebhookCreatePayload { webhook: Webhook(webhook), secret })
    }

    /// Ends a webhook; what it was not told yet, it is not told any more. Scope `publish`.
    async fn webhook_delete(
        &self,
        context: &Context<'_>,
        input: WebhookInput,
    ) -> Result<WebhookDeletePayload> {
        let id = service(context)?
            .delete_webhook(caller(context)?, &input.idempotency_key, &input.id)
            .await
            .map_err(api_error)?;
        Ok(WebhookDeletePayload { id: id.into() })
    }

    /// Sends a webhook the event `ping`. Scope `publish`.
    async fn webhook_test(
        &self,
        context: &Context<'_>,
        input: WebhookInput,
    ) -> Result<WebhookTestPayload> {
        let webhook = service(context)?
            .test_webhook(caller(context)?, &input.idempotency_key, &input.id)
            .await
            .map_err(api_error)?;
        Ok(WebhookTestPayload { webhook: Webhook(webhook) })
    }
}
