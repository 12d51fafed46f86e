//! From staged tensors to a stored checkpoint: what is there already is used, the rest is made visible, the recipe last.

use std::{
    collections::{HashMap, HashSet},
    io::{Read, Seek, SeekFrom},
};

use bytes::Bytes;
use domain::digest::Digest;
use object_store::{ObjectStoreExt, path::Path};

use tokio::sync::OwnedMutexGuard;

use crate::{
    ObjectStorage, PartPlace, ReceivedCheckpoint, StorageError, StoredPart,
    intent::Intent,
    location::{self, Key},
    lock::Held,
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
    header_is_new: bool,
    new_bytes: u64,
}

/// A checkpoint on its way from the staging folder into the storage.
pub(crate) struct CheckpointCommit {
    checkpoint: StagedCheckpoint,
    header: Digest,
    /// Where each small tensor is said to lie; after the look, where it lies.
    places: HashMap<Key, Place>,
    /// Packs that those places name, with their sizes.
    packs: HashMap<Digest, u64>,
    plan: Plan,
    packing: Option<Held<OwnedMutexGuard<()>>>,
    recipe: Option<Recipe>,
}

impl CheckpointCommit {
    /// Reads where the small tensors are said to lie. Nothing of that is believed before the look.
    pub(crate) async fn begin(
        storage: &ObjectStorage,
        checkpoint: StagedCheckpoint,
    ) -> Result<Self, StorageError> {
        let packing = Some(storage.lock_for_packing().await?);
        let header = Digest::of(&checkpoint.prefix);
        let (mut places, mut packs) = (HashMap::new(), HashMap::new());
        let small = checkpoint.manifest.header.tensors.iter().zip(&checkpoint.manifest.keys);
        for ((entry, key), staged) in small.zip(&checkpoint.staged.tensors) {
            let (key, length) = (*key.as_bytes(), entry.end - entry.begin);
            if !matches!(staged, StagedTensor::Small { .. }) || places.contains_key(&key) {
                continue;
            }
            if let Some(place) = storage.find_place(&key, length, &mut packs).await? {
                places.insert(key, place);
            }
        }
        packs.retain(|_, bytes| *bytes > 0);
        let plan = Plan::default();
        Ok(Self { checkpoint, header, places, packs, plan, packing, recipe: None })
    }

    /// The parts that the file may stand on, as far as they are known before the look: all but new packs.
    pub(crate) fn candidates(&self) -> Vec<StoredPart> {
        let StagedCheckpoint { digest, prefix, manifest, staged } = &self.checkpoint;
        let mut parts = vec![
            StoredPart::new(&location::recipe(*digest), Recipe::bytes_for(manifest.keys.len())),
            StoredPart::new(&location::header(&self.header), prefix.len() as u64),
        ];
        let all = manifest.header.tensors.iter().zip(&manifest.keys).zip(&staged.tensors);
        let large = all.filter(|(_, staged)| matches!(staged, StagedTensor::Large(_)));
        parts.extend(large.map(|((entry, key), _)| {
            StoredPart::new(&location::tensor(key.as_bytes()), entry.end - entry.begin)
        }));
        let packs = self.packs.iter();
        parts.extend(packs.map(|(pack, bytes)| StoredPart::new(&location::pack(pack), *bytes)));
        parts
    }

    /// Looks which parts are stored, and divides the small tensors that are not into new packs.
    pub(crate) async fn look(&mut self, storage: &ObjectStorage) -> Result<(), StorageError> {
        for (pack, bytes) in std::mem::take(&mut self.packs) {
            if storage.stored_bytes(&location::pack(&pack)).await? == Some(bytes) {
                self.packs.insert(pack, bytes);
            }
        }
        let known = &self.packs;
        self.places.retain(
            |_, place| matches!(place, Place::Packed { pack, .. } if known.contains_key(pack)),
        );
        let missing = self.missing_small();
        self.plan.add_packs(missing, &mut self.places);
        let manifest = &self.checkpoint.manifest;
        let tensors = std::mem::take(&mut self.checkpoint.staged.tensors);
        storage.plan_large(manifest, tensors, &mut self.plan).await?;
        let prefix = &self.checkpoint.prefix;
        let header_bytes = storage.stored_bytes(&location::header(&self.header)).await?;
        self.plan.header_is_new = header_bytes != Some(prefix.len() as u64);
        self.plan.new_bytes += if self.plan.header_is_new { prefix.len() as u64 } else { 0 };
        Ok(())
    }

