//! Quotas: exact in the transaction, before the transfer where the size is announced, and nothing is left of what was refused.

use service::{Scope, ServiceError, StorageUse, Upload};

use crate::world::{World, caller, file, operator, publish, upload};

async fn usage(world: &World, login: &str) -> StorageUse {
    world.service().storage_use(&caller(login, 1), &login.parse().unwrap()).await.unwrap()
}

async fn set(world: &World, login: &str, bytes: Option<u64>) {
    let key = format!("quota-{login}-{bytes:?}");
    let login = login.parse().unwrap();
    world.service().set_storage_quota(&operator(1), &key, &login, bytes).await.unwrap();
}

/// Proves that two logins that send the same object hold it both, that its bytes are stored once, for who brought them first, and
/// that sending it again counts nothing.
#[tokio::test]
async fn an_object_counts_for_each_holder_and_is_stored_once() {
    let world = World::new(true).await;
    let (one, two) = (file(&[(1, 30_000)]), file(&[(1, 30_000), (2, 40_000)]));
    for _ in 0..2 {
        for login in ["alice", "bob"] {
            upload(world.service(), login, &one, 1).await.unwrap();
        }
    }
    upload(world.service(), "bob", &two, 1).await.unwrap();
    let (alice, bob) = (usage(&world, "alice").await, usage(&world, "bob").await);
    assert_eq!((alice.objects, alice.logical_bytes), (1, one.len() as u64));
    assert_eq!((bob.objects, bob.logical_bytes), (2, (one.len() + two.len()) as u64));
    assert!(alice.stored_bytes >= one.len() as u64, "{alice:?}");
    assert!((40_000..50_000).contains(&bob.stored_bytes), "{bob:?}");
    let stored = world.objects.list_stored().await.unwrap();
    let stored = stored.iter().filter(|part| !part.location.starts_with("place/"));
    let bytes: u64 = stored.map(|part| part.bytes).sum();
    assert_eq!(bytes, alice.stored_bytes + bob.stored_bytes);
    world.check_accounts().await;
}

/// Proves that a quota is exact to the byte, names usage, limit and size, holds for sizes that were announced and that were not,
/// and leaves no row, no object and no staged file.
#[tokio::test]
async fn a_quota_is_exact_and_leaves_nothing() {
    let world = World::new(true).await;
    let (one, two) = (file(&[(1, 30_000)]), file(&[(2, 40_000), (3, 1_100_000)]));
    let (first, second) = (one.len() as u64, two.len() as u64);
    set(&world, "alice", Some(first + second - 1)).await;
    upload(world.service(), "alice", &one, 1).await.unwrap();
    let (stored, parts) = (world.stored().await, world.parts().await);
    let pieces = || futures::stream::iter([Ok::<_, String>(bytes::Bytes::from(two.clone()))]);
    let digest = domain::digest::Digest::of(&two);
    for length in [Some(second), None] {
        let alice = caller("alice", 2);
        let refused =
            world.service().upload(&alice, digest, length, Upload::Checkpoint, pieces()).await;
        match refused.unwrap_err() {
            ServiceError::QuotaExceeded { login, usage, quota, bytes } => {
                assert_eq!(login.as_str(), "alice");
                assert_eq!((usage, quota, bytes), (first, first + second - 1, second));
            }
            other => panic!("{other}"),
        }
        assert_eq!(world.stored().await, stored, "announced: {length:?}");
        assert_eq!(world.parts().await, parts, "announced: {length:?}");
        assert_eq!(usage(&world, "alice").await.objects, 1);
    }
    let staged = std::fs::read_dir(world.folder.path().join("staging")).unwrap();
    let staged = staged.filter(|e| e.as_ref().unwrap().path().extension().unwrap() != "lock");
    assert_eq!(staged.count(), 0);
    // What it holds it may send again, and with one byte more the other fits.
    upload(world.service(), "alice", &one, 3).await.unwrap();
    set(&world, "alice", Some(first + second)).await;
    upload(world.service(), "alice", &two, 4).await.unwrap();
    assert_eq!(usage(&world, "alice").await.logical_bytes, first + second);
    world.check_accounts().await;
}

/// Proves that of uploads at the same moment through two servers only as many pass as fit, whatever the number that tries.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn uploads_at_once_cannot_both_pass() {
    let world = World::new(true).await;
    let files: Vec<Vec<u8>> = (0..6).map(|seed| file(&[(seed + 1, 30_000)])).collect();
    set(&world, "alice", Some(2 * files[0].len() as u64)).await;
    let mut tasks = tokio::task::JoinSet::new();
    for (number, bytes) in files.into_iter().enumerate() {
        let service = world.services[number % 2].clone();
        tasks.spawn(async move {
            let alice = caller("alice", 1);
            let (digest, stream) = (
                domain::digest::Digest::of(&bytes),
                futures::stream::iter([Ok::<_, String>(bytes::Bytes::from(bytes))]),
            );
            service.upload(&alice, digest, None, Upload::Checkpoint, stream).await
        });
    }
    let mut passed = 0;
    while let Some(ended) = tasks.join_next().await {
        match ended.unwrap() {
            Ok(_) => passed += 1,
            Err(ServiceError::QuotaExceeded { .. }) => {}
            Err(error) => panic!("{}", error.chain()),
        }
    }
    assert_eq!(passed, 2);
    assert_eq!(usage(&world, "alice").await.objects, 2);
    world.check_accounts().await;
}

/// Proves that collected objects give their quota back, that a limit of the installation is in force where none was set, and that
/// only the operator sets one and sees another's use.
#[tokio::test]
async fn quota_comes_back_and_is_the_operators() {
    let world = World::new(true).await;
    let bytes = file(&[(1, 30_000)]);
    upload(world.service(), "alice", &bytes, 1).await.unwrap();
    world.collect(10, 0).await;
    let after = usage(&world, "alice").await;
    assert_eq!((after.objects, after.logical_bytes, after.stored_bytes), (0, 0, 0));
    let limited = service::Service::new(world.store.clone(), world.objects.clone());
    let limited = limited.with_quota_default(Some(bytes.len() as u64 - 1));
    let refused = upload(&limited, "alice", &bytes, 1).await.unwrap_err();
    assert_eq!(refused.code(), "quota_exceeded", "{refused}");
    set(&world, "alice", Some(u64::from(u32::MAX))).await;
    publish(&limited, "alice", "v1", &bytes, 1).await.unwrap();
    let alice = "alice".parse().unwrap();
    let seen = limited.storage_use(&caller("bob", 1), &alice).await.unwrap_err();
    assert_eq!(seen.code(), "not_owner");
    assert_eq!(limited.storage_use(&operator(1), &alice).await.unwrap().objects, 2);
    let bob = service::Caller { scopes: [Scope::Publish].into(), ..caller("bob", 1) };
    let set = limited.set_storage_quota(&bob, "k", &alice, None).await.unwrap_err();
    assert_eq!(set.code(), "scope_missing");
}
