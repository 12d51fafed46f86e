//! Files that the stock client sends in chunks: xorbs are kept until shards say which files they are, and a file is stored
//! like every other. What a client remembers of chunks that it sent stays good, because they are found in the files again.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use checkpoint::{
    ObjectStorage, ReceiveError, StorageError,
    xet::{Chunk, ShardFile, ShardTerm, XetHash, parse_shard, xorb_owner_mark},
};
use domain::{
    digest::{Digest, to_hex},
    time::Timestamp,
};
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use hmac::{Hmac, KeyInit as _, Mac as _};
use store::{XorbPlaceRow, XorbRow, hub_xorb};

use crate::{Service, ServiceError, token::Caller};

/// Which key signs the tokens.
const PURPOSE: &str = "xet-token";
/// Most xorbs of a login that wait for their shards: 256 GiB of chunks.
const XORBS_OPEN_MAX: i64 = 4_096;
/// How long a xorb waits for its shard, and how long a client's memory of a sent chunk is honoured for sure: longer than the
/// three weeks for which the client itself keeps it.
pub const XORB_KEPT_MS: i64 = 30 * domain::time::DAY_MS;
/// How long a xorb may lie without a row: longer than one takes to be written after it was received.
const XORB_UNKNOWN_MS: i64 = 60 * 60 * 1000;
/// Bytes that are unpacked at once.
const RUN_BYTES: u64 = 8 << 20;
/// Xorbs that one look at what has expired takes.
const PAGE_XORBS: u64 = 500;

/// What a signed token of the chunk routes says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XetToken {
    /// Who sends.
    pub owner: String,
    /// The token that it was asked for with.
    pub token_id: String,
    /// Last second of its life, in seconds since 1970.
    pub expires_at_s: i64,
}

impl XetToken {
    /// The text that the client sends back.
    #[must_use]
    pub fn sign(&self, key: &[u8; 32]) -> String {
        let said = format!("{}.{}.{}", self.owner, self.token_id, self.expires_at_s);
        let said = to_hex(said.as_bytes());
        format!("mfx_{said}.{}", to_hex(&mac(key, &said).finalize().into_bytes()))
    }

    /// Reads a text that was signed with the key; none if it was not.
    #[must_use]
    pub fn read(text: &str, key: &[u8; 32]) -> Option<Self> {
        let (said, signature) = text.strip_prefix("mfx_")?.split_once('.')?;
        let signature: Digest = signature.parse().ok()?;
        mac(key, said).verify_slice(signature.as_bytes()).ok()?;
        let digits = |at: usize| u8::from_str_radix(said.get(at..at + 2)?, 16).ok();
        let bytes: Option<Vec<u8>> = (0..said.len()).step_by(2).map(digits).collect();
        let said = String::from_utf8(bytes?).ok()?;
        let mut parts = said.rsplitn(3, '.');
        let (expires, token_id, owner) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self {
            owner: owner.to_owned(),
            token_id: token_id.to_owned(),
            expires_at_s: expires.parse().ok()?,
        })
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
fn mac(key: &[u8; 32], text: &str) -> Hmac<sha2::Sha256> {
    let mac = Hmac::<sha2::Sha256>::new_from_slice(key).expect("a key of 32 bytes");
    mac.chain_update("mf.xet.token.v1\0").chain_update(text)
}

/// A xorb of an owner, as the database knows it.
#[derive(Clone)]
struct Xorb {
    hash: XetHash,
    stored: bool,
    /// Of each chunk, its packed bytes and its bytes.
    chunks: Arc<[(u32, u32)]>,
}

impl Xorb {
    fn bytes(&self, first: usize, end: usize) -> u64 {
        self.chunks[first..end].iter().map(|(_, bytes)| u64::from(*bytes)).sum()
    }
}

impl TryFrom<XorbRow> for Xorb {
    type Error = ServiceError;

    fn try_from(row: XorbRow) -> Result<Self, ServiceError> {
        let pair = |text: &str| {
            let (packed, bytes) = text.split_once(':')?;
            Some((packed.parse().ok()?, bytes.parse().ok()?))
        };
        let chunks: Option<Vec<_>> = row.chunks.split_whitespace().map(pair).collect();
        let chunks = chunks.ok_or_else(|| ServiceError::internal("a xorb's row is unreadable"))?;
        let hash = row.hash.parse().map_err(ServiceError::internal)?;
        Ok(Self { hash, stored: row.dropped_at.is_none(), chunks: chunks.into() })
    }
}

/// A run of chunks that is read at once.
enum Run {
    /// Out of a stored xorb.
    Xorb { xorb: Xorb, first: usize, end: usize },
    /// Out of a stored file.
    File { digest: Digest, from: u64, to: u64 },
}

impl Service {
    /// The key that signs tokens of the chunk routes: `random` becomes it if the installation has none yet.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn xet_key(
        &self,
        random: [u8; 32],
        now: Timestamp,
    ) -> Result<[u8; 32], ServiceError> {
        self.own_key(PURPOSE, random, now).await
    }

