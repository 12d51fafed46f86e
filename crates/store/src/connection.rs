//! The database and its transactions.

use std::{sync::Arc, time::Duration};

use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend,
    IsolationLevel, SqliteTransactionMode, TransactionOptions, TransactionTrait,
};

use crate::{
    StoreError,
    faults::{Faults, Point},
};

/// Limits of the connection to a database.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Connections to a SQLite file: one writes, the others read beside it.
    sqlite_connections_max: u32,
    /// Connections of one process to PostgreSQL.
    postgres_connections_max: u32,
    /// How long a caller waits for a free connection.
    acquire_wait: Duration,
    /// How long a SQLite writer waits for the writer before it.
    busy_wait: Duration,
}

const LIMITS: Limits = Limits {
    sqlite_connections_max: 8,
    postgres_connections_max: 16,
    acquire_wait: Duration::from_secs(10),
    busy_wait: Duration::from_secs(10),
};

/// Something to read rows from: the [`Store`] itself, or a [`StoreTransaction`] to see its own writes.
///
/// Law: a read changes nothing. Only this crate implements it.
pub trait Connection: sealed::Executor {}

impl Connection for Store {}
impl Connection for StoreTransaction {}

pub(crate) mod sealed {
    use sea_orm::ConnectionTrait;

    /// Gives this crate the connection of the library and nobody else.
    pub trait Executor: Send + Sync {
        /// The library's type.
        type Inner: ConnectionTrait + Send;

        /// The library's connection.
        fn executor(&self) -> &Self::Inner;
    }
}

/// A pool of connections to one database, cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    inner: DatabaseConnection,
    faults: Option<Arc<Faults>>,
}

impl sealed::Executor for Store {
    type Inner = DatabaseConnection;

    fn executor(&self) -> &DatabaseConnection {
        &self.inner
    }
}

impl Store {
    /// Opens a database by URL and leaves its schema as it is.
    ///
    /// - `sqlite:///folder/file.db` (created if absent; the folder must exist), write-ahead log, synchronous FULL.
    /// - `sqlite::memory:`, for tests: one connection, so a read through the store waits while a transaction is open.
    /// - `postgres://…`, PostgreSQL 15 or newer.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the URL is not understood or nothing answers there.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        let mut options = ConnectOptions::new(url);
        options.sqlx_logging(false).acquire_timeout(LIMITS.acquire_wait);
        if url.starts_with("sqlite:") {
            let memory = url.contains(":memory:") || url.contains("mode=memory");
            // A database in memory lives in its one connection, which therefore must never be closed.
            options.max_connections(if memory { 1 } else { LIMITS.sqlite_connections_max });
            if memory {
                options.min_connections(1).idle_timeout(None).max_lifetime(None);
            }
            options.map_sqlx_sqlite_opts(|sqlite| {
                sqlite
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .foreign_keys(true)
                    .busy_timeout(LIMITS.busy_wait)
            });
        } else {
            options
                .max_connections(LIMITS.postgres_connections_max)
                .set_application_name("modelfolio");
        }
        let inner = Database::connect(options).await.map_err(StoreError::from_database)?;
        Ok(Self { inner, faults: None })
    }

    /// The same store, whose writes fail where `faults` says: for tests of those who write.
    #[must_use]
    pub fn with_faults(self, faults: Arc<Faults>) -> Self {
        Self { faults: Some(faults), ..self }
    }

    /// Begins a transaction that may write; dropping it without [`StoreTransaction::commit`] undoes all it did.
    ///
    /// On SQLite it is immediate: it holds the one right to write from its start, so it never fails half-way for want of it.
    /// On PostgreSQL it is read committed, so that a read after [`StoreTransaction::lock_ledger`] sees the ledger as of the lock.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when another writer does not end in time, [`StoreError::Unavailable`] without a connection.
    pub async fn begin(&self) -> Result<StoreTransaction, StoreError> {
        let postgres = self.inner.get_database_backend() == DbBackend::Postgres;
        let options = TransactionOptions {
            isolation_level: postgres.then_some(IsolationLevel::ReadCommitted),
            access_mode: None,
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        };
        let inner =
            self.inner.begin_with_options(options).await.map_err(StoreError::from_database)?;
        Ok(StoreTransaction { inner, faults: self.faults.clone() })
    }

    /// The library's pool, for `migrations::run` and for nothing else: all other SQL is in this crate.
    #[must_use]
    pub fn connection(&self) -> &DatabaseConnection {
        &self.inner
    }

    /// Closes all connections; on SQLite this writes the log back into the file.
    ///
    /// # Errors
    /// Whatever the database answers to the farewell.
    pub async fn close(self) -> Result<(), StoreError> {
        self.inner.close().await.map_err(StoreError::from_database)
    }
}

/// A transaction that may write.
///
/// After any error it must be dropped: PostgreSQL takes no further statement.
#[derive(Debug)]
pub struct StoreTransaction {
    inner: DatabaseTransaction,
    faults: Option<Arc<Faults>>,
}

impl sealed::Executor for StoreTransaction {
    type Inner = DatabaseTransaction;

    fn executor(&self) -> &DatabaseTransaction {
        &self.inner
    }
}

/// An order that several writers must agree on; the numbers are keys of PostgreSQL's advisory locks, the letters of the word.
#[derive(Clone, Copy, Debug)]
#[repr(i64)]
pub(crate) enum Sequence {
    /// `mf_ledgr`
    Ledger = 0x6d66_5f6c_6564_6772,
    /// `mf_audit`
    Audit = 0x6d66_5f61_7564_6974,
    /// `mf_clock`
    Clock = 0x6d66_5f63_6c6f_636b,
}

impl StoreTransaction {
    /// Makes all that was written durable and visible.
    ///
    /// # Errors
    /// [`StoreError::Busy`] or [`StoreError::Unavailable`]; unless the connection broke at this very moment, nothing was kept.
    pub async fn commit(self) -> Result<(), StoreError> {
        let Some(faults) = self.faults else {
            return self.inner.commit().await.map_err(StoreError::from_database);
        };
        faults.pass(Point::BeforeCommit)?;
        self.inner.commit().await.map_err(StoreError::from_database)?;
        faults.pass(Point::AfterCommit)
    }

    /// To be asked before each statement that writes.
    pub(crate) fn pass_write(&self) -> Result<(), StoreError> {
        self.faults.as_ref().map_or(Ok(()), |faults| faults.pass(Point::Statement))
    }

    /// Undoes all that was written, as dropping does, and waits until it is done.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the connection broke, which undoes it too.
    pub async fn rollback(self) -> Result<(), StoreError> {
        self.inner.rollback().await.map_err(StoreError::from_database)
    }

    /// Waits until no other transaction writes the ledger, and holds that right until this one ends.
    ///
    /// Call it before reading the state that an event is applied to.
    /// SQLite needs nothing: an immediate transaction is the only writer.
    ///
    /// # Errors
    /// [`StoreError::Busy`] on a deadlock with somebody who locks in another order.
    pub async fn lock_ledger(&self) -> Result<(), StoreError> {
        self.lock(Sequence::Ledger).await
    }

    pub(crate) async fn lock(&self, sequence: Sequence) -> Result<(), StoreError> {
        if self.inner.get_database_backend() == DbBackend::Postgres {
            let statement = format!("SELECT pg_advisory_xact_lock({})", sequence as i64);
            self.inner.execute_unprepared(&statement).await.map_err(StoreError::from_database)?;
        }
        Ok(())
    }
}
