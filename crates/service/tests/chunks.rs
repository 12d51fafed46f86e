//! Files in chunks: what a client says of them is computed again, and what it remembers stays good.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use bytes::Bytes;
use checkpoint::{
    ObjectStorage,
    xet::{XetHash, chunk_hash, xorb_hash},
};
use domain::{digest::Digest, time::Timestamp};
use service::{Caller, Scope, Service, ServiceError};
use store::Store;

struct World {
    folder: tempfile::TempDir,
    service: Service,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/modelfolio.db", folder.path().display());
        let store = Store::connect(&url).await.unwrap();
        migrations::run(store.connection()).await.unwrap();
        let objects = folder.path().join("objects").display().to_string();
        let objects = ObjectStorage::open(&objects, &folder.path().join("staging")).unwrap();
        Self { folder, service: Service::new(store, objects) }
    }

    async fn send(&self, login: &str, xorb: &Xorb) -> Result<bool, ServiceError> {
        self.send_as(login, xorb.hash(), xorb.packed(false)).await
    }

    async fn send_as(
        &self,
        login: &str,
        hash: XetHash,
        bytes: Vec<u8>,
    ) -> Result<bool, ServiceError> {
        let stream = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from(bytes))]);
        self.service.receive_xorb(&caller(login), hash, stream).await
    }

    async fn tell(&self, login: &str, shard: &[u8]) -> Result<(), ServiceError> {
        self.service.receive_shard(&caller(login), shard).await
    }

    async fn bytes_of(&self, login: &str, digest: Digest) -> Option<u64> {
        self.service.hub_bytes_of(&caller(login), digest).await.unwrap()
    }

    fn xorbs(&self) -> usize {
        fn files(folder: &std::path::Path) -> usize {
            let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
            entries.map(|e| e.unwrap().path()).map(|p| if p.is_dir() { files(&p) } else { 1 }).sum()
        }
        files(&self.folder.path().join("objects/xorb"))
    }
}

fn caller(login: &str) -> Caller {
    Caller {
        owner: login.parse().unwrap(),
        scopes: [Scope::Publish].into(),
        token_id: "t-1".to_owned(),
        models: None,
        now: Timestamp::from_millis(1_000),
    }
}

/// Chunks of a size each, their content told by a letter.
struct Xorb(Vec<Vec<u8>>);

impl Xorb {
    fn of(letters: &str) -> Self {
        Self(letters.bytes().map(|letter| vec![letter; 1_000 + letter as usize]).collect())
    }

    fn hash(&self) -> XetHash {
        let chunks: Vec<_> = self.0.iter().map(|c| (chunk_hash(c), c.len() as u64)).collect();
        xorb_hash(&chunks)
    }

    /// As it is sent, its chunks as they are or each as an LZ4 frame.
    fn packed(&self, compressed: bool) -> Vec<u8> {
        let chunk = |content: &Vec<u8>| {
            let body = if compressed { frame(content) } else { content.clone() };
            let [a, b, c, _] = (body.len() as u32).to_le_bytes();
            let [d, e, f, _] = (content.len() as u32).to_le_bytes();
            [vec![0, a, b, c, u8::from(compressed), d, e, f], body].concat()
        };
        self.0.iter().flat_map(chunk).collect()
    }

    fn bytes(&self, first: usize, end: usize) -> Vec<u8> {
        self.0[first..end].concat()
    }
}

/// An LZ4 frame whose only block repeats one byte: made by hand, so that no library of ours is on both sides.
fn frame(content: &[u8]) -> Vec<u8> {
    let mut block = vec![0x1f, content[0], 1, 0];
    // A match of all bytes after the first, but for the last five, which are literals.
    let mut left = content.len() - 1 - 5 - 4 - 15;
    while left >= 255 {
        block.push(255);
        left -= 255;
    }
    block.push(left as u8);
    block.push(0x50);
    block.extend_from_slice(&content[content.len() - 5..]);
    // Magic, version 01 with independent blocks, blocks of at most 64 KiB, and the header's check byte.
    let head = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];
    let length = (block.len() as u32).to_le_bytes();
    [&head[..], &length, &block, &[0; 4]].concat()
}

/// A shard of one file: its digest and its terms.
fn shard(digest: Digest, terms: &[(&Xorb, u32, u32)]) -> Vec<u8> {
    let tag = b"HFRepoMetaData\0UigEj{\x81W\x83\xa5\xbd\xd9\x5c\xcd\xd1J\xa9";
    let entry = |hash: XetHash, numbers: [u32; 4]| {
        let numbers = numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<_>>();
        [hash.as_bytes().to_vec(), numbers].concat()
    };
    let mut bytes = [&tag[..], &2u64.to_le_bytes(), &0u64.to_le_bytes()].concat();
    let file = XetHash::from_bytes([1; 32]);
    bytes.extend(entry(file, [1 << 30, terms.len() as u32, 0, 0]));
    for (xorb, first, end) in terms {
        let length = xorb.0.get(*first as usize..*end as usize).map_or(1, |c| c.concat().len());
        bytes.extend(entry(xorb.hash(), [0, length as u32, *first, *end]));
    }
    bytes.extend(entry(digest.hex().parse().unwrap(), [0; 4]));
    bytes.extend(entry(XetHash::from_bytes([0xff; 32]), [0; 4]));
    bytes
}

