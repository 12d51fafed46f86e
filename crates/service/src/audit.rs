//! The audit log, for the operator: who did what with which token, in one order.

use domain::time::Timestamp;
use store::{AuditRow, audit_entry};

use crate::{
    Service, ServiceError,
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

impl Service {
    /// Entries of the audit log after a number, at most `limit`.
    ///
    /// # Errors
    /// [`ServiceError::Scope`] without the scope `operate`.
    pub async fn list_audit(
        &self,
        caller: &Caller,
        after: Option<i64>,
        limit: u64,
    ) -> Result<Vec<AuditEntry>, ServiceError> {
        if !caller.may(Scope::Operate) {
            return Err(Scope::Operate.into());
        }
        let rows = audit_entry::list(&self.store, after, limit).await?;
        Ok(rows.into_iter().map(AuditEntry::from).collect())
    }
}
