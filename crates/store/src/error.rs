//! What can go wrong between a caller and the database, one variant per decision a caller can take.

use sea_orm::{DbErr, RuntimeErr, SqlxError, SqlxPostgresError, SqlxSqliteError};

/// A failure of the store.
///
/// The sentence of each variant may be shown to anybody: it holds no SQL, no value of a row and no address.
/// The cause, for the log of the process, is the `source`.
/// On PostgreSQL any failure ends the transaction it happened in: drop it and begin anew.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, has no free connection or cannot write: try later, or tell the operator.
    #[error("the database is not available")]
    Unavailable {
        /// The cause, for the log.
        #[source]
        source: Cause,
    },
    /// A row of this key exists already: the caller lost a race, or asks a second time.
    #[error("a row with the same key exists already ({constraint})")]
    Conflict {
        /// `TABLE_pkey` or `TABLE_COLUMNS_key`, the same on both databases;
        /// of several violated at once the database picks one.
        constraint: String,
    },
    /// A row names another row that does not exist.
    #[error("a row names another row that does not exist")]
    MissingReference {
        /// The cause, for the log.
        #[source]
        source: Cause,
    },
    /// Somebody else holds what is needed (SQLite locked; PostgreSQL deadlock or serialisation): retry the transaction.
    #[error("the database is busy")]
    Busy {
        /// The cause, for the log.
        #[source]
        source: Cause,
    },
    /// What the caller had found or written was removed by the collector before he referred to it: begin anew.
    #[error("what was found in the storage was collected meanwhile")]
    Collected,
    /// A value came back that no program of ours can have written.
    #[error("the database holds a value that cannot be right: {what}")]
    Corrupt {
        /// Table and column, or the file.
        what: String,
    },
    /// Anything else: our bug, or a database that somebody changed by hand.
    #[error("the database refused an operation")]
    Other {
        /// The cause, for the log.
        #[source]
        source: Cause,
    },
}

/// A cause of any type; read it into the log, not into an answer.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

impl StoreError {
    /// Tells whether the same transaction, run again from its start, may succeed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Collected)
    }

    /// Sorts a failure of the driver into the decision it leaves to the caller.
    pub(crate) fn from_database(error: DbErr) -> Self {
        let verdict = match &error {
            DbErr::ConnectionAcquire(_) => Verdict::Unavailable,
            DbErr::Conn(RuntimeErr::SqlxError(cause))
            | DbErr::Exec(RuntimeErr::SqlxError(cause))
            | DbErr::Query(RuntimeErr::SqlxError(cause)) => judge(cause),
            DbErr::Conn(_) => Verdict::Unavailable,
            _ => Verdict::Other,
        };
        match verdict {
            Verdict::Unavailable => Self::Unavailable { source: Box::new(error) },
            Verdict::Conflict(constraint) => Self::Conflict { constraint },
            Verdict::MissingReference => Self::MissingReference { source: Box::new(error) },
            Verdict::Busy => Self::Busy { source: Box::new(error) },
            Verdict::CorruptFile => Self::Corrupt { what: "the database file".to_owned() },
            Verdict::Other => Self::Other { source: Box::new(error) },
        }
    }
}

enum Verdict {
    Unavailable,
    Conflict(String),
    MissingReference,
    Busy,
    CorruptFile,
    Other,
}

fn judge(error: &SqlxError) -> Verdict {
    match error {
        SqlxError::Database(cause) => {
            let code = cause.code().unwrap_or_default();
            if cause.try_downcast_ref::<SqlxSqliteError>().is_some() {
                judge_sqlite(&code, cause.message())
            } else if cause.try_downcast_ref::<SqlxPostgresError>().is_some() {
                judge_postgres(&code, cause.constraint())
            } else {
                Verdict::Other
            }
        }
        SqlxError::Io(_)
        | SqlxError::Tls(_)
        | SqlxError::Configuration(_)
        | SqlxError::PoolTimedOut
        | SqlxError::PoolClosed
        | SqlxError::WorkerCrashed => Verdict::Unavailable,
        _ => Verdict::Other,
    }
}

