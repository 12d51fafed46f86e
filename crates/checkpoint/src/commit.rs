//! From staged tensors to a stored checkpoint: what is there already is used, the rest is made visible, the recipe last.

use std::{
    collections::{HashMap, HashSet},
    io::{Read, Seek, SeekFrom},
};

use bytes::Bytes;
use domain::digest::Digest;
use object_store::{ObjectStoreExt, path::Path};

use crate::{
    ObjectStorage, ReceivedCheckpoint, StorageError,
    location::{self, Key},
    recipe::{Part, Place, Recipe},
    split::{StagedTensor, StagedTensors},
    staging::{Durability, Leftover},
};

/// A pack is closed when it has this many bytes or more; with a last tensor below 1 MiB it stays below 9 MiB.
const PACK_BYTES: u64 = 8 << 20;

/// A checkpoint that was received whole and passed every check.
pub(crate) struct StagedCheckpoint {
    pub(crate) digest: Digest,
    /// Length field and header, as they stand in the file.
    pub(crate) prefix: Bytes,
    pub(crate) manifest: ReceivedCheckpoint,
    pub(crate) staged: StagedTensors,
}

/// A small tensor that is not stored yet.
struct Member {
    key: Key,
    /// First byte in the staged file.
    from: u64,
    length: u64,
}

/// Small tensors that become one object.
struct NewPack {
    id: Digest,
    members: Vec<Member>,
    bytes: u64,
}

/// What a commit will make visible before the recipe.
#[derive(Default)]
struct Plan {
    packs: Vec<NewPack>,
    large: Vec<(Path, Leftover)>,
    new_bytes: u64,
}

impl ObjectStorage {
    /// Stores a received checkpoint; returns the bytes that this added, the recipe's included.
    ///
    /// Runs to its end even if the caller goes away: a sender that hangs up leaves a whole checkpoint or nothing.
    pub(crate) async fn commit(
        &self,
        checkpoint: StagedCheckpoint,
    ) -> Result<(ReceivedCheckpoint, u64), StorageError> {
        let storage = self.clone();
        let task = tokio::spawn(async move {
            let intent = storage.intend(checkpoint.digest);
            match storage.commit_under(&intent, checkpoint).await {
                Ok(done) => {
                    intent.forget().await?;
                    Ok(done)
                }
                Err(error) => {
                    // The first error is the one to tell; what cannot be undone now is swept at the next start.
                    if let Err(second) = storage.undo(&intent).await {
                        tracing::warn!(%second, "a failed commit could not be undone at once");
                    }
                    Err(error)
                }
            }
        });
        task.await.map_err(StorageError::join)?
    }

    async fn commit_under(
        &self,
        intent: &crate::intent::Intent,
        checkpoint: StagedCheckpoint,
    ) -> Result<(ReceivedCheckpoint, u64), StorageError> {
        let StagedCheckpoint { digest, prefix, manifest, staged } = checkpoint;
        let _gate = self.lock_for_commit().await?;
        if self.contains(digest).await? {
            return Ok((manifest, 0));
        }
        let packing = self.lock_for_packing().await?;
        let StagedTensors { small, tensors } = staged;
        let mut plan = Plan::default();
        let mut places = HashMap::new();
        let missing = self.find_small(&manifest, &tensors, &mut places).await?;
        plan.add_packs(missing, &mut places);
        self.plan_large(&manifest, tensors, &mut plan).await?;
        let header = Digest::of(&prefix);
        let header_bytes = self.stored_bytes(&location::header(&header)).await?;
        let header_is_new = header_bytes != Some(prefix.len() as u64);
        let mut locations = plan.locations();
        locations.extend(header_is_new.then(|| location::header(&header)));
        intent.write(&locations).await?;
        if let Some(small) = small {
            self.publish_packs(small, &plan.packs).await?;
        }
        drop(packing);
        for (location, leftover) in plan.large {
            self.make_visible(leftover, &location, Durability::Synced).await?;
        }
        if header_is_new {
            self.publish_bytes(&prefix, &location::header(&header), Durability::Synced).await?;
            plan.new_bytes += prefix.len() as u64;
        }
        let parts: Vec<Part> = (manifest.keys.iter())
            .map(|key| Part {
                key: *key.as_bytes(),
                place: *places.get(key.as_bytes()).unwrap_or(&Place::Own),
            })
            .collect();
        let file_bytes = manifest.header.file_bytes();
        let recipe = Recipe { file_bytes, prefix: header, parts };
        // Those of tensors that were found too: who brought them may not have come to this point yet.
        let filled = manifest.header.tensors.iter().zip(&recipe.parts);
        let filled = filled.filter(|(entry, _)| entry.begin < entry.end);
        let named: Vec<Path> = filled.map(|(_, part)| part.location()).collect();
        self.sync_folders(named.into_iter().chain([location::header(&header)])).await?;
        let (bytes, location) = (recipe.encode(), location::recipe(digest));
        self.publish_bytes(&bytes, &location, Durability::Synced).await?;
        self.sync_folders([location]).await?;
        Ok((manifest, plan.new_bytes + bytes.len() as u64))
    }

