//! What a login has in the storage.

use async_graphql::SimpleObject;
use service::StorageUse;

use crate::scalars::{NameText, WholeNumber};

/// What a login has in the storage, and how much it may have.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct Storage {
    /// The login.
    login: NameText,
    /// Objects that it holds: those that it sent and that were not collected. One that two logins sent counts for both.
    objects: WholeNumber,
    /// Bytes of these objects, each counted whole: what the quota limits.
    logical_bytes: WholeNumber,
    /// Bytes that are stored because of it: those of parts (tensors, packs, headers, recipes) that its objects brought first.
    stored_bytes: WholeNumber,
    /// Logical bytes that it may hold; null without a limit.
    quota_bytes: Option<WholeNumber>,
}

impl From<StorageUse> for Storage {
    fn from(used: StorageUse) -> Self {
        Self {
            login: NameText(used.login),
            objects: WholeNumber(used.objects),
            logical_bytes: WholeNumber(used.logical_bytes),
            stored_bytes: WholeNumber(used.stored_bytes),
            quota_bytes: used.quota_bytes.map(WholeNumber),
        }
    }
}
