//! Webhooks and their deliveries.

use async_graphql::{Context, Enum, Object, Result, SimpleObject};
use service::{Delivery, DeliveryState as StateValue, Webhook as WebhookValue};

use crate::{
    pagination::{Page, PageArguments},
    scalars::{NameText, Time},
    scope::{caller, service},
};

/// An address that is told of what happens to its owner's models.
#[derive(Clone, Debug)]
pub(crate) struct Webhook(pub(crate) WebhookValue);

/// An address that is told of what happens to its owner's models.
#[Object]
impl Webhook {
    /// Id.
    async fn id(&self) -> &str {
        &self.0.id
    }

    /// The model that it is about; null for all of its owner's.
    async fn model(&self) -> Option<NameText> {
        self.0.model.clone().map(NameText)
    }

    /// Where deliveries go.
    async fn url(&self) -> &str {
        &self.0.url
    }

    /// What it is told.
    async fn events(&self) -> &[String] {
        &self.0.events
    }

    /// When it was made.
    async fn created_at(&self) -> Time {
        Time(self.0.created_at)
    }

    /// What it was told and is to be told, in order.
    #[graphql(complexity = "crate::pagination::cost(first, child_complexity)")]
    async fn deliveries(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Page<WebhookDelivery>> {
        let page = PageArguments::new(first, after)?;
        let rows = service(context)?
            .list_deliveries(caller(context)?, &self.0.id, page.after_number()?, page.limit())
            .await;
        page.page(rows, |d| d.number.to_string(), WebhookDelivery::from)
    }
}

/// How a delivery stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "StateValue")]
pub(crate) enum DeliveryState {
    /// It waits for its time.
    Pending,
    /// A server sends it.
    Leased,
    /// The receiver has taken it.
    Delivered,
    /// It was tried as often as it may be, or its webhook was deleted.
    Failed,
}

/// A delivery to a webhook.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct WebhookDelivery {
    /// Id, the same in every attempt; the header `Modelfolio-Delivery` bears it.
    id: String,
    /// What happened.
    event: String,
    /// How it stands.
    state: DeliveryState,
    /// Attempts so far.
    attempts: i64,
    /// The status that the receiver last answered; null if none came.
    status: Option<i64>,
    /// Why the last attempt failed; null if it did not.
    last_error: Option<String>,
}

impl From<Delivery> for WebhookDelivery {
    fn from(value: Delivery) -> Self {
        Self {
            id: value.id,
            event: value.event,
            state: value.state.into(),
            attempts: value.attempts,
            status: value.status,
            last_error: value.last_error,
        }
    }
}
