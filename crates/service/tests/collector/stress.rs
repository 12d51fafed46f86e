//! Several publishers push overlapping sets of tensors while collectors run all the time; an oracle that knows nothing of accounts
//! says what must be there.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use domain::digest::Digest;
use service::{Service, ServiceError};

use crate::world::{GRAPH, Random, World, collect, file, publish, upload};

/// What each acknowledged publication must hold: digest to bytes.
type Oracle = Mutex<BTreeMap<Digest, Arc<Vec<u8>>>>;

/// Publications that each publisher tries.
const PUBLICATIONS: u64 = 12;

/// Times that a publisher sends again under collectors that know no grace, before they must leave him one.
///
/// How often he meets them hangs on the machine's load; with a grace, he must come through whatever the load.
const TRIES_WITHOUT_GRACE: usize = 30;

/// Times that he sends again in all: what was refused or begun before the grace was given may still be collected.
const TRIES: usize = 60;

/// The grace that collectors leave while somebody waits for one; longer than the test runs.
const LONG_GRACE_MS: u64 = 3_600_000;

#[derive(Default)]
struct Shared {
    oracle: Oracle,
    clock: AtomicI64,
    is_over: AtomicBool,
    /// Publishers who have met collectors without a grace too often.
    starving: AtomicU64,
    acknowledged: AtomicU64,
    refused_busy: AtomicU64,
    collected_objects: AtomicU64,
    collected_parts: AtomicU64,
    read: AtomicU64,
}

impl Shared {
    fn now(&self) -> i64 {
        self.clock.load(Ordering::Relaxed)
    }
}

/// A file of the pool: few tensors, so that most files share some; large ones and small ones.
fn some_file(random: &mut Random) -> Vec<u8> {
    let mut tensors = Vec::new();
    for seed in 1..=8 {
        if random.below(3) == 0 {
            tensors.push((seed, 20_000 + 1000 * seed as usize));
        }
    }
    for seed in 20..=22 {
        if random.below(4) == 0 {
            tensors.push((seed, (1 << 20) + seed as usize));
        }
    }
    file(&tensors)
}

/// Pushes what it likes; every third file it leaves unpublished.
async fn publisher(service: Arc<Service>, shared: Arc<Shared>, login: String, seed: u64) {
    let mut random = Random(seed);
    for number in 0..PUBLICATIONS {
        let bytes = some_file(&mut random);
        if random.below(3) == 0 {
            let left = upload(&service, &login, &bytes, shared.now()).await;
            assert!(matches!(left, Ok(_) | Err(ServiceError::Busy(_))), "{left:?}");
            continue;
        }
        let version = format!("v{number}");
        let mut tries = 0;
        loop {
            tries += 1;
            match publish(&service, &login, &version, &bytes, shared.now()).await {
                Ok(_) => break,
                Err(ServiceError::Busy(_) | ServiceError::Absent { .. })
                    if tries == TRIES_WITHOUT_GRACE =>
                {
                    shared.starving.fetch_add(1, Ordering::Relaxed);
                }
                // Collected between upload and publication, or while it was stored: the client sends again.
                Err(ServiceError::Busy(_) | ServiceError::Absent { .. }) if tries < TRIES => {
                    shared.refused_busy.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(random.below(8))).await;
                }
                Err(error) => panic!("{login} {version}, try {tries}: {}", error.chain()),
            }
        }
        if tries > TRIES_WITHOUT_GRACE {
            shared.starving.fetch_sub(1, Ordering::Relaxed);
        }
        let mut oracle = shared.oracle.lock().unwrap();
        oracle.insert(Digest::of(&bytes), Arc::new(bytes));
        oracle.insert(Digest::of(GRAPH), Arc::new(GRAPH.to_vec()));
        shared.acknowledged.fetch_add(1, Ordering::Relaxed);
    }
}

async fn collector(service: Arc<Service>, shared: Arc<Shared>, seed: u64) {
    let mut random = Random(seed);
    while !shared.is_over.load(Ordering::Relaxed) {
        let grace_ms = match shared.starving.load(Ordering::Relaxed) {
            0 => [0, 5, 40, 40][random.below(4) as usize],
            _ => LONG_GRACE_MS,
        };
        match collect(&service, shared.now(), grace_ms).await {
            Ok(done) => {
                shared.collected_objects.fetch_add(done.objects, Ordering::Relaxed);
                shared.collected_parts.fetch_add(done.parts, Ordering::Relaxed);
            }
            Err(ServiceError::Busy(_)) => {}
            Err(error) => panic!("collector: {}", error.chain()),
        }
        tokio::time::sleep(Duration::from_millis(random.below(6))).await;
    }
}

