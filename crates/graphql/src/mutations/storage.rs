//! Quotas of the storage.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};

use crate::{
    error::api_error,
    scalars::{NameText, WholeNumber},
    scope::{caller, service},
    types::storage::Storage,
};

/// Input of `storageQuotaSet`.
#[derive(InputObject)]
struct StorageQuotaSetInput {
    /// The login.
    login: NameText,
    /// Logical bytes that it may hold; null for the installation's default. What it holds already stays in any case.
    bytes: Option<WholeNumber>,
    /// Makes a repetition harmless.
    idempotency_key: String,
}

/// Payload of `storageQuotaSet`.
#[derive(SimpleObject)]
struct StorageQuotaSetPayload {
    /// What the login has, with the quota that is in force now.
    storage: Storage,
}

/// Quotas of the storage.
#[derive(Default)]
pub(super) struct StorageMutation;

#[Object]
impl StorageMutation {
    /// Limits how many logical bytes a login may hold. Scope `operate`.
    async fn storage_quota_set(
        &self,
        context: &Context<'_>,
        input: StorageQuotaSetInput,
    ) -> Result<StorageQuotaSetPayload> {
        let (service, caller) = (service(context)?, caller(context)?);
        let bytes = input.bytes.map(|number| number.0);
        let login = service
            .set_storage_quota(caller, &input.idempotency_key, &input.login.0, bytes)
            .await
            .map_err(api_error)?;
        let used = service.storage_use(caller, &login).await.map_err(api_error)?;
        Ok(StorageQuotaSetPayload { storage: used.into() })
    }
}
