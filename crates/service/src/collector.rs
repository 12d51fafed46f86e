//! The collector: objects that nothing cites go after a grace, and then the parts that nothing stands on.
//!
//! Safe beside uploads and beside other collectors, of any process; a crash at any point is resumed by the next run
//! (ops/decisions/0015).

use domain::time::Timestamp;
use store::{
    AuditRow, StorageObjectRow, audit_entry, citation, storage_hold, storage_object, storage_part,
    storage_usage,
};

use crate::{
    Service, ServiceError,
    accounts::{Accounts, Removed},
};

/// In whose name the audit log has it.
const ACTOR: &str = "collector";

/// Objects or parts that one look asks for.
pub(crate) const BATCH: u64 = 100;

/// What a collection shall do.
#[derive(Clone, Copy, Debug)]
pub struct Collection {
    /// The time.
    pub now: Timestamp,
    /// How long an object was not sent and not cited, and then a part not used, before it goes, in milliseconds.
    pub grace_ms: u64,
    /// Most objects, and most parts, that one run collects.
    pub limit: u64,
    /// Only tells what would go.
    pub dry_run: bool,
}

impl Collection {
    fn until(&self) -> i64 {
        let grace = i64::try_from(self.grace_ms).unwrap_or(i64::MAX);
        self.now.as_millis().saturating_sub(grace)
    }
}

/// What a collection did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Objects that went.
    pub objects: u64,
    /// Bytes of these, as their holders count them.
    pub object_bytes: u64,
    /// Parts whose bytes were removed.
    pub parts: u64,
    /// Bytes of these.
    pub part_bytes: u64,
    /// Whether objects of a time before accounts are still to be entered; nothing is collected before that is done.
    pub is_entering: bool,
}

impl Service {
    /// Collects garbage: objects first, then parts.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] or [`ServiceError::Busy`] if database or storage fail; what went by then is gone for good, and the
    /// next run goes on from there.
    pub async fn collect_garbage(&self, order: &Collection) -> Result<Collected, ServiceError> {
        let accounts = self.accounts();
        if self.enter_old_objects(order.now, order.limit).await? {
            return Ok(Collected { is_entering: true, ..Collected::default() });
        }
        if order.dry_run {
            return accounts.tell(order).await;
        }
        let mut collected = Collected::default();
        accounts.collect_objects(order, &mut collected).await?;
        let mut removed = accounts.remove_collecting(None).await?;
        for _ in 0..order.limit.div_ceil(BATCH) {
            let went = accounts.collect_parts(order.until(), BATCH.min(order.limit)).await?;
            removed =
                Removed { parts: removed.parts + went.parts, bytes: removed.bytes + went.bytes };
            if went.parts == 0 {
                break;
            }
        }
        Ok(Collected { parts: removed.parts, part_bytes: removed.bytes, ..collected })
    }
}

impl Accounts {
    /// Counts what [`Service::collect_garbage`] would take in its first step and what lies free already.
    async fn tell(&self, order: &Collection) -> Result<Collected, ServiceError> {
        let mut told = Collected::default();
        for row in storage_object::list_due(&self.store, order.until(), order.limit).await? {
            if !citation::is_cited(&self.store, &row.digest).await? {
                told.objects += 1;
                told.object_bytes += row.bytes.unsigned_abs();
            }
        }
        let free = storage_part::list_free(&self.store, order.until(), order.limit).await?;
        told.parts = free.len() as u64;
        told.part_bytes = free.iter().map(|row| row.bytes.unsigned_abs()).sum();
        Ok(told)
    }

    async fn collect_objects(
        &self,
        order: &Collection,
        collected: &mut Collected,
    ) -> Result<(), ServiceError> {
        let mut seen = 0;
        while seen < order.limit {
            let ask = BATCH.min(order.limit - seen);
            let due = storage_object::list_due(&self.store, order.until(), ask).await?;
            if due.is_empty() {
                return Ok(());
            }
            for row in due {
                seen += 1;
                if self.collect_object(order, &row).await? {
                    collected.objects += 1;
                    collected.object_bytes += row.bytes.unsigned_abs();
                }
            }
        }
        Ok(())
    }

    /// Takes one object out of the registry, in one transaction with everything that counts it; `false` if it stays.
    async fn collect_object(
        &self,
        order: &Collection,
        row: &StorageObjectRow,
    ) -> Result<bool, ServiceError> {
        let transaction = self.store.begin().await?;
        if !storage_object::lock_due(&transaction, &row.digest, order.until()).await? {
            return Ok(false);
        }
        // Asked under the lock: whoever cites an object locks its account before, so that his row is seen now or never written.
        if citation::is_cited(&transaction, &row.digest).await? {
            citation::cite(&transaction, std::slice::from_ref(&row.digest)).await?;
            transaction.commit().await?;
            return Ok(false);
        }
        let holders = storage_hold::remove_all(&transaction, &row.digest).await?;
        let now = order.now.as_millis();
        let parts = storage_part::release(&transaction, &row.digest, now).await?;
        storage_object::remove(&transaction, &row.digest).await?;
        let mut changes: std::collections::BTreeMap<String, (i64, i64, i64)> =
            holders.into_iter().map(|login| (login, (-1, -row.bytes, 0))).collect();
        for part in parts {
            if let Some(login) = part.brought_by {
                changes.entry(login).or_default().2 -= part.bytes;
            }
        }
        for (login, (objects, logical, stored)) in changes {
            storage_usage::add(&transaction, &login, objects, logical, stored).await?;
        }
        let entry = AuditRow {
            seq: 0,
            actor: ACTOR.to_owned(),
            token_id: None,
            operation: "object_collect".to_owned(),
            subject: row.digest.clone(),
            at: now,
        };
        audit_entry::append(&transaction, entry).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Marks free parts and removes them.
    async fn collect_parts(&self, until: i64, limit: u64) -> Result<Removed, ServiceError> {
        let free = storage_part::list_free(&self.store, until, limit).await?;
        if free.is_empty() {
            return Ok(Removed::default());
        }
        let locations: Vec<String> = free.into_iter().map(|row| row.location).collect();
        let transaction = self.store.begin().await?;
        storage_part::mark_collecting(&transaction, &locations, until).await?;
        transaction.commit().await?;
        self.remove_collecting(Some(&locations)).await
    }
}
