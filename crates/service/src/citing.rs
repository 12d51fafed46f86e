//! Citing: what is about to name an object for ever says so in its transaction, so that the collector and it cannot miss each other.

use domain::{digest::Digest, time::Timestamp};
use store::{StoreTransaction, citation, storage_object, stored_object};

use crate::{
    Service, ServiceError,
    accounts::{Entry, RecordAs},
};

impl Service {
    /// Stores a document of the program's own, which nobody holds; whoever cites it says so in his transaction.
    pub(crate) async fn put_document(
        &self,
        bytes: bytes::Bytes,
        now: Timestamp,
    ) -> Result<Digest, ServiceError> {
        let digest = Digest::of(&bytes);
        let length = Some(bytes.len() as u64);
        let piece = futures::stream::iter([Ok::<_, std::convert::Infallible>(bytes)]);
        let kind = checkpoint::ObjectKind::Document;
        let staged = self.objects.stage_object(kind, Some(digest), length, piece).await?;
        self.accounts
            .enter(staged, Entry { holder: None, token: None, now }, RecordAs::Document)
            .await?;
        Ok(digest)
    }

    /// Lets the grace of an object begin anew, because somebody was told that it need not be sent; `false` if it was just collected.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn keep_object(&self, digest: Digest, now: Timestamp) -> Result<bool, ServiceError> {
        self.accounts.account_for_old(digest, now).await?;
        let hex = digest.hex();
        match storage_object::find(&self.store, &hex).await? {
            Some(row) if row.cited => return Ok(true),
            Some(_) => {}
            None => return Ok(false),
        }
        let transaction = self.store.begin().await?;
        let kept = storage_object::touch(&transaction, &hex, now.as_millis()).await?;
        transaction.commit().await?;
        Ok(kept)
    }

    /// A failure to read an object that was collected meanwhile is its absence.
    pub(crate) async fn absent_if_collected<T>(
        &self,
        digest: Digest,
        read: Result<T, ServiceError>,
    ) -> Result<T, ServiceError> {
        match read {
            Err(error)
                if error.is_ours()
                    && storage_object::find(&self.store, &digest.hex()).await?.is_none()
                    && stored_object::find(&self.store, &digest.hex()).await?.is_none() =>
            {
                Err(ServiceError::absent("object", digest.to_string()))
            }
            other => other,
        }
    }

    /// Opens the accounts of objects that are about to be cited and are of a time before accounts.
    pub(crate) async fn account_for(
        &self,
        digests: &[Digest],
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        for digest in digests {
            self.accounts.account_for_old(*digest, now).await?;
        }
        Ok(())
    }
}

/// Says in a transaction that objects are cited by a row that it writes; see [`Service::account_for`].
///
/// # Errors
/// [`ServiceError::Absent`] for one that was collected before.
pub(crate) async fn cite(
    transaction: &StoreTransaction,
    digests: &[Digest],
) -> Result<(), ServiceError> {
    let hex: Vec<String> = digests.iter().map(Digest::hex).collect();
    match citation::cite(transaction, &hex).await?.first() {
        Some(absent) => Err(ServiceError::absent("object", format!("sha256:{absent}"))),
        None => Ok(()),
    }
}
