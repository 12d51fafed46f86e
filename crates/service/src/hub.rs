//! Repositories as the stock Hugging Face client sees them: `namespace/name` is a model of ours, its publisher the namespace.

use domain::{digest::Digest, name::Name};
use store::HubEntryRow;

use crate::roles::Right;
use crate::{
    Service, ServiceError,
    hub_commit::{HubCommitRequest, MAIN},
    models::Model,
    token::Caller,
    visibility::Reader,
};

/// Rows that are looked through at a time.
const PAGE_ROWS: u64 = 500;

/// A model under its name on the hub surface.
#[derive(Clone, Debug)]
pub struct HubRepo {
    /// The model.
    pub model: Model,
    /// `namespace/name`.
    pub id: String,
    /// Whether it is hidden from those whom its publisher did not let in.
    pub is_private: bool,
    /// How access to its bytes is given.
    pub gate: crate::GateMode,
}

/// A file of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubFile {
    /// Path in the repository.
    pub path: String,
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// How many they are.
    pub bytes: u64,
    /// The id that git gives to these bytes, where they came in whole.
    pub git_oid: Option<String>,
}

impl TryFrom<HubEntryRow> for HubFile {
    type Error = ServiceError;

    fn try_from(row: HubEntryRow) -> Result<Self, ServiceError> {
        Ok(Self {
            path: row.path,
            digest: row.digest.parse().map_err(ServiceError::internal)?,
            bytes: row.bytes.unsigned_abs(),
            git_oid: row.git_oid,
        })
    }
}

/// Which repositories are listed.
#[derive(Clone, Debug, Default)]
pub struct HubFilter {
    /// A text that the name holds, whatever its letters' case.
    pub search: Option<String>,
    /// The namespace.
    pub author: Option<String>,
    /// The model's name after which the page begins.
    pub after: Option<String>,
    /// Most repositories in the page.
    pub limit: usize,
}

/// A model `lab/net` of `lab` is `lab/net`; a model `net` of `lab`, made without the hub surface, is `lab/net` too.
fn hub_id(model: &Model) -> String {
    let own = format!("{}/", model.publisher);
    let name = model.name.as_str();
    if name.starts_with(&own) { name.to_owned() } else { format!("{own}{name}") }
}

impl Service {
    /// The repository `namespace/name`, if this caller may see it.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] of kind `repository`, also for one that the caller may not see.
    pub async fn hub_repo(
        &self,
        caller: Option<&Caller>,
        namespace: &str,
        name: &str,
    ) -> Result<HubRepo, ServiceError> {
        let id = format!("{namespace}/{name}");
        for candidate in [id.as_str(), name] {
            let Ok(candidate) = candidate.parse::<Name>() else { continue };
            let Some(model) = self.find_model(&candidate).await? else { continue };
            if model.publisher.as_str() == namespace && self.may_see(caller, &model).await? {
                return self.as_hub_repo(model).await;
            }
        }
        Err(ServiceError::absent("repository", id))
    }

    /// A repository that the caller may write.
    ///
    /// # Errors
    /// Those of [`Self::hub_repo`]; [`ServiceError::NotOwner`] for another party's; [`ServiceError::Scope`].
    pub async fn hub_repo_of(
        &self,
        caller: &Caller,
        namespace: &str,
        name: &str,
    ) -> Result<HubRepo, ServiceError> {
        let repo = self.hub_repo(Some(caller), namespace, name).await?;
        self.check_right(caller, &repo.model, Right::Maintain).await?;
        if !caller.may(crate::Scope::Publish) {
            return Err(crate::Scope::Publish.into());
        }
        Ok(repo)
    }

    /// Creates the repository `namespace/name` with an empty first commit, private from its first moment if it is to be.
    ///
    /// # Errors
    /// [`ServiceError::Exists`]; [`ServiceError::NotOwner`] for a namespace that is not the caller's;
    /// [`ServiceError::Invalid`] for a name that is none.
    pub async fn create_hub_repo(
        &self,
        caller: &Caller,
        namespace: &str,
        name: &str,
        is_private: bool,
    ) -> Result<HubRepo, ServiceError> {
        if namespace != caller.owner.as_str() {
            return Err(ServiceError::NotOwner(format!("namespace {namespace}")));
        }
        let id = format!("{namespace}/{name}");
        if name.is_empty() || name.contains('/') || namespace.contains('/') {
            return Err(ServiceError::invalid(
                "name",
                format!("{id:?} is not of the form namespace/name"),
            ));
        }
        let full: Name = id.parse().map_err(|e| ServiceError::invalid("name", e))?;
        match self.hub_repo(Some(caller), namespace, name).await {
            Ok(repo) => return Err(ServiceError::Exists { kind: "repository", name: repo.id }),
            Err(ServiceError::Absent { .. }) => {}
            Err(error) => return Err(error),
        }
        let key = format!("hub.create.{id}");
        let model = self.create_model_as(caller, &key, &full, is_private).await?;
        let repo = self.as_hub_repo(model).await?;
        let first = HubCommitRequest { title: "initial commit".to_owned(), ..Default::default() };
        self.commit_to_hub(caller, &repo, MAIN, &first).await?;
        Ok(repo)
    }

    /// A page of the repositories that the caller may see, and the cursor of the next page.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn list_hub_repos(
        &self,
        caller: Option<&Caller>,
        filter: &HubFilter,
    ) -> Result<(Vec<HubRepo>, Option<String>), ServiceError> {
        let wanted = filter.search.as_ref().map(|text| text.to_lowercase());
        let mut after = filter.after.clone();
        let mut found = Vec::new();
        loop {
            let page = self.list_models(after.as_deref(), PAGE_ROWS).await?;
            let is_last = (page.len() as u64) < PAGE_ROWS;
            for model in page {
                after = Some(model.name.to_string());
                let id = hub_id(&model);
                let fits = wanted.as_ref().is_none_or(|text| id.to_lowercase().contains(text))
                    && filter.author.as_ref().is_none_or(|a| *a == model.publisher.as_str());
                if fits && self.may_see(caller, &model).await? {
                    found.push(self.as_hub_repo(model).await?);
                    if found.len() >= filter.limit.max(1) {
                        return Ok((found, after));
                    }
                }
            }
            if is_last {
                return Ok((found, None));
            }
        }
    }

    async fn as_hub_repo(&self, model: Model) -> Result<HubRepo, ServiceError> {
        let is_private = self.is_private(&model).await?;
        let gate = self.gate(&model).await?;
        Ok(HubRepo { id: hub_id(&model), model, is_private, gate })
    }

    /// Whether a caller may see a model: the one question that every read of this surface asks.
    async fn may_see(&self, caller: Option<&Caller>, model: &Model) -> Result<bool, ServiceError> {
        self.sees_model(&caller.map_or(Reader::Anybody, Reader::from), model).await
    }
}
