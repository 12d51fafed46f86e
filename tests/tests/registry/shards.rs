//! Checkpoints in shards: one version whatever its files, seen by those who see the model, refused with file and tensor.

use std::{collections::BTreeMap, time::Instant};

use domain::{
    checkpoint::{SetDocument, ShardFile},
    digest::Digest,
};
use serde_json::{Value, json};

use crate::{
    split::split,
    support::ask,
    world::{CASES, GRAPH, STEPS, World, mutate, refused},
};

/// A checkpoint cut into shards, and its document.
pub(crate) struct Set {
    pub(crate) shards: BTreeMap<String, Vec<u8>>,
    pub(crate) document: SetDocument,
}

impl Set {
    pub(crate) fn new(whole: &[u8], count: usize) -> Self {
        let (shards, index) = split(whole, count);
        let file = |(file, bytes): (&String, &Vec<u8>)| ShardFile {
            file: file.clone(),
            digest: Digest::of(bytes),
        };
        let files = shards.iter().map(file).collect();
        Self { document: SetDocument::try_new(index.as_bytes(), files).unwrap(), shards }
    }

    fn bytes(&self) -> Vec<u8> {
        self.document.to_bytes().unwrap()
    }

    pub(crate) fn digest(&self) -> String {
        self.document.digest().unwrap().to_string()
    }
}

impl World {
    /// Sends shards, document and graph; the digests of the checkpoint and of the graph.
    async fn upload_set(&self, token: &str, set: &Set) -> (String, String) {
        for bytes in set.shards.values() {
            self.upload(token, bytes, "checkpoint").await;
        }
        let checkpoint = self.upload(token, &set.bytes(), "shards").await;
        assert_eq!(checkpoint, set.digest());
        let graph = self.upload(token, GRAPH, &format!("graph&checkpoint={checkpoint}")).await;
        (checkpoint, graph)
    }

    async fn publish_set(&self, model: &str, version: &str, set: &Set) {
        let (checkpoint, graph) = self.upload_set(&self.lab_token, set).await;
        let input =
            json!({ "model": model, "version": version, "checkpoint": checkpoint, "graph": graph });
        mutate(&self.lab, "versionPublish", input, "version { name }").await.unwrap();
    }

    /// Status, code, tensor and sentence of a document that is refused.
    async fn put_refused(&self, token: &str, bytes: &[u8], kind: &str) -> (u16, Value) {
        let url = format!("{}/v1/objects/{}?kind={kind}", self.url, Digest::of(bytes));
        let request = reqwest::Client::new().put(url).bearer_auth(token).body(bytes.to_vec());
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }
}

/// Names of all tensors: shard by shard, and in each by their bytes.
fn in_order(set: &Set) -> Vec<String> {
    let of_shard = |bytes: &Vec<u8>| {
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let header: serde_json::Map<String, Value> =
            serde_json::from_slice(&bytes[8..8 + length]).unwrap();
        let mut names: Vec<(u64, String)> = header
            .into_iter()
            .map(|(name, entry)| (entry["data_offsets"][0].as_u64().unwrap(), name))
            .collect();
        names.sort();
        names.into_iter().map(|(_, name)| name).collect::<Vec<_>>()
    };
    set.shards.values().flat_map(of_shard).collect()
}

/// The first tensor of a shard.
fn tensor_of(set: &Set, file: &str) -> String {
    let index: Value = serde_json::from_str(&set.document.index).unwrap();
    let map = index["weight_map"].as_object().unwrap();
    map.iter().find(|(_, shard)| *shard == file).unwrap().0.clone()
}

/// Regular files below a folder.
fn files_below(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).map(|d| d.flatten().collect::<Vec<_>>());
    let count = |entry: &std::fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => files_below(&entry.path()),
        _ => 1,
    };
    entries.unwrap_or_default().iter().map(count).sum()
}