    /// The sender that a token of the chunk routes stands for.
    ///
    /// # Errors
    /// [`ServiceError::Unauthenticated`] if it was not signed here, its time is over, or the token behind it is no longer valid.
    pub async fn xet_caller(
        &self,
        text: &str,
        key: &[u8; 32],
        now: Timestamp,
    ) -> Result<Caller, ServiceError> {
        let token = XetToken::read(text, key).ok_or(ServiceError::Unauthenticated)?;
        if now.as_millis() > token.expires_at_s.saturating_mul(1000) {
            return Err(ServiceError::Unauthenticated);
        }
        self.caller_of_token(&token.owner, &token.token_id, now).await
    }

    /// Receives a xorb under its hash; `false` if it is stored already, and then no byte of it is read.
    ///
    /// # Errors
    /// [`ServiceError::Upload`] with the rule that it breaks; nothing is stored then.
    pub async fn receive_xorb<S, E>(
        &self,
        caller: &Caller,
        hash: XetHash,
        stream: S,
    ) -> Result<bool, ServiceError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: std::fmt::Display + Send,
    {
        let owner = caller.owner.as_str();
        let known = hub_xorb::find(&self.store, owner, &hash.hex()).await?;
        if let Some(row) = known.filter(|row| row.dropped_at.is_none())
            && self.objects.has_xorb(owner, hash).await?
        {
            // Its shard may come as late from now on as one of a new xorb.
            self.put_xorb(XorbRow { sent_at: caller.now.as_millis(), ..row }).await?;
            return Ok(false);
        }
        let open = hub_xorb::count_stored(&self.store, owner).await?;
        if open >= XORBS_OPEN_MAX {
            return Err(ServiceError::invalid(
                "xorb",
                format!(
                    "{open} xorbs of this login wait for their shards; at most {XORBS_OPEN_MAX}"
                ),
            ));
        }
        let chunks = self.objects.receive_xorb(owner, hash, stream).await?;
        let listed: Vec<String> = chunks.iter().map(listed).collect();
        let row = XorbRow {
            owner: owner.to_owned(),
            hash: hash.hex(),
            chunks: listed.join(" "),
            sent_at: caller.now.as_millis(),
            dropped_at: None,
        };
        self.put_xorb(row).await?;
        Ok(true)
    }

    async fn put_xorb(&self, row: XorbRow) -> Result<(), ServiceError> {
        let transaction = self.store.begin().await?;
        hub_xorb::put(&transaction, row).await?;
        Ok(transaction.commit().await?)
    }

    /// Stores the files of a shard, each checked against the SHA-256 that it names, and forgets the xorbs whose chunks all lie in
    /// stored files then. The same shard again changes nothing.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] with the xorb that is not known or the term that does not fit, [`ServiceError::Upload`] with
    /// the rule that a file breaks.
    pub async fn receive_shard(&self, caller: &Caller, shard: &[u8]) -> Result<(), ServiceError> {
        let files = parse_shard(shard).map_err(ReceiveError::Xet)?;
        let mut xorbs = HashMap::new();
        for file in &files {
            for term in &file.terms {
                if let Entry::Vacant(place) = xorbs.entry(term.xorb) {
                    place.insert(self.xorb_of(caller, term.xorb).await?);
                }
            }
            self.store_shard_file(caller, file, &xorbs).await?;
        }
        for xorb in xorbs.into_values().filter(|xorb| xorb.stored) {
            self.forget_xorb(caller, &xorb).await?;
        }
        Ok(())
    }

