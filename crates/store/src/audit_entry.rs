//! The audit log: who did what with which token, in one order without gaps.

use sea_orm::sea_query::Condition;

use crate::connection::Sequence;
use crate::record::{self, record};
use crate::{Connection, StoreError, StoreTransaction};

record! {
    /// An entry of the audit log.
    pub struct AuditRow in "audit_entry" {
        /// Place in the log, from 1; [`append`] sets it.
        seq: i64,
        /// Who.
        actor: String,
        /// With which token; null for the operator at the machine.
        token_id: Option<String>,
        /// Did what.
        operation: String,
        /// To what.
        subject: String,
        /// Milliseconds since 1970.
        at: i64,
    }
}

/// Writes an entry at the next place, whatever its `seq` says, and returns the place.
///
/// On PostgreSQL the order is locked until the transaction ends: append last, shortly before the commit.
///
/// # Errors
/// Those of the database.
pub async fn append(transaction: &StoreTransaction, mut row: AuditRow) -> Result<i64, StoreError> {
    transaction.lock(Sequence::Audit).await?;
    let last = record::greatest::<AuditRow, _>(transaction, Condition::all(), "seq").await?;
    row.seq = last.unwrap_or(0) + 1;
    let seq = row.seq;
    record::insert(transaction, row).await?;
    Ok(seq)
}

/// A page of the log.
///
/// # Errors
/// Those of the database.
pub async fn list<C: Connection>(
    connection: &C,
    after_seq: Option<i64>,
    limit: u64,
) -> Result<Vec<AuditRow>, StoreError> {
    record::page(connection, Condition::all(), "seq", after_seq.map(Into::into), limit).await
}