/// Proves that a checkpoint in shards is one checkpoint: another cut of it, and the one file, differ in nothing; structure, lineage and
/// search take it whole; its tensors name their shards; a version of one file keeps its digest.
#[tokio::test]
async fn a_set_is_one_checkpoint() {
    let world = World::new();
    world.publish("net", false, &STEPS[..1]).await;
    let (three, two) = (Set::new(STEPS[0], 3), Set::new(STEPS[0], 2));
    world.publish_set("net", "three", &three).await;
    world.publish_set("net", "two", &two).await;
    let after = Set::new(STEPS[1], 3);
    assert_eq!(after.document.index, three.document.index, "two steps have one index");
    let (checkpoint, graph) = world.upload_set(&world.lab_token, &after).await;
    let base = json!({ "model": "net", "version": "v1" });
    let input = json!({ "model": "net", "version": "next", "checkpoint": checkpoint, "graph": graph, "base": base });
    mutate(&world.lab, "versionPublish", input, "version { name }").await.unwrap();
    let diff = async |from: &str, to: &str| {
        let query = format!(
            "{{ versionDiff(model: \"net\", from: \"{from}\", to: \"{to}\") {{ changeCount unchangedCount unchangedBytes renamedBytes
                fromBytes toBytes equalShare changes(first: 100) {{ nodes {{ kind from {{ name }} to {{ name key }} }} }} }} }}"
        );
        ask(&world.anybody, &query).await["versionDiff"].clone()
    };
    for (from, to) in [("v1", "three"), ("three", "two"), ("two", "v1")] {
        let same = diff(from, to).await;
        assert_eq!(
            (&same["changeCount"], &same["equalShare"]),
            (&json!(0), &json!(1.0)),
            "{from} {to}"
        );
    }
    input_of_diff(&world, &diff("three", "next").await).await;
    one_checkpoint_in_parts(&world, &three).await;
}

/// What the API tells of the versions, the one file beside the set.
async fn one_checkpoint_in_parts(world: &World, three: &Set) {
    let parts = "digest checkpoint { digest bytes tensorCount isSharded structure { parameters dtypes signature }
        shards(first: 2) { nodes { file digest bytes } pageInfo { hasNextPage } }
        tensors(first: 100) { nodes { name file key bytes } } } lineage { equalShare }";
    let query = format!(
        "{{ model(name: \"net\") {{ v1: version(name: \"v1\") {{ {parts} }} three: version(name: \"three\") {{ {parts} }}
            next: version(name: \"next\") {{ {parts} }} }} }}"
    );
    let answer = ask(&world.anybody, &query).await;
    let [one, set, next] = ["v1", "three", "next"].map(|name| &answer["model"][name]);
    assert_eq!(set["checkpoint"]["structure"], one["checkpoint"]["structure"]);
    assert_eq!(set["checkpoint"]["tensorCount"], one["checkpoint"]["tensorCount"]);
    assert_eq!(
        (&one["checkpoint"]["isSharded"], &set["checkpoint"]["isSharded"]),
        (&json!(false), &json!(true))
    );
    let sizes: usize = three.shards.values().map(Vec::len).sum();
    assert_eq!(set["checkpoint"]["bytes"], sizes.to_string());
    let shards = &set["checkpoint"]["shards"];
    assert_eq!(shards["pageInfo"]["hasNextPage"], true);
    let (file, bytes) = three.shards.first_key_value().unwrap();
    assert_eq!(
        shards["nodes"][0],
        json!({ "file": file, "digest": Digest::of(bytes), "bytes": bytes.len().to_string() })
    );
    let map: Value = serde_json::from_str(&three.document.index).unwrap();
    let tensors = set["checkpoint"]["tensors"]["nodes"].as_array().unwrap();
    assert_eq!(tensors.len(), map["weight_map"].as_object().unwrap().len());
    let listed: Vec<&str> = tensors.iter().map(|t| t["name"].as_str().unwrap()).collect();
    assert_eq!(listed, in_order(three));
    for tensor in tensors {
        assert_eq!(tensor["file"], map["weight_map"][tensor["name"].as_str().unwrap()]);
    }
    assert!(
        one["checkpoint"]["tensors"]["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .all(|t| t["file"].is_null())
    );
    assert!(next["lineage"]["equalShare"].as_f64().unwrap() < 1.0);
    // What the digest was before there were shards: SHA-256 over these four, and nothing else.
    let covered = format!(
        r#"{{"checkpoint":"{}","graph":"{}","model":"net","version":"v1"}}"#,
        Digest::of(STEPS[0]),
        Digest::of(GRAPH)
    );
    assert_eq!(one["digest"], json!(Digest::of(covered.as_bytes())));
    let found = ask(
        &world.anybody,
        "{ models(search: { parametersMin: \"1\", dtype: \"F32\" }) { nodes { name } } }",
    )
    .await;
    assert_eq!(found["models"]["nodes"], json!([{ "name": "net" }]));
}

/// What changed between two sets is what changed between the two files.
async fn input_of_diff(world: &World, sets: &Value) {
    let (checkpoint, graph) = world.upload_pair(&world.lab_token, STEPS[1], GRAPH).await;
    let input =
        json!({ "model": "net", "version": "next-one", "checkpoint": checkpoint, "graph": graph });
    mutate(&world.lab, "versionPublish", input, "version { name }").await.unwrap();
    let query = "{ versionDiff(model: \"net\", from: \"v1\", to: \"next-one\") { changeCount unchangedCount unchangedBytes renamedBytes
        fromBytes toBytes equalShare changes(first: 100) { nodes { kind from { name } to { name key } } } } }";
    let files = ask(&world.anybody, query).await["versionDiff"].clone();
    assert!(files["changeCount"].as_i64().unwrap() > 0);
    assert_eq!(&files, sets);
}