    async fn store_shard_file(
        &self,
        caller: &Caller,
        file: &ShardFile,
        xorbs: &HashMap<XetHash, Xorb>,
    ) -> Result<(), ServiceError> {
        // Bytes that the owner has sent before are stored and were checked then. What this shard says of them was not, so it is
        // not kept either.
        if self.hub_bytes_of(caller, file.digest).await? == Some(file.bytes()) {
            return Ok(());
        }
        let (mut runs, mut places, mut at) = (Vec::new(), Vec::new(), 0);
        for term in &file.terms {
            let xorb = xorbs.get(&term.xorb).ok_or_else(|| unknown(term.xorb))?;
            let (first, end) = (term.first as usize, term.end as usize);
            if end > xorb.chunks.len() || xorb.bytes(first, end) != u64::from(term.bytes) {
                let ShardTerm { xorb, bytes, .. } = term;
                let reason =
                    format!("chunks {first} to {end} of xorb {xorb} have not {bytes} bytes");
                return Err(ServiceError::invalid("shard", reason));
            }
            self.plan(caller, xorb, term, &mut runs).await?;
            places.push(XorbPlaceRow {
                owner: caller.owner.to_string(),
                xorb: term.xorb.hex(),
                first_chunk: term.first.into(),
                end_chunk: term.end.into(),
                digest: file.digest.hex(),
                file_offset: at,
                placed_at: caller.now.as_millis(),
            });
            at += i64::from(term.bytes);
        }
        self.assemble(caller, file, runs).await?;
        let transaction = self.store.begin().await?;
        for place in places {
            hub_xorb::insert_place(&transaction, place).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Stores the file that the runs make. What our own storage fails at is not the sender's fault.
    async fn assemble(
        &self,
        caller: &Caller,
        file: &ShardFile,
        runs: Vec<Run>,
    ) -> Result<(), ServiceError> {
        let failure = Arc::new(Mutex::new(None));
        let bytes =
            read_runs(self.objects.clone(), caller.owner.to_string(), runs, failure.clone());
        let received = self.receive_hub_stream(caller, file.digest, file.bytes(), bytes).await;
        let failure = failure.lock().ok().and_then(|mut failure| failure.take());
        match failure {
            Some(error) => Err(error.into()),
            None => received,
        }
    }

    /// A xorb that the caller has sent.
    async fn xorb_of(&self, caller: &Caller, hash: XetHash) -> Result<Xorb, ServiceError> {
        let owner = caller.owner.as_str();
        let row = hub_xorb::find(&self.store, owner, &hash.hex()).await?;
        let xorb: Xorb = row.ok_or_else(|| unknown(hash))?.try_into()?;
        let stored = xorb.stored && self.objects.has_xorb(owner, hash).await?;
        Ok(Xorb { stored, ..xorb })
    }

    /// Where the chunks of a term are read.
    async fn plan(
        &self,
        caller: &Caller,
        xorb: &Xorb,
        term: &ShardTerm,
        runs: &mut Vec<Run>,
    ) -> Result<(), ServiceError> {
        let (mut first, end) = (term.first as usize, term.end as usize);
        let (owner, hash) = (caller.owner.as_str(), xorb.hash.hex());
        while first < end {
            // First what lies in files: it stays, and a stored xorb may be on its way out.
            let place = hub_xorb::find_place(&self.store, owner, &hash, first as i64).await?;
            if let Some(place) = place {
                let digest = place.digest.parse().map_err(ServiceError::internal)?;
                // A file that no commit took up may have been collected since.
                if self.objects.contains(digest).await? {
                    let until = end.min(place.end_chunk.unsigned_abs() as usize);
                    let skipped = xorb.bytes(place.first_chunk.unsigned_abs() as usize, first);
                    let from = place.file_offset.unsigned_abs() + skipped;
                    runs.push(Run::File { digest, from, to: from + xorb.bytes(first, until) });
                    first = until;
                    continue;
                }
            }
            if !xorb.stored {
                return Err(unknown(xorb.hash));
            }
            let mut until = first + 1;
            while until < end && xorb.bytes(first, until + 1) <= RUN_BYTES {
                until += 1;
            }
            runs.push(Run::Xorb { xorb: xorb.clone(), first, end: until });
            first = until;
        }
        Ok(())
    }

    /// Removes a stored xorb whose chunks all lie in stored files.
    async fn forget_xorb(&self, caller: &Caller, xorb: &Xorb) -> Result<(), ServiceError> {
        let (owner, hash) = (caller.owner.as_str(), xorb.hash.hex());
        let mut chunk = 0;
        while chunk < xorb.chunks.len() as i64 {
            let place = hub_xorb::find_place(&self.store, owner, &hash, chunk).await?;
            let Some(place) = place else { return Ok(()) };
            chunk = place.end_chunk;
        }
        self.drop_xorb(owner, xorb.hash, caller.now.as_millis()).await
    }

    /// Writes that a xorb is gone, then removes it: a crash in between leaves bytes that the next sending replaces.
    async fn drop_xorb(&self, owner: &str, hash: XetHash, now: i64) -> Result<(), ServiceError> {
        let transaction = self.store.begin().await?;
        hub_xorb::set_dropped(&transaction, owner, &hash.hex(), now).await?;
        transaction.commit().await?;
        Ok(self.objects.remove_xorb(owner, hash).await?)
    }

    /// Removes xorbs that no shard has used up in [`XORB_KEPT_MS`], and those that a crash left; returns how many.
    ///
    /// # Errors
    /// The failure of database or storage.
    pub async fn sweep_xorbs(&self, now: Timestamp) -> Result<u64, ServiceError> {
        let (before, mut swept) = (now.as_millis() - XORB_KEPT_MS, 0);
        loop {
            let rows = hub_xorb::list_stored_before(&self.store, before, None, PAGE_XORBS).await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                let hash = row.hash.parse().map_err(ServiceError::internal)?;
                self.drop_xorb(&row.owner, hash, now.as_millis()).await?;
                swept += 1;
            }
        }
        let is_known = |mark: String, hash: XetHash| async move {
            let hash = hash.hex();
            let rows = hub_xorb::list_stored_of_hash(&self.store, &hash, PAGE_XORBS).await?;
            Ok::<_, ServiceError>(rows.iter().any(|row| xorb_owner_mark(&row.owner) == mark))
        };
        let before = now.as_millis() - XORB_UNKNOWN_MS;
        Ok(swept + self.objects.sweep_xorbs(before, is_known).await?)
    }
}

fn listed(chunk: &Chunk) -> String {
    format!("{}:{}", chunk.packed_bytes, chunk.bytes)
}

fn unknown(xorb: XetHash) -> ServiceError {
    ServiceError::invalid(
        "xorb",
        format!(
            "xorb {xorb} was not sent by this login, or is not kept any more; remove the client's xet cache and send the file again"
        ),
    )
}

/// The bytes of runs, one after the other; a failure of our own is left in `failure`.
fn read_runs(
    objects: ObjectStorage,
    owner: String,
    runs: Vec<Run>,
    failure: Arc<Mutex<Option<StorageError>>>,
) -> stream::BoxStream<'static, Result<Bytes, StopReading>> {
    let read = {
        let failure = failure.clone();
        move |run| {
            let (objects, owner, failure) = (objects.clone(), owner.clone(), failure.clone());
            async move { read_run(&objects, &owner, run).await.map_err(|e| stop(&failure, e)) }
        }
    };
    let pieces = stream::iter(runs).then(read);
    pieces.try_flatten().boxed()
}

