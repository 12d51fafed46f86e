//! Webhooks: addresses that a publisher has told of what happens to his models.
//!
//! What is to be told is written with the change itself, in one transaction and with the audit entry's number, so that it can neither
//! be lost nor precede the change. A server leases deliveries and sends them at least once; every attempt bears the same id.

use domain::{digest::to_hex, name::Name, time::Timestamp};
use serde::Serialize;
use serde_json::{Value, json};
use store::{
    DeliveryRow, StoreTransaction, WebhookRow, registered_model, webhook, webhook_delivery,
};

pub use store::DeliveryState;

use crate::{
    Service, ServiceError,
    command::{Begun, Request},
    models::Model,
    roles::Right,
    token::{Caller, Scope},
};

/// What a webhook can be told.
pub const WEBHOOK_EVENTS: [&str; 6] = [
    "access.requested",
    "alias.moved",
    "evaluation.finished",
    "price.accepted",
    "version.published",
    "version.yanked",
];

/// The event of a test.
const TEST_EVENT: &str = "ping";

/// Most webhooks of a login.
const WEBHOOKS_MAX: u64 = 20;

/// Longest address, in bytes.
const URL_BYTES_MAX: usize = 2000;

/// A webhook, without its secret.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Id.
    pub id: String,
    /// The model that it is about; none for all of its owner's.
    pub model: Option<Name>,
    /// Where deliveries go.
    pub url: String,
    /// What it is told.
    pub events: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A delivery.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Id, the same in every attempt.
    pub id: String,
    /// Its place in the log.
    pub number: i64,
    /// What happened.
    pub event: String,
    /// How it stands.
    pub state: DeliveryState,
    /// Attempts so far.
    pub attempts: i64,
    /// The status that the receiver last answered.
    pub status: Option<i64>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
}

/// A new webhook.
#[derive(Clone, Debug, Serialize)]
pub struct CreateWebhook {
    /// The caller's model; none for all of his.
    pub model: Option<Name>,
    /// Where deliveries go.
    pub url: String,
    /// Words of [`WEBHOOK_EVENTS`].
    pub events: Vec<String>,
}

/// Something that happened to a model, to be told with its audit entry.
#[derive(Clone, Debug)]
pub(crate) struct ModelEvent {
    pub(crate) model_id: String,
    pub(crate) model: String,
    pub(crate) publisher: String,
    pub(crate) event: &'static str,
    pub(crate) data: Value,
    /// The one webhook that is told; none for all that want to know.
    pub(crate) only: Option<String>,
}

/// Writes what webhooks are to be told of an audit entry. The publisher's webhooks alone hear of his models, private ones included.
pub(crate) async fn tell(
    transaction: &StoreTransaction,
    event: &ModelEvent,
    audit_seq: i64,
    at: i64,
) -> Result<(), ServiceError> {
    let hooks = webhook::list(transaction, &event.publisher, None, WEBHOOKS_MAX).await?;
    let wants = |hook: &WebhookRow| match &event.only {
        Some(id) => hook.id == *id,
        None => {
            hook.model_id.as_ref().is_none_or(|id| *id == event.model_id)
                && hook.events.split(' ').any(|word| word == event.event)
        }
    };
    let row = |hook: WebhookRow| {
        let text = format!("mf.delivery.v1\0{}\0{audit_seq}", hook.id);
        let digest = domain::digest::Digest::of(text.as_bytes());
        let id = format!("d-{}", to_hex(&digest.as_bytes()[..16]));
        let body = json!({
            "id": id, "event": event.event, "at": Timestamp::from_millis(at).to_string(),
            "model": event.model, "data": event.data,
        });
        DeliveryRow {
            webhook_id: hook.id,
            audit_seq,
            model_id: event.model_id.clone(),
            event: event.event.to_owned(),
            body: body.to_string(),
            state: DeliveryState::Pending,
            attempts: 0,
            due_at: 0,
            lease_holder: None,
            lease_until: None,
            status: None,
            last_error: None,
            id,
        }
    };
    let rows: Vec<DeliveryRow> = hooks.into_iter().filter(wants).map(row).collect();
    if rows.is_empty() {
        return Ok(());
    }
    Ok(webhook_delivery::insert_all(transaction, rows).await?)
}