/// Proves that whoever sees a model may read its shards and the document, that nobody else may, that a digest alone opens no shard, and
/// that the end of a grant ends what was built on it.
#[tokio::test]
async fn shards_follow_their_model() {
    let world = World::new();
    let set = Set::new(STEPS[0], 3);
    let input = json!({ "name": "lab/secret", "private": true });
    mutate(&world.lab, "modelCreate", input, "model { name }").await.unwrap();
    world.publish_set("lab/secret", "v1", &set).await;
    let stranger = world.stranger_token.as_str();
    let all: Vec<String> = set
        .shards
        .values()
        .map(|bytes| Digest::of(bytes).to_string())
        .chain([set.digest()])
        .collect();
    let statuses = async |token: Option<&str>| {
        let mut found = Vec::new();
        for digest in &all {
            found.push(world.download(token, digest).await.0);
        }
        found
    };
    for (token, status) in [
        (None, 404),
        (Some(stranger), 404),
        (Some(&*world.lab_token), 200),
        (Some(&*world.operator_token), 200),
    ] {
        assert_eq!(statuses(token).await, [status; 4], "{token:?}");
    }
    let (status, answer) = world.put_refused(stranger, &set.bytes(), "shards").await;
    assert_eq!((status, &answer["code"]), (422, &json!("shard_missing")), "{answer}");
    let nowhere = Set::new(STEPS[2], 3);
    let absent = world.put_refused(stranger, &nowhere.bytes(), "shards").await;
    assert_eq!(
        (absent.0, &absent.1["code"], &absent.1["detail"]),
        (status, &answer["code"], &answer["detail"])
    );
    let grant = json!({ "model": "lab/secret", "grantee": "rival" });
    mutate(&world.lab, "accessGrant", grant.clone(), "model { name }").await.unwrap();
    assert_eq!(statuses(Some(stranger)).await, [200; 4]);
    let checkpoint = world.upload(stranger, &set.bytes(), "shards").await;
    let graph = world.upload(stranger, GRAPH, &format!("graph&checkpoint={checkpoint}")).await;
    mutate(&world.stranger, "modelCreate", json!({ "name": "rival/copy" }), "model { name }")
        .await
        .unwrap();
    mutate(&world.lab, "accessRevoke", grant, "model { name }").await.unwrap();
    // He has sent the document himself; the shards he has not.
    assert_eq!(statuses(Some(stranger)).await, [404, 404, 404, 200]);
    let input =
        json!({ "model": "rival/copy", "version": "v1", "checkpoint": checkpoint, "graph": graph });
    assert_eq!(
        refused(&world.stranger, "versionPublish", input, "version { name }").await,
        "absent"
    );
    let open = json!({ "model": "lab/secret", "private": false });
    mutate(&world.lab, "modelVisibilitySet", open, "model { private }").await.unwrap();
    assert_eq!(statuses(None).await, [200; 4]);
}