async fn read_run(
    objects: &ObjectStorage,
    owner: &str,
    run: Run,
) -> Result<stream::BoxStream<'static, Result<Bytes, StopReading>>, StorageError> {
    match run {
        Run::Xorb { xorb, first, end } => {
            let read = objects.read_xorb(owner, xorb.hash, &xorb.chunks, first, end).await?;
            let bytes = Bytes::from(read.ok_or(StorageError::DamagedXorb(xorb.hash))?);
            Ok(stream::iter([Ok(bytes)]).boxed())
        }
        Run::File { digest, from, to } => {
            let bytes = objects.stream(digest, Some(from..to)).await?;
            Ok(bytes.map_err(|error| StopReading(error.to_string())).boxed())
        }
    }
}

fn stop(failure: &Mutex<Option<StorageError>>, error: StorageError) -> StopReading {
    let stopped = StopReading(error.to_string());
    if let Ok(mut failure) = failure.lock() {
        *failure = Some(error);
    }
    stopped
}

/// Why the bytes of a file end early.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct StopReading(String);

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a token is read back under its own key alone, and that no changed letter passes.
    #[test]
    fn tokens() {
        let token = XetToken { owner: "lab.x".into(), token_id: "t-1".into(), expires_at_s: 17 };
        let text = token.sign(&[1; 32]);
        assert_eq!(XetToken::read(&text, &[1; 32]), Some(token));
        assert_eq!(XetToken::read(&text, &[2; 32]), None);
        for at in 0..text.len() {
            let mut other = text.clone().into_bytes();
            other[at] = if other[at] == b'0' { b'1' } else { b'0' };
            let other = String::from_utf8(other).unwrap();
            assert_eq!(XetToken::read(&other, &[1; 32]), None, "{at}");
            assert_eq!(XetToken::read(&text[..at], &[1; 32]), None);
        }
    }
}
