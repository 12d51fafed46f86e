//! Commits through the hub surface: files change, a branch moves, and a commit that holds a model becomes a version of it.

use std::{collections::BTreeMap, fmt::Write as _};

use domain::{
    digest::{Digest, to_hex},
    time::Timestamp,
};
use store::{HubCommitRow, HubEntryRow, HubRefKind, HubRefRow, hub_commit, hub_ref, hub_tree};

use crate::{
    Service, ServiceError,
    citing::cite,
    command::{Begun, Request},
    hub::{HubFile, HubRepo},
    token::{Caller, Scope},
};

/// The branch that exists from the start.
pub const MAIN: &str = "main";

/// How often a commit is tried again on a branch that moves meanwhile.
const COMMIT_TRIES: usize = 5;

/// Most files of a repository.
const FILES_MAX: usize = 100_000;

/// Longest path of a file, in bytes.
const PATH_BYTES_MAX: usize = 1024;

/// One change of a commit.
#[derive(Clone, Debug)]
pub enum HubChange {
    /// A file gets the bytes of a digest that the caller has sent.
    Put {
        /// The file.
        path: String,
        /// Its bytes.
        digest: Digest,
    },
    /// A file goes.
    DeleteFile(String),
    /// All files below a folder go.
    DeleteFolder(String),
}

/// A commit as it is asked for.
#[derive(Clone, Debug, Default)]
pub struct HubCommitRequest {
    /// First line of the message.
    pub title: String,
    /// The other lines.
    pub message: String,
    /// The commit (5 to 40 digits of it) that the branch must still point at.
    pub parent: Option<String>,
    /// What changes, in order.
    pub changes: Vec<HubChange>,
}

/// A commit.
#[derive(Clone, Debug)]
pub struct HubCommit {
    /// 40 hexadecimal digits.
    pub id: String,
    /// The commit before it.
    pub parent: Option<String>,
    /// Digest of the listing of its files.
    pub tree: String,
    /// First line of the message.
    pub title: String,
    /// The other lines.
    pub message: String,
    /// The login that made it.
    pub author: String,
    /// When.
    pub committed_at: Timestamp,
}

impl From<HubCommitRow> for HubCommit {
    fn from(row: HubCommitRow) -> Self {
        Self {
            id: row.id,
            parent: row.parent,
            tree: row.tree,
            title: row.title,
            message: row.message,
            author: row.author,
            committed_at: Timestamp::from_millis(row.committed_at),
        }
    }
}

impl HubCommit {
    /// The name of the version that this commit is, if it is one.
    #[must_use]
    pub fn version_name(&self) -> &str {
        &self.id[..12.min(self.id.len())]
    }
}

pub(crate) type Tree = BTreeMap<String, HubFile>;

/// A commit on its way to the branch.
struct Step<'a> {
    branch: &'a str,
    head: Option<&'a HubCommit>,
    commit: &'a HubCommit,
    files: &'a Tree,
}

