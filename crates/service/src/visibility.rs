//! Who may read what. A private model is absent for everybody but its publisher, the operator and those who were granted it:
//! its versions, reports, prices, jobs and objects with it, under the very answer that a thing gets which does not exist.

use domain::{digest::Digest, name::Name, time::Timestamp};
use serde::Serialize;
use store::{
    GrantRow, Reading, StoreTransaction, VisibilityRow, access_grant, model_access,
    model_visibility,
};

use crate::{
    Service, ServiceError,
    command::{Begun, Request},
    funds::ledger_command,
    jobs::Job,
    models::Model,
    reports::ReportView,
    roles::{Right, check_publisher_or_operator},
    rounds::Round,
    token::{Caller, Scope},
    versions::Version,
};

/// On whose behalf something is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reader {
    /// Nobody known.
    Anybody,
    /// A login.
    Login(Name),
    /// The operator, who reads everything.
    Operator,
}

impl From<&Caller> for Reader {
    fn from(caller: &Caller) -> Self {
        if caller.may(Scope::Operate) { Self::Operator } else { Self::Login(caller.owner.clone()) }
    }
}

impl From<Option<&Caller>> for Reader {
    fn from(caller: Option<&Caller>) -> Self {
        caller.map_or(Self::Anybody, Self::from)
    }
}

impl Reader {
    pub(crate) fn reading(&self) -> Reading<'_> {
        match self {
            Self::Anybody => Reading::Anybody,
            Self::Login(name) => Reading::Login(name.as_str()),
            Self::Operator => Reading::Everything,
        }
    }
}

/// A grant in force.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Who may read.
    pub grantee: Name,
    /// Who granted it.
    pub granted_by: Name,
    /// When.
    pub granted_at: Timestamp,
}

impl TryFrom<GrantRow> for Grant {
    type Error = ServiceError;

    fn try_from(row: GrantRow) -> Result<Self, ServiceError> {
        Ok(Self {
            grantee: row.grantee.parse().map_err(ServiceError::internal)?,
            granted_by: row.set_by.parse().map_err(ServiceError::internal)?,
            granted_at: Timestamp::from_millis(row.set_at),
        })
    }
}

#[derive(Serialize)]
struct SetVisibility<'a> {
    model: &'a Name,
    private: bool,
}

#[derive(Serialize)]
struct SetGrant<'a> {
    model: &'a Name,
    grantee: &'a Name,
}

/// Whether a name stands in the namespace of a login: `lab/anything` is of `lab`.
///
/// Only the login itself may create such names, so that a refusal never tells a stranger that a private model has the name.
pub(crate) fn is_in_namespace(name: &Name, owner: &str) -> bool {
    name.as_str().split_once('/').is_some_and(|(namespace, _)| namespace == owner)
}

/// Refuses a name in the namespace of another login.
pub(crate) fn check_namespace(name: &Name, owner: &str) -> Result<(), ServiceError> {
    match name.as_str().split_once('/') {
        Some((namespace, _)) if namespace != owner => {
            Err(ServiceError::NotOwner(format!("namespace {namespace}")))
        }
        _ => Ok(()),
    }
}

/// Refuses a private model whose name is not in its publisher's namespace.
pub(crate) fn check_may_be_private(name: &Name, owner: &str) -> Result<(), ServiceError> {
    if is_in_namespace(name, owner) {
        return Ok(());
    }
    Err(ServiceError::invalid(
        "private",
        format!("model {name} cannot be private: only names that begin with \"{owner}/\" can"),
    ))
}

/// Writes that a model is private or public from now on.
pub(crate) async fn write_visibility(
    transaction: &StoreTransaction,
    model_id: &str,
    private: bool,
    owner: &str,
    now: i64,
) -> Result<(), ServiceError> {
    let current = model_visibility::current(transaction, model_id).await?;
    if current.as_ref().is_some_and(|row| row.private) == private {
        return Ok(());
    }
    let row = VisibilityRow {
        model_id: model_id.to_owned(),
        seq: current.map_or(1, |row| row.seq + 1),
        private,
        set_by: owner.to_owned(),
        set_at: now,
    };
    Ok(model_visibility::insert(transaction, row).await?)
}

