//! Checkpoints stored by tensor: served byte for byte, each tensor once, nothing left by a crash, damage noticed.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::{
    collections::BTreeMap,
    fmt::Write,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use checkpoint::{ObjectKind, ObjectStorage, Received, StorageError};
use domain::digest::Digest;
use futures::{TryStreamExt, stream};
use proptest::{
    collection::vec,
    prelude::{ProptestConfig, any, prop_oneof},
    proptest,
};

/// A safetensors file of U8 tensors; one of (seed, bytes) has the same content in every file.
fn file(metadata: &str, tensors: &[(u64, usize)]) -> Vec<u8> {
    let mut json = format!(r#"{{"__metadata__":{{"m":"{metadata}"}}"#);
    let mut data = Vec::new();
    for (position, (seed, length)) in tensors.iter().enumerate() {
        let (begin, end) = (data.len(), data.len() + length);
        write!(
            json,
            r#","t{position}":{{"dtype":"U8","shape":[{length}],"data_offsets":[{begin},{end}]}}"#
        )
        .unwrap();
        data.extend(noise(*seed).take(*length));
    }
    json.push('}');
    [&(json.len() as u64).to_le_bytes()[..], json.as_bytes(), &data].concat()
}

fn noise(seed: u64) -> impl Iterator<Item = u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::from_fn(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        Some((state >> 32) as u8)
    })
}

async fn receive(storage: &ObjectStorage, bytes: &[u8], piece: usize) -> Received {
    let pieces: Vec<_> =
        bytes.chunks(piece).map(|c| Ok::<_, String>(Bytes::copy_from_slice(c))).collect();
    let (digest, length) = (Digest::of(bytes), bytes.len() as u64);
    let stream = stream::iter(pieces);
    storage.receive(ObjectKind::Checkpoint, Some(digest), Some(length), stream).await.unwrap()
}

fn open(folder: &Path) -> ObjectStorage {
    let objects = folder.join("objects").display().to_string();
    ObjectStorage::open(&objects, &folder.join("staging")).unwrap()
}

/// Every file below a folder with its size.
fn files(folder: &Path) -> BTreeMap<PathBuf, u64> {
    let entries =
        std::fs::read_dir(folder).map(|d| d.flatten().collect::<Vec<_>>()).unwrap_or_default();
    // The lock of a living opening is no leftover.
    let below = entries
        .iter()
        .filter(|e| e.path().extension().is_none_or(|e| e != "lock"))
        .flat_map(|entry| {
            let path = entry.path();
            if path.is_dir() {
                files(&path)
            } else {
                [(path, entry.metadata().unwrap().len())].into()
            }
        });
    below.collect()
}

fn bytes_below(folder: &Path) -> u64 {
    files(folder).values().sum()
}

