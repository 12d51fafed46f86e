//! One command, one transaction: the idempotency key, the change, the audit entry and the reply are written together or not at all.

use domain::{
    digest::{Digest, to_hex},
    proof::LogKey,
    time::Timestamp,
};
use serde::{Serialize, de::DeserializeOwned};
use store::{AuditRow, ReplyRow, StoreTransaction, audit_entry, idempotent_reply};

use crate::{
    Service, ServiceError,
    log::{NewLeaf, append_leaf, sign_head},
    models::Model,
    moment::next_moment,
    token::{Caller, Scope},
    webhooks::{self, ModelEvent},
};

/// Longest idempotency key, in bytes.
const KEY_BYTES_MAX: usize = 200;

/// A command that began: either it was done before, or it is ours to do.
#[expect(clippy::large_enum_variant, reason = "there is one of them for a moment in each command")]
pub(crate) enum Begun<R> {
    /// The reply of the first time.
    Replayed(R),
    /// The open transaction.
    Fresh(Unit),
}

/// The open transaction of a command.
pub(crate) struct Unit {
    pub(crate) transaction: StoreTransaction,
    pub(crate) caller: Caller,
    key: String,
    operation: &'static str,
    request_digest: String,
    /// The model that the audit entry is about.
    model_id: Option<String>,
    /// What webhooks are told of it.
    event: Option<Box<ModelEvent>>,
    /// Signs the log's head, where this process may.
    log_key: Option<LogKey>,
    /// Whether the command appended leaves.
    has_leaves: bool,
    /// When it records in the ledger; none for one that does not.
    recorded_at: Option<Timestamp>,
}

/// A command as it comes in.
pub(crate) struct Request<'a, I> {
    pub(crate) caller: &'a Caller,
    pub(crate) scope: &'a [Scope],
    pub(crate) key: &'a str,
    pub(crate) operation: &'static str,
    pub(crate) input: &'a I,
}

impl<I: Serialize> Request<'_, I> {
    /// Checks key and scope before anything else, so that a refusal costs no transaction.
    fn check(&self) -> Result<String, ServiceError> {
        if let Some(scope) =
            self.scope.first().filter(|_| !self.scope.iter().any(|s| self.caller.may(*s)))
        {
            return Err((*scope).into());
        }
        if self.key.is_empty() || self.key.len() > KEY_BYTES_MAX {
            return Err(ServiceError::invalid(
                "idempotencyKey",
                format!("expected 1 to {KEY_BYTES_MAX} bytes"),
            ));
        }
        // Plain JSON, not canonical: the fields of an input stand in one order, and amounts may exceed what canonical numbers carry.
        let body =
            serde_json::to_string(&(self.operation, self.input)).map_err(ServiceError::internal)?;
        Ok(Digest::of(body.as_bytes()).hex())
    }
}

impl Service {
    /// Opens a command's transaction, or finds the reply that the same key and body had before.
    pub(crate) async fn begin<I: Serialize, R: DeserializeOwned>(
        &self,
        request: &Request<'_, I>,
    ) -> Result<Begun<R>, ServiceError> {
        let request_digest = request.check()?;
        let transaction = self.store.begin().await?;
        let owner = request.caller.owner.as_str();
        if let Some(row) = idempotent_reply::find(&transaction, owner, request.key).await? {
            if row.request_digest != request_digest {
                return Err(ServiceError::KeyReused { key: request.key.to_owned() });
            }
            return serde_json::from_str(&row.reply)
                .map(Begun::Replayed)
                .map_err(ServiceError::internal);
        }
        Ok(Begun::Fresh(Unit {
            transaction,
            caller: request.caller.clone(),
            key: request.key.to_owned(),
            operation: request.operation,
            request_digest,
            model_id: None,
            event: None,
            log_key: self.log_key.clone(),
            has_leaves: false,
            recorded_at: None,
        }))
    }
}

impl Unit {
    /// An id that follows from who asks and with which key: no random numbers, and the same again on a repetition.
    pub(crate) fn id(&self, kind: &str) -> String {
        let text = format!("mf.id.v1\0{}\0{}\0{kind}", self.caller.owner, self.key);
        to_hex(&Digest::of(text.as_bytes()).as_bytes()[..16])
    }

