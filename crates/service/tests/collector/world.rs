//! An installation of several servers over one database and one store, and files that share tensors.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use checkpoint::ObjectStorage;
use domain::{digest::Digest, time::Timestamp};
use service::{
    Caller, Collected, Collection, PublishVersion, Scope, Service, ServiceError, Upload, Version,
};
use store::{Store, storage_object, storage_part, storage_recount};

/// The demo's weightless graph of `mlp`, and a checkpoint that it binds to.
pub(crate) const GRAPH: &[u8] = include_bytes!("../../../cli/demo/mlp/graph.onnx");
const CHECKPOINT: &[u8] = include_bytes!("../../../cli/demo/mlp/step-0010.safetensors");

pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) store: Store,
    pub(crate) objects: ObjectStorage,
    /// One a server process, each with locks of its own.
    pub(crate) services: Vec<Arc<Service>>,
}

impl World {
    /// Two servers over one folder, or over one store without locks between them.
    pub(crate) async fn new(has_folder: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/modelfolio.db", folder.path().display());
        Self::over(folder, has_folder, &url).await
    }

    pub(crate) async fn over(folder: tempfile::TempDir, has_folder: bool, url: &str) -> Self {
        let address = if has_folder {
            folder.path().join("objects").display().to_string()
        } else {
            "memory:".to_owned()
        };
        let (store, other) =
            (Store::connect(url).await.unwrap(), Store::connect(url).await.unwrap());
        migrations::run(store.connection()).await.unwrap();
        let objects = ObjectStorage::open(&address, &folder.path().join("staging")).unwrap();
        // A store without folder locks has a staging folder a machine.
        let staging = if has_folder { "staging" } else { "staging-2" };
        let beside = objects.open_beside(&folder.path().join(staging)).unwrap();
        let services = vec![
            Arc::new(Service::new(store.clone(), objects.clone())),
            Arc::new(Service::new(other, beside)),
        ];
        Self { folder, store, objects, services }
    }

    pub(crate) fn service(&self) -> &Service {
        &self.services[0]
    }

    pub(crate) async fn collect(&self, now: i64, grace_ms: u64) -> Collected {
        collect(self.service(), now, grace_ms).await.unwrap()
    }

    /// Uploads a checkpoint and the graph and publishes them.
    pub(crate) async fn publish(&self, login: &str, version: &str, file: &[u8]) -> Version {
        publish(self.service(), login, version, file, 1).await.unwrap()
    }

    /// Checks that the accounts know of objects that something cites them, so that a collector need not even ask.
    pub(crate) async fn check_cited(&self, digests: &[Digest]) {
        for digest in digests {
            let account = storage_object::find(&self.store, &digest.hex()).await.unwrap();
            assert!(account.unwrap().cited, "{digest}");
        }
    }

    /// Names of everything in the store but hints.
    pub(crate) async fn stored(&self) -> BTreeSet<String> {
        let stored = self.objects.list_stored().await.unwrap();
        let names = stored.into_iter().map(|part| part.location);
        names.filter(|name| !name.starts_with("place/")).collect()
    }

    /// All rows of parts.
    pub(crate) async fn parts(&self) -> Vec<store::PartRow> {
        storage_part::list(&self.store, None, 10_000).await.unwrap()
    }

    /// Compares every counter with the rows, every part's size with the store's, and every hint with the part it leads to.
    pub(crate) async fn check_accounts(&self) {
        assert_eq!(storage_recount::list_wrong_parts(&self.store, 9).await.unwrap(), []);
        assert_eq!(storage_recount::list_wrong_usage(&self.store, 9).await.unwrap(), []);
        let stored = self.objects.list_stored().await.unwrap();
        let sizes: BTreeMap<String, u64> =
            stored.into_iter().map(|part| (part.location, part.bytes)).collect();
        for row in self.parts().await.into_iter().filter(|row| row.reference_count > 0) {
            let bytes = sizes.get(&row.location);
            assert_eq!(bytes, Some(&row.bytes.unsigned_abs()), "{}", row.location);
        }
    }
}

pub(crate) async fn collect(
    service: &Service,
    now: i64,
    grace_ms: u64,
) -> Result<Collected, ServiceError> {
    let now = Timestamp::from_millis(now);
    let order = Collection { now, grace_ms, limit: 10_000, dry_run: false };
    service.collect_garbage(&order).await
}

pub(crate) fn caller(login: &str, now: i64) -> Caller {
    Caller {
        owner: login.parse().unwrap(),
        scopes: [Scope::Publish].into(),
        token_id: "t".to_owned(),
        models: None,
        now: Timestamp::from_millis(now),
    }
}

pub(crate) fn operator(now: i64) -> Caller {
    Caller { scopes: [Scope::Operate].into(), ..caller("operator", now) }
}

pub(crate) async fn upload(
    service: &Service,
    login: &str,
    file: &[u8],
    now: i64,
) -> Result<Digest, ServiceError> {
    send(service, login, file, Upload::Checkpoint, now).await
}

pub(crate) async fn upload_graph(
    service: &Service,
    login: &str,
    checkpoint: Digest,
    now: i64,
) -> Result<Digest, ServiceError> {
    send(service, login, GRAPH, Upload::Graph { checkpoint }, now).await
}

async fn send(
    service: &Service,
    login: &str,
    bytes: &[u8],
    kind: Upload,
    now: i64,
) -> Result<Digest, ServiceError> {
    let pieces: Vec<_> =
        bytes.chunks(100_000).map(|piece| Ok::<_, String>(Bytes::copy_from_slice(piece))).collect();
    let (digest, length) = (Digest::of(bytes), Some(bytes.len() as u64));
    let stream = futures::stream::iter(pieces);
    service.upload(&caller(login, now), digest, length, kind, stream).await.map(|o| o.digest)
}

/// Uploads both files and publishes them as a version of `LOGIN/net`.
pub(crate) async fn publish(
    service: &Service,
    login: &str,
    version: &str,
    file: &[u8],
    now: i64,
) -> Result<Version, ServiceError> {
    let model: domain::name::Name = format!("{login}/net").parse().unwrap();
    service.create_model_as(&caller(login, now), "create", &model, false).await?;
    let checkpoint = upload(service, login, file, now).await?;
    let graph = upload_graph(service, login, checkpoint, now).await?;
    let input = PublishVersion { model, version: version.parse().unwrap(), checkpoint, graph };
    service.publish_version(&caller(login, now), &format!("publish-{version}"), &input).await
}

/// The demo's checkpoint with further tensors that the graph does not name: of (seed, bytes) the content is the same in every file.
pub(crate) fn file(tensors: &[(u64, usize)]) -> Vec<u8> {
    let length = u64::from_le_bytes(*CHECKPOINT.first_chunk().unwrap()) as usize;
    let header = std::str::from_utf8(&CHECKPOINT[8..8 + length]).unwrap().trim_end();
    let mut data = CHECKPOINT[8 + length..].to_vec();
    let mut header = header.strip_suffix('}').unwrap().to_owned();
    for (number, (seed, bytes)) in tensors.iter().enumerate() {
        let (begin, end) = (data.len(), data.len() + bytes);
        header.push_str(&format!(
            r#","zz{number:03}":{{"dtype":"U8","shape":[{bytes}],"data_offsets":[{begin},{end}]}}"#
        ));
        data.extend(noise(*seed).take(*bytes));
    }
    header.push('}');
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
}

fn noise(seed: u64) -> impl Iterator<Item = u8> {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    std::iter::from_fn(move || Some((random.next() >> 32) as u8))
}

/// Numbers that follow from a seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 11) % limit
    }
}
