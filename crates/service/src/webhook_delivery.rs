//! Deliveries on their way: leased by a server, signed, and what came of it.

use domain::{digest::to_hex, time::Timestamp};
use hmac::{Hmac, KeyInit as _, Mac as _};
use store::{DeliveryOutcome, DeliveryState, webhook, webhook_delivery};

use crate::{Service, ServiceError};

/// How long a server may take over an attempt before another one tries, in milliseconds.
const LEASE_MS: i64 = 30_000;

/// Pauses after failed attempts, in seconds: with the first, nine attempts in about a day.
pub const RETRY_AFTER_S: [i64; 8] = [1, 10, 60, 600, 3_600, 10_800, 21_600, 43_200];

/// A delivery that this server is to send.
#[derive(Clone, Debug)]
pub struct LeasedDelivery {
    /// Id.
    pub id: String,
    /// Where to.
    pub url: String,
    /// What happened.
    pub event: String,
    /// The document.
    pub body: String,
    attempts: i64,
    secret: String,
}

impl LeasedDelivery {
    /// The signature over a time in seconds and the body: `v1=` and the HMAC-SHA256 of `timestamp.body` in hexadecimal digits.
    #[must_use]
    pub fn signature(&self, timestamp_s: i64) -> String {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(self.secret.as_bytes())
            .expect("a key of any length");
        mac.update(format!("{timestamp_s}.{}", self.body).as_bytes());
        format!("v1={}", to_hex(&mac.finalize().into_bytes()))
    }
}

impl Service {
    /// Leases the next delivery that is due by the system's clock; none while there is nothing to send.
    ///
    /// # Errors
    /// [`ServiceError::Busy`] or [`ServiceError::Internal`] if the database fails.
    pub async fn lease_delivery(
        &self,
        holder: &str,
        wall: Timestamp,
    ) -> Result<Option<LeasedDelivery>, ServiceError> {
        let now = wall.as_millis();
        let transaction = self.store.begin().await?;
        let until = now + LEASE_MS;
        let Some(row) = webhook_delivery::lease_next(&transaction, holder, now, until).await?
        else {
            return Ok(None);
        };
        let hook = webhook::find(&transaction, &row.webhook_id).await?;
        let hook = hook.filter(|hook| hook.deleted_at.is_none());
        let Some(hook) = hook else {
            let outcome = DeliveryOutcome {
                state: DeliveryState::Failed,
                due_at: now,
                status: None,
                last_error: Some("the webhook was deleted".to_owned()),
            };
            webhook_delivery::finish(&transaction, &row.id, holder, &outcome).await?;
            transaction.commit().await?;
            return Box::pin(self.lease_delivery(holder, wall)).await;
        };
        transaction.commit().await?;
        Ok(Some(LeasedDelivery {
            id: row.id,
            url: hook.url,
            event: row.event,
            body: row.body,
            attempts: row.attempts,
            secret: hook.secret,
        }))
    }

    /// Writes how an attempt ended: with a status that the receiver answered, or with the reason why none came.
    ///
    /// # Errors
    /// [`ServiceError::Busy`] or [`ServiceError::Internal`] if the database fails; the lease runs out then, and it is sent again.
    pub async fn finish_delivery(
        &self,
        holder: &str,
        delivery: &LeasedDelivery,
        answered: Result<u16, String>,
        wall: Timestamp,
    ) -> Result<(), ServiceError> {
        let (status, error) = match answered {
            Ok(status) if (200..300).contains(&status) => (Some(status), None),
            Ok(status) => (Some(status), Some(format!("the receiver answered {status}"))),
            Err(reason) => (None, Some(reason)),
        };
        let pause = usize::try_from(delivery.attempts - 1).ok().and_then(|n| RETRY_AFTER_S.get(n));
        let (state, due_at) = match (&error, pause) {
            (None, _) => (DeliveryState::Delivered, wall.as_millis()),
            (Some(_), Some(pause)) => (DeliveryState::Pending, wall.as_millis() + pause * 1000),
            (Some(_), None) => (DeliveryState::Failed, wall.as_millis()),
        };
        let outcome =
            DeliveryOutcome { state, due_at, status: status.map(i64::from), last_error: error };
        let transaction = self.store.begin().await?;
        if !webhook_delivery::finish(&transaction, &delivery.id, holder, &outcome).await? {
            tracing::warn!(delivery = delivery.id, "lease lost before the attempt was recorded");
        }
        transaction.commit().await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves the signature against a value computed with another implementation: Python's `hmac`.
    #[test]
    fn signature_is_hmac_sha256() {
        let delivery = LeasedDelivery {
            id: String::new(),
            url: String::new(),
            event: String::new(),
            body: "{\"a\":1}".to_owned(),
            attempts: 1,
            secret: "whsec_00".to_owned(),
        };
        assert_eq!(
            delivery.signature(1_700_000_000),
            "v1=45cffce3b675935877c716288bfe48276b43036345fecebf62b30649bd0946a7"
        );
    }
}
