//! Storing in steps, for a caller who keeps account of what is stored: he hears of every part before it is looked for or written.
//!
//! The order is [`ObjectStorage::begin_commit`], announce [`Commit::candidates`], [`Commit::look`], announce [`Commit::new_packs`],
//! [`Commit::write`], and, in the transaction that records the object, [`Commit::seal`].
//! Whoever removes parts must not remove one that was announced and is not recorded yet, or must make the recording fail.

use std::collections::{HashMap, hash_map::Entry};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::path::Path;
use tokio::sync::OwnedRwLockReadGuard;

use crate::{
    ObjectStorage, Received, ReceivedCheckpoint, StagedObject, StorageError,
    commit::CheckpointCommit, intent::Intent, location, lock::Held, receive::StagedContent,
    recipe::Place, staging::Leftover, storage::Form,
};
use domain::digest::Digest;

/// Requests to a store that run at once when parts are removed.
const REMOVALS_AT_ONCE: usize = 16;

/// Something that lies in the storage under a name of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPart {
    /// Its name.
    pub location: String,
    /// Its size.
    pub bytes: u64,
}

impl StoredPart {
    pub(crate) fn new(location: &Path, bytes: u64) -> Self {
        Self { location: location.to_string(), bytes }
    }
}

/// A hint that leads to a part and should go with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartPlace {
    /// The part.
    pub part: String,
    /// Name of the hint.
    pub place: String,
}

/// An object on its way from the staging folder into the storage. While it lives, no sweep removes what it has found.
pub struct Commit {
    storage: ObjectStorage,
    digest: Digest,
    bytes: u64,
    intent: Intent,
    content: Content,
    _gate: Held<OwnedRwLockReadGuard<()>>,
}

enum Content {
    Whole { staged: Option<Leftover>, new_bytes: u64 },
    Checkpoint(Box<CheckpointCommit>),
}

impl std::fmt::Debug for Commit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Commit({}, {})", self.name(), self.digest)
    }
}

impl Commit {
    /// A name that no other commit has, of this or of any process.
    #[must_use]
    pub fn name(&self) -> String {
        self.intent.name()
    }

    /// Identity of the object.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Size of the object.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The parts that the object may stand on, as far as they are known before the look.
    #[must_use]
    pub fn candidates(&self) -> Vec<StoredPart> {
        match &self.content {
            Content::Whole { .. } => {
                vec![StoredPart::new(&location::whole(self.digest), self.bytes)]
            }
            Content::Checkpoint(checkpoint) => checkpoint.candidates(),
        }
    }

    /// Looks which parts are stored. From here on it relies on them.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn look(&mut self) -> Result<(), StorageError> {
        match &mut self.content {
            Content::Whole { .. } => Ok(()),
            Content::Checkpoint(checkpoint) => checkpoint.look(&self.storage).await,
        }
    }

    /// Packs that will be written, and the hints that will lead to them: known after the look.
    #[must_use]
    pub fn new_packs(&self) -> (Vec<StoredPart>, Vec<PartPlace>) {
        match &self.content {
            Content::Whole { .. } => (Vec::new(), Vec::new()),
            Content::Checkpoint(checkpoint) => checkpoint.new_packs(),
        }
    }

    /// Makes everything visible that was not stored, but the recipe of a checkpoint.
    ///
    /// # Errors
    /// The storage's failure; what was written by then stays, and the caller's accounts know of it.
    pub async fn write(&mut self) -> Result<(), StorageError> {
        match &mut self.content {
            Content::Whole { staged, new_bytes } => {
                if let Some(staged) = staged.take() {
                    *new_bytes = self.storage.publish(staged, self.digest).await?;
                }
                Ok(())
            }
            Content::Checkpoint(checkpoint) => checkpoint.write(&self.storage, &self.intent).await,
        }
    }

    /// All parts that the object stands on: known after the writing.
    #[must_use]
    pub fn parts(&self) -> Vec<StoredPart> {
        match &self.content {
            Content::Whole { .. } => self.candidates(),
            Content::Checkpoint(checkpoint) => checkpoint.parts(),
        }
    }

    /// What the header says, for a checkpoint.
    #[must_use]
    pub fn manifest(&self) -> Option<&ReceivedCheckpoint> {
        match &self.content {
            Content::Whole { .. } => None,
            Content::Checkpoint(checkpoint) => Some(checkpoint.manifest()),
        }
    }

    /// Writes the recipe of a checkpoint; returns the bytes that the object added to the storage.
    ///
    /// # Errors
    /// The storage's failure.
    pub async fn seal(&self) -> Result<u64, StorageError> {
        match &self.content {
            Content::Whole { new_bytes, .. } => Ok(*new_bytes),
            Content::Checkpoint(checkpoint) => checkpoint.seal(&self.storage).await,
        }
    }

    /// Ends the commit: it was recorded, or the accounts know what it left.
    ///
    /// # Errors
    /// [`StorageError::Staging`] if its list cannot be removed.
    pub async fn end(self) -> Result<Option<ReceivedCheckpoint>, StorageError> {
        self.intent.forget().await?;
        Ok(match self.content {
            Content::Whole { .. } => None,
            Content::Checkpoint(checkpoint) => Some(checkpoint.into_manifest()),
        })
    }
}

