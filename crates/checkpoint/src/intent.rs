//! What a commit is about to make visible, written down first: a crash between the first tensor and the recipe
//! leaves this list, and the sweep removes what is on it and in no recipe.

use std::{
    collections::HashSet,
    io::Write,
    path::{Path, PathBuf},
};

use domain::digest::Digest;
use futures::{StreamExt, TryStreamExt};
use object_store::{ObjectStore, ObjectStoreExt};

use crate::{ObjectStorage, StorageError, location, staging::Opening};

/// Ending of the lists in the staging folder.
const ENDING: &str = "intent";
/// Last line of a list that was written whole; before it is there, nothing was made visible.
const END: &str = "end";

/// The list of one commit.
pub(crate) struct Intent {
    path: PathBuf,
}

impl Intent {
    /// Writes the list, synced: it must be there before anything on it is.
    pub(crate) async fn write(
        &self,
        locations: &[object_store::path::Path],
    ) -> Result<(), StorageError> {
        let mut lines: String =
            locations.iter().flat_map(|location| [location.as_ref(), "\n"]).collect();
        lines.push_str(END);
        let path = self.path.clone();
        let written = tokio::task::spawn_blocking(move || {
            let mut file = std::fs::File::create(&path)?;
            file.write_all(lines.as_bytes())?;
            file.sync_all()?;
            path.parent().map_or(Ok(()), |folder| std::fs::File::open(folder)?.sync_all())
        });
        written.await.map_err(StorageError::join)?.map_err(StorageError::Staging)
    }

    /// Removes the list: everything on it stands in a recipe.
    pub(crate) async fn forget(&self) -> Result<(), StorageError> {
        match tokio::fs::remove_file(&self.path).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(StorageError::Staging(error))
            }
            _ => Ok(()),
        }
    }
}

impl Intent {
    /// The list's name without its folder: no other commit has it.
    pub(crate) fn name(&self) -> String {
        self.path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }
}

impl ObjectStorage {
    /// Names the list of a new commit; nothing is written yet.
    pub(crate) fn intend(&self, checkpoint: Digest) -> Intent {
        Intent { path: self.staging_name(&format!("{}.{ENDING}", &checkpoint.hex()[..8])) }
    }

    /// Undoes a commit that failed and that no account knows.
    pub(crate) async fn undo(&self, intent: &Intent) -> Result<(), StorageError> {
        self.remove_unreferenced(&intent.path).await?;
        intent.forget().await
    }

    /// Removes what dead processes left: staged files, and objects of a commit that did not reach its recipe.
    /// Files of living openings stay: a worker may be writing. Call it when a server starts. Returns how many files and objects went.
    ///
    /// # Errors
    /// [`StorageError::Staging`] if the folder cannot be read or a file not be removed, or the store's failure.
    pub async fn sweep_staging(&self) -> Result<u64, StorageError> {
        let mut swept = 0;
        for entry in std::fs::read_dir(&self.staging).map_err(StorageError::Staging)? {
            let path = entry.map_err(StorageError::Staging)?.path();
            if !path.is_file() || Opening::is_alive(&path) {
                continue;
            }
            // Without locks that other processes hold too, a part on the list may be just what another upload has found; where
            // parts have accounts, the collector takes it.
            if self.folder.is_some() && path.extension().is_some_and(|ending| ending == ENDING) {
                swept += self.remove_unreferenced(&path).await?;
            }
            std::fs::remove_file(path).map_err(StorageError::Staging)?;
            swept += 1;
        }
        Ok(swept)
    }

    /// Removes the objects on the list that no recipe names, while no commit runs.
    async fn remove_unreferenced(&self, list: &Path) -> Result<u64, StorageError> {
        let lines = match std::fs::read_to_string(list) {
            Ok(lines) => lines,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(StorageError::Staging(error)),
        };
        let Some(lines) = lines.strip_suffix(END) else { return Ok(0) };
        let listed: Vec<_> = lines.lines().map(object_store::path::Path::from).collect();
        let _alone = self.lock_for_sweep().await?;
        let named = self.named_in_recipes().await?;
        let (places, bytes): (Vec<_>, Vec<_>) = listed.into_iter().partition(location::is_place);
        let mut removed = 0;
        // The bytes first: then a place holds exactly if its pack stayed.
        for location in bytes.into_iter().filter(|location| !named.contains(location)) {
            removed += self.remove(&location).await?;
        }
        for place in places {
            if !self.place_holds(&place).await? {
                removed += self.remove(&place).await?;
            }
        }
        Ok(removed)
    }

    pub(crate) async fn remove(
        &self,
        location: &object_store::path::Path,
    ) -> Result<u64, StorageError> {
        match self.objects.delete(location).await {
            Ok(()) => Ok(1),
            Err(object_store::Error::NotFound { .. }) => Ok(0),
            Err(error) => Err(StorageError::Store(error)),
        }
    }

    /// Every object that some recipe names. A recipe that cannot be read stops the sweep: it may name anything.
    async fn named_in_recipes(&self) -> Result<HashSet<object_store::path::Path>, StorageError> {
        let mut named = HashSet::new();
        let recipes = object_store::path::Path::from(location::RECIPES);
        let mut recipes = self.objects.list(Some(&recipes)).boxed();
        while let Some(meta) = recipes.try_next().await.map_err(StorageError::Store)? {
            let digest = meta.location.filename().and_then(|name| name.parse::<Digest>().ok());
            let Some(digest) = digest else { continue };
            match self.load_recipe(digest).await {
                Ok(recipe) => named.extend(recipe.locations()),
                // Collected since it was listed.
                Err(StorageError::Absent(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(named)
    }
}
