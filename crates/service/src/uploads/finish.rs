//! The end of a session: the file is put together, checked as a whole, and stored as every other upload is.

use std::sync::{Arc, Mutex, PoisonError};

use checkpoint::{AssembleError, ReceiveError, StorageError, StoredTensors};
use domain::digest::Digest;
use futures::TryStreamExt as _;
use store::{UploadRow, UploadState, upload_session};

use super::{Open, UploadError, check_scope, is_open, missing_parts};
use crate::{Object, Service, ServiceError, objects::Upload, token::Caller};

impl Service {
    /// Puts the file of the caller's session together and stores it; the same again tells the same.
    ///
    /// A file whose bytes are refused ends the session; nothing of it stays.
    ///
    /// # Errors
    /// [`UploadError::PartsMissing`] when parts are to be sent first, also because a tensor that was stored is not any more;
    /// [`UploadError::WrongKey`] with the tensor, or [`ServiceError::Upload`], for bytes that are not those announced.
    pub async fn finish_upload(&self, caller: &Caller, id: &str) -> Result<Object, ServiceError> {
        check_scope(caller)?;
        let row = upload_session::find(&self.store, id).await?;
        let row = row.filter(|row| row.owner == caller.owner.as_str());
        let row = row.ok_or_else(|| super::absent(id))?;
        let digest: Digest = row.digest.parse().map_err(ServiceError::internal)?;
        if row.state == UploadState::Finished {
            return self.get_object(digest).await;
        }
        if !is_open(&row, caller) {
            return Err(super::absent(id));
        }
        if self.has_readable_object(caller, digest).await? {
            // A crash between storing the file and writing so down.
            return self.note_finished(caller, &row, digest).await;
        }
        match self.put_together(caller, id).await {
            Ok(()) => self.note_finished(caller, &row, digest).await,
            Err(error) => {
                // Another request for the same may have finished, and removed the parts under this one.
                let now = upload_session::find(&self.store, id).await?;
                if now.is_some_and(|row| row.state == UploadState::Finished) {
                    return self.get_object(digest).await;
                }
                if is_final(&error) {
                    self.close_upload(caller, &row, UploadState::Aborted).await?;
                }
                Err(error)
            }
        }
    }

    async fn note_finished(
        &self,
        caller: &Caller,
        row: &UploadRow,
        digest: Digest,
    ) -> Result<Object, ServiceError> {
        self.close_upload(caller, row, UploadState::Finished).await?;
        self.get_object(digest).await
    }

    /// Assembles and stores the file, if everything that it takes is there.
    async fn put_together(&self, caller: &Caller, id: &str) -> Result<(), ServiceError> {
        let mut open = self.open_upload(caller, id).await?;
        let stored = self.plan_lost(caller, &mut open).await?;
        self.check_complete(&open).await?;
        let file = self.announced(&open).await?;
        // `receive` tells an error of a stream by its sentence alone; the value waits here.
        let fault = Arc::new(Mutex::new(None));
        let keep = fault.clone();
        let stream = self.objects.assemble(id, file, &open.plan, &stored).map_err(move |error| {
            let sentence = error.to_string();
            *keep.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            sentence
        });
        let bytes = open.row.bytes.unsigned_abs();
        let received =
            self.upload(caller, open.digest, Some(bytes), Upload::Checkpoint, stream).await;
        let fault = fault.lock().unwrap_or_else(PoisonError::into_inner).take();
        let error = match (received, fault) {
            (Ok(_), _) => return Ok(()),
            (Err(_), Some(AssembleError::Storage(error @ StorageError::Part { .. }))) => {
                // Gone under our hands: what is missing now is told, if that is why.
                self.plan_lost(caller, &mut open).await?;
                self.check_complete(&open).await?;
                error.into()
            }
            (Err(_), Some(AssembleError::WrongKey { tensor })) => {
                UploadError::WrongKey { tensor }.into()
            }
            (Err(_), Some(AssembleError::Storage(error))) => ServiceError::from(error),
            (Err(error), None) => error,
        };
        if is_final(&error) && self.objects.remove_damaged_parts(id).await? > 0 {
            // Not the sender's fault: a crash of the machine tore parts that were here.
            self.check_complete(&open).await?;
        }
        Err(error)
    }

    async fn check_complete(&self, open: &Open) -> Result<(), ServiceError> {
        let received = self.objects.list_parts(&open.row.id).await?;
        match missing_parts(&open.plan, &received).len() as u64 {
            0 => Ok(()),
            parts => Err(UploadError::PartsMissing { upload: open.row.id.clone(), parts }.into()),
        }
    }

    /// Finds the stored tensors that the file is to be made of; those that are not there any more, or that the caller may not
    /// read any more, become parts.
    async fn plan_lost(
        &self,
        caller: &Caller,
        open: &mut Open,
    ) -> Result<StoredTensors, ServiceError> {
        let file = self.announced(open).await?;
        let covered = open.plan.covered(&file.header);
        let wanted = file.keys.iter().zip(&covered).filter(|(_, covered)| !**covered);
        let wanted: Vec<_> = wanted.map(|(key, _)| *key).collect();
        let stored = self.stored_tensors(caller, &wanted).await?;
        let flags: Vec<bool> = file.keys.iter().map(|key| stored.contains(key)).collect();
        if open.plan.extend(&file.header, &flags) {
            self.replan(&open.row, &open.plan).await?;
            *open = self.open_upload(caller, &open.row.id).await?;
        }
        Ok(stored)
    }
}

/// Whether the announced file cannot come of this session, whatever is sent.
const fn is_final(error: &ServiceError) -> bool {
    matches!(
        error,
        ServiceError::Session(UploadError::WrongKey { .. })
            | ServiceError::Upload(
                ReceiveError::WrongDigest { .. }
                    | ReceiveError::WrongLength { .. }
                    | ReceiveError::Header(_)
            )
    )
}
