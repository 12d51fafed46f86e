//! One suite for every backend: what is stored comes back whole, what is refused leaves nothing.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

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
    entries.iter().map(|e| if e.path().is_dir() { files_below(&e.path()) } else { 1 }).sum()
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
    std::fs::write(dir.path().join("s/left.part"), b"of a dead process").unwrap();
    let held = std::fs::File::create(dir.path().join("s/held.part")).unwrap();
    held.lock().unwrap();
    assert_eq!(storage.sweep_staging().unwrap(), 1);
    for bad in ["", "s3://bucket", "ftp://x"] {
        assert!(ObjectStorage::open(bad, &dir.path().join("s")).is_err(), "{bad}");
    }
}