    /// The small tensors that lie nowhere yet, each once.
    fn missing_small(&self) -> Vec<Member> {
        let (mut missing, mut seen) = (Vec::new(), HashSet::new());
        let manifest = &self.checkpoint.manifest;
        let all = manifest.header.tensors.iter().zip(&manifest.keys);
        for ((entry, key), staged) in all.zip(&self.checkpoint.staged.tensors) {
            let (key, length) = (*key.as_bytes(), entry.end - entry.begin);
            let StagedTensor::Small { at } = staged else { continue };
            if seen.insert(key) && !self.places.contains_key(&key) {
                missing.push(Member { key, from: *at, length });
            }
        }
        missing
    }

    /// The packs that will be written, and the hints that will lead to them.
    pub(crate) fn new_packs(&self) -> (Vec<StoredPart>, Vec<PartPlace>) {
        let (mut parts, mut places) = (Vec::new(), Vec::new());
        for pack in &self.plan.packs {
            let location = location::pack(&pack.id);
            parts.push(StoredPart::new(&location, pack.bytes));
            places.extend(pack.members.iter().map(|member| PartPlace {
                part: location.to_string(),
                place: location::place(&member.key).to_string(),
            }));
        }
        (parts, places)
    }

    /// Makes everything visible that was not stored, but the recipe.
    pub(crate) async fn write(
        &mut self,
        storage: &ObjectStorage,
        intent: &Intent,
    ) -> Result<(), StorageError> {
        let mut locations = self.plan.locations();
        locations.extend(self.plan.header_is_new.then(|| location::header(&self.header)));
        intent.write(&locations).await?;
        if let Some(small) = self.checkpoint.staged.small.take() {
            storage.publish_packs(small, &self.plan.packs).await?;
        }
        self.packing = None;
        for (location, leftover) in std::mem::take(&mut self.plan.large) {
            storage.make_visible(leftover, &location, Durability::Synced).await?;
        }
        if self.plan.header_is_new {
            let (prefix, location) = (&self.checkpoint.prefix, location::header(&self.header));
            storage.publish_bytes(prefix, &location, Durability::Synced).await?;
        }
        let manifest = &self.checkpoint.manifest;
        let parts: Vec<Part> = (manifest.keys.iter())
            .map(|key| Part {
                key: *key.as_bytes(),
                place: *self.places.get(key.as_bytes()).unwrap_or(&Place::Own),
            })
            .collect();
        let file_bytes = manifest.header.file_bytes();
        let recipe = Recipe { file_bytes, prefix: self.header, parts };
        // Those of tensors that were found too: who brought them may not have come to this point yet.
        let named: Vec<Path> = recipe.filled(&manifest.header).map(Part::location).collect();
        let header = location::header(&self.header);
        storage.sync_folders(named.into_iter().chain([header])).await?;
        self.recipe = Some(recipe);
        Ok(())
    }

    /// All that the file stands on, once it was written.
    pub(crate) fn parts(&self) -> Vec<StoredPart> {
        let StagedCheckpoint { digest, prefix, manifest, .. } = &self.checkpoint;
        let Some(recipe) = &self.recipe else { return Vec::new() };
        let mut sizes: HashMap<Digest, u64> = self.packs.clone();
        sizes.extend(self.plan.packs.iter().map(|pack| (pack.id, pack.bytes)));
        recipe.stored_parts(*digest, prefix.len() as u64, &manifest.header, &sizes)
    }

    /// Writes the recipe: from here on the file is served.
    pub(crate) async fn seal(&self, storage: &ObjectStorage) -> Result<u64, StorageError> {
        let Some(recipe) = &self.recipe else { return Ok(0) };
        let (bytes, location) = (recipe.encode(), location::recipe(self.checkpoint.digest));
        storage.publish_bytes(&bytes, &location, Durability::Synced).await?;
        storage.sync_folders([location]).await?;
        Ok(self.plan.new_bytes + bytes.len() as u64)
    }

    pub(crate) fn into_manifest(self) -> ReceivedCheckpoint {
        self.checkpoint.manifest
    }

    pub(crate) const fn manifest(&self) -> &ReceivedCheckpoint {
        &self.checkpoint.manifest
    }
}

impl ObjectStorage {
    /// Where a small tensor is said to lie: its place is only a hint, so the pack is looked at too.
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

    /// Removes a hint if it leads to `pack`, or to nothing that can be read.
    pub(crate) async fn remove_place(&self, place: &Path, pack: &Path) -> Result<(), StorageError> {
        let bytes = match self.objects.get(place).await {
            Ok(found) => found.bytes().await.map_err(StorageError::Store)?,
            Err(object_store::Error::NotFound { .. }) => return Ok(()),
            Err(error) => return Err(StorageError::Store(error)),
        };
        let leads_elsewhere =
            decode_place(&bytes).is_some_and(|(named, _)| location::pack(&named) != *pack);
        if leads_elsewhere { Ok(()) } else { self.remove(place).await.map(drop) }
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
