//! Upload sessions: a file comes in parts, in any order, several at once, and only those that are missing.
//!
//! 1. [`Service::start_upload`] takes the file's digest, its first bytes and one key a tensor. Every rule of the header is
//!    checked here, before a byte of data. Tensors that are stored and that the caller may read need no sending.
//! 2. [`Service::put_upload_part`] takes a part; [`Service::get_upload`] tells what is missing.
//! 3. [`Service::finish_upload`] puts the file together and stores it as [`Service::upload`] stores any other.
//!
//! Every step may be repeated, by another process too: to begin again with the same digest is to go on.
//! A session belongs to its login, and is absent for everybody else.

mod error;
mod finish;
mod start;
mod sweep;

use std::{collections::BTreeMap, ops::Range};

use bytes::Bytes;
use checkpoint::{Announced, StoredTensors};
use domain::{
    checkpoint::{Header, TensorKey, UploadPlan},
    digest::Digest,
    time::{DAY_MS, Timestamp},
};
use futures::Stream;
use store::{AuditRow, StoreTransaction, UploadRow, UploadState, audit_entry, upload_session};

pub use error::UploadError;
pub use start::StartUpload;

use crate::{
    Reader, Service, ServiceError,
    token::{Caller, Scope},
};

/// What a login may hold open, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct UploadLimits {
    /// Open sessions of one login.
    pub open_sessions: u64,
    /// Bytes that the parts of all open sessions of one login may have together.
    pub staged_bytes: u64,
    /// Time from the last part, rounded to hours, after which a session ends.
    pub idle_ms: i64,
    /// Missing parts that one answer names.
    pub parts_told: usize,
}

/// The limits in force.
pub const UPLOAD_LIMITS: UploadLimits =
    UploadLimits { open_sessions: 64, staged_bytes: 1 << 40, idle_ms: DAY_MS, parts_told: 4_096 };

/// A part does not write the row again when the session lives this much less than it could.
const PROLONG_AFTER_MS: i64 = 60 * 60 * 1000;

/// A part that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingPart {
    /// Its number.
    pub number: u64,
    /// Its bytes in the file.
    pub range: Range<u64>,
}

/// A session as its owner sees it.
#[derive(Clone, Debug)]
pub struct UploadSession {
    /// Id.
    pub id: String,
    /// SHA-256 of the file.
    pub digest: Digest,
    /// Size of the file.
    pub bytes: u64,
    /// Bytes of all parts; the others are stored already.
    pub planned_bytes: u64,
    /// Bytes of the parts that are missing.
    pub missing_bytes: u64,
    /// Missing parts by number, as many as one answer names.
    pub missing: Vec<MissingPart>,
    /// When it ends if nothing more comes.
    pub expires_at: Timestamp,
}

/// A session in the list of its owner.
#[derive(Clone, Debug)]
pub struct OpenUpload {
    /// Id.
    pub id: String,
    /// SHA-256 of the file.
    pub digest: Digest,
    /// Size of the file.
    pub bytes: u64,
    /// Bytes of all parts.
    pub planned_bytes: u64,
    /// When it ends if nothing more comes.
    pub expires_at: Timestamp,
}

/// What a request to begin finds.
#[derive(Clone, Debug)]
pub enum Started {
    /// The file is stored, and the caller may read it: there is nothing to send.
    Present {
        /// Its size.
        bytes: u64,
    },
    /// A session, new or gone on with.
    Open(UploadSession),
}

/// An open session with what it needs.
struct Open {
    row: UploadRow,
    digest: Digest,
    plan: UploadPlan,
}

