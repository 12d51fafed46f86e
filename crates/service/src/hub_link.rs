//! Links that carry their own permission: a client of the hub surface sends bytes to them without a token.

use std::fmt::Write as _;

use domain::{
    digest::{Digest, to_hex},
    time::Timestamp,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use store::{HubKeyRow, access_token, hub_key};

use crate::{
    Service, ServiceError,
    token::{Caller, Scope},
};

/// Which key signs the links.
const PURPOSE: &str = "upload-link";

/// What a link permits: one owner to send one object until a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubLink {
    /// Who sends.
    pub owner: String,
    /// With which token he asked for the link, for the audit log.
    pub token_id: String,
    /// SHA-256 of the whole object.
    pub digest: Digest,
    /// Its size.
    pub bytes: u64,
    /// Last moment at which a transfer may begin, in milliseconds since 1970.
    pub expires_at: i64,
}

impl HubLink {
    /// What is signed. Lengths stand before the texts, so that no two links are one text.
    fn text(&self) -> String {
        let mut text = String::from("mf.hub.link.v1");
        for part in [&self.owner, &self.token_id] {
            let _ = write!(text, "\0{}:{part}", part.len());
        }
        let _ = write!(text, "\0{}\0{}\0{}", self.digest.hex(), self.bytes, self.expires_at);
        text
    }

    /// The signature, in hexadecimal digits.
    #[must_use]
    pub fn sign(&self, key: &[u8; 32]) -> String {
        to_hex(&self.mac(key).finalize().into_bytes())
    }

    /// Whether `signature` is that of this link; takes the same time for every wrong one.
    #[must_use]
    pub fn is_signed(&self, key: &[u8; 32], signature: &str) -> bool {
        signature
            .parse::<Digest>()
            .is_ok_and(|given| self.mac(key).verify_slice(given.as_bytes()).is_ok())
    }

    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    fn mac(&self, key: &[u8; 32]) -> Hmac<sha2::Sha256> {
        let mac = Hmac::<sha2::Sha256>::new_from_slice(key).expect("a key of 32 bytes");
        mac.chain_update(self.text())
    }
}

impl Service {
    /// The key that signs links: `random` becomes it if the installation has none yet.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn hub_link_key(
        &self,
        random: [u8; 32],
        now: Timestamp,
    ) -> Result<[u8; 32], ServiceError> {
        self.own_key(PURPOSE, random, now).await
    }

    /// The key of the installation for a purpose.
    pub(crate) async fn own_key(
        &self,
        purpose: &str,
        random: [u8; 32],
        now: Timestamp,
    ) -> Result<[u8; 32], ServiceError> {
        if let Some(row) = hub_key::find(&self.store, purpose).await? {
            return secret(&row);
        }
        let row = HubKeyRow {
            purpose: purpose.to_owned(),
            secret: to_hex(&random),
            created_at: now.as_millis(),
        };
        let transaction = self.store.begin().await?;
        hub_key::insert(&transaction, row).await?;
        transaction.commit().await?;
        let row = hub_key::find(&self.store, purpose).await?;
        secret(&row.ok_or_else(|| ServiceError::internal("the key was not stored"))?)
    }

    /// The sender that a link stands for.
    ///
    /// # Errors
    /// [`ServiceError::Unauthenticated`] if the signature is wrong, the time is over, or the token behind it is no longer valid.
    pub async fn hub_link_caller(
        &self,
        link: &HubLink,
        key: &[u8; 32],
        signature: &str,
        now: Timestamp,
    ) -> Result<Caller, ServiceError> {
        if !link.is_signed(key, signature) || now.as_millis() > link.expires_at {
            return Err(ServiceError::Unauthenticated);
        }
        self.caller_of_token(&link.owner, &link.token_id, now).await
    }

    /// The sender behind what was signed in the name of a token: the token must be in force still.
    pub(crate) async fn caller_of_token(
        &self,
        owner: &str,
        token_id: &str,
        now: Timestamp,
    ) -> Result<Caller, ServiceError> {
        let row = access_token::find_by_id(&self.store, token_id).await?;
        let row = row.filter(|row| {
            let lives = row.expires_at.is_none_or(|at| at > now.as_millis());
            row.owner == owner && row.revoked_at.is_none() && lives
        });
        let row = row.ok_or(ServiceError::Unauthenticated)?;
        Ok(Caller {
            owner: row.owner.parse().map_err(ServiceError::internal)?,
            scopes: [Scope::Publish].into(),
            token_id: row.id,
            now,
            // A link opens one upload and nothing that is of a model.
            models: None,
        })
    }
}

fn secret(row: &HubKeyRow) -> Result<[u8; 32], ServiceError> {
    row.secret.parse::<Digest>().map(|d| *d.as_bytes()).map_err(ServiceError::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a signature holds for its own link and key alone, and that every field is under it.
    #[test]
    fn every_field_is_signed() {
        let link = HubLink {
            owner: "lab".into(),
            token_id: "t-1".into(),
            digest: Digest::of(b"x"),
            bytes: 7,
            expires_at: 1000,
        };
        let (key, signature) = ([1; 32], link.sign(&[1; 32]));
        assert!(link.is_signed(&key, &signature));
        for other in [
            HubLink { owner: "lab2".into(), ..link.clone() },
            HubLink { token_id: "t-2".into(), ..link.clone() },
            HubLink { digest: Digest::of(b"y"), ..link.clone() },
            HubLink { bytes: 8, ..link.clone() },
            HubLink { expires_at: 1001, ..link.clone() },
        ] {
            assert!(!other.is_signed(&key, &signature), "{other:?}");
        }
        assert!(!link.is_signed(&[2; 32], &signature));
        for bad in ["", "00", &signature.to_uppercase()] {
            assert!(!link.is_signed(&key, bad), "{bad}");
        }
    }
}