/// Proves that a file is what its chunks make, that its xorb goes then, and that chunks which were sent once make other files
/// afterwards, in another order and out of several files.
#[tokio::test]
async fn chunks_become_files() {
    let world = World::new().await;
    let (one, two) = (Xorb::of("abcd"), Xorb::of("xyz"));
    assert!(world.send("lab", &one).await.unwrap());
    assert!(!world.send("lab", &one).await.unwrap(), "it is stored already");
    let first = one.bytes(0, 4);
    world.tell("lab", &shard(Digest::of(&first), &[(&one, 0, 4)])).await.unwrap();
    assert_eq!(world.xorbs(), 0);
    assert!(world.send("lab", &two).await.unwrap());
    let mixed = [one.bytes(2, 3), two.bytes(0, 2), one.bytes(0, 1)].concat();
    let terms = [(&one, 2, 3), (&two, 0, 2), (&one, 0, 1)];
    world.tell("lab", &shard(Digest::of(&mixed), &terms)).await.unwrap();
    assert_eq!(world.bytes_of("lab", Digest::of(&mixed)).await, Some(mixed.len() as u64));
    assert_eq!(world.xorbs(), 1, "a chunk that no file has keeps its xorb");
    let last = [two.bytes(1, 3), one.bytes(1, 3)].concat();
    let told = shard(Digest::of(&last), &[(&two, 1, 3), (&one, 1, 3)]);
    world.tell("lab", &told).await.unwrap();
    world.tell("lab", &told).await.unwrap();
    assert_eq!(world.xorbs(), 0);
}

/// Proves that every lie is refused by name and leaves no file: another hash, another SHA-256, chunks that are not there, and
/// chunks of another login.
#[tokio::test]
async fn lies_are_refused() {
    let world = World::new().await;
    let xorb = Xorb::of("abc");
    let refused = world.send_as("lab", Xorb::of("abd").hash(), xorb.packed(false)).await;
    assert_eq!(refused.unwrap_err().code(), "wrong_digest");
    assert_eq!(world.xorbs(), 0);
    world.send("lab", &xorb).await.unwrap();
    let (right, wrong) = (Digest::of(&xorb.bytes(0, 3)), Digest::of(b"other"));
    let refused = world.tell("lab", &shard(wrong, &[(&xorb, 0, 3)])).await.unwrap_err();
    assert_eq!(refused.code(), "wrong_digest", "{refused}");
    let refused = world.tell("lab", &shard(right, &[(&xorb, 0, 9)])).await.unwrap_err();
    assert!(refused.to_string().contains("chunks 0 to 9"), "{refused}");
    for told in [shard(right, &[(&Xorb::of("q"), 0, 1)]), shard(right, &[(&xorb, 0, 3)])] {
        let refused = world.tell("rival", &told).await.unwrap_err();
        assert!(refused.to_string().contains("was not sent by this login"), "{refused}");
    }
    let refused = world.tell("lab", b"no shard").await.unwrap_err();
    assert_eq!(refused.code(), "xet_malformed");
    for login in ["lab", "rival"] {
        assert_eq!(world.bytes_of(login, right).await, None);
        assert_eq!(world.bytes_of(login, wrong).await, None);
    }
    world.tell("lab", &shard(right, &[(&xorb, 0, 3)])).await.unwrap();
    assert_eq!(world.bytes_of("lab", right).await, Some(xorb.bytes(0, 3).len() as u64));
}

/// Proves that chunks which come again packed in another way are read by their new sizes.
#[tokio::test]
async fn packed_in_another_way() {
    let world = World::new().await;
    let xorb = Xorb::of("abcdef");
    world.send("lab", &xorb).await.unwrap();
    let lost = world.folder.path().join("objects/xorb");
    std::fs::remove_dir_all(lost).unwrap();
    let digest = Digest::of(&xorb.bytes(1, 5));
    let told = shard(digest, &[(&xorb, 1, 5)]);
    let refused = world.tell("lab", &told).await.unwrap_err();
    assert!(refused.to_string().contains("send the file again"), "{refused}");
    assert!(world.send_as("lab", xorb.hash(), xorb.packed(true)).await.unwrap());
    world.tell("lab", &told).await.unwrap();
    assert_eq!(world.bytes_of("lab", digest).await, Some(xorb.bytes(1, 5).len() as u64));
}

/// Proves that xorbs which no file uses go after their time, and not before.
#[tokio::test]
async fn unused_xorbs_expire() {
    let world = World::new().await;
    world.send("lab", &Xorb::of("abc")).await.unwrap();
    let at = |millis| Timestamp::from_millis(millis);
    assert_eq!(world.service.sweep_xorbs(at(service::XORB_KEPT_MS)).await.unwrap(), 0);
    assert_eq!(world.xorbs(), 1);
    assert_eq!(world.service.sweep_xorbs(at(service::XORB_KEPT_MS + 2_000)).await.unwrap(), 1);
    assert_eq!(world.xorbs(), 0);
    assert!(world.send("lab", &Xorb::of("abc")).await.unwrap(), "it can be sent again");
}