impl Service {
    /// Commits changes to a branch. Without a difference there is no new commit: the same request may be sent again.
    ///
    /// The sentence says why a commit with the files of a version is none.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] with the file at fault, or of field `parentCommit` when the branch has moved on;
    /// [`ServiceError::Absent`] of kind `revision` for a branch that is not there.
    pub async fn commit_to_hub(
        &self,
        caller: &Caller,
        repo: &HubRepo,
        branch: &str,
        request: &HubCommitRequest,
    ) -> Result<(HubCommit, Option<String>), ServiceError> {
        for _ in 0..COMMIT_TRIES {
            let head = self.hub_branch_head(repo, branch).await?;
            check_parent(request, head.as_ref())?;
            let before = match &head {
                Some(head) => self.hub_tree(head).await?,
                None => Tree::new(),
            };
            let after = self.apply(caller, before.clone(), &request.changes).await?;
            let tree = tree_digest(&after);
            if let Some(head) = head.as_ref().filter(|head| head.tree == tree) {
                // Sent again after a crash: the version of this commit may be missing still.
                let before = match &head.parent {
                    Some(parent) => self.hub_tree(&self.hub_revision(repo, parent).await?).await?,
                    None => Tree::new(),
                };
                let refusal = self.publish_hub_version(caller, repo, head, &before, &after).await?;
                return Ok((head.clone(), refusal));
            }
            let commit = new_commit(caller, repo, branch, request, head.as_ref(), tree);
            // What the tree before had is cited by it, and stays.
            let is_new = |file: &&HubFile| {
                before.get(&file.path).is_none_or(|old| old.digest != file.digest)
            };
            let new: Vec<Digest> = after.values().filter(is_new).map(|file| file.digest).collect();
            self.account_for(&new, caller.now).await?;
            let step = Step { branch, head: head.as_ref(), commit: &commit, files: &after };
            match self.write_commit(caller, repo, &step, &new).await {
                Ok(true) => {
                    let refusal =
                        self.publish_hub_version(caller, repo, &commit, &before, &after).await?;
                    return Ok((commit, refusal));
                }
                Ok(false) | Err(ServiceError::Busy(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(ServiceError::invalid(
            "parentCommit",
            format!("branch {branch} keeps moving; try again"),
        ))
    }

    /// All files of a commit by path.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn hub_tree(&self, commit: &HubCommit) -> Result<Tree, ServiceError> {
        let mut tree = Tree::new();
        loop {
            let after = tree.last_key_value().map(|(path, _): (&String, _)| path.clone());
            let rows = hub_tree::list(&self.store, &commit.tree, after.as_deref(), 5000).await?;
            if rows.is_empty() {
                return Ok(tree);
            }
            for row in rows {
                tree.insert(row.path.clone(), row.try_into()?);
            }
        }
    }

    /// The file of a path in a commit.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn find_hub_file(
        &self,
        commit: &HubCommit,
        path: &str,
    ) -> Result<Option<HubFile>, ServiceError> {
        let row = hub_tree::find(&self.store, &commit.tree, path).await?;
        row.map(HubFile::try_from).transpose()
    }

    async fn apply(
        &self,
        caller: &Caller,
        mut tree: Tree,
        changes: &[HubChange],
    ) -> Result<Tree, ServiceError> {
        for change in changes {
            match change {
                HubChange::Put { path, digest } => {
                    check_path(path)?;
                    let blob = self.hub_blob_for(caller, path, *digest).await?;
                    let bytes = blob.bytes.unsigned_abs();
                    let (digest, git_oid) = (*digest, blob.git_oid);
                    let file = HubFile { path: path.clone(), digest, bytes, git_oid };
                    tree.insert(path.clone(), file);
                }
                HubChange::DeleteFile(path) => {
                    if tree.remove(path).is_none() {
                        return Err(ServiceError::absent("file", path));
                    }
                }
                HubChange::DeleteFolder(path) => {
                    let below = format!("{}/", path.trim_end_matches('/'));
                    let before = tree.len();
                    tree.retain(|file, _| !file.starts_with(&below));
                    if tree.len() == before {
                        return Err(ServiceError::absent("file", path));
                    }
                }
            }
        }
        if tree.len() > FILES_MAX {
            return Err(ServiceError::invalid("file", format!("more than {FILES_MAX} files")));
        }
        Ok(tree)
    }

    /// Writes commit, tree and move in one transaction; `false` if the branch is not at `head` any more.
    async fn write_commit(
        &self,
        caller: &Caller,
        repo: &HubRepo,
        step: &Step<'_>,
        new: &[Digest],
    ) -> Result<bool, ServiceError> {
        let Step { branch, head, commit, files } = *step;
        let request = Request {
            caller,
            scope: &[Scope::Publish],
            key: &format!("hub.commit.{}.{}", repo.model.id, commit.id),
            operation: "hub_commit",
            input: &(&repo.model.id, branch, &commit.id),
        };
        let unit = match self.begin::<_, String>(&request).await? {
            Begun::Replayed(_) => return Ok(true),
            Begun::Fresh(unit) => unit.about(&repo.model),
        };
        let (transaction, model) = (&unit.transaction, &repo.model.id);
        let current = hub_ref::current(transaction, model, HubRefKind::Branch, branch).await?;
        let at = current.as_ref().and_then(|row| row.commit_id.as_deref());
        if at != head.map(|head| head.id.as_str()) {
            return Ok(false);
        }
        cite(transaction, new).await?;
        let rows = files.values().map(|file| HubEntryRow {
            tree: commit.tree.clone(),
            path: file.path.clone(),
            digest: file.digest.hex(),
            bytes: file.bytes as i64,
            git_oid: file.git_oid.clone(),
        });
        hub_tree::insert_all(transaction, rows.collect()).await?;
        let row = HubCommitRow {
            model_id: model.clone(),
            id: commit.id.clone(),
            ordinal: hub_commit::max_ordinal(transaction, model).await?.unwrap_or(0) + 1,
            parent: commit.parent.clone(),
            tree: commit.tree.clone(),
            title: commit.title.clone(),
            message: commit.message.clone(),
            author: commit.author.clone(),
            committed_at: commit.committed_at.as_millis(),
        };
        hub_commit::insert(transaction, row).await?;
        let moved = HubRefRow {
            model_id: model.clone(),
            kind: HubRefKind::Branch,
            name: branch.to_owned(),
            seq: current.map_or(1, |row| row.seq + 1),
            commit_id: Some(commit.id.clone()),
            message: None,
            moved_by: unit.owner().to_owned(),
            moved_at: unit.now(),
        };
        hub_ref::insert(transaction, moved).await?;
        unit.finish(&format!("{}@{}", repo.id, commit.id), commit.id.clone()).await?;
        Ok(true)
    }
}

fn check_parent(request: &HubCommitRequest, head: Option<&HubCommit>) -> Result<(), ServiceError> {
    let Some(parent) = &request.parent else { return Ok(()) };
    let at = head.map_or("no commit", |head| head.id.as_str());
    if parent.len() >= 5 && at.starts_with(parent.as_str()) {
        return Ok(());
    }
    Err(ServiceError::invalid(
        "parentCommit",
        format!("the branch points at {at}, not at {parent}; fetch it and commit again"),
    ))
}

/// A path is relative, and no part of it means anything to a file system but a name.
fn check_path(path: &str) -> Result<(), ServiceError> {
    let is_name = |part: &str| !matches!(part, "" | "." | ".." | ".git");
    let good = (1..=PATH_BYTES_MAX).contains(&path.len())
        && path.split('/').all(is_name)
        && !path.contains(|c: char| c.is_control() || c == '\\');
    if good {
        return Ok(());
    }
    let shown: String = path.chars().take(80).collect();
    Err(ServiceError::invalid("file", format!("{shown:?} is no path of a file in a repository")))
}

fn tree_digest(tree: &Tree) -> String {
    let mut text = String::from("mf.hub.tree.v1");
    for file in tree.values() {
        let oid = file.git_oid.as_deref().unwrap_or_default();
        let _ = write!(text, "\0{}\0{}\0{}\0{oid}", file.path, file.digest.hex(), file.bytes);
    }
    Digest::of(text.as_bytes()).hex()
}

fn new_commit(
    caller: &Caller,
    repo: &HubRepo,
    branch: &str,
    request: &HubCommitRequest,
    head: Option<&HubCommit>,
    tree: String,
) -> HubCommit {
    let parent = head.map(|head| head.id.clone());
    let (author, at) = (caller.owner.to_string(), caller.now.as_millis());
    let text = format!(
        "mf.hub.commit.v1\0{}\0{branch}\0{}\0{tree}\0{author}\0{at}\0{}\0{}",
        repo.model.id,
        parent.as_deref().unwrap_or_default(),
        request.title,
        request.message
    );
    HubCommit {
        id: to_hex(&Digest::of(text.as_bytes()).as_bytes()[..20]),
        parent,
        tree,
        title: request.title.clone(),
        message: request.message.clone(),
        author,
        committed_at: caller.now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that no path leaves its repository or names something else than a file.
    #[test]
    fn paths() {
        for good in ["a", "README.md", "onnx/model.onnx", ".gitattributes", "a b/ü.txt", "..a"] {
            assert!(check_path(good).is_ok(), "{good}");
        }
        let long = "x".repeat(PATH_BYTES_MAX + 1);
        for bad in
            ["", "/a", "a/", "a//b", "..", "a/../b", "./a", ".git/config", "a\\b", "a\nb", &long]
        {
            assert!(check_path(bad).is_err(), "{bad}");
        }
    }
}