/// Extended result codes, <https://www.sqlite.org/rescode.html>; the low byte is the primary code.
fn judge_sqlite(code: &str, message: &str) -> Verdict {
    let Ok(code) = code.parse::<i32>() else { return Verdict::Other };
    match code {
        787 => Verdict::MissingReference,
        1555 | 2067 => Verdict::Conflict(sqlite_constraint(message, code == 1555)),
        _ => match code & 0xff {
            5 | 6 => Verdict::Busy,
            8 | 10 | 13 | 14 => Verdict::Unavailable,
            11 | 26 => Verdict::CorruptFile,
            _ => Verdict::Other,
        },
    }
}

/// Names a violated constraint as PostgreSQL would, from `UNIQUE constraint failed: table.a, table.b`.
fn sqlite_constraint(message: &str, primary: bool) -> String {
    let columns = message.rsplit(": ").next().unwrap_or(message);
    let table = columns.split('.').next().unwrap_or(columns);
    if primary {
        return format!("{table}_pkey");
    }
    let names: Vec<&str> =
        columns.split(", ").map(|column| column.rsplit('.').next().unwrap_or(column)).collect();
    format!("{table}_{}_key", names.join("_"))
}

/// SQLSTATE classes, PostgreSQL manual, appendix A.
fn judge_postgres(code: &str, constraint: Option<&str>) -> Verdict {
    match code {
        "23505" => Verdict::Conflict(constraint.unwrap_or("unknown").to_owned()),
        "23503" => Verdict::MissingReference,
        "40001" | "40P01" | "55P03" => Verdict::Busy,
        "53300" | "57P01" | "57P02" | "57P03" => Verdict::Unavailable,
        _ if code.starts_with("08") => Verdict::Unavailable,
        _ => Verdict::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::{Verdict, judge_postgres, judge_sqlite, sqlite_constraint};

    /// Proves that a constraint violated on SQLite gets the name that PostgreSQL reports.
    #[test]
    fn sqlite_constraint_is_named_like_postgres() {
        let cases = [
            ("UNIQUE constraint failed: suite.digest", false, "suite_digest_key"),
            ("UNIQUE constraint failed: a.b, a.c_d", false, "a_b_c_d_key"),
            ("UNIQUE constraint failed: fund.name", true, "fund_pkey"),
        ];
        for (message, primary, expected) in cases {
            assert_eq!(sqlite_constraint(message, primary), expected);
        }
    }

    /// Proves that the codes of both databases are sorted into the same decisions.
    #[test]
    fn codes_are_sorted_into_decisions() {
        let word = |verdict: Verdict| match verdict {
            Verdict::Unavailable => "unavailable",
            Verdict::Conflict(_) => "conflict",
            Verdict::MissingReference => "missing reference",
            Verdict::Busy => "busy",
            Verdict::CorruptFile => "corrupt",
            Verdict::Other => "other",
        };
        // Busy, locked, busy in recovery, busy snapshot, cannot open, full, read-only, input error, corrupt, no database,
        // unique, primary key, foreign key, check, no code.
        let sqlite = [
            ("5", "busy"),
            ("6", "busy"),
            ("261", "busy"),
            ("517", "busy"),
            ("14", "unavailable"),
            ("13", "unavailable"),
            ("8", "unavailable"),
            ("266", "unavailable"),
            ("11", "corrupt"),
            ("26", "corrupt"),
            ("2067", "conflict"),
            ("1555", "conflict"),
            ("787", "missing reference"),
            ("275", "other"),
            ("", "other"),
        ];
        for (code, expected) in sqlite {
            assert_eq!(word(judge_sqlite(code, "")), expected, "{code}");
        }
        let postgres = [
            ("40001", "busy"),
            ("40P01", "busy"),
            ("55P03", "busy"),
            ("08006", "unavailable"),
            ("57P01", "unavailable"),
            ("53300", "unavailable"),
            ("23505", "conflict"),
            ("23503", "missing reference"),
            ("23514", "other"),
        ];
        for (code, expected) in postgres {
            assert_eq!(word(judge_postgres(code, None)), expected, "{code}");
        }
    }
}
