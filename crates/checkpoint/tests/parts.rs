//! Parts of uploads: there whole or not at all, put together with stored tensors, each tensor checked; on a folder and in memory.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use bytes::Bytes;
use checkpoint::{
    Announced, AssembleError, ObjectKind, ObjectStorage, ReceiveError, StorageError, StoredTensors,
};
use domain::{
    checkpoint::{Header, TensorKey, TensorKeyHasher, UploadPlan, range_in_file},
    digest::Digest,
};
use futures::{StreamExt, TryStreamExt, stream};

/// A file of three tensors: small, large, small; the byte of each fills it.
fn file(bytes: [u8; 3]) -> (Vec<u8>, Announced) {
    const LARGE: usize = 3 << 20;
    let ends = [1000, 1000 + LARGE, 1000 + LARGE + 500];
    let json = format!(
        r#"{{"a":{{"dtype":"U8","shape":[1000],"data_offsets":[0,{}]}},"b":{{"dtype":"U8","shape":[{LARGE}],"data_offsets":[{},{}]}},"c":{{"dtype":"U8","shape":[500],"data_offsets":[{},{}]}}}}"#,
        ends[0], ends[0], ends[1], ends[1], ends[2]
    );
    let prefix = [&(json.len() as u64).to_le_bytes()[..], json.as_bytes()].concat();
    let mut whole = prefix.clone();
    for (byte, length) in bytes.iter().zip([1000, LARGE, 500]) {
        whole.extend(std::iter::repeat_n(*byte, length));
    }
    let header = Header::parse(&prefix, Some(whole.len() as u64)).unwrap();
    let key = |tensor| {
        let range = range_in_file(&header, tensor);
        let mut hasher = TensorKeyHasher::new(tensor.dtype, &tensor.shape);
        hasher.update(&whole[range.start as usize..range.end as usize]);
        hasher.finish()
    };
    let keys = header.tensors.iter().map(key).collect();
    let file = Announced { digest: Digest::of(&whole), prefix: prefix.into(), header, keys };
    (whole, file)
}

fn pieces(bytes: &[u8]) -> impl futures::Stream<Item = Result<Bytes, String>> + Send + use<> {
    let pieces: Vec<_> = bytes.chunks(70_000).map(|p| Ok(Bytes::copy_from_slice(p))).collect();
    stream::iter(pieces)
}

async fn put(storage: &ObjectStorage, number: u64, bytes: &[u8]) {
    let length = bytes.len() as u64;
    storage.put_part("s", number, length, Digest::of(bytes), pieces(bytes)).await.unwrap();
}

async fn on_both(case: impl AsyncFn(&ObjectStorage)) {
    let folder = tempfile::tempdir().unwrap();
    let objects = folder.path().join("objects").display().to_string();
    let staging = folder.path().join("staging");
    case(&ObjectStorage::open(&objects, &staging).unwrap()).await;
    case(&ObjectStorage::open("memory:", &staging).unwrap()).await;
    let left: Vec<_> = std::fs::read_dir(staging).unwrap().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Proves that a part with other bytes than announced, too few or too many, changes nothing, that a repetition replaces, and
/// that a session goes away whole.
#[tokio::test]
async fn parts_are_whole_or_absent() {
    on_both(async |storage| {
        put(storage, 4, b"fourth").await;
        let wrong = storage.put_part("s", 4, 6, Digest::of(b"x"), pieces(b"FOURTH")).await;
        assert!(matches!(wrong, Err(ReceiveError::WrongDigest { .. })), "{wrong:?}");
        for bytes in [&b"fourt"[..], b"fourths"] {
            let wrong = storage.put_part("s", 4, 6, Digest::of(bytes), pieces(bytes)).await;
            assert!(matches!(wrong, Err(ReceiveError::WrongLength { .. })), "{wrong:?}");
        }
        let broken = pieces(b"fou").chain(stream::iter([Err("gone".to_owned())]));
        let broken = storage.put_part("s", 4, 6, Digest::of(b"fourth"), broken).await;
        assert!(matches!(broken, Err(ReceiveError::Interrupted { after: 3, .. })), "{broken:?}");
        assert_eq!(storage.remove_damaged_parts("s").await.unwrap(), 0, "a part was touched");
        put(storage, 4, b"longer").await;
        put(storage, 10, b"").await;
        let parts = storage.list_parts("s").await.unwrap();
        assert_eq!(parts.into_iter().collect::<Vec<_>>(), [(4, 6), (10, 0)]);
        let note = storage.put_note("s", b"note").await.unwrap();
        assert_eq!(storage.find_note("s", note).await.unwrap().unwrap(), &b"note"[..]);
        assert_eq!(storage.find_note("t", note).await.unwrap(), None);
        assert_eq!(storage.list_uploads().await.unwrap(), ["s"]);
        storage.remove_upload("s").await.unwrap();
        storage.remove_upload("s").await.unwrap();
        assert_eq!(storage.list_uploads().await.unwrap(), [""; 0]);
        assert!(storage.list_parts("s").await.unwrap().is_empty());
    })
    .await;
}

/// Proves that a file comes byte for byte out of parts and stored tensors, and that a wrong part is told with its tensor.
#[tokio::test]
async fn files_are_put_together() {
    on_both(async |storage| {
        let (before, first) = file([1, 2, 3]);
        let size = Some(before.len() as u64);
        storage
            .receive(ObjectKind::Checkpoint, Some(first.digest), size, pieces(&before))
            .await
            .unwrap();
        let (whole, second) = file([1, 9, 3]);
        let mut stored = StoredTensors::default();
        let is_wanted = |key: &TensorKey| second.keys.contains(key);
        assert!(storage.add_stored_tensors(&mut stored, first.digest, is_wanted).await.unwrap());
        assert!(!storage.add_stored_tensors(&mut stored, second.digest, |_| true).await.unwrap());
        let flags: Vec<bool> = second.keys.iter().map(|key| stored.contains(key)).collect();
        assert_eq!(flags, [true, false, true]);
        let plan = UploadPlan::new(&second.header, &flags);
        let [part] = plan.parts() else { panic!("{plan:?}") };
        let bytes = &whole[part.start as usize..part.end as usize];
        let assemble = || storage.assemble("s", second.clone(), &plan, &stored);

        let absent = assemble().try_collect::<Vec<_>>().await.unwrap_err();
        assert!(matches!(absent, AssembleError::Storage(StorageError::Part { .. })), "{absent}");
        put(storage, 0, &vec![8; bytes.len()]).await;
        let wrong = assemble().try_collect::<Vec<_>>().await.unwrap_err();
        assert!(matches!(&wrong, AssembleError::WrongKey { tensor } if tensor == "b"), "{wrong}");
        put(storage, 0, bytes).await;
        let found: Vec<Bytes> = assemble().try_collect().await.unwrap();
        assert_eq!(Digest::of(&found.concat()), second.digest);
        storage.remove_upload("s").await.unwrap();
    })
    .await;
}
