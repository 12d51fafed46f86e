//! Revisions of a repository: branches, tags and commits by id.

use domain::digest::Digest;
use store::{HubRefRow, StoreTransaction, hub_commit, hub_ref};

use crate::{
    Service, ServiceError,
    command::{Begun, Request},
    hub::HubRepo,
    hub_commit::{HubCommit, MAIN},
    token::{Caller, Scope},
};

pub use store::HubRefKind;

/// Longest name of a branch or a tag, in bytes.
const NAME_BYTES_MAX: usize = 200;

/// A branch or a tag and where it points.
#[derive(Clone, Debug)]
pub struct HubRef {
    /// Its name.
    pub name: String,
    /// The commit's id.
    pub commit: String,
}

/// A branch or a tag of a repository, as a command names it.
#[derive(Clone, Copy, Debug)]
struct Target<'a> {
    repo: &'a HubRepo,
    kind: HubRefKind,
    name: &'a str,
}

impl Service {
    /// The commit that a branch, a tag or a commit's whole id means.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] of kind `revision`.
    pub async fn hub_revision(
        &self,
        repo: &HubRepo,
        revision: &str,
    ) -> Result<HubCommit, ServiceError> {
        let model = &repo.model.id;
        let mut id = is_commit_id(revision).then(|| revision.to_owned());
        for kind in [HubRefKind::Branch, HubRefKind::Tag] {
            if id.is_none() {
                let row = hub_ref::current(&self.store, model, kind, revision).await?;
                id = row.and_then(|row| row.commit_id);
            }
        }
        let absent = || ServiceError::absent("revision", format!("{}@{revision}", repo.id));
        let row = hub_commit::find(&self.store, model, &id.ok_or_else(absent)?).await?;
        row.map(Into::into).ok_or_else(absent)
    }

    /// Where a branch points; nothing on the first branch of a repository without commits.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] of kind `revision` for another branch that is not there.
    pub async fn hub_branch_head(
        &self,
        repo: &HubRepo,
        branch: &str,
    ) -> Result<Option<HubCommit>, ServiceError> {
        let kind = HubRefKind::Branch;
        let row = hub_ref::current(&self.store, &repo.model.id, kind, branch).await?;
        match row.and_then(|row| row.commit_id) {
            Some(id) => self.hub_revision(repo, &id).await.map(Some),
            None if branch == MAIN => Ok(None),
            None => {
                Err(ServiceError::absent("revision", format!("branch {branch} of {}", repo.id)))
            }
        }
    }

