//! The beginning of a session: everything that can be refused without the data is refused here.

use bytes::Bytes;
use checkpoint::{Announced, ObjectKind, ReceiveError};
use domain::{
    checkpoint::UploadPlan,
    digest::{Digest, to_hex},
};
use store::{UploadRow, UploadState, stored_object, upload_session};

use super::{
    Open, Started, UPLOAD_LIMITS, UploadError, audit, check_scope, decode_manifest,
    encode_manifest, is_open,
};
use crate::{Reader, Service, ServiceError, token::Caller};

/// A file as its sender announces it.
#[derive(Clone, Debug)]
pub struct StartUpload {
    /// SHA-256 of the whole file.
    pub digest: Digest,
    /// Its size.
    pub bytes: u64,
    /// Its first bytes, length field and header, and then 32 bytes a tensor, the keys in the order of the header's byte ranges.
    pub manifest: Bytes,
}

impl Service {
    /// Begins a session, or goes on with the one that the caller began with the same file.
    ///
    /// # Errors
    /// [`ServiceError::Upload`] with tensor and rule for a header that breaks one, [`ServiceError::Session`] for a limit;
    /// nothing is stored then.
    pub async fn start_upload(
        &self,
        caller: &Caller,
        request: StartUpload,
    ) -> Result<Started, ServiceError> {
        check_scope(caller)?;
        let StartUpload { digest, bytes, manifest } = request;
        let bytes_max = ObjectKind::Checkpoint.bytes_max();
        if bytes > bytes_max {
            return Err(ReceiveError::TooLarge { bytes_max }.into());
        }
        let file = decode_manifest(digest, bytes, &manifest)?;
        let last = upload_session::last(&self.store, caller.owner.as_str(), &digest.hex()).await?;
        let open = last.filter(|row| row.state == UploadState::Open);
        if self.has_readable_object(caller, digest).await? {
            if let Some(row) = open {
                // A crash between storing the file and writing so down.
                self.close_upload(caller, &row, UploadState::Finished).await?;
            }
            return Ok(Started::Present { bytes });
        }
        let row = match open {
            Some(row) if is_open(&row, caller) => self.go_on(caller, row, &file).await?,
            Some(row) => {
                self.close_upload(caller, &row, UploadState::Expired).await?;
                self.begin_upload(caller, &file, bytes).await?
            }
            None => self.begin_upload(caller, &file, bytes).await?,
        };
        let open = self.open_upload(caller, &row.id).await?;
        self.view_upload(&open).await.map(Started::Open)
    }