/// Everything about one random file: whole, by ranges, copied; then stored again for nothing.
async fn check_exact(storage: ObjectStorage, bytes: &[u8], piece: usize, cuts: &[f64]) {
    let received = receive(&storage, bytes, piece).await;
    let (digest, size) = (received.digest, bytes.len() as u64);
    assert_eq!(storage.size(digest).await.unwrap(), size);
    assert_eq!(storage.read(digest).await.unwrap(), bytes);
    for pair in cuts.chunks_exact(2) {
        let (a, b) = ((pair[0] * size as f64) as u64, (pair[1] * size as f64) as u64);
        let range = a.min(b)..a.max(b);
        let wanted = &bytes[range.start as usize..range.end as usize];
        let served = storage.stream(digest, Some(range.clone())).await.unwrap();
        let served: Vec<Bytes> = served.try_collect().await.unwrap();
        assert!(served.concat() == wanted, "{range:?} of {size}");
    }
    assert!(storage.stream(digest, Some(0..size + 1)).await.is_err());
    assert_eq!(receive(&storage, bytes, 100_000).await.new_bytes, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Proves that any file comes back byte for byte, whole and by any range, on a folder and in memory, however it was cut.
    #[test]
    fn served_byte_for_byte(
        tensors in vec((0..6_u64, prop_oneof![0..3_usize, 0..5000_usize, 1_048_570..1_048_580_usize, 2_000_000..3_000_000_usize]), 0..7),
        piece in 1000..3_000_000_usize,
        cuts in vec(0.0..=1.0_f64, 12),
        memory in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let storage = if memory { ObjectStorage::open("memory:", folder.path()).unwrap() } else { open(folder.path()) };
        let bytes = file("x", &tensors);
        tokio::runtime::Runtime::new().unwrap().block_on(check_exact(storage, &bytes, piece, &cuts));
    }
}

/// Proves that tensors which two files share lie on the disk once, small and large, and that small ones are packed.
#[tokio::test]
async fn shared_tensors_are_stored_once() {
    let folder = tempfile::tempdir().unwrap();
    let (storage, objects) = (open(folder.path()), folder.path().join("objects"));
    let small: Vec<(u64, usize)> = (0..40).map(|seed| (seed, 500_000)).collect();
    let tensors = [&[(100, 3_000_000), (101, 0)][..], &small].concat();
    let first = receive(&storage, &file("first", &tensors), 1 << 16).await;
    let data = 3_000_000 + 40 * 500_000;
    let overhead = bytes_below(&objects) - data;
    assert!(overhead < 20_000, "{overhead} bytes for header, recipe and places");
    assert_eq!(files(&objects.join("tensor")).len(), 1);
    let packs = files(&objects.join("pack"));
    assert_eq!(packs.values().filter(|bytes| **bytes >= 8 << 20).count(), 2, "{packs:?}");
    assert_eq!(packs.len(), 3, "{packs:?}");
    assert!(first.new_bytes > data && first.new_bytes < data + 20_000);

    // The same tensors backwards and under another header, one of them twice, and two new ones.
    let mut second = tensors.clone();
    second.reverse();
    second.extend([(7, 500_000), (100, 3_000_000), (200, 10_000), (201, 1_500_000)]);
    let before = bytes_below(&objects);
    let bytes = file("second", &second);
    let received = receive(&storage, &bytes, 1 << 20).await;
    let grown = bytes_below(&objects) - before;
    assert!((1_510_000..1_530_000).contains(&grown), "{grown} bytes for 1510000 new ones");
    assert!(received.new_bytes <= grown && received.new_bytes >= 1_510_000);
    assert_eq!(storage.read(received.digest).await.unwrap(), bytes);
    assert_eq!(files(&folder.path().join("staging")).len(), 0);
}

/// Proves that many uploaders of overlapping tensors at once lose nothing, and store each tensor once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn uploads_at_once_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let storages = [open(folder.path()), open(folder.path())];
    let uploads: Vec<Vec<u8>> = (0..8)
        .map(|n| {
            let tensors: Vec<_> =
                (n..n + 6).flat_map(|s| [(s, 60_000), (50 + s, 1_200_000)]).collect();
            file(&n.to_string(), &tensors)
        })
        .collect();
    let mut tasks = tokio::task::JoinSet::new();
    for (number, bytes) in uploads.iter().cloned().enumerate() {
        // Two openings of one folder, as two processes have.
        let storage = storages[number % 2].clone();
        tasks.spawn(async move { receive(&storage, &bytes, 10_000 + 7919 * number).await.digest });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    for bytes in &uploads {
        assert_eq!(storages[0].read(Digest::of(bytes)).await.unwrap(), *bytes);
    }
    let objects = folder.path().join("objects");
    let stored = bytes_below(&objects.join("pack")) + bytes_below(&objects.join("tensor"));
    assert_eq!(stored, 13 * (60_000 + 1_200_000), "13 distinct tensors of each size");
    assert_eq!(files(&folder.path().join("staging")).len(), 0);
}

/// Proves that a crash after any of the objects of a commit is swept to the state before, or after the recipe kept whole.
#[tokio::test]
async fn a_crash_leaves_only_what_the_sweep_removes() {
    let (old, new) = (
        file("old", &[(1, 4000), (2, 2_000_000), (3, 6000)]),
        file("new", &[(1, 4000), (9, 1_100_000), (8, 5000), (2, 2_000_000), (7, 10)]),
    );
    // What a commit of the new file on top of the old one adds.
    let other = tempfile::tempdir().unwrap();
    receive(&open(other.path()), &old, 5000).await;
    let objects = other.path().join("objects");
    let before = files(&objects);
    receive(&open(other.path()), &new, 5000).await;
    let added: Vec<PathBuf> =
        files(&objects).into_keys().filter(|path| !before.contains_key(path)).collect();
    let (recipe, mut added): (Vec<_>, Vec<_>) =
        added.into_iter().partition(|path| path.starts_with(objects.join("recipe")));
    // Listed too: a tensor that the old recipe names, as when two commits brought it at once.
    let named = before.keys().filter(|path| path.starts_with(objects.join("tensor")));
    let listed: Vec<_> = added.iter().chain(named).cloned().collect();
    added.extend(recipe);
    for crashed_after in 0..=added.len() {
        let folder = tempfile::tempdir().unwrap();
        let storage = open(folder.path());
        receive(&storage, &old, 5000).await;
        let clean = files(folder.path());
        let mut list = String::new();
        for path in &listed {
            writeln!(list, "{}", path.strip_prefix(&objects).unwrap().display()).unwrap();
        }
        std::fs::write(folder.path().join("staging/4194999-1.aa.intent"), list + "end").unwrap();
        std::fs::write(folder.path().join("staging/4194999-2.part"), b"left").unwrap();
        for path in &added[..crashed_after] {
            let to = folder.path().join("objects").join(path.strip_prefix(&objects).unwrap());
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(path, to).unwrap();
        }
        storage.sweep_staging().await.unwrap();
        if crashed_after == added.len() {
            assert_eq!(storage.read(Digest::of(&new)).await.unwrap(), new);
        } else {
            assert_eq!(files(folder.path()), clean, "after {crashed_after} objects");
            assert!(!storage.contains(Digest::of(&new)).await.unwrap());
        }
        assert_eq!(storage.read(Digest::of(&old)).await.unwrap(), old);
        receive(&storage, &new, 5000).await;
        assert_eq!(storage.read(Digest::of(&new)).await.unwrap(), new);
    }
}

/// Proves that a list which was not written to its end removes nothing, and that a torn place only costs storing twice.
#[tokio::test]
async fn torn_hints_do_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let (storage, objects) = (open(folder.path()), folder.path().join("objects"));
    let old = file("old", &[(1, 4000), (2, 3000)]);
    receive(&storage, &old, 5000).await;
    let stored = files(&objects);
    std::fs::write(folder.path().join("staging/4194999-1.aa.intent"), "pack/ab\nten").unwrap();
    assert_eq!(storage.sweep_staging().await.unwrap(), 1);
    assert_eq!(files(&objects), stored);
    for place in files(&objects.join("place")).keys() {
        std::fs::write(place, b"torn").unwrap();
    }
    let new = file("new", &[(2, 3000)]);
    receive(&storage, &new, 5000).await;
    for bytes in [&old, &new] {
        assert_eq!(storage.read(Digest::of(bytes)).await.unwrap(), *bytes);
    }
}