impl ObjectStorage {
    /// Begins to store a staged object.
    ///
    /// # Errors
    /// The storage's failure.
    pub async fn begin_commit(&self, staged: StagedObject) -> Result<Commit, StorageError> {
        let StagedObject { digest, bytes, content } = staged;
        let gate = self.lock_for_commit().await?;
        let content = match content {
            StagedContent::Whole(staged) => Content::Whole { staged: Some(staged), new_bytes: 0 },
            StagedContent::Checkpoint(checkpoint) => {
                Content::Checkpoint(Box::new(CheckpointCommit::begin(self, checkpoint).await?))
            }
        };
        let (storage, intent) = (self.clone(), self.intend(digest));
        Ok(Commit { storage, digest, bytes, intent, content, _gate: gate })
    }

    /// Stores a staged object without accounts.
    ///
    /// Runs to its end even if the caller goes away: a sender that hangs up leaves a whole object or nothing.
    pub(crate) async fn commit_unaccounted(
        &self,
        staged: StagedObject,
    ) -> Result<Received, StorageError> {
        let storage = self.clone();
        let task = tokio::spawn(async move {
            let (digest, bytes) = (staged.digest, staged.bytes);
            let mut commit = storage.begin_commit(staged).await?;
            let is_checkpoint = commit.manifest().is_some();
            if is_checkpoint && storage.contains(digest).await? {
                let checkpoint = commit.end().await?;
                return Ok(Received { digest, bytes, new_bytes: 0, checkpoint });
            }
            let done = async {
                commit.look().await?;
                commit.write().await?;
                commit.seal().await
            };
            match done.await {
                Ok(new_bytes) => {
                    let checkpoint = commit.end().await?;
                    Ok(Received { digest, bytes, new_bytes, checkpoint })
                }
                Err(error) => {
                    let Commit { intent, content, _gate, .. } = commit;
                    // What removes must not wait for the locks of what it removes.
                    drop((content, _gate));
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

    /// The parts that a stored object stands on, and the hints that lead to them.
    ///
    /// # Errors
    /// [`StorageError::Absent`], a damaged recipe, or the store's failure.
    pub async fn parts_of(
        &self,
        digest: Digest,
    ) -> Result<(Vec<StoredPart>, Vec<PartPlace>), StorageError> {
        match self.form(digest).await?.ok_or(StorageError::Absent(digest))? {
            Form::Whole(bytes) => {
                Ok((vec![StoredPart::new(&location::whole(digest), bytes)], Vec::new()))
            }
            Form::Recipe => {
                let layout = self.load_layout(digest).await?;
                let recipe = self.load_recipe(digest).await?;
                let (mut packs, mut places) = (HashMap::new(), Vec::new());
                for part in recipe.filled(&layout.header) {
                    let Place::Packed { pack, .. } = part.place else { continue };
                    let location = location::pack(&pack);
                    if let Entry::Vacant(entry) = packs.entry(pack) {
                        entry.insert(self.stored_bytes(&location).await?.unwrap_or(0));
                    }
                    let (part, place) = (location.to_string(), location::place(&part.key));
                    places.push(PartPlace { part, place: place.to_string() });
                }
                let prefix = layout.prefix.len() as u64;
                Ok((recipe.stored_parts(digest, prefix, &layout.header, &packs), places))
            }
        }
    }

    /// Removes parts and the hints that lead to them; one that is not there is no failure. Their absence survives a crash.
    ///
    /// # Errors
    /// The store's failure; some may be removed then.
    pub async fn remove_parts(
        &self,
        parts: &[String],
        places: &[PartPlace],
    ) -> Result<(), StorageError> {
        let paths: Vec<Path> = parts.iter().map(|part| Path::from(part.as_str())).collect();
        let storage = self.clone();
        stream::iter(paths.clone())
            .map(move |path| {
                let storage = storage.clone();
                async move { storage.remove(&path).await }
            })
            .buffer_unordered(REMOVALS_AT_ONCE)
            .try_for_each(|_| std::future::ready(Ok(())))
            .await?;
        let storage = self.clone();
        stream::iter(places.to_vec())
            .map(move |hint| {
                let storage = storage.clone();
                let (place, part) = (Path::from(hint.place), Path::from(hint.part));
                async move { storage.remove_place(&place, &part).await }
            })
            .buffer_unordered(REMOVALS_AT_ONCE)
            .try_for_each(|()| std::future::ready(Ok(())))
            .await?;
        self.sync_existing_folders(paths).await
    }

    /// Names and sizes of everything that is stored, hints included: for a comparison with the accounts.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn list_stored(&self) -> Result<Vec<StoredPart>, StorageError> {
        let listed = self.objects.list(None);
        let parts = listed.map_ok(|meta| StoredPart::new(&meta.location, meta.size));
        parts.try_collect().await.map_err(StorageError::Store)
    }
}