    /// Finds the small tensors that are stored already; returns the others, each once.
    async fn find_small(
        &self,
        manifest: &ReceivedCheckpoint,
        tensors: &[StagedTensor],
        places: &mut HashMap<Key, Place>,
    ) -> Result<Vec<Member>, StorageError> {
        let (mut missing, mut seen, mut packs) = (Vec::new(), HashSet::new(), HashMap::new());
        for ((entry, key), staged) in
            manifest.header.tensors.iter().zip(&manifest.keys).zip(tensors)
        {
            let (key, length) = (*key.as_bytes(), entry.end - entry.begin);
            let StagedTensor::Small { at } = staged else { continue };
            if !seen.insert(key) {
                continue;
            }
            match self.find_place(&key, length, &mut packs).await? {
                Some(place) => drop(places.insert(key, place)),
                None => missing.push(Member { key, from: *at, length }),
            }
        }
        Ok(missing)
    }

    /// Where a small tensor lies, if it does: its place is only a hint, so the pack is looked at too.
    async fn find_place(
        &self,
        key: &Key,
        length: u64,
        packs: &mut HashMap<Digest, u64>,
    ) -> Result<Option<Place>, StorageError> {
        let bytes = match self.objects.get(&location::place(key)).await {
            Ok(found) => found.bytes().await.map_err(StorageError::Store)?,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(StorageError::Store(error)),
        };
        let Some((pack, at)) = decode_place(&bytes) else { return Ok(None) };
        let size = match packs.get(&pack) {
            Some(size) => *size,
            None => {
                let size = self.stored_bytes(&location::pack(&pack)).await?.unwrap_or(0);
                *packs.entry(pack).or_insert(size)
            }
        };
        let fits = at.checked_add(length).is_some_and(|end| end <= size);
        Ok(fits.then_some(Place::Packed { pack, at }))
    }

    /// Adds the large tensors that are not stored yet, each once; the others' staged files go.
    async fn plan_large(
        &self,
        manifest: &ReceivedCheckpoint,
        tensors: Vec<StagedTensor>,
        plan: &mut Plan,
    ) -> Result<(), StorageError> {
        let mut seen = HashSet::new();
        for ((entry, key), staged) in
            manifest.header.tensors.iter().zip(&manifest.keys).zip(tensors)
        {
            let StagedTensor::Large(leftover) = staged else { continue };
            let (location, length) = (location::tensor(key.as_bytes()), entry.end - entry.begin);
            if seen.insert(*key) && self.stored_bytes(&location).await? != Some(length) {
                plan.new_bytes += length;
                plan.large.push((location, leftover));
            }
        }
        Ok(())
    }