/// Proves that a flipped byte, a cut or a loss of a packed or large tensor, a header or a recipe is noticed before the last byte is served.
#[tokio::test]
async fn damage_is_noticed_on_read() {
    for kind in ["pack", "tensor", "header", "recipe"] {
        for damage in ["flip", "cut", "lose"] {
            let folder = tempfile::tempdir().unwrap();
            let storage = open(folder.path());
            let bytes = file("x", &[(1, 4000), (2, 1_500_000), (3, 100)]);
            let digest = receive(&storage, &bytes, 5000).await.digest;
            let path = files(&folder.path().join("objects").join(kind)).into_keys().next().unwrap();
            let mut stored = std::fs::read(&path).unwrap();
            let last = stored.len() - 1;
            match damage {
                "flip" => stored[last] ^= 1,
                _ => stored.truncate(last),
            }
            std::fs::write(&path, stored).unwrap();
            if damage == "lose" {
                std::fs::remove_file(&path).unwrap();
            }
            let name = format!("{kind}, {damage}");
            let error = storage.read(digest).await.expect_err(&name);
            if (kind, damage) == ("pack", "flip") {
                assert!(
                    matches!(&error, StorageError::DamagedTensor { tensor, .. } if tensor == "t2"),
                    "{name}: {error}"
                );
            }
            let copy = folder.path().join("copy");
            assert!(storage.copy_to(digest, &copy).await.is_err() && !copy.exists(), "{name}");
            let mut served = 0;
            if let Ok(mut stream) = storage.stream(digest, None).await {
                while let Ok(Some(piece)) = stream.try_next().await {
                    served += piece.len();
                }
            }
            assert!(served < bytes.len(), "{name}: all was served");
        }
    }
}
