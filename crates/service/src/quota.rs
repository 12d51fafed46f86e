//! What a login has in the storage, and how much it may have.

use domain::{digest::Digest, name::Name};
use serde::Serialize;
use store::{QuotaRow, storage_hold, storage_quota, storage_usage};

use crate::{
    Service, ServiceError,
    command::{Begun, Request},
    token::{Caller, Scope},
};

/// What a login has in the storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageUse {
    /// The login.
    pub login: Name,
    /// Objects that it holds. One that two logins sent counts for both.
    pub objects: u64,
    /// Bytes of these objects: what the quota limits.
    pub logical_bytes: u64,
    /// Bytes of stored parts that it brought first: what it takes on the disk.
    pub stored_bytes: u64,
    /// Logical bytes that it may hold; none without a limit.
    pub quota_bytes: Option<u64>,
}

#[derive(Serialize)]
struct SetQuota<'a> {
    login: &'a Name,
    bytes: Option<u64>,
}

impl Service {
    /// What a login has in the storage: the caller's own, or anybody's for the operator.
    ///
    /// # Errors
    /// [`ServiceError::NotOwner`] for another's.
    pub async fn storage_use(
        &self,
        caller: &Caller,
        login: &Name,
    ) -> Result<StorageUse, ServiceError> {
        if caller.owner != *login && !caller.may(Scope::Operate) {
            return Err(ServiceError::NotOwner(format!("the storage of {login}")));
        }
        let usage = storage_usage::find(&self.store, login.as_str()).await?;
        let quota_bytes = self.accounts().quota_of(&self.store, login).await?;
        let count = |number: Option<i64>| number.unwrap_or(0).unsigned_abs();
        Ok(StorageUse {
            login: login.clone(),
            objects: count(usage.as_ref().map(|row| row.objects)),
            logical_bytes: count(usage.as_ref().map(|row| row.logical_bytes)),
            stored_bytes: count(usage.as_ref().map(|row| row.stored_bytes)),
            quota_bytes,
        })
    }

    /// Sets how many logical bytes a login may hold; without a number the installation's default is in force again.
    /// What it holds already stays, whatever the limit.
    ///
    /// # Errors
    /// [`ServiceError::Scope`] without `operate`, [`ServiceError::Invalid`] for more than a signed number of 64 bits holds.
    pub async fn set_storage_quota(
        &self,
        caller: &Caller,
        key: &str,
        login: &Name,
        bytes: Option<u64>,
    ) -> Result<Name, ServiceError> {
        let row_bytes = bytes.map(i64::try_from).transpose();
        let row_bytes = row_bytes.map_err(|_| {
            ServiceError::invalid("bytes", format!("at most {} are a limit", i64::MAX))
        })?;
        let (input, scope) = (SetQuota { login, bytes }, [Scope::Operate]);
        let operation = "storage_quota_set";
        let request = Request { caller, scope: &scope, key, operation, input: &input };
        let unit = match self.begin::<_, Name>(&request).await? {
            Begun::Replayed(login) => return Ok(login),
            Begun::Fresh(unit) => unit,
        };
        let current = storage_quota::current(&unit.transaction, login.as_str()).await?;
        let row = QuotaRow {
            login: login.to_string(),
            seq: current.map_or(1, |row| row.seq + 1),
            bytes: row_bytes,
            set_by: unit.owner().to_owned(),
            set_at: unit.now(),
        };
        storage_quota::insert(&unit.transaction, row).await?;
        unit.finish(login.as_str(), login.clone()).await
    }

    /// Refuses an announced object before its transfer, if it would not fit; the transaction that records it counts exactly.
    ///
    /// # Errors
    /// [`ServiceError::QuotaExceeded`].
    pub async fn check_quota(
        &self,
        caller: &Caller,
        digest: Digest,
        bytes: u64,
    ) -> Result<(), ServiceError> {
        let login = &caller.owner;
        let Some(quota) = self.accounts().quota_of(&self.store, login).await? else {
            return Ok(());
        };
        let usage = storage_usage::find(&self.store, login.as_str()).await?;
        let usage = usage.map_or(0, |row| row.logical_bytes.unsigned_abs());
        let fits = usage.checked_add(bytes).is_some_and(|after| after <= quota);
        if fits || storage_hold::is_held(&self.store, login.as_str(), &digest.hex()).await? {
            return Ok(());
        }
        Err(ServiceError::QuotaExceeded { login: login.clone(), usage, quota, bytes })
    }
}