/// Refuses what no delivery can go to. Where an address leads is looked at when something is sent, because names change.
fn check_url(url: &str) -> Result<(), ServiceError> {
    let fail = |reason: &str| Err(ServiceError::invalid("url", reason));
    if url.len() > URL_BYTES_MAX {
        return fail("is longer than 2000 bytes");
    }
    if !url.bytes().all(|b| b.is_ascii_graphic()) || url.contains('\\') {
        return fail("expected visible ASCII characters without a backslash");
    }
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let Some(rest) = rest else { return fail("expected http:// or https://") };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.is_empty() {
        return fail("names no host");
    }
    if authority.contains('@') {
        return fail("bears a login or password; the signature says who sends");
    }
    Ok(())
}

fn check_events(events: &[String]) -> Result<String, ServiceError> {
    let known = WEBHOOK_EVENTS.join(", ");
    if let Some(unknown) = events.iter().find(|e| !WEBHOOK_EVENTS.contains(&e.as_str())) {
        let reason = format!("{unknown:?} is unknown; expected of {known}");
        return Err(ServiceError::invalid("events", reason));
    }
    let words: std::collections::BTreeSet<&str> = events.iter().map(String::as_str).collect();
    if words.is_empty() {
        return Err(ServiceError::invalid("events", format!("expected one or more of {known}")));
    }
    Ok(words.into_iter().collect::<Vec<_>>().join(" "))
}

impl Service {
    /// Makes a webhook; the secret is known to the caller alone from then on, and none comes with the answer to a repetition.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] with the field, [`ServiceError::NotOwner`], [`ServiceError::Absent`].
    pub async fn create_webhook(
        &self,
        caller: &Caller,
        key: &str,
        input: &CreateWebhook,
        random: [u8; 32],
    ) -> Result<(Webhook, Option<String>), ServiceError> {
        let model = match &input.model {
            Some(name) => Some(self.get_model_for(caller, name, Right::Own).await?),
            None => {
                caller.check_unbound()?;
                None
            }
        };
        check_url(&input.url)?;
        let events = check_events(&input.events)?;
        let operation = "webhook_create";
        let request = Request { caller, scope: &[Scope::Publish], key, operation, input };
        let unit = match self.begin::<_, String>(&request).await? {
            Begun::Replayed(id) => return Ok((self.get_webhook(caller, &id).await?, None)),
            Begun::Fresh(unit) => match &model {
                Some(model) => unit.about(model),
                None => unit,
            },
        };
        let there = webhook::list(&unit.transaction, unit.owner(), None, WEBHOOKS_MAX).await?;
        if there.len() as u64 >= WEBHOOKS_MAX {
            let reason = format!("{} has {WEBHOOKS_MAX} of them, the most", caller.owner);
            return Err(ServiceError::invalid("webhook", reason));
        }
        let secret = format!("whsec_{}", to_hex(&random));
        let row = WebhookRow {
            id: format!("w-{}", unit.id("webhook")),
            owner: unit.owner().to_owned(),
            model_id: model.map(|model| model.id),
            url: input.url.clone(),
            events,
            secret: secret.clone(),
            created_at: unit.now(),
            deleted_at: None,
        };
        webhook::insert(&unit.transaction, row.clone()).await?;
        unit.finish(&row.id, row.id.clone()).await?;
        Ok((self.view_webhook(row).await?, Some(secret)))
    }

    /// Ends a webhook; what it was not told yet, it is not told any more.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] if the caller has none of this id.
    pub async fn delete_webhook(
        &self,
        caller: &Caller,
        key: &str,
        id: &str,
    ) -> Result<String, ServiceError> {
        let row = self.own_webhook(caller, id).await?;
        let operation = "webhook_delete";
        let request = Request { caller, scope: &[Scope::Publish], key, operation, input: &id };
        let unit = match self.begin::<_, String>(&request).await? {
            Begun::Replayed(id) => return Ok(id),
            Begun::Fresh(unit) => unit,
        };
        if !webhook::delete(&unit.transaction, &row.id, unit.now()).await? {
            return Err(ServiceError::absent("webhook", id));
        }
        unit.finish(id, id.to_owned()).await
    }