/// Reads acknowledged files back while all this goes on.
async fn reader(world: Arc<World>, shared: Arc<Shared>, seed: u64) {
    let mut random = Random(seed);
    while !shared.is_over.load(Ordering::Relaxed) {
        let chosen = {
            let oracle = shared.oracle.lock().unwrap();
            let at = random.below(oracle.len().max(1) as u64) as usize;
            oracle.iter().nth(at).map(|(digest, bytes)| (*digest, bytes.clone()))
        };
        if let Some((digest, bytes)) = chosen {
            check(&world, digest, &bytes).await;
            shared.read.fetch_add(1, Ordering::Relaxed);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn check(world: &World, digest: Digest, bytes: &[u8]) {
    let read = world.objects.read(digest).await;
    let read =
        read.unwrap_or_else(|error| panic!("{digest} was acknowledged and is lost: {error}"));
    assert_eq!(Digest::of(&read), digest);
    assert_eq!(read.len(), bytes.len());
    assert!(read == bytes, "{digest} has other bytes");
}

async fn stress(world: World, seed: u64) {
    println!("seed {seed}");
    let (world, shared) = (Arc::new(world), Arc::new(Shared::default()));
    let services = &world.services;
    let mut publishers = tokio::task::JoinSet::new();
    for number in 0..4 {
        let service = services[number % services.len()].clone();
        // Two of a pair send the same files at the same time.
        let its_seed = seed.wrapping_mul(31).wrapping_add(number as u64 / 2) | 1;
        publishers.spawn(publisher(service, shared.clone(), format!("p{number}"), its_seed));
    }
    let mut others = tokio::task::JoinSet::new();
    for (number, service) in services.iter().enumerate() {
        others.spawn(collector(service.clone(), shared.clone(), seed + 100 + number as u64));
    }
    others.spawn(reader(world.clone(), shared.clone(), seed + 200));
    let clock = shared.clone();
    others.spawn(async move {
        while !clock.is_over.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(1)).await;
            clock.clock.fetch_add(1, Ordering::Relaxed);
        }
    });
    while let Some(ended) = publishers.join_next().await {
        ended.unwrap();
    }
    shared.is_over.store(true, Ordering::Relaxed);
    while let Some(ended) = others.join_next().await {
        ended.unwrap();
    }
    settle(&world, &shared).await;
    let told = [
        ("acknowledged", &shared.acknowledged),
        ("sent again", &shared.refused_busy),
        ("objects collected", &shared.collected_objects),
        ("parts collected", &shared.collected_parts),
        ("read back meanwhile", &shared.read),
    ];
    for (what, number) in told {
        let number = number.load(Ordering::Relaxed);
        println!("{number} {what}");
        assert!(number > 0 || what == "sent again", "nothing was {what}: this proves nothing");
    }
}

/// After the last collection the store holds what the oracle holds, and nothing else.
async fn settle(world: &World, shared: &Shared) {
    let end = shared.now() + 1;
    world.check_accounts().await;
    for _ in 0..2 {
        // Objects first, and a part that a crash would have left marked; nothing has a grace now.
        collect(world.service(), end, 0).await.unwrap();
    }
    world.check_accounts().await;
    let oracle = shared.oracle.lock().unwrap().clone();
    let mut needed = BTreeSet::new();
    for (digest, bytes) in &oracle {
        check(world, *digest, bytes).await;
        let (parts, _) = world.objects.parts_of(*digest).await.unwrap();
        needed.extend(parts.into_iter().map(|part| part.location));
    }
    let rows: BTreeSet<String> = world.parts().await.into_iter().map(|row| row.location).collect();
    for (what, found) in [("store", world.stored().await), ("accounts", rows)] {
        let too_many: Vec<_> = found.difference(&needed).collect();
        let too_few: Vec<_> = needed.difference(&found).collect();
        let is_exact = too_many.is_empty() && too_few.is_empty();
        assert!(is_exact, "{what}: {too_many:?} too many, {too_few:?} too few");
    }
}

/// Seed of a run: the same every time, unless `MODELFOLIO_STRESS_SEED` says another.
fn seed() -> u64 {
    let text = std::env::var("MODELFOLIO_STRESS_SEED").ok();
    text.map_or(20_261_126, |text| text.parse().expect("MODELFOLIO_STRESS_SEED is a number"))
}

/// Proves on a folder, with two servers over one SQLite file, that nothing acknowledged is ever lost beside collectors, and that
/// nothing else is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_on_a_folder() {
    stress(World::new(true).await, seed()).await;
}

/// Proves the same on a store without locks between its processes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_without_folder_locks() {
    stress(World::new(false).await, seed() + 1).await;
}

/// Proves the same on PostgreSQL, where transactions run side by side, and without folder locks.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_on_postgres() {
    let Ok(server) = std::env::var("MODELFOLIO_TEST_POSTGRES") else {
        let required = std::env::var("MODELFOLIO_CHECK").is_ok_and(|value| value == "1");
        assert!(!required, "MODELFOLIO_TEST_POSTGRES is not set");
        eprintln!("PostgreSQL: not run (MODELFOLIO_TEST_POSTGRES is not set)");
        return;
    };
    let (base, _) = server.rsplit_once('/').unwrap();
    let name = format!("mf_stress_{}", std::process::id());
    let run = |statement: String| {
        let done = std::process::Command::new("psql").args([&server, "-qc", &statement]).status();
        assert!(done.unwrap().success(), "{statement}");
    };
    run(format!("CREATE DATABASE {name}"));
    let folder = tempfile::tempdir().unwrap();
    let world = World::over(folder, false, &format!("{base}/{name}")).await;
    stress(world, seed() + 2).await;
    run(format!("DROP DATABASE {name} WITH (FORCE)"));
}