    pub(crate) fn now(&self) -> i64 {
        self.caller.now.as_millis()
    }

    pub(crate) fn owner(&self) -> &str {
        self.caller.owner.as_str()
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// The unit, whose audit entry is about a model: its publisher may read the entry.
    pub(crate) fn about(mut self, model: &Model) -> Self {
        self.model_id = Some(model.id.clone());
        self
    }

    /// Appends a leaf to the log in the command's transaction; the head is signed with it at the end.
    pub(crate) async fn append_leaf(&mut self, new: NewLeaf) -> Result<(), ServiceError> {
        self.has_leaves = true;
        append_leaf(&self.transaction, new).await
    }

    /// Says that leaves were appended to the transaction by other hands.
    pub(crate) const fn has_appended(&mut self) {
        self.has_leaves = true;
    }

    /// Says when the command records in the ledger: its head is signed at that moment, so that both are known at once.
    pub(crate) const fn records_at(&mut self, at: Timestamp) {
        self.recorded_at = Some(at);
    }

    /// Tells the webhooks of a model's publisher of the change.
    pub(crate) fn tell(&mut self, model: &Model, event: &'static str, data: serde_json::Value) {
        self.event = Some(Box::new(ModelEvent {
            model_id: model.id.clone(),
            model: model.name.to_string(),
            publisher: model.publisher.to_string(),
            event,
            data,
            only: None,
        }));
    }

    /// Tells one webhook of the caller's.
    pub(crate) fn tell_only(&mut self, webhook: &str, model: Option<&Model>, event: &'static str) {
        self.event = Some(Box::new(ModelEvent {
            model_id: model.map(|model| model.id.clone()).unwrap_or_default(),
            model: model.map(|model| model.name.to_string()).unwrap_or_default(),
            publisher: self.owner().to_owned(),
            event,
            data: serde_json::json!({}),
            only: Some(webhook.to_owned()),
        }));
    }

    /// Writes audit entry and reply, and commits.
    pub(crate) async fn finish<R: Serialize>(
        self,
        subject: &str,
        reply: R,
    ) -> Result<R, ServiceError> {
        let text = serde_json::to_string(&reply).map_err(ServiceError::internal)?;
        let audit = AuditRow {
            seq: 0,
            actor: self.owner().to_owned(),
            // Who acts by himself, as the calendar does, has none.
            token_id: Some(self.caller.token_id.clone()).filter(|id| !id.is_empty()),
            operation: self.operation.to_owned(),
            subject: subject.to_owned(),
            at: self.now(),
        };
        let change =
            Change { audit, model_id: self.model_id.as_deref(), event: self.event.as_deref() };
        record_change(&self.transaction, change).await?;
        let row = ReplyRow {
            actor: self.owner().to_owned(),
            key: self.key.clone(),
            operation: self.operation.to_owned(),
            request_digest: self.request_digest.clone(),
            reply: text,
            recorded_at: self.now(),
        };
        idempotent_reply::insert(&self.transaction, row).await?;
        if let Some(key) = self.log_key.as_ref().filter(|_| self.has_leaves) {
            let at = match self.recorded_at {
                Some(at) => at,
                None => next_moment(&self.transaction, self.caller.now).await?,
            };
            sign_head(&self.transaction, key, at).await?;
        }
        self.transaction.commit().await?;
        Ok(reply)
    }
}

/// A change as the log and the webhooks see it.
pub(crate) struct Change<'a> {
    /// The entry; its number is set here.
    pub(crate) audit: AuditRow,
    /// The model that it is about.
    pub(crate) model_id: Option<&'a str>,
    /// What webhooks are told.
    pub(crate) event: Option<&'a ModelEvent>,
}

/// Writes the audit entry of a change and what webhooks are told of it, in the transaction of the change.
pub(crate) async fn record_change(
    transaction: &StoreTransaction,
    change: Change<'_>,
) -> Result<(), ServiceError> {
    let at = change.audit.at;
    let seq = audit_entry::append(transaction, change.audit).await?;
    if let Some(model_id) = change.model_id {
        audit_entry::append_model(transaction, seq, model_id).await?;
    }
    if let Some(event) = change.event {
        webhooks::tell(transaction, event, seq, at).await?;
    }
    Ok(())
}