    /// Sends a webhook an event `ping` about one of the caller's models, whatever else it is told.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] if the caller has no webhook of this id, or it is about all models and he has none.
    pub async fn test_webhook(
        &self,
        caller: &Caller,
        key: &str,
        id: &str,
    ) -> Result<Webhook, ServiceError> {
        let row = self.own_webhook(caller, id).await?;
        if row.deleted_at.is_some() {
            return Err(ServiceError::absent("webhook", id));
        }
        let operation = "webhook_test";
        let request = Request { caller, scope: &[Scope::Publish], key, operation, input: &id };
        let mut unit = match self.begin::<_, String>(&request).await? {
            Begun::Replayed(_) => return self.view_webhook(row).await,
            Begun::Fresh(unit) => unit,
        };
        let model = self.webhook_model(&row).await?;
        unit.tell_only(id, model.as_ref(), TEST_EVENT);
        unit.finish(id, id.to_owned()).await?;
        self.view_webhook(row).await
    }

    /// The caller's webhooks in force, by id after `after`, at most `limit`.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn list_webhooks(
        &self,
        caller: &Caller,
        after: Option<&str>,
        limit: u64,
    ) -> Result<Vec<Webhook>, ServiceError> {
        let rows = webhook::list(&self.store, caller.owner.as_str(), after, limit).await?;
        let mut hooks = Vec::with_capacity(rows.len());
        for row in rows {
            hooks.push(self.view_webhook(row).await?);
        }
        Ok(hooks)
    }

    /// Deliveries of a webhook of the caller's in their order, at most `limit`.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] if the caller has none of this id.
    pub async fn list_deliveries(
        &self,
        caller: &Caller,
        webhook_id: &str,
        after: Option<i64>,
        limit: u64,
    ) -> Result<Vec<Delivery>, ServiceError> {
        self.own_webhook(caller, webhook_id).await?;
        let rows = webhook_delivery::list(&self.store, webhook_id, after, limit).await?;
        let delivery = |row: DeliveryRow| Delivery {
            id: row.id,
            number: row.audit_seq,
            event: row.event,
            state: row.state,
            attempts: row.attempts,
            status: row.status,
            last_error: row.last_error,
        };
        Ok(rows.into_iter().map(delivery).collect())
    }

    async fn own_webhook(&self, caller: &Caller, id: &str) -> Result<WebhookRow, ServiceError> {
        let row = webhook::find(&self.store, id).await?;
        let row = row.filter(|row| row.owner == caller.owner.as_str());
        let row = row.ok_or_else(|| ServiceError::absent("webhook", id))?;
        match self.webhook_model(&row).await? {
            Some(model) => caller.check_bound(&model.name)?,
            None => caller.check_unbound()?,
        }
        Ok(row)
    }

    async fn get_webhook(&self, caller: &Caller, id: &str) -> Result<Webhook, ServiceError> {
        let row = self.own_webhook(caller, id).await?;
        self.view_webhook(row).await
    }

    async fn webhook_model(&self, row: &WebhookRow) -> Result<Option<Model>, ServiceError> {
        match &row.model_id {
            Some(id) => {
                let model = registered_model::find_by_id(&self.store, id).await?;
                model.map(Model::try_from).transpose()
            }
            None => Ok(None),
        }
    }

    async fn view_webhook(&self, row: WebhookRow) -> Result<Webhook, ServiceError> {
        let model = self.webhook_model(&row).await?;
        Ok(Webhook {
            id: row.id,
            model: model.map(|model| model.name),
            url: row.url,
            events: row.events.split(' ').map(str::to_owned).collect(),
            created_at: Timestamp::from_millis(row.created_at),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves which addresses are refused by their form.
    #[test]
    fn url_forms() {
        for good in ["https://example.org/hook?x=1", "http://127.0.0.1:9/", "https://[::1]/a"] {
            check_url(good).unwrap();
        }
        for bad in [
            "",
            "ftp://a",
            "https://",
            "https:///a",
            "https://u:p@h/",
            "https://u@h",
            "http://a b/",
            "http://h\\@evil/",
            "javascript:1",
            "http://é/",
        ] {
            assert!(check_url(bad).is_err(), "{bad}");
        }
    }
}
