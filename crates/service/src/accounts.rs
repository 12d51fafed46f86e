//! Accounts of what is stored: an upload announces every part before it looks for it or writes it, and the transaction that records
//! the object counts its parts, its holder and his quota. ops/decisions/0015 has the argument why nothing is lost beside a collector.

use std::collections::{BTreeMap, HashMap};

use checkpoint::{Commit, ObjectStorage, PartPlace, ReceivedCheckpoint, StagedObject, StoredPart};
use domain::{digest::Digest, name::Name, time::Timestamp};
use store::{
    AuditRow, HoldRow, HolderRow, HubBlobRow, ObjectRow, PartRow, PlaceRow, ShardRow,
    StorageObjectRow, Store, StoreError, StoreTransaction, TensorRow, checkpoint_shard,
    checkpoint_tensor, citation, hub_blob, object_holder, storage_hold, storage_object,
    storage_part, storage_quota, storage_usage, stored_object,
};

use crate::{
    Service, ServiceError,
    command::{Change, record_change},
};

/// How often an announcement is tried again when it meets parts that are being removed.
const ANNOUNCE_TRIES: usize = 8;

/// Marked parts whose bytes are removed in one transaction.
const REMOVE_BATCH: u64 = 64;

/// What may be stored, and where account is kept of it. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Accounts {
    pub(crate) store: Store,
    pub(crate) objects: ObjectStorage,
    /// Logical bytes that a login may hold if the operator set nothing else for it.
    pub(crate) quota_default: Option<u64>,
}

/// On whose account an object is entered, and when.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The login for which it counts; none for the program's own documents, which something cites at once.
    pub(crate) holder: Option<Name>,
    /// The token that brought it, for the audit log.
    pub(crate) token: Option<String>,
    pub(crate) now: Timestamp,
}

impl Entry {
    /// What a caller brings.
    pub(crate) fn of(caller: &crate::Caller) -> Self {
        let token = Some(caller.token_id.clone());
        Self { holder: Some(caller.owner.clone()), token, now: caller.now }
    }

    /// Writes that somebody brought an object; the program's own documents are logged by whoever cites them.
    async fn log(
        &self,
        transaction: &StoreTransaction,
        digest: Digest,
    ) -> Result<(), ServiceError> {
        let Some(holder) = &self.holder else { return Ok(()) };
        let audit = AuditRow {
            seq: 0,
            actor: holder.to_string(),
            token_id: self.token.clone(),
            operation: "object_upload".to_owned(),
            subject: digest.to_string(),
            at: self.now.as_millis(),
        };
        record_change(transaction, Change { audit, model_id: None, event: None }).await
    }
}

/// As what an object is recorded, beside its account.
#[derive(Clone, Debug)]
pub(crate) enum RecordAs {
    /// An object of the registry; a checkpoint comes with its manifest.
    Object(store::ObjectKind),
    /// A document that makes shards one checkpoint, with the rows of its shards and of all their tensors. It and they are cited by
    /// it from then on.
    Set {
        /// One row a shard.
        shards: Vec<ShardRow>,
        /// One row a tensor.
        tensors: Vec<TensorRow>,
    },
    /// A file of the hub.
    HubFile(HubBlobRow),
    /// A document of the program's own: its row is written by whoever cites it.
    Document,
}

/// Parts as they were announced: location to generation.
type Announced = HashMap<String, String>;

impl Accounts {
    /// Stores and records a received object. Runs to its end even if the caller goes away.
    ///
    /// # Errors
    /// [`ServiceError::QuotaExceeded`]; [`ServiceError::Busy`] if a part was collected meanwhile: the same may be sent again.
    /// After a refusal there is no row, and of the object nothing is left but parts that others use.
    pub(crate) async fn enter(
        &self,
        staged: StagedObject,
        entry: Entry,
        record_as: RecordAs,
    ) -> Result<Option<ReceivedCheckpoint>, ServiceError> {
        let accounts = self.clone();
        let task =
            tokio::spawn(async move { accounts.enter_at_once(staged, &entry, &record_as).await });
        task.await.map_err(ServiceError::internal)?
    }

