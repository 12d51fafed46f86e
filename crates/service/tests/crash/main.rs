//! A process that dies at any write point between two strikes: before or after, never between; on SQLite and on PostgreSQL.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

mod calendar;
mod market;

use std::{path::Path, process::Command, sync::Arc};

use market::{Step, price, run, service};
use service::Service;
use store::{AuditFilter, Faults, Store};

/// From an empty ledger to the first strike and its batch.
const BEFORE: [Step; 20] = [
    Step::Deposit("operator", 1_100_000_000),
    Step::Deposit("LP", 20_000_000_000),
    Step::Deposit("lab", 201_000_000),
    Step::Deposit("ann", 5_000_000_000),
    Step::Deposit("bob", 5_000_000_000),
    Step::CreateFund,
    Step::Admit(0),
    Step::Admit(1),
    Step::Seed(1_000_000_000),
    Step::Subscribe("ann", 2_000_000_000),
    Step::Subscribe("bob", 1_500_000_000),
    Step::Strike(2),
    Step::Rebalance(2),
    Step::Redeem("bob", 1_000_000_000),
    Step::Strike(3),
    Step::CreateAuction,
    Step::AdmitAuction(0),
    Step::SeedAuction(100_000_000),
    Step::StrikeAuction(3),
    Step::RebalanceAuction(3),
];

/// From there to the next strike and its batch: every kind of command on the way.
const BETWEEN: [Step; 18] = [
    Step::Rebalance(3),
    Step::Subscribe("ann", 300_000_000),
    Step::Subscribe("bob", 200_000_007),
    Step::Cancel("bob", 22),
    Step::Redeem("ann", 700_000_000_001),
    Step::Redeem("bob", 30_000_000_000),
    Step::InKind("bob", 5_000_000_000),
    Step::Claim("bob"),
    Step::Give("ann", "bob", 1_000_001),
    Step::Window("ann", 5_000_000_000),
    Step::Strike(10),
    Step::Rebalance(10),
    // A fund with an auction: the strike ends the time for opening, who stayed shut loses his deposit, and its batch is in its transaction.
    Step::Seal("ann", 200_000_000),
    Step::Seal("bob", 100_000_000),
    Step::CallBids(11),
    Step::StrikeAuction(12),
    Step::OpenBids("ann"),
    Step::StrikeAuction(13),
];

/// More write points than there are.
const NEVER: i64 = 1 << 40;

/// Where databases come from: a template, and a copy of it for every death.
trait Place {
    /// The template's URL.
    fn template(&self) -> String;
    /// A fresh copy of the template; its URL.
    fn copy(&self) -> String;
    /// Forgets the copy.
    fn forget(&self);
    fn folder(&self) -> &Path;
    /// Whether an error of a living process is tried too: what it holds in memory does not depend on the database.
    fn errs_too(&self) -> bool {
        false
    }
}

struct Sqlite(tempfile::TempDir);

impl Place for Sqlite {
    fn template(&self) -> String {
        format!("sqlite://{}/template.db", self.0.path().display())
    }

    fn copy(&self) -> String {
        self.forget();
        let copy = self.0.path().join("copy.db");
        std::fs::copy(self.0.path().join("template.db"), &copy).unwrap();
        format!("sqlite://{}", copy.display())
    }

    fn forget(&self) {
        for file in ["copy.db", "copy.db-wal", "copy.db-shm"] {
            let _ = std::fs::remove_file(self.0.path().join(file));
        }
    }

    fn folder(&self) -> &Path {
        self.0.path()
    }

    fn errs_too(&self) -> bool {
        true
    }
}

struct Postgres {
    server: String,
    name: String,
    folder: tempfile::TempDir,
}

impl Postgres {
    fn psql(&self, statement: &str) {
        let done = Command::new("psql").args([&self.server, "-qc", statement]).status();
        assert!(done.unwrap().success(), "{statement}");
    }

    fn url(&self, name: &str) -> String {
        format!("{}/{name}", self.server.rsplit_once('/').unwrap().0)
    }
}

impl Place for Postgres {
    fn template(&self) -> String {
        self.url(&self.name)
    }

    fn copy(&self) -> String {
        self.forget();
        let copy = format!("{}_copy", self.name);
        self.psql(&format!("CREATE DATABASE {copy} TEMPLATE {}", self.name));
        self.url(&copy)
    }