impl Service {
    /// The caller's open session.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] if there is none of this id, it is another's, or it has ended.
    pub async fn get_upload(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<UploadSession, ServiceError> {
        check_scope(caller)?;
        let open = self.open_upload(caller, id).await?;
        self.view_upload(&open).await
    }

    /// The caller's open sessions, as many as there may be; their parts are not looked at.
    ///
    /// # Errors
    /// [`ServiceError::Scope`], or [`ServiceError::Internal`] if the database fails.
    pub async fn list_uploads(&self, caller: &Caller) -> Result<Vec<OpenUpload>, ServiceError> {
        check_scope(caller)?;
        let (owner, limit) = (caller.owner.as_str(), UPLOAD_LIMITS.open_sessions);
        let rows = upload_session::list_open(&self.store, owner, limit).await?;
        let rows = rows.into_iter().filter(|row| is_open(row, caller));
        let open = rows.map(|row| {
            Ok(OpenUpload {
                digest: row.digest.parse().map_err(ServiceError::internal)?,
                bytes: row.bytes.unsigned_abs(),
                planned_bytes: row.planned_bytes.unsigned_abs(),
                expires_at: Timestamp::from_millis(row.expires_at),
                id: row.id,
            })
        });
        open.collect()
    }

    /// Receives a part of the caller's session, in the place of what was there under its number.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] for the session, [`ServiceError::Invalid`] for a number that it has not,
    /// [`ServiceError::Upload`] for other bytes than announced; nothing has changed then.
    pub async fn put_upload_part<S, E>(
        &self,
        caller: &Caller,
        id: &str,
        number: u64,
        digest: Digest,
        stream: S,
    ) -> Result<(), ServiceError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: std::fmt::Display + Send,
    {
        check_scope(caller)?;
        let open = self.open_upload(caller, id).await?;
        let parts = open.plan.parts();
        let range = usize::try_from(number).ok().and_then(|number| parts.get(number));
        let range = range.ok_or_else(|| {
            let reason = format!("number {number}; upload {id} has {} parts, from 0", parts.len());
            ServiceError::invalid("part", reason)
        })?;
        self.objects.put_part(id, number, range.end - range.start, digest, stream).await?;
        let expires_at = caller.now.plus_millis(UPLOAD_LIMITS.idle_ms).as_millis();
        let is_open = if expires_at - open.row.expires_at >= PROLONG_AFTER_MS {
            let transaction = self.store.begin().await?;
            let is_open = upload_session::prolong(&transaction, id, expires_at).await?;
            transaction.commit().await?;
            is_open
        } else {
            let row = upload_session::find(&self.store, id).await?;
            row.is_some_and(|row| row.state == UploadState::Open)
        };
        if is_open {
            return Ok(());
        }
        // It ended while the part came in: whoever ended it may have removed the parts before this one was there.
        self.objects.remove_part(id, number).await?;
        Err(absent(id))
    }

    /// Ends the caller's session; nothing of it stays.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] as for [`Self::get_upload`].
    pub async fn abort_upload(&self, caller: &Caller, id: &str) -> Result<(), ServiceError> {
        check_scope(caller)?;
        let row = self.open_row(caller, id).await?;
        self.close_upload(caller, &row, UploadState::Aborted).await
    }

    /// Ends a session, writes that down, and removes its parts. To end what has ended changes nothing.
    async fn close_upload(
        &self,
        caller: &Caller,
        row: &UploadRow,
        state: UploadState,
    ) -> Result<(), ServiceError> {
        let transaction = self.store.begin().await?;
        if upload_session::close(&transaction, &row.id, state).await? {
            let operation = match state {
                UploadState::Finished => "upload_finish",
                UploadState::Expired => "upload_expire",
                UploadState::Open | UploadState::Aborted => "upload_abort",
            };
            audit(&transaction, caller, operation, row).await?;
            transaction.commit().await?;
        }
        Ok(self.objects.remove_upload(&row.id).await?)
    }

    async fn open_row(&self, caller: &Caller, id: &str) -> Result<UploadRow, ServiceError> {
        let row = upload_session::find(&self.store, id).await?;
        row.filter(|row| is_open(row, caller)).ok_or_else(|| absent(id))
    }

    async fn open_upload(&self, caller: &Caller, id: &str) -> Result<Open, ServiceError> {
        let row = self.open_row(caller, id).await?;
        let digest = row.digest.parse().map_err(ServiceError::internal)?;
        let plan = row.plan.parse().map_err(ServiceError::internal)?;
        let plan = self.objects.find_note(id, plan).await?;
        // Without its plan it was never begun to the end: to begin it again mends it.
        let plan = plan.and_then(|bytes| UploadPlan::decode(&bytes)).ok_or_else(|| absent(id))?;
        Ok(Open { row, digest, plan })
    }

    async fn view_upload(&self, open: &Open) -> Result<UploadSession, ServiceError> {
        let received = self.objects.list_parts(&open.row.id).await?;
        let missing = missing_parts(&open.plan, &received);
        let missing_bytes = missing.iter().map(|part| part.range.end - part.range.start).sum();
        let told = missing.into_iter().take(UPLOAD_LIMITS.parts_told);
        Ok(UploadSession {
            id: open.row.id.clone(),
            digest: open.digest,
            bytes: open.row.bytes.unsigned_abs(),
            planned_bytes: open.plan.bytes(),
            missing_bytes,
            missing: told.collect(),
            expires_at: Timestamp::from_millis(open.row.expires_at),
        })
    }

    /// Those of the tensors that are stored in a checkpoint that the caller may read, and where their bytes lie.
    ///
    /// Only these: a key that somebody else's private checkpoint has must not open its bytes.
    async fn stored_tensors(
        &self,
        caller: &Caller,
        keys: &[TensorKey],
    ) -> Result<StoredTensors, ServiceError> {
        let reader = Reader::from(caller);
        let by_hex: BTreeMap<String, TensorKey> = keys.iter().map(|k| (k.hex(), *k)).collect();
        let hex: Vec<String> = by_hex.keys().cloned().collect();
        let sources =
            store::checkpoint_tensor::list_sources(&self.store, reader.reading(), &hex).await?;
        let mut by_checkpoint: BTreeMap<String, Vec<TensorKey>> = BTreeMap::new();
        for source in sources {
            let key = by_hex.get(&source.tensor_key).copied();
            by_checkpoint.entry(source.checkpoint_digest).or_default().extend(key);
        }
        let mut stored = StoredTensors::default();
        for (checkpoint, mut keys) in by_checkpoint {
            keys.sort_unstable();
            let digest = checkpoint.parse().map_err(ServiceError::internal)?;
            let is_wanted = |key: &TensorKey| keys.binary_search(key).is_ok();
            self.objects.add_stored_tensors(&mut stored, digest, is_wanted).await?;
        }
        Ok(stored)
    }
}

/// The parts that are not there, or not with all of their bytes.
fn missing_parts(plan: &UploadPlan, received: &BTreeMap<u64, u64>) -> Vec<MissingPart> {
    let parts = (0u64..).zip(plan.parts());
    let missing =
        parts.filter(|(number, part)| received.get(number) != Some(&(part.end - part.start)));
    missing.map(|(number, range)| MissingPart { number, range: range.clone() }).collect()
}

fn is_open(row: &UploadRow, caller: &Caller) -> bool {
    row.owner == caller.owner.as_str()
        && row.state == UploadState::Open
        && row.expires_at > caller.now.as_millis()
}

fn absent(id: &str) -> ServiceError {
    ServiceError::absent("upload", id)
}

fn check_scope(caller: &Caller) -> Result<(), ServiceError> {
    if caller.may(Scope::Publish) || caller.may(Scope::Operate) {
        return Ok(());
    }
    Err(Scope::Publish.into())
}

async fn audit(
    transaction: &StoreTransaction,
    caller: &Caller,
    operation: &str,
    row: &UploadRow,
) -> Result<(), ServiceError> {
    let entry = AuditRow {
        seq: 0,
        actor: caller.owner.to_string(),
        token_id: Some(caller.token_id.clone()),
        operation: operation.to_owned(),
        subject: format!("{} {}", row.id, row.digest),
        at: caller.now.as_millis(),
    };
    audit_entry::append(transaction, entry).await?;
    Ok(())
}

/// The note that a session keeps of what was announced: the file's first bytes, then 32 bytes a tensor.
fn encode_manifest(prefix: &[u8], keys: &[TensorKey]) -> Vec<u8> {
    let keys = keys.iter().flat_map(|key| *key.as_bytes());
    prefix.iter().copied().chain(keys).collect()
}

/// Splits what [`encode_manifest`] made, or what a sender announces in the same form, and checks every rule of the header.
fn decode_manifest(
    digest: Digest,
    bytes: u64,
    manifest: &Bytes,
) -> Result<Announced, ServiceError> {
    use domain::checkpoint::HeaderError;
    let refuse = |error: HeaderError| ServiceError::Upload(error.into());
    let short = || refuse(HeaderError::TooShort { bytes: manifest.len() as u64 });
    let first = manifest.first_chunk::<8>().ok_or_else(short)?;
    let length = Header::length(*first).map_err(refuse)?;
    let left = (manifest.len() as u64 - 8).min(bytes.saturating_sub(8));
    if length > left {
        return Err(refuse(HeaderError::HeaderBeyondFile { length, left }));
    }
    let prefix = manifest.slice(..8 + length as usize);
    let header = Header::parse(&prefix, Some(bytes)).map_err(refuse)?;
    let keys = &manifest[prefix.len()..];
    if keys.len() != 32 * header.tensors.len() {
        let (found, wanted) = (keys.len(), 32 * header.tensors.len());
        let reason = format!("{found} bytes of keys after the header; its tensors need {wanted}");
        return Err(ServiceError::invalid("keys", reason));
    }
    let keys = keys.chunks_exact(32).filter_map(|key| key.first_chunk::<32>());
    let keys = keys.map(|key| TensorKey::from_bytes(*key)).collect();
    Ok(Announced { digest, prefix, header, keys })
}