    async fn enter_at_once(
        &self,
        staged: StagedObject,
        entry: &Entry,
        record_as: &RecordAs,
    ) -> Result<Option<ReceivedCheckpoint>, ServiceError> {
        let digest = staged.digest();
        self.account_for_old(digest, entry.now).await?;
        let is_known = storage_object::find(&self.store, &digest.hex()).await?.is_some();
        // Whole objects are written again, which heals a damaged one; of a checkpoint, nothing has to be.
        if is_known && staged.manifest().is_some() && self.objects.contains(digest).await? {
            let bytes = staged.bytes();
            let manifest = staged.into_manifest();
            let transaction = self.store.begin().await?;
            if !storage_object::touch(&transaction, &digest.hex(), entry.now.as_millis()).await? {
                return Err(collected_meanwhile());
            }
            self.hold(&transaction, digest, bytes, entry).await?;
            write_rows(&transaction, digest, bytes, manifest.as_ref(), entry, record_as).await?;
            entry.log(&transaction, digest).await?;
            transaction.commit().await?;
            return Ok(manifest);
        }
        let mut commit = self.objects.begin_commit(staged).await?;
        let mut announced = Announced::new();
        let stored = self.store_and_record(&mut commit, &mut announced, entry, record_as).await;
        if stored.is_err() {
            self.discard(&commit, &announced, entry.now.as_millis()).await;
        }
        let ended = commit.end().await;
        stored?;
        Ok(ended?)
    }

