//! The audit log: who did what with which token, in one order without gaps.

use sea_orm::sea_query::{Condition, Expr, ExprTrait, Query};

use crate::connection::Sequence;
use crate::record::{self, equal, record};
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

record! {
    /// The model that an entry is about.
    pub struct AuditModelRow in "audit_model" {
        /// The entry.
        seq: i64,
        /// The model.
        model_id: String,
    }
}

/// Which entries are asked for; what is not given is not asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct AuditFilter<'a> {
    /// By whom.
    pub actor: Option<&'a str>,
    /// Which operation.
    pub operation: Option<&'a str>,
    /// How the subject begins.
    pub subject_prefix: Option<&'a str>,
    /// From when on, milliseconds since 1970.
    pub since: Option<i64>,
    /// About which model.
    pub model_id: Option<&'a str>,
}

/// Writes that an entry is about a model.
///
/// # Errors
/// [`StoreError::MissingReference`] without the entry or the model.
pub async fn append_model(
    transaction: &StoreTransaction,
    seq: i64,
    model_id: &str,
) -> Result<(), StoreError> {
    record::insert(transaction, AuditModelRow { seq, model_id: model_id.to_owned() }).await
}

/// A page of the entries that satisfy a filter.
///
/// # Errors
/// Those of the database.
pub async fn list<C: Connection>(
    connection: &C,
    filter: &AuditFilter<'_>,
    after_seq: Option<i64>,
    limit: u64,
) -> Result<Vec<AuditRow>, StoreError> {
    let mut condition = Condition::all();
    if let Some(actor) = filter.actor {
        condition = condition.add(equal("actor", actor));
    }
    if let Some(operation) = filter.operation {
        condition = condition.add(equal("operation", operation));
    }
    if let Some(prefix) = filter.subject_prefix {
        // Compared as text, so that no character of the prefix means more than itself.
        let head = Expr::cust(format!("SUBSTR(subject, 1, {})", prefix.chars().count()));
        condition = condition.add(head.eq(Expr::val(prefix)));
    }
    if let Some(since) = filter.since {
        condition = condition.add(Expr::col("at").gte(since));
    }
    if let Some(model_id) = filter.model_id {
        let about = Query::select()
            .column("seq")
            .from("audit_model")
            .and_where(equal("model_id", model_id))
            .take();
        condition = condition.add(Expr::col("seq").in_subquery(about));
    }
    record::page(connection, condition, "seq", after_seq.map(Into::into), limit).await
}
