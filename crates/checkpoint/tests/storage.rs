//! One suite for every backend: what is stored comes back whole, what is refused leaves nothing.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops where it fails")]

mod bucket;

use bucket::S3;
use bytes::Bytes;
use checkpoint::{ObjectKind, ObjectStorage, ReceiveError, StorageError};
use domain::digest::Digest;
use futures::{TryStreamExt, stream};

fn file(shape: &str, data: usize) -> Vec<u8> {
    let json = format!(r#"{{"w":{{"dtype":"U8","shape":[{shape}],"data_offsets":[0,{data}]}}}}"#);
    let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(json.as_bytes());
    bytes.extend((0..data).map(|i| i as u8));
    bytes
}

fn pieces(bytes: &[u8]) -> impl futures::Stream<Item = Result<Bytes, String>> + use<> {
    stream::iter(bytes.chunks(1000).map(|c| Ok(Bytes::copy_from_slice(c))).collect::<Vec<_>>())
}

/// Counts the files under a folder, so that "nothing left behind" is looked at rather than believed.
fn files_below(folder: &std::path::Path) -> usize {
    let entries =
        std::fs::read_dir(folder).map(|d| d.flatten().collect::<Vec<_>>()).unwrap_or_default();
    // The lock of a living opening is no leftover.
    let entries = entries.iter().filter(|e| e.path().extension().is_none_or(|e| e != "lock"));
    entries.map(|e| if e.path().is_dir() { files_below(&e.path()) } else { 1 }).sum()
}

async fn stores_and_serves(storage: ObjectStorage, data: &std::path::Path) {
    let bytes = file("20000000", 20_000_000);
    let digest = Digest::of(&bytes);
    for _ in 0..2 {
        let received = storage
            .receive(ObjectKind::Checkpoint, Some(digest), Some(bytes.len() as u64), pieces(&bytes))
            .await
            .unwrap();
        assert_eq!((received.digest, received.bytes), (digest, bytes.len() as u64));
        assert_eq!(received.checkpoint.unwrap().keys.len(), 1);
    }
    assert_eq!(storage.read(digest).await.unwrap(), bytes);
    let range: Vec<Bytes> =
        storage.stream(digest, Some(5..9_000_000)).await.unwrap().try_collect().await.unwrap();
    assert_eq!(range.concat(), bytes[5..9_000_000]);
    assert!(matches!(
        storage.stream(digest, Some(0..bytes.len() as u64 + 1)).await,
        Err(StorageError::Range { .. })
    ));
    let copy = data.join("copy");
    assert_eq!(storage.copy_to(digest, &copy).await.unwrap(), bytes.len() as u64);
    assert_eq!(std::fs::read(&copy).unwrap(), bytes);
    std::fs::remove_file(copy).unwrap();
    assert!(matches!(storage.read(Digest::of(b"other")).await, Err(StorageError::Absent(_))));
    assert_eq!(storage.put(Bytes::from_static(b"{}")).await.unwrap(), Digest::of(b"{}"));
}

async fn refuses_and_forgets(storage: ObjectStorage, data: &std::path::Path) {
    let good = file("5000", 5000);
    let cases = [
        ("wrong_digest", good.clone(), Some(Digest::of(b"else")), None),
        ("truncated", good[..4000].to_vec(), None, None),
        ("wrong_tensor_size", file("4999", 5000), None, None),
        ("trailing_bytes", [good.clone(), vec![0]].concat(), None, None),
        ("wrong_length", good.clone(), None, Some(good.len() as u64)),
    ];
    for (code, bytes, declared, length) in cases {
        let stream =
            if code == "wrong_length" { pieces(&bytes[..bytes.len() - 1]) } else { pieces(&bytes) };
        let error =
            storage.receive(ObjectKind::Checkpoint, declared, length, stream).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
    let broken =
        stream::iter(vec![Ok(Bytes::copy_from_slice(&good[..2000])), Err("reset".to_owned())]);
    let error = storage.receive(ObjectKind::Checkpoint, None, None, broken).await.unwrap_err();
    assert!(matches!(error, ReceiveError::Interrupted { after: 2000, .. }), "{error}");
    assert_eq!(files_below(data), 0, "something was left behind");
}

/// Proves storing, ranges, verified copies and idempotent receipt on a folder and in memory.
#[tokio::test]
async fn storage_stores_and_serves() {
    for memory in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let address = if memory {
            "memory:".to_owned()
        } else {
            dir.path().join("objects").display().to_string()
        };
        let storage = ObjectStorage::open(&address, &dir.path().join("staging")).unwrap();
        stores_and_serves(storage, dir.path()).await;
        assert_eq!(files_below(&dir.path().join("staging")), 0);
    }
}

/// Proves that every refusal leaves no object and no staged file.
#[tokio::test]
async fn storage_refuses_and_forgets() {
    let dir = tempfile::tempdir().unwrap();
    let address = dir.path().join("objects").display().to_string();
    let storage = ObjectStorage::open(&address, &dir.path().join("staging")).unwrap();
    refuses_and_forgets(storage, dir.path()).await;
}

/// Proves that damaged bytes at rest are noticed on reading and on copying, and that leftovers of a crash are swept.
#[tokio::test]
async fn storage_notices_damage() {
    let dir = tempfile::tempdir().unwrap();
    let storage =
        ObjectStorage::open(&dir.path().join("o").display().to_string(), &dir.path().join("s"))
            .unwrap();
    let digest = storage.put(Bytes::from_static(b"hello")).await.unwrap();
    let hex = digest.hex();
    std::fs::write(dir.path().join("o/sha256").join(&hex[..2]).join(&hex), b"hellO").unwrap();
    assert!(matches!(storage.read(digest).await, Err(StorageError::Damaged { .. })));
    let copy = dir.path().join("copy");
    assert!(matches!(storage.copy_to(digest, &copy).await, Err(StorageError::Damaged { .. })));
    assert!(!copy.exists());
    storage.put(Bytes::from_static(b"hello")).await.unwrap();
    assert_eq!(storage.read(digest).await.unwrap(), "hello", "sending it again heals it");
    std::fs::write(dir.path().join("s/dead-9.part"), b"of a dead process").unwrap();
    std::fs::write(dir.path().join("s/living-9.part"), b"of a living process").unwrap();
    let living = std::fs::File::create(dir.path().join("s/living.lock")).unwrap();
    living.lock().unwrap();
    assert_eq!(storage.sweep_staging().await.unwrap(), 1);
    for bad in ["", "s3://", "s3:///prefix", "ftp://x", "https://host/bucket"] {
        assert!(ObjectStorage::open(bad, &dir.path().join("s")).is_err(), "{bad}");
    }
}

/// Proves that a bucket of a real S3 server keeps every law of the folder: storing, ranges, refusals that leave nothing, each
/// tensor once, large objects in parts without a rest, two uploaders at once, and links that open one object.
#[tokio::test(flavor = "multi_thread")]
async fn storage_on_s3() {
    let Some(server) = S3::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let open = |prefix: &str, staging: &str| {
        let (address, staging) = (server.address(prefix), dir.path().join(staging));
        ObjectStorage::open_with(&address, &staging, server.variables()).unwrap()
    };
    let storage = open("a/b", "staging");
    storage.check().await.unwrap();
    refuses_and_forgets(storage.clone(), dir.path()).await;
    assert_eq!(storage.list_stored().await.unwrap(), [], "a refusal left something in the bucket");
    stores_and_serves(storage.clone(), dir.path()).await;
    assert_eq!(server.open_uploads(), 0, "an upload in parts was not ended");
    shares_tensors(&storage, &open("a/b", "staging-2")).await;
    let other = open("other", "staging-3");
    assert_eq!(other.list_stored().await.unwrap(), [], "prefixes see each other");
    opens_by_link(&storage).await;
    assert_eq!(files_below(dir.path()), 0);
}

/// Two processes bring two files at once that share a large tensor.
async fn shares_tensors(one: &ObjectStorage, two: &ObjectStorage) {
    let before = one.list_stored().await.unwrap().len();
    let large = file("3000000", 3_000_000);
    let mut renamed = large.clone();
    renamed[10] = b'v';
    let receive = |storage: ObjectStorage, bytes: Vec<u8>| async move {
        storage.receive(ObjectKind::Checkpoint, None, None, pieces(&bytes)).await.unwrap();
        assert_eq!(storage.read(Digest::of(&bytes)).await.unwrap(), bytes);
    };
    tokio::join!(receive(one.clone(), large.clone()), receive(two.clone(), renamed));
    let names: Vec<String> =
        one.list_stored().await.unwrap().into_iter().map(|part| part.location).collect();
    // Two recipes, two headers, and one tensor.
    assert_eq!(names.len() - before, 5, "{names:?}");
}

/// A whole object has a link, a checkpoint has none, and a changed link opens nothing.
async fn opens_by_link(storage: &ObjectStorage) {
    let digest = storage.put(Bytes::from_static(b"a graph")).await.unwrap();
    let link = storage.signed_link(digest).await.unwrap().unwrap();
    let get = |url: String| async move {
        let answer = reqwest::get(url).await.unwrap();
        (answer.status().as_u16(), answer.bytes().await.unwrap())
    };
    assert_eq!(get(link.clone()).await, (200, Bytes::from_static(b"a graph")));
    assert!(link.contains("X-Amz-Signature") && link.contains("X-Amz-Expires=900"), "{link}");
    let checkpoint = Digest::of(&file("3000000", 3_000_000));
    assert_eq!(storage.signed_link(checkpoint).await.unwrap(), None);
    let absent = storage.signed_link(Digest::of(b"nothing")).await;
    assert!(matches!(absent, Err(StorageError::Absent(_))));
}

/// Proves that a bucket that is not there, or that nobody serves, is told with its address and with the variables that it goes by.
#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_not_there() {
    let Some(server) = S3::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let address = "s3://nothing/here";
    let storage = ObjectStorage::open_with(address, dir.path(), server.variables()).unwrap();
    let said = storage.check().await.unwrap_err().to_string();
    assert!(said.contains(address) && said.contains("AWS_REGION"), "{said}");
    assert!(said.contains("NoSuchBucket") || said.contains("not exist"), "{said}");
}