    /// All branches or all tags by name.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn hub_refs(
        &self,
        repo: &HubRepo,
        kind: HubRefKind,
    ) -> Result<Vec<HubRef>, ServiceError> {
        let mut refs = Vec::new();
        for first in hub_ref::first_moves(&self.store, &repo.model.id, kind).await? {
            let row = hub_ref::current(&self.store, &repo.model.id, kind, &first.name).await?;
            if let Some(commit) = row.and_then(|row| row.commit_id) {
                refs.push(HubRef { name: first.name, commit });
            }
        }
        Ok(refs)
    }

    /// The commit and those before it, newest first, at most `limit`, and the id after which more follow.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn hub_history(
        &self,
        repo: &HubRepo,
        from: HubCommit,
        limit: usize,
    ) -> Result<(Vec<HubCommit>, Option<String>), ServiceError> {
        let mut commits = vec![from];
        while let Some(parent) = commits.last().and_then(|commit| commit.parent.clone()) {
            if commits.len() >= limit {
                return Ok((commits, Some(parent)));
            }
            commits.push(self.hub_revision(repo, &parent).await?);
        }
        Ok((commits, None))
    }

    /// Makes a branch or a tag at a revision.
    ///
    /// # Errors
    /// [`ServiceError::Exists`], [`ServiceError::Absent`], or [`ServiceError::Invalid`] for a name that is none.
    pub async fn create_hub_ref(
        &self,
        caller: &Caller,
        repo: &HubRepo,
        kind: HubRefKind,
        name: &str,
        revision: &str,
        message: Option<String>,
    ) -> Result<(), ServiceError> {
        check_name(name)?;
        let commit = self.hub_revision(repo, revision).await?;
        let target = Target { repo, kind, name };
        self.move_hub_ref(caller, target, Some(commit.id), message).await
    }

    /// Takes a branch or a tag away; its moves and commits stay.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] of kind `revision`; [`ServiceError::Invalid`] for the first branch.
    pub async fn delete_hub_ref(
        &self,
        caller: &Caller,
        repo: &HubRepo,
        kind: HubRefKind,
        name: &str,
    ) -> Result<(), ServiceError> {
        if kind == HubRefKind::Branch && name == MAIN {
            return Err(ServiceError::invalid("branch", format!("{MAIN} stays")));
        }
        self.move_hub_ref(caller, Target { repo, kind, name }, None, None).await
    }

    async fn move_hub_ref(
        &self,
        caller: &Caller,
        target: Target<'_>,
        commit_id: Option<String>,
        message: Option<String>,
    ) -> Result<(), ServiceError> {
        let Target { repo, kind, name } = target;
        let seen = hub_ref::current(&self.store, &repo.model.id, kind, name).await?;
        let seq = seen.map_or(1, |row| row.seq + 1);
        let text = format!("{}\0{kind}\0{name}\0{seq}", repo.model.id);
        let request = Request {
            caller,
            scope: &[Scope::Publish],
            key: &format!("hub.ref.{}", Digest::of(text.as_bytes()).hex()),
            operation: "hub_ref",
            input: &(&repo.model.id, kind.as_str(), name, seq, &commit_id, &message),
        };
        let unit = match self.begin::<_, ()>(&request).await? {
            Begun::Replayed(()) => return Ok(()),
            Begun::Fresh(unit) => unit.about(&repo.model),
        };
        let seq = next_seq(&unit.transaction, target, commit_id.is_some()).await?;
        let row = HubRefRow {
            model_id: repo.model.id.clone(),
            kind,
            name: name.to_owned(),
            seq,
            commit_id,
            message,
            moved_by: unit.owner().to_owned(),
            moved_at: unit.now(),
        };
        hub_ref::insert(&unit.transaction, row).await?;
        unit.finish(&format!("{} {kind} {name}", repo.id), ()).await
    }
}

/// The next move's place: what is made must not be there, what is taken away must be.
async fn next_seq(
    transaction: &StoreTransaction,
    target: Target<'_>,
    is_made: bool,
) -> Result<i64, ServiceError> {
    let Target { repo, kind, name } = target;
    let current = hub_ref::current(transaction, &repo.model.id, kind, name).await?;
    let is_there = current.as_ref().is_some_and(|row| row.commit_id.is_some());
    match (is_there, is_made) {
        (true, true) => Err(ServiceError::Exists { kind: kind.as_str(), name: name.to_owned() }),
        (false, false) => Err(ServiceError::absent("revision", format!("{kind} {name}"))),
        _ => Ok(current.map_or(1, |row| row.seq + 1)),
    }
}

fn is_commit_id(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn check_name(name: &str) -> Result<(), ServiceError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/' | '+');
    let formed = (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(allowed)
        && !name.contains("..")
        && !name.ends_with('/');
    if formed && !is_commit_id(name) {
        return Ok(());
    }
    let shown: String = name.chars().take(80).collect();
    Err(ServiceError::invalid("name", format!("{shown:?} is no name of a branch or a tag")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves which names a branch or a tag can bear; a commit's id is none of them.
    #[test]
    fn names() {
        for good in ["v1.0", "dev/x", "2026-01-01", "a+b"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "-x", "a b", "a..b", "a/", "é", &"0a".repeat(20), &"x".repeat(201)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
