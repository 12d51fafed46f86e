//! The audit log.

use async_graphql::SimpleObject;
use service::AuditEntry as EntryValue;

use crate::scalars::Time;

/// An entry of the audit log: every change leaves one.
#[derive(SimpleObject, Clone, Debug)]
pub(crate) struct AuditEntry {
    /// Place in the log, from 1, without gaps.
    number: i64,
    /// Who.
    actor: String,
    /// Id of the token; null for the operator at the machine.
    token: Option<String>,
    /// Did what.
    operation: String,
    /// To what.
    subject: String,
    /// When.
    at: Time,
}

impl From<EntryValue> for AuditEntry {
    fn from(value: EntryValue) -> Self {
        Self {
            number: value.number,
            actor: value.actor,
            token: value.token,
            operation: value.operation,
            subject: value.subject,
            at: Time(value.at),
        }
    }
}
