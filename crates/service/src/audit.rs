//! The audit log: who did what with which token, in one order. The operator reads all of it, a publisher what is about his models.

use domain::{name::Name, time::Timestamp};
use store::{AuditFilter, AuditRow, audit_entry};

use crate::{
    Service, ServiceError,
    roles::Right,
    token::{Caller, Scope},
};

/// An entry of the log.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    /// Place in the log, from 1.
    pub number: i64,
    /// Who.
    pub actor: String,
    /// Id of the token; none for the operator at the machine.
    pub token: Option<String>,
    /// Did what.
    pub operation: String,
    /// To what.
    pub subject: String,
    /// When.
    pub at: Timestamp,
}

impl From<AuditRow> for AuditEntry {
    fn from(row: AuditRow) -> Self {
        Self {
            number: row.seq,
            actor: row.actor,
            token: row.token_id,
            operation: row.operation,
            subject: row.subject,
            at: Timestamp::from_millis(row.at),
        }
    }
}

/// Which entries are asked for; what is not given is not asked.
#[derive(Clone, Debug, Default)]
pub struct AuditSearch {
    /// By whom.
    pub actor: Option<String>,
    /// Which operation.
    pub operation: Option<String>,
    /// How the subject begins.
    pub subject_prefix: Option<String>,
    /// From when on.
    pub since: Option<Timestamp>,
    /// About which model; its publisher may ask this, everybody else needs the scope `operate`.
    pub model: Option<Name>,
}

impl Service {
    /// Entries of the audit log after a number, at most `limit`: all for the operator, those about one of his models for a publisher.
    ///
    /// # Errors
    /// [`ServiceError::Scope`] without the scope `operate`, unless the search names a model of the caller's;
    /// [`ServiceError::Absent`] and [`ServiceError::NotOwner`] for other models.
    pub async fn list_audit(
        &self,
        caller: &Caller,
        search: &AuditSearch,
        after: Option<i64>,
        limit: u64,
    ) -> Result<Vec<AuditEntry>, ServiceError> {
        let model = match &search.model {
            Some(name) if caller.may(Scope::Operate) => {
                Some(self.get_readable_model(&caller.into(), name).await?)
            }
            Some(name) => Some(self.get_model_for(caller, name, Right::Own).await?),
            None if caller.may(Scope::Operate) => None,
            None => return Err(Scope::Operate.into()),
        };
        let filter = AuditFilter {
            actor: search.actor.as_deref(),
            operation: search.operation.as_deref(),
            subject_prefix: search.subject_prefix.as_deref(),
            since: search.since.map(Timestamp::as_millis),
            model_id: model.as_ref().map(|model| model.id.as_str()),
        };
        let rows = audit_entry::list(&self.store, &filter, after, limit).await?;
        Ok(rows.into_iter().map(AuditEntry::from).collect())
    }
}
