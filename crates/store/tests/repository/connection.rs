//! Opening a database: what each kind of URL gives.

use sea_orm::{ConnectionTrait, Statement};
use store::{Store, StoreError};

use crate::rows::model;

async fn pragma(store: &Store, name: &str) -> String {
    let connection = store.connection();
    let backend = connection.get_database_backend();
    // As text, because some answers are numbers and some are words.
    let question = format!("SELECT CAST({name} AS TEXT) AS answer FROM pragma_{name}");
    let row = connection.query_one_raw(Statement::from_string(backend, question)).await.unwrap();
    row.unwrap().try_get("", "answer").unwrap()
}

/// Proves that a SQLite file is opened with a write-ahead log, full synchronisation and foreign keys, and created if absent.
#[tokio::test]
async fn a_sqlite_file_is_durable() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new.db");
    let store = Store::connect(&format!("sqlite://{}", file.display())).await.unwrap();
    assert!(file.exists());
    for (name, expected) in [("journal_mode", "wal"), ("synchronous", "2"), ("foreign_keys", "1")] {
        assert_eq!(pragma(&store, name).await, expected, "{name}");
    }
    store.close().await.unwrap();
}

/// Proves that what was committed is there when the file is opened again.
#[tokio::test]
async fn a_commit_outlives_its_store() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/kept.db", folder.path().display());
    let store = Store::connect(&url).await.unwrap();
    migrations::run(store.connection()).await.unwrap();
    let transaction = store.begin().await.unwrap();
    store::registered_model::insert(&transaction, model("m")).await.unwrap();
    transaction.commit().await.unwrap();
    drop(store);
    let store = Store::connect(&url).await.unwrap();
    migrations::run(store.connection()).await.unwrap();
    assert_eq!(store::registered_model::get_by_id(&store, "m").await.unwrap(), model("m"));
}

/// Proves that a database in memory keeps its rows from one transaction to the next.
#[tokio::test]
async fn a_database_in_memory_lasts_as_long_as_its_store() {
    let store = Store::connect("sqlite::memory:").await.unwrap();
    migrations::run(store.connection()).await.unwrap();
    let transaction = store.begin().await.unwrap();
    store::registered_model::insert(&transaction, model("m")).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(store::registered_model::list(&store, None, 9).await.unwrap(), [model("m")]);
}

/// Proves that an address where no database is, or that is none, is unavailable, and that the sentence does not show it.
#[tokio::test]
async fn no_database_is_unavailable() {
    let folder = tempfile::tempdir().unwrap();
    let absent = format!("sqlite://{}/absent/x.db", folder.path().display());
    for url in [absent.as_str(), "mysql://secret@host/x", "nonsense", "postgres://u:secret@[::/x"] {
        let error = Store::connect(url).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable { .. }), "{url}: {error:?}");
        assert_eq!(error.to_string(), "the database is not available");
    }
}

/// Proves that a file that is no database is told apart from one that cannot be reached.
#[tokio::test]
async fn a_file_that_is_no_database_is_corrupt() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("letter.db");
    std::fs::write(&file, "Dear reader, this is not a database. ".repeat(200)).unwrap();
    let error = Store::connect(&format!("sqlite://{}", file.display())).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
}