    fn forget(&self) {
        self.psql(&format!("DROP DATABASE IF EXISTS {}_copy WITH (FORCE)", self.name));
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Everything that commands leave behind: the chain covers both books, the counts the rows beside them.
async fn standing(service: &Service, store: &Store) -> String {
    let state = service.ledger().await.unwrap();
    state.check().unwrap();
    let last = store::ledger::max_seq(store).await.unwrap();
    let strike = store::strike::latest(store, "F").await.unwrap();
    let basket = store::index_basket::latest(store, "F").await.unwrap();
    let auction = state.fund(&market::name("G")).map(|fund| format!("{:?}", fund.auction()));
    let mut orders = Vec::new();
    for id in 1..=last.unwrap_or(0) {
        if let Some(order) = service.find_order(id).await.unwrap() {
            orders.push(format!("{:?}", order.state));
        }
    }
    let all = AuditFilter::default();
    let audit = store::audit_entry::list(store, &all, None, 1_000).await.unwrap();
    let audit: Vec<String> = audit.into_iter().map(|row| row.operation).collect();
    let chain = state.chain().hex();
    format!("{chain} {last:?} {strike:?} {basket:?} {auction:?} {orders:?} {audit:?}")
}

/// Does steps from `first` on; what each told, and the number of the one that failed.
async fn go(service: &Service, steps: &[Step], told: &mut Vec<i64>) -> Option<usize> {
    for (number, step) in steps.iter().enumerate().skip(told.len()) {
        match run(service, number, *step, told).await {
            Ok(number) => told.push(number),
            Err(_) => return Some(number),
        }
    }
    None
}

async fn die_everywhere(place: &dyn Place) {
    let store = Store::connect(&place.template()).await.unwrap();
    migrations::run(store.connection()).await.unwrap();
    price(&store).await;
    let steps: Vec<Step> = BEFORE.iter().chain(&BETWEEN).copied().collect();
    let mut told = Vec::new();
    let failed =
        go(&service(store.clone(), place.folder()), &steps[..BEFORE.len()], &mut told).await;
    assert_eq!(failed, None);
    store.close().await.unwrap();

    // Undisturbed: the standing after every command, and how many write points there are.
    let counting = Arc::new(Faults::at(NEVER));
    let store = Store::connect(&place.copy()).await.unwrap().with_faults(counting.clone());
    let undisturbed = service(store.clone(), place.folder());
    let (mut after, mut all) = (vec![standing(&undisturbed, &store).await], told.clone());
    for end in BEFORE.len() + 1..=steps.len() {
        assert_eq!(go(&undisturbed, &steps[..end], &mut all).await, None, "step {end}");
        after.push(standing(&undisturbed, &store).await);
    }
    let points = counting.passed(NEVER);
    store.close().await.unwrap();
    assert!(points > 60, "{points} write points");

    for point in 1..=points {
        let url = place.copy();
        let whole = Store::connect(&url).await.unwrap();
        let dying = whole.clone().with_faults(Arc::new(Faults::at(point)));
        let mut told = told.clone();
        let mortal = service(dying, place.folder());
        let failed = go(&mortal, &steps, &mut told).await;
        let failed = failed.unwrap_or_else(|| panic!("nothing failed at write point {point}"));
        drop(mortal);
        let done = failed - BEFORE.len();
        let reborn = service(whole.clone(), place.folder());
        let found = standing(&reborn, &whole).await;
        assert!(
            found == after[done] || found == after[done + 1],
            "write point {point}, in {:?}: neither before nor after\nfound  {found}\nbefore {}\nafter  {}",
            steps[failed],
            after[done],
            after[done + 1]
        );
        // The caller who heard nothing asks again under the same key, and all goes on as if nothing had been.
        assert_eq!(go(&reborn, &steps, &mut told).await, None, "after write point {point}");
        assert_eq!(&standing(&reborn, &whole).await, after.last().unwrap(), "write point {point}");
        assert_eq!(told, all, "write point {point}: a repetition answers otherwise");
        whole.close().await.unwrap();
        if place.errs_too() {
            err_once(place, point, (&steps, told[..BEFORE.len()].to_vec()), after.last().unwrap())
                .await;
        }
    }
    place.forget();
    println!("{points} write points");
}

/// The same fault at one write of a process that lives on: what it holds in memory is what the database has.
async fn err_once(
    place: &dyn Place,
    point: i64,
    (steps, mut told): (&[Step], Vec<i64>),
    end: &str,
) {
    let store = Store::connect(&place.copy()).await.unwrap();
    let faulty = store.clone().with_faults(Arc::new(Faults::once_at(point)));
    let living = service(faulty, place.folder());
    let failed = go(&living, steps, &mut told).await;
    assert!(failed.is_some(), "nothing failed at write point {point}");
    assert_eq!(go(&living, steps, &mut told).await, None, "after the error at {point}");
    assert_eq!(standing(&living, &store).await, end, "after the error at {point}");
    store.close().await.unwrap();
}

/// Proves that a server whose clock is behind the fund's day strikes, quotes and lets people leave on the fund's day, instead of making
/// all wait until its clock has caught up.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_behind_keeps_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/modelfolio.db", folder.path().display());
    let store = Store::connect(&url).await.unwrap();
    migrations::run(store.connection()).await.unwrap();
    price(&store).await;
    let service = service(store.clone(), folder.path());
    let late = [Step::Redeem("ann", 1_000_000), Step::Strike(1), Step::InKind("ann", 1_000_000)];
    let steps: Vec<Step> = BEFORE.iter().chain(&late).copied().collect();
    assert_eq!(go(&service, &steps, &mut Vec::new()).await, None);
    let strike = store::strike::latest(&store, "F").await.unwrap().unwrap();
    assert_eq!((strike.number, strike.day), (3, 3), "the fund's day, not the server's");
    store.close().await.unwrap();
}

/// Proves on a SQLite file that a process that dies at any write point between two strikes leaves the command before or after, and
/// that the same requests, asked again, lead to the very state of a run without deaths.
#[tokio::test(flavor = "multi_thread")]
async fn deaths_on_sqlite() {
    die_everywhere(&Sqlite(tempfile::tempdir().unwrap())).await;
}

/// Proves the same on PostgreSQL.
#[tokio::test(flavor = "multi_thread")]
async fn deaths_on_postgres() {
    let Ok(server) = std::env::var("MODELFOLIO_TEST_POSTGRES") else {
        let required = std::env::var("MODELFOLIO_CHECK").is_ok_and(|value| value == "1");
        assert!(!required, "MODELFOLIO_TEST_POSTGRES is not set");
        eprintln!("PostgreSQL: not run (MODELFOLIO_TEST_POSTGRES is not set)");
        return;
    };
    let name = format!("mf_crash_{}", std::process::id());
    let place = Postgres { server, name, folder: tempfile::tempdir().unwrap() };
    place.psql(&format!("CREATE DATABASE {}", place.name));
    die_everywhere(&place).await;
    place.psql(&format!("DROP DATABASE {} WITH (FORCE)", place.name));
}