    /// Copies the members of each pack out of the staged file, and says where they lie.
    async fn publish_packs(&self, small: Leftover, packs: &[NewPack]) -> Result<(), StorageError> {
        let failed = StorageError::Staging;
        for pack in packs {
            let mut staged = self.stage().await?;
            for member in &pack.members {
                let (path, from, length) = (small.path().to_owned(), member.from, member.length);
                let bytes = tokio::task::spawn_blocking(move || {
                    let mut file = std::fs::File::open(path)?;
                    file.seek(SeekFrom::Start(from))?;
                    let mut bytes = vec![0; length as usize];
                    file.read_exact(&mut bytes).map(|()| bytes)
                });
                staged.write(&bytes.await.map_err(StorageError::join)?.map_err(failed)?).await?;
            }
            let location = location::pack(&pack.id);
            self.make_visible(staged.close().await?, &location, Durability::Synced).await?;
            let mut at = 0;
            for member in &pack.members {
                let place = encode_place(&pack.id, at);
                let location = location::place(&member.key);
                self.publish_bytes(&place, &location, Durability::Hint).await?;
                at += member.length;
            }
        }
        Ok(())
    }

    /// Makes a few bytes of our own visible at `location`.
    pub(crate) async fn publish_bytes(
        &self,
        bytes: &[u8],
        location: &Path,
        durability: Durability,
    ) -> Result<(), StorageError> {
        let mut staged = self.stage().await?;
        staged.write(bytes).await?;
        self.make_visible(staged.close().await?, location, durability).await
    }

    /// Whether the place of a small tensor names a pack that is there.
    pub(crate) async fn place_holds(&self, location: &Path) -> Result<bool, StorageError> {
        let bytes = match self.objects.get(location).await {
            Ok(found) => found.bytes().await.map_err(StorageError::Store)?,
            Err(object_store::Error::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(StorageError::Store(error)),
        };
        let Some((pack, _)) = decode_place(&bytes) else { return Ok(false) };
        Ok(self.stored_bytes(&location::pack(&pack)).await?.is_some())
    }
}

impl Plan {
    /// Divides the missing small tensors into packs, in the order of the file.
    fn add_packs(&mut self, missing: Vec<Member>, places: &mut HashMap<Key, Place>) {
        let mut open = Vec::new();
        let mut bytes = 0;
        let count = missing.len();
        for (number, member) in missing.into_iter().enumerate() {
            bytes += member.length;
            open.push(member);
            if bytes >= PACK_BYTES || number + 1 == count {
                let pack = NewPack::new(std::mem::take(&mut open), std::mem::take(&mut bytes));
                let mut at = 0;
                for member in &pack.members {
                    places.insert(member.key, Place::Packed { pack: pack.id, at });
                    at += member.length;
                }
                self.new_bytes += pack.bytes;
                self.packs.push(pack);
            }
        }
    }

    fn locations(&self) -> Vec<Path> {
        let mut all: Vec<Path> = self.large.iter().map(|(location, _)| location.clone()).collect();
        for pack in &self.packs {
            all.push(location::pack(&pack.id));
            all.extend(pack.members.iter().map(|member| location::place(&member.key)));
        }
        all
    }
}

impl NewPack {
    /// A pack is named by the keys in it: the same tensors in the same order are the same bytes.
    fn new(members: Vec<Member>, bytes: u64) -> Self {
        let keys: Vec<u8> = members.iter().flat_map(|member| member.key).collect();
        Self { id: Digest::of(&keys), members, bytes }
    }
}

/// Pack (32), first byte (u64, little endian), and 8 bytes of the SHA-256 of these, as a check against a torn file.
fn encode_place(pack: &Digest, at: u64) -> Vec<u8> {
    let mut bytes = pack.as_bytes().to_vec();
    bytes.extend_from_slice(&at.to_le_bytes());
    let check = Digest::of(&bytes);
    bytes.extend_from_slice(&check.as_bytes()[..8]);
    bytes
}

fn decode_place(bytes: &[u8]) -> Option<(Digest, u64)> {
    let (pack, rest) = bytes.split_first_chunk::<32>()?;
    let at = u64::from_le_bytes(*rest.first_chunk()?);
    let pack = Digest::from_bytes(*pack);
    (encode_place(&pack, at) == bytes).then_some((pack, at))
}
