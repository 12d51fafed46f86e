//! What ended sessions and dead processes left.

use domain::time::Timestamp;
use store::{AuditRow, UploadState, audit_entry, upload_session};

use crate::{Service, ServiceError};

/// Sessions that one transaction ends.
const BATCH: u64 = 100;

impl Service {
    /// Ends the sessions whose time is over, and removes every part that belongs to no open session; returns how many sessions
    /// were ended or cleaned up. For a server to call when it starts, and now and then.
    ///
    /// # Errors
    /// The failure of database or storage; what was done stays done.
    pub async fn sweep_uploads(&self, now: Timestamp) -> Result<u64, ServiceError> {
        let mut swept = 0;
        loop {
            let transaction = self.store.begin().await?;
            let expired =
                upload_session::list_expired(&transaction, now.as_millis(), BATCH).await?;
            for row in &expired {
                upload_session::close(&transaction, &row.id, UploadState::Expired).await?;
                let entry = AuditRow {
                    seq: 0,
                    actor: row.owner.clone(),
                    token_id: None,
                    operation: "upload_expire".to_owned(),
                    subject: format!("{} {}", row.id, row.digest),
                    at: now.as_millis(),
                };
                audit_entry::append(&transaction, entry).await?;
            }
            transaction.commit().await?;
            if (expired.len() as u64) < BATCH {
                break;
            }
        }
        for id in self.objects.list_uploads().await? {
            let row = upload_session::find(&self.store, &id).await?;
            if row.is_none_or(|row| row.state != UploadState::Open) {
                self.objects.remove_upload(&id).await?;
                swept += 1;
            }
        }
        Ok(swept)
    }
}
