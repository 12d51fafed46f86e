//! What a stranger looks up in the log: an earlier head, and a leaf by its hash.

use domain::{digest::Digest, proof::SignedHead};
use store::{log_head, log_leaf};

use crate::{
    Service, ServiceError,
    log::{LogLeaf, read_head},
    visibility::Reader,
};

impl Service {
    /// The first signed head of at least so many leaves; none before one was signed.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn log_head_of(&self, size: i64) -> Result<Option<SignedHead>, ServiceError> {
        log_head::first_of(&self.store, size.max(0)).await?.map(read_head).transpose()
    }

    /// The first leaf with a hash; none where the log has no such leaf.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn find_log_leaf(
        &self,
        reader: &Reader,
        hash: Digest,
    ) -> Result<Option<LogLeaf>, ServiceError> {
        let Some(row) = log_leaf::find_by_hash(&self.store, &hash.hex()).await? else {
            return Ok(None);
        };
        let after = row.leaf_index.checked_sub(1);
        Ok(self.list_log(reader, after, 1).await?.into_iter().next())
    }
}