    async fn store_and_record(
        &self,
        commit: &mut Commit,
        announced: &mut Announced,
        entry: &Entry,
        record_as: &RecordAs,
    ) -> Result<(), ServiceError> {
        let name = commit.name();
        let now = entry.now.as_millis();
        announced.extend(self.announce(&name, &commit.candidates(), &[], now).await?);
        commit.look().await?;
        let (packs, places) = commit.new_packs();
        if !packs.is_empty() {
            announced.extend(self.announce(&name, &packs, &places, now).await?);
        }
        commit.write().await?;
        let transaction = self.store.begin().await?;
        self.record(&transaction, commit, announced, entry, record_as).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Enters parts, so that none of them is removed without its row going; waits for those that are being removed.
    async fn announce(
        &self,
        name: &str,
        parts: &[StoredPart],
        places: &[PartPlace],
        now: i64,
    ) -> Result<Announced, ServiceError> {
        let sizes = sizes(parts)?;
        for _ in 0..ANNOUNCE_TRIES {
            let transaction = self.store.begin().await?;
            let rows = storage_part::announce(&transaction, name, &sizes, now).await?;
            let marked = rows.iter().filter(|row| row.collecting);
            let marked: Vec<String> = marked.map(|row| row.location.clone()).collect();
            if rows.len() < sizes.len() {
                // One was there when it was to be entered, and had gone before it could be locked.
                transaction.rollback().await?;
                continue;
            }
            if marked.is_empty() {
                let places = places.iter().map(place_row).collect();
                storage_part::insert_places(&transaction, places).await?;
                transaction.commit().await?;
                return Ok(rows.into_iter().map(|row| (row.location, row.generation)).collect());
            }
            transaction.rollback().await?;
            // Whoever marked them may have died since: they are removed here, and then they are new.
            self.remove_collecting(Some(&marked)).await?;
        }
        Err(collected_meanwhile())
    }

    /// Counts parts, holder and quota, writes the object's rows, and lastly its recipe, all under the locks of the parts' rows.
    async fn record(
        &self,
        transaction: &StoreTransaction,
        commit: &Commit,
        announced: &Announced,
        entry: &Entry,
        record_as: &RecordAs,
    ) -> Result<(), ServiceError> {
        let parts = commit.parts();
        let digest = commit.digest();
        let bytes = commit.bytes();
        let account = StorageObjectRow {
            digest: digest.hex(),
            bytes: signed(bytes)?,
            cited: false,
            touched_at: entry.now.as_millis(),
        };
        let is_new = storage_object::insert(transaction, account).await?;
        if !is_new
            && !storage_object::touch(transaction, &digest.hex(), entry.now.as_millis()).await?
        {
            return Err(collected_meanwhile());
        }
        if is_new || !self.objects.contains(digest).await? {
            let rows = self.lock_announced(transaction, &parts, announced).await?;
            let login = entry.holder.as_ref().map(Name::as_str);
            let brought = storage_part::refer(transaction, &digest.hex(), &rows, login).await?;
            if let Some(login) = login {
                storage_usage::add(transaction, login, 0, 0, brought).await?;
            }
            self.hold(transaction, digest, bytes, entry).await?;
            // Under the lock of the recipe's own row: of two who bring the file at once, one writes the recipe that is recorded.
            commit.seal().await?;
        } else {
            self.hold(transaction, digest, bytes, entry).await?;
        }
        write_rows(transaction, digest, bytes, commit.manifest(), entry, record_as).await?;
        entry.log(transaction, digest).await
    }

    /// Locks the rows of parts and checks that each is the one that was announced, and stays.
    async fn lock_announced(
        &self,
        transaction: &StoreTransaction,
        parts: &[StoredPart],
        announced: &Announced,
    ) -> Result<Vec<PartRow>, ServiceError> {
        let locations: Vec<String> = parts.iter().map(|part| part.location.clone()).collect();
        let rows = storage_part::lock(transaction, &locations).await?;
        let holds = |row: &PartRow| {
            !row.collecting && announced.get(&row.location) == Some(&row.generation)
        };
        let all_hold = rows.len() == locations.len() && rows.iter().all(holds);
        if all_hold { Ok(rows) } else { Err(collected_meanwhile()) }
    }

    /// Lets an object count for its holder, if it does not yet; more than his quota is refused.
    async fn hold(
        &self,
        transaction: &StoreTransaction,
        digest: Digest,
        bytes: u64,
        entry: &Entry,
    ) -> Result<(), ServiceError> {
        let Some(holder) = &entry.holder else { return Ok(()) };
        let row = HoldRow {
            login: holder.to_string(),
            digest: digest.hex(),
            held_at: entry.now.as_millis(),
        };
        if !storage_hold::insert(transaction, row).await? {
            return Ok(());
        }
        let usage = storage_usage::add(transaction, holder.as_str(), 1, signed(bytes)?, 0).await?;
        let quota = self.quota_of(transaction, holder).await?;
        let after = usage.logical_bytes.unsigned_abs();
        match quota.filter(|quota| after > *quota) {
            Some(quota) => {
                let usage = after.saturating_sub(bytes);
                Err(ServiceError::QuotaExceeded { login: holder.clone(), usage, quota, bytes })
            }
            None => Ok(()),
        }
    }

    /// The bytes that a login may hold; none if there is no limit.
    pub(crate) async fn quota_of<C: store::Connection>(
        &self,
        connection: &C,
        login: &Name,
    ) -> Result<Option<u64>, ServiceError> {
        let row = storage_quota::current(connection, login.as_str()).await?;
        let own = row.and_then(|row| row.bytes).map(i64::unsigned_abs);
        Ok(own.or(self.quota_default))
    }

    /// Removes at once what a refused upload has announced and nothing stands on; what fails here, the collector takes.
    ///
    /// Rows may have gone before the bytes were written, others' rows too: they are entered again, as another generation, so that the
    /// bytes go as well. What others entered and stands, stays.
    async fn discard(&self, commit: &Commit, announced: &Announced, now: i64) {
        let name = commit.name();
        let again = format!("{name}-discarded");
        let all: BTreeMap<String, i64> =
            announced.keys().map(|location| (location.clone(), 0)).collect();
        let discarded = async {
            let transaction = self.store.begin().await?;
            let rows = storage_part::announce(&transaction, &again, &all, now).await?;
            let is_own = |row: &&PartRow| row.generation == name || row.generation == again;
            let own: Vec<String> =
                rows.iter().filter(is_own).map(|row| row.location.clone()).collect();
            storage_part::mark_collecting(&transaction, &own, i64::MAX).await?;
            transaction.commit().await?;
            self.remove_collecting(Some(&own)).await
        };
        if let Err(error) = discarded.await {
            tracing::warn!(cause = %error.chain(), "what a refused upload left waits for the collector");
        }
    }

    /// Removes the bytes of marked parts and then their rows, a batch a transaction; returns number and bytes of what went.
    ///
    /// The rows are locked while their bytes go: nobody else removes them meanwhile, and nobody enters them anew.
    pub(crate) async fn remove_collecting(
        &self,
        only: Option<&[String]>,
    ) -> Result<Removed, ServiceError> {
        let mut removed = Removed::default();
        loop {
            let transaction = self.store.begin().await?;
            let rows = storage_part::lock_collecting(&transaction, only, REMOVE_BATCH).await?;
            if rows.is_empty() {
                return Ok(removed);
            }
            let locations: Vec<String> = rows.iter().map(|row| row.location.clone()).collect();
            let places = storage_part::list_places(&transaction, &locations).await?;
            let places: Vec<PartPlace> = places
                .into_iter()
                .map(|row| PartPlace { part: row.part, place: row.location })
                .collect();
            self.objects.remove_parts(&locations, &places).await?;
            storage_part::remove(&transaction, &locations).await?;
            transaction.commit().await?;
            removed.parts += rows.len() as u64;
            removed.bytes += rows.iter().map(|row| row.bytes.unsigned_abs()).sum::<u64>();
        }
    }
}

/// What went.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Removed {
    pub(crate) parts: u64,
    pub(crate) bytes: u64,
}