/// Proves that a set which is none is refused with code, file and tensor and leaves nothing, and that a shard of two versions is stored
/// once.
#[tokio::test]
async fn bad_sets_leave_nothing() {
    let world = World::new();
    mutate(&world.lab, "modelCreate", json!({ "name": "net" }), "model { name }").await.unwrap();
    let token = world.lab_token.as_str();
    let set = Set::new(STEPS[0], 3);
    for bytes in set.shards.values().take(2) {
        world.upload(token, bytes, "checkpoint").await;
    }
    let objects = world.place.path().join("objects");
    let before = files_below(&objects);
    let (last, _) = set.shards.last_key_value().unwrap();
    let tensor = tensor_of(&set, last);
    let (status, answer) = world.put_refused(token, &set.bytes(), "shards").await;
    assert_eq!(
        (status, &answer["code"], &answer["tensor"]),
        (422, &json!("shard_missing"), &json!(tensor))
    );
    assert!(answer["detail"].as_str().unwrap().contains(last), "{answer}");
    // The third name with the second shard's bytes: its tensors are in two shards, and its own are in none.
    let mut twice = set.document.clone();
    twice.shards[2].digest = twice.shards[1].digest;
    let cases = [
        (twice.to_bytes().unwrap(), "tensor_in_two_shards"),
        (
            SetDocument { index: "{}".into(), ..twice.clone() }.to_bytes().unwrap(),
            "weight_map_missing",
        ),
        (
            SetDocument {
                index: set.document.index.replace(last, "../x.safetensors"),
                ..twice.clone()
            }
            .to_bytes()
            .unwrap(),
            "shard_path",
        ),
        ([set.bytes(), b" ".to_vec()].concat(), "set_document"),
        (b"no document".to_vec(), "set_document"),
    ];
    for (bytes, code) in cases {
        let (status, answer) = world.put_refused(token, &bytes, "shards").await;
        assert_eq!((status, &answer["code"]), (422, &json!(code)), "{answer}");
    }
    assert_eq!(files_below(&objects), before, "a refusal left an object");
    misplaced_tensors(&world, &set, &objects).await;
    world.publish_set("net", "v1", &set).await;
    shared_shards(&world, &set, &objects).await;
}

/// An index that says of a tensor what its shard does not.
async fn misplaced_tensors(world: &World, set: &Set, objects: &std::path::Path) {
    let token = world.lab_token.as_str();
    let names: Vec<&String> = set.shards.keys().collect();
    let (first, last) = (names[0], names[2]);
    let tensor = tensor_of(set, last);
    let named = |from: &str, to: &str| set.document.index.replacen(from, to, 1);
    let moved = SetDocument { index: named(first, last), ..set.document.clone() };
    let renamed = SetDocument { index: named(&tensor, "else"), ..set.document.clone() };
    world.upload(token, &set.shards[last], "checkpoint").await;
    let with_last = files_below(objects);
    for (document, code) in [(moved, "tensor_not_in_shard"), (renamed, "tensor_not_in_shard")] {
        let (status, answer) =
            world.put_refused(token, &document.to_bytes().unwrap(), "shards").await;
        assert_eq!((status, &answer["code"]), (422, &json!(code)), "{answer}");
        assert!(answer["tensor"].is_string(), "{answer}");
    }
    assert_eq!(files_below(objects), with_last, "a refusal left an object");
}

/// Two sets that share two shards of three.
async fn shared_shards(world: &World, set: &Set, objects: &std::path::Path) {
    let token = world.lab_token.as_str();
    let (last, _) = set.shards.last_key_value().unwrap();
    // A second set of two of these shards and another one adds the one and its document.
    let mut next = Set::new(STEPS[0], 3);
    let third = next.shards.get_mut(last).unwrap();
    let end = third.len() - 1;
    third[end] ^= 1;
    next.document.shards[2].digest = Digest::of(third);
    let full = files_below(objects);
    world.publish_set("net", "v2", &next).await;
    let added = files_below(objects) - full;
    // Recipe, header is the same, the changed tensor with its place, and the document.
    assert!((3..=4).contains(&added), "{added} files for one changed tensor");
    let again = files_below(objects);
    world.publish_set("net", "v3", &next).await;
    assert_eq!(files_below(objects), again);
    // A set stands where a checkpoint may be several files, and nowhere else.
    let answer = world
        .put_refused(token, GRAPH, &format!("graph&checkpoint={}", Digest::of(&set.shards[last])))
        .await;
    assert_eq!(answer.1["code"], "tensor_missing", "{answer:?}");
    let mut inner = set.document.clone();
    inner.shards[2].digest = set.document.digest().unwrap();
    let (_, answer) = world.put_refused(token, &inner.to_bytes().unwrap(), "shards").await;
    assert_eq!(answer["code"], "shard_missing", "a set is no shard: {answer}");
}

