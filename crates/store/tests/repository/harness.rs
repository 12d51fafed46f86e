//! A fresh database for each case, gone when the case ends.

use std::io::Write;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::{ConnectionTrait, Database};
use store::Store;

/// Names the server of the PostgreSQL half.
const POSTGRES_VARIABLE: &str = "MODELFOLIO_TEST_POSTGRES";

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

async fn migrated(url: &str) -> Store {
    let store = Store::connect(url).await.unwrap();
    migrations::run(store.connection()).await.unwrap();
    store
}

/// Runs a case on a SQLite file in a temporary folder.
pub(crate) fn on_sqlite<F>(case: impl FnOnce(Store) -> F)
where
    F: Future<Output = ()>,
{
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/modelfolio.db", folder.path().display());
    runtime().block_on(async {
        let store = migrated(&url).await;
        case(store.clone()).await;
        store.close().await.unwrap();
    });
}

/// Runs a case on a PostgreSQL database made for it, or says that it does not.
pub(crate) fn on_postgres<F>(name: &str, case: impl FnOnce(Store) -> F)
where
    F: Future<Output = ()>,
{
    static COUNT: AtomicU32 = AtomicU32::new(0);
    static SAID: Once = Once::new();
    let Ok(server) = std::env::var(POSTGRES_VARIABLE) else {
        SAID.call_once(|| {
            // Straight to the stream: what a passing test prints by macro is swallowed.
            let sentence = format!("PostgreSQL: not run ({POSTGRES_VARIABLE} is not set)\n");
            let _ = std::io::stderr().write_all(sentence.as_bytes());
        });
        return;
    };
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let database = format!("mf_test_{}_{number}", std::process::id());
    let url = database_url(&server, &database);
    runtime().block_on(async {
        let admin = Database::connect(&server).await.unwrap();
        admin
            .execute_unprepared(&format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)"))
            .await
            .unwrap();
        admin.execute_unprepared(&format!("CREATE DATABASE {database}")).await.unwrap();
        let store = migrated(&url).await;
        case(store.clone()).await;
        store.close().await.unwrap();
        admin
            .execute_unprepared(&format!("DROP DATABASE {database} WITH (FORCE)"))
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        admin.close().await.unwrap();
    });
}

/// The URL of another database on the same server, parameters kept.
fn database_url(server: &str, database: &str) -> String {
    let (address, parameters) = match server.split_once('?') {
        Some((address, parameters)) => (address, format!("?{parameters}")),
        None => (server, String::new()),
    };
    let authority = address.find("://").map_or(0, |at| at + 3);
    let end = address[authority..].find('/').map_or(address.len(), |at| authority + at);
    format!("{}/{database}{parameters}", &address[..end])
}

/// Proves that only the database's name changes in a server's URL.
#[test]
fn database_url_keeps_server_and_parameters() {
    for (server, expected) in [
        ("postgres://u@h:5/postgres", "postgres://u@h:5/x"),
        ("postgres://u@h", "postgres://u@h/x"),
        ("postgres://u@/p?host=%2Ftmp", "postgres://u@/x?host=%2Ftmp"),
    ] {
        assert_eq!(database_url(server, "x"), expected);
    }
}