impl Service {
    pub(crate) const fn accounts(&self) -> &Accounts {
        &self.accounts
    }
}

/// The rows that say what an object is and who has sent it.
async fn write_rows(
    transaction: &StoreTransaction,
    digest: Digest,
    bytes: u64,
    manifest: Option<&ReceivedCheckpoint>,
    entry: &Entry,
    record_as: &RecordAs,
) -> Result<(), ServiceError> {
    let hex = digest.hex();
    let kind = match record_as {
        RecordAs::Object(kind) => *kind,
        RecordAs::Set { .. } => store::ObjectKind::Checkpoint,
        RecordAs::HubFile(row) => {
            hub_blob::insert(transaction, row.clone()).await?;
            return Ok(());
        }
        RecordAs::Document => return Ok(()),
    };
    let Some(holder) = &entry.holder else { return Ok(()) };
    let row = ObjectRow {
        digest: hex.clone(),
        kind,
        bytes: signed(bytes)?,
        uploaded_by: holder.to_string(),
        created_at: entry.now.as_millis(),
    };
    let is_new = stored_object::insert(transaction, row).await?;
    let (login, held_at) = (holder.to_string(), entry.now.as_millis());
    let row = HolderRow { digest: hex.clone(), holder: login, held_at };
    object_holder::insert(transaction, row).await?;
    if let Some(checkpoint) = manifest.filter(|_| is_new) {
        let tensors = checkpoint.header.tensors.iter().zip(&checkpoint.keys).enumerate();
        let rows = tensors.map(|(position, (tensor, key))| TensorRow {
            checkpoint_digest: hex.clone(),
            position: position as i64,
            name: tensor.name.clone(),
            dtype: tensor.dtype.to_string(),
            shape: serde_json::to_string(&tensor.shape).unwrap_or_default(),
            begin_byte: tensor.begin as i64,
            end_byte: tensor.end as i64,
            tensor_key: key.hex(),
        });
        checkpoint_tensor::insert_all(transaction, rows.collect()).await?;
    }
    if let RecordAs::Set { shards, tensors } = record_as
        && is_new
    {
        let named = shards.iter().map(|shard| shard.shard_digest.clone()).chain([hex]);
        if !citation::cite(transaction, &named.collect::<Vec<_>>()).await?.is_empty() {
            return Err(collected_meanwhile());
        }
        checkpoint_shard::insert_all(transaction, shards.clone()).await?;
        checkpoint_tensor::insert_all(transaction, tensors.clone()).await?;
    }
    Ok(())
}

pub(crate) fn sizes(parts: &[StoredPart]) -> Result<BTreeMap<String, i64>, ServiceError> {
    parts.iter().map(|part| Ok((part.location.clone(), signed(part.bytes)?))).collect()
}

pub(crate) fn place_row(place: &PartPlace) -> PlaceRow {
    PlaceRow { part: place.part.clone(), location: place.place.clone() }
}

pub(crate) fn signed(bytes: u64) -> Result<i64, ServiceError> {
    i64::try_from(bytes).map_err(ServiceError::internal)
}

/// The same may be sent again, and is then stored anew.
pub(crate) fn collected_meanwhile() -> ServiceError {
    ServiceError::Busy(StoreError::Collected)
}
