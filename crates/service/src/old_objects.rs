//! Objects of a time before there were accounts: they are entered, and nothing is collected before all are.

use domain::{digest::Digest, time::Timestamp};
use store::{
    HoldRow, StorageObjectRow, citation, storage_hold, storage_object, storage_part, storage_usage,
};

use crate::{
    Service, ServiceError,
    accounts::{Accounts, collected_meanwhile, place_row, signed, sizes},
    collector::BATCH,
};

impl Service {
    /// Opens accounts for objects of a time before there were any, at most `limit`; tells whether some are left.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if database or storage fail.
    pub async fn enter_old_objects(
        &self,
        now: Timestamp,
        limit: u64,
    ) -> Result<bool, ServiceError> {
        let mut entered = 0;
        loop {
            let old = storage_object::list_unaccounted(&self.store, BATCH).await?;
            if old.is_empty() {
                return Ok(false);
            }
            for object in old {
                if entered == limit {
                    return Ok(true);
                }
                let digest: Digest = object.digest.parse().map_err(ServiceError::internal)?;
                self.accounts().account_for_old(digest, now).await?;
                entered += 1;
            }
        }
    }
}

impl Accounts {
    /// Opens the account of an object of a time before accounts, if this is one.
    pub(crate) async fn account_for_old(
        &self,
        digest: Digest,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        let hex = digest.hex();
        if storage_object::find(&self.store, &hex).await?.is_some() {
            return Ok(());
        }
        let senders = storage_object::list_senders(&self.store, &hex).await?;
        if senders.is_empty() {
            return Ok(());
        }
        self.open_old_account(digest, &senders, now).await
    }

    async fn open_old_account(
        &self,
        digest: Digest,
        senders: &[String],
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        let hex = digest.hex();
        let (parts, places) = match self.objects.parts_of(digest).await {
            Ok(found) => found,
            Err(checkpoint::StorageError::Absent(_)) => {
                tracing::warn!(%digest, "an object of before is registered, and its bytes are not there");
                (Vec::new(), Vec::new())
            }
            Err(error) => return Err(error.into()),
        };
        let bytes = match self.objects.size(digest).await {
            Ok(bytes) => bytes,
            Err(checkpoint::StorageError::Absent(_)) => 0,
            Err(error) => return Err(error.into()),
        };
        let transaction = self.store.begin().await?;
        let account = StorageObjectRow {
            digest: hex.clone(),
            bytes: signed(bytes)?,
            cited: false,
            touched_at: now.as_millis(),
        };
        if !storage_object::insert(&transaction, account).await? {
            return Ok(());
        }
        let name = format!("before-{hex}");
        let rows =
            storage_part::announce(&transaction, &name, &sizes(&parts)?, now.as_millis()).await?;
        if rows.iter().any(|row| row.collecting) {
            return Err(collected_meanwhile());
        }
        storage_part::insert_places(&transaction, places.iter().map(place_row).collect()).await?;
        let first = senders.first().map(String::as_str);
        let brought = storage_part::refer(&transaction, &hex, &rows, first).await?;
        for (number, login) in senders.iter().enumerate() {
            let row =
                HoldRow { login: login.clone(), digest: hex.clone(), held_at: now.as_millis() };
            storage_hold::insert(&transaction, row).await?;
            let stored = if number == 0 { brought } else { 0 };
            storage_usage::add(&transaction, login, 1, signed(bytes)?, stored).await?;
        }
        if citation::is_cited(&transaction, &hex).await? {
            citation::cite(&transaction, &[hex]).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}