    /// Whether an object is there and the caller may read it.
    pub(super) async fn has_readable_object(
        &self,
        caller: &Caller,
        digest: Digest,
    ) -> Result<bool, ServiceError> {
        let is_there = stored_object::find(&self.store, &digest.hex()).await?.is_some();
        let is_hidden = self.is_hidden(digest).await? && !caller.may_measure();
        if !is_there || is_hidden || !self.objects.contains(digest).await? {
            return Ok(false);
        }
        match self.check_object_readable(&Reader::from(caller), digest).await {
            Ok(()) => Ok(true),
            Err(ServiceError::Absent { .. } | ServiceError::Gated(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn begin_upload(
        &self,
        caller: &Caller,
        file: &Announced,
        bytes: u64,
    ) -> Result<UploadRow, ServiceError> {
        let stored = self.stored_tensors(caller, &file.keys).await?;
        let flags: Vec<bool> = file.keys.iter().map(|key| stored.contains(key)).collect();
        let plan = UploadPlan::new(&file.header, &flags);
        let (manifest, plan_note) = (encode_manifest(&file.prefix, &file.keys), plan.encode());
        let (owner, digest) = (caller.owner.as_str(), file.digest.hex());
        // The row first: what lies under an id without an open row is swept.
        let transaction = self.store.begin().await?;
        let last = upload_session::last(&transaction, owner, &digest).await?;
        if let Some(row) = last.as_ref().filter(|row| is_open(row, caller)) {
            // Another request was quicker: one session a file, or each would ask for all parts.
            drop(transaction);
            return self.go_on(caller, row.clone(), file).await;
        }
        let open =
            upload_session::list_open(&transaction, owner, UPLOAD_LIMITS.open_sessions + 1).await?;
        check_limits(&open, plan.bytes())?;
        let ordinal = last.map_or(1, |row| row.ordinal + 1);
        let name = format!("mf.upload.v1\0{owner}\0{digest}\0{ordinal}");
        let row = UploadRow {
            id: to_hex(&Digest::of(name.as_bytes()).as_bytes()[..16]),
            owner: owner.to_owned(),
            digest,
            ordinal,
            bytes: i64::try_from(bytes).map_err(ServiceError::internal)?,
            manifest: Digest::of(&manifest).hex(),
            plan: Digest::of(&plan_note).hex(),
            planned_bytes: i64::try_from(plan.bytes()).map_err(ServiceError::internal)?,
            state: UploadState::Open,
            created_at: caller.now.as_millis(),
            expires_at: caller.now.plus_millis(UPLOAD_LIMITS.idle_ms).as_millis(),
        };
        upload_session::insert(&transaction, row.clone()).await?;
        audit(&transaction, caller, "upload_start", &row).await?;
        transaction.commit().await?;
        self.objects.put_note(&row.id, &manifest).await?;
        self.objects.put_note(&row.id, &plan_note).await?;
        Ok(row)
    }

    /// The session as it stands, whole again if a crash came before its notes were written.
    async fn go_on(
        &self,
        caller: &Caller,
        row: UploadRow,
        file: &Announced,
    ) -> Result<UploadRow, ServiceError> {
        let manifest = encode_manifest(&file.prefix, &file.keys);
        if Digest::of(&manifest).hex() != row.manifest {
            return Err(UploadError::Differs { upload: row.id }.into());
        }
        let noted: Digest = row.manifest.parse().map_err(ServiceError::internal)?;
        if self.objects.find_note(&row.id, noted).await?.is_none() {
            self.objects.put_note(&row.id, &manifest).await?;
        }
        let plan: Digest = row.plan.parse().map_err(ServiceError::internal)?;
        if self.objects.find_note(&row.id, plan).await?.is_some() {
            return Ok(row);
        }
        let stored = self.stored_tensors(caller, &file.keys).await?;
        let flags: Vec<bool> = file.keys.iter().map(|key| stored.contains(key)).collect();
        let row = self.replan(&row, &UploadPlan::new(&file.header, &flags)).await?;
        if row.state != UploadState::Open {
            // It ended meanwhile, and with it went what has just been written anew.
            self.objects.remove_upload(&row.id).await?;
        }
        Ok(row)
    }

    /// Puts another plan into force; the note first, because a row never names a plan that is not there.
    pub(super) async fn replan(
        &self,
        row: &UploadRow,
        plan: &UploadPlan,
    ) -> Result<UploadRow, ServiceError> {
        let digest = self.objects.put_note(&row.id, &plan.encode()).await?.hex();
        let planned_bytes = i64::try_from(plan.bytes()).map_err(ServiceError::internal)?;
        let transaction = self.store.begin().await?;
        upload_session::replan(&transaction, row, &digest, planned_bytes).await?;
        transaction.commit().await?;
        // Where another was quicker, his plan is as good.
        let found = upload_session::find(&self.store, &row.id).await?;
        found.ok_or_else(|| super::absent(&row.id))
    }

    /// The file that an open session is about.
    pub(super) async fn announced(&self, open: &Open) -> Result<Announced, ServiceError> {
        let noted: Digest = open.row.manifest.parse().map_err(ServiceError::internal)?;
        let manifest = self.objects.find_note(&open.row.id, noted).await?;
        let manifest = manifest.ok_or_else(|| super::absent(&open.row.id))?;
        decode_manifest(open.digest, open.row.bytes.unsigned_abs(), &manifest)
    }
}

fn check_limits(open: &[UploadRow], planned_bytes: u64) -> Result<(), ServiceError> {
    let (count, open_max) = (open.len() as u64, UPLOAD_LIMITS.open_sessions);
    if count >= open_max {
        return Err(UploadError::TooManyOpen { open: count, open_max }.into());
    }
    let held: u64 = open.iter().map(|row| row.planned_bytes.unsigned_abs()).sum();
    let (wanted, bytes_max) = (held + planned_bytes, UPLOAD_LIMITS.staged_bytes);
    if wanted > bytes_max {
        return Err(UploadError::TooManyBytes { wanted, bytes_max }.into());
    }
    Ok(())
}