/// Proves that a worker evaluates shards to the very report that the one file gets, but for names and times, and that a suite's reference
/// in shards is refused by name.
#[tokio::test]
async fn shards_are_evaluated() {
    let world = World::new();
    world.publish("net", false, &STEPS[1..2]).await;
    let set = Set::new(STEPS[1], 3);
    world.publish_set("net", "set", &set).await;
    let suite = world.register_suite().await;
    let mut reports = Vec::new();
    for version in ["v1", "set"] {
        let job = world.evaluate(&world.lab, "net", version, &suite).await.unwrap();
        let done = world.work_until_done(&job).await;
        let digest = done["report"]["digest"].as_str().unwrap().to_owned();
        let (_, body) = world.download(Some(&world.operator_token), &digest).await;
        reports.push(serde_json::from_slice::<Value>(&body).unwrap());
    }
    let [one, two] = &reports[..] else { panic!("two reports") };
    assert_eq!(two["model"]["digest"], set.digest());
    assert_eq!(two["model"]["shards"], serde_json::to_value(&set.document.shards).unwrap());
    assert!(one["model"].get("shards").is_none(), "{one}");
    for field in ["correct", "outputs", "decisions", "finite", "graph"] {
        assert_eq!(one["model"][field], two["model"][field], "{field}");
    }
    for field in ["metrics", "quality_bits"] {
        assert!(!one[field].is_null(), "{field}");
        assert_eq!(one[field], two[field], "{field}");
    }
}

/// Proves that the hidden cases of a suite are no weights, neither as a checkpoint nor as a shard: a graph that binds the right answers
/// would know them.
#[tokio::test]
async fn hidden_cases_are_no_weights() {
    let world = World::new();
    world.register_suite().await;
    let token = world.stranger_token.as_str();
    mutate(&world.stranger, "modelCreate", json!({ "name": "net" }), "model { name }")
        .await
        .unwrap();
    let cases = Digest::of(CASES);
    let (status, answer) =
        world.put_refused(token, GRAPH, &format!("graph&checkpoint={cases}")).await;
    assert_eq!((status, &answer["code"]), (404, &json!("absent")), "{answer}");
    // The graph is that of the suite's reference too, which everybody may read and publish.
    let input =
        json!({ "model": "net", "version": "v1", "checkpoint": cases, "graph": Digest::of(GRAPH) });
    assert_eq!(
        refused(&world.stranger, "versionPublish", input, "version { name }").await,
        "absent"
    );
    let index = json!({ "weight_map": { "label": "cases.safetensors" } }).to_string();
    let file = ShardFile { file: "cases.safetensors".to_owned(), digest: cases };
    let document = SetDocument::try_new(index.as_bytes(), vec![file]).unwrap();
    let (status, answer) = world.put_refused(token, &document.to_bytes().unwrap(), "shards").await;
    assert_eq!((status, &answer["code"]), (422, &json!("shard_missing")), "{answer}");
}

/// Proves that the difference of two checkpoints of a thousand tensors is told from their keys; the time is printed, not demanded.
#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "the time is told to the reader, and nothing depends on it"
)]
async fn a_thousand_tensors_are_compared() {
    let world = World::new();
    let wide = |byte: u8| {
        let length = u64::from_le_bytes(STEPS[0][..8].try_into().unwrap()) as usize;
        let mut header: serde_json::Map<String, Value> =
            serde_json::from_slice(&STEPS[0][8..8 + length]).unwrap();
        let mut data = STEPS[0][8 + length..].to_vec();
        for number in 0..1000 {
            let begin = data.len();
            data.extend([if number % 2 == 0 { byte } else { 0 }; 64]);
            data.extend((number as u32).to_le_bytes());
            let entry =
                json!({ "dtype": "U8", "shape": [68], "data_offsets": [begin, begin + 68] });
            header.insert(format!("layers.{number}.weight"), entry);
        }
        let header = Value::Object(header).to_string();
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
    };
    mutate(&world.lab, "modelCreate", json!({ "name": "net" }), "model { name }").await.unwrap();
    for (version, byte) in [("a", 1), ("b", 2)] {
        world.publish_set("net", version, &Set::new(&wide(byte), 8)).await;
    }
    let query =
        "{ versionDiff(model: \"net\", from: \"a\", to: \"b\") { changeCount unchangedCount } }";
    let mut times = Vec::new();
    for _ in 0..9 {
        let start = Instant::now();
        let answer = ask(&world.anybody, query).await;
        times.push(start.elapsed().as_micros());
        assert_eq!(answer["versionDiff"]["changeCount"], 500);
    }
    times.sort_unstable();
    println!(
        "versionDiff of two sets of 1,000 tensors more: {} us (median of 9, unoptimised build)",
        times[4]
    );
}