impl Service {
    /// The model of this name, if there is one that the reader may see.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn find_readable_model(
        &self,
        reader: &Reader,
        name: &Name,
    ) -> Result<Option<Model>, ServiceError> {
        let row = model_access::find_by_name(&self.store, reader.reading(), name.as_str()).await?;
        row.map(Model::try_from).transpose()
    }

    /// The model of this name.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] if there is none that the reader may see.
    pub async fn get_readable_model(
        &self,
        reader: &Reader,
        name: &Name,
    ) -> Result<Model, ServiceError> {
        let found = self.find_readable_model(reader, name).await?;
        found.ok_or_else(|| ServiceError::absent("model", name.as_str()))
    }

    /// Models that the reader may see, by name after `after`, at most `limit`.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn list_readable_models(
        &self,
        reader: &Reader,
        after: Option<&str>,
        limit: u64,
    ) -> Result<Vec<Model>, ServiceError> {
        let rows = model_access::list(&self.store, reader.reading(), after, limit).await?;
        rows.into_iter().map(Model::try_from).collect()
    }

    /// Whether the reader may see a model.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn sees_model(&self, reader: &Reader, model: &Model) -> Result<bool, ServiceError> {
        let found = model_access::find_by_id(&self.store, reader.reading(), &model.id).await?;
        Ok(found.is_some())
    }

    /// Whether the reader may see the model of a version.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn sees_version(
        &self,
        reader: &Reader,
        version: &Version,
    ) -> Result<bool, ServiceError> {
        let found =
            model_access::find_by_id(&self.store, reader.reading(), &version.model_id).await?;
        Ok(found.is_some())
    }

    /// The evaluation job of this id.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] if there is none of a model that the reader may see.
    pub async fn get_readable_job(&self, reader: &Reader, id: &str) -> Result<Job, ServiceError> {
        let job = self.get_job(id).await?;
        let version = self.get_version_by_id(&job.version_id).await?;
        if !self.sees_version(reader, &version).await? {
            return Err(ServiceError::absent("evaluation job", id));
        }
        Ok(job)
    }

    /// The round of this id.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] if there is none of a model that the reader may see.
    pub async fn get_readable_round(
        &self,
        reader: &Reader,
        id: &str,
    ) -> Result<Round, ServiceError> {
        let round = self.get_round(id).await?;
        let version = self.get_version_by_id(&round.version_id).await?;
        if !self.sees_version(reader, &version).await? {
            return Err(ServiceError::absent("round", id));
        }
        Ok(round)
    }

    /// The report of this digest.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] if there is none of a model that the reader may see.
    pub async fn get_readable_report(
        &self,
        reader: &Reader,
        digest: Digest,
    ) -> Result<ReportView, ServiceError> {
        let report = self.get_report(digest).await?;
        let version = self.get_version_by_id(&report.version_id).await?;
        if !self.sees_version(reader, &version).await? {
            return Err(ServiceError::absent("report", digest.to_string()));
        }
        Ok(report)
    }

    /// Checks that the reader may have the bytes of an object: a model that is open to him names it in a version, one that he sees in
    /// a report, a suite names it, or he sent it himself.
    ///
    /// # Errors
    /// [`ServiceError::Gated`] if a gate alone keeps him from it, [`ServiceError::Absent`] as for an object that does not exist.
    pub async fn check_object_readable(
        &self,
        reader: &Reader,
        digest: Digest,
    ) -> Result<(), ServiceError> {
        if model_access::sees_object(&self.store, reader.reading(), &digest.hex()).await? {
            return Ok(());
        }
        if model_access::sees_gated_object(&self.store, reader.reading(), &digest.hex()).await? {
            return Err(ServiceError::Gated(format!("object {digest}")));
        }
        Err(ServiceError::absent("object", digest.to_string()))
    }

    /// Whether a model is private.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the database fails.
    pub async fn is_private(&self, model: &Model) -> Result<bool, ServiceError> {
        Ok(model_access::is_private(&self.store, &model.id).await?)
    }

    /// Makes the caller's model private or public. What a fund has admitted stays public: its price is somebody's NAV.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] for a model outside its publisher's namespace or admitted to a fund, [`ServiceError::NotOwner`],
    /// [`ServiceError::Absent`].
    pub async fn set_visibility(
        &self,
        caller: &Caller,
        key: &str,
        name: &Name,
        private: bool,
    ) -> Result<String, ServiceError> {
        let model = self.get_model_for(caller, name, Right::Own).await?;
        if private {
            check_may_be_private(name, model.publisher.as_str())?;
        }
        let input = SetVisibility { model: name, private };
        // The ledger is held, so that no fund admits the model meanwhile.
        let ledger =
            ledger_command!(self, caller, &[Scope::Publish], key, "model_visibility_set", &input);
        if private && ledger.state.model(name).is_some() {
            return Err(ServiceError::invalid(
                "private",
                format!("model {name} cannot be private: a fund has admitted it"),
            ));
        }
        let mut ledger = ledger;
        ledger.unit = ledger.unit.about(&model);
        let unit = &ledger.unit;
        write_visibility(&unit.transaction, &model.id, private, unit.owner(), unit.now()).await?;
        ledger.finish(name.as_str(), name.to_string()).await
    }

    /// Lets a login read the caller's model while it is private, or ends that.
    ///
    /// # Errors
    /// [`ServiceError::Absent`] when a grant is to end that is not in force, [`ServiceError::NotOwner`].
    pub async fn set_grant(
        &self,
        caller: &Caller,
        key: &str,
        name: &Name,
        grantee: &Name,
        granted: bool,
    ) -> Result<Model, ServiceError> {
        let model = self.get_model_for(caller, name, Right::Own).await?;
        let input = SetGrant { model: name, grantee };
        let operation = if granted { "access_grant" } else { "access_revoke" };
        let request = Request { caller, scope: &[Scope::Publish], key, operation, input: &input };
        let unit = match self.begin::<_, String>(&request).await? {
            Begun::Replayed(_) => return Ok(model),
            Begun::Fresh(unit) => unit,
        };
        let transaction = &unit.transaction;
        let current = access_grant::current(transaction, &model.id, grantee.as_str()).await?;
        let in_force = current.as_ref().is_some_and(|row| row.granted);
        if !granted && !in_force {
            return Err(ServiceError::absent("grant", format!("{name} to {grantee}")));
        }
        if granted != in_force {
            let row = GrantRow {
                model_id: model.id.clone(),
                grantee: grantee.to_string(),
                seq: current.map_or(1, |row| row.seq + 1),
                granted,
                set_by: unit.owner().to_owned(),
                set_at: unit.now(),
            };
            access_grant::insert(transaction, row).await?;
        }
        let unit = unit.about(&model);
        unit.finish(&format!("{name} {grantee}"), name.to_string()).await?;
        Ok(model)
    }

    /// Grants in force on a model, by login after `after`, at most `limit`.
    ///
    /// # Errors
    /// [`ServiceError::NotOwner`] for everybody but its publisher and the operator.
    pub async fn list_grants(
        &self,
        reader: &Reader,
        model: &Model,
        after: Option<&str>,
        limit: u64,
    ) -> Result<Vec<Grant>, ServiceError> {
        check_publisher_or_operator(reader, model, "the list of grants")?;
        let rows = access_grant::list_in_force(&self.store, &model.id, after, limit).await?;
        rows.into_iter().map(Grant::try_from).collect()
    }
}
