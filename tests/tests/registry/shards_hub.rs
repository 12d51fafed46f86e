//! Checkpoints in shards through the hub surface, by plain requests.

use domain::checkpoint::INDEX_FILE;
use serde_json::{Value, json};

use crate::{
    shards::Set,
    support::ask,
    world::{GRAPH, STEPS, World, mutate},
};

/// Proves that a commit through the hub surface with shards, index and graph is a version like ours, that the info and the headers are
/// told over all shards and with licence and tags of the card, and that an index which its shards do not bear out is a commit and no version.
#[tokio::test]
async fn hub_commits_in_shards() {
    let world = World::new();
    let http = reqwest::Client::new();
    let token = world.lab_token.as_str();
    let post = async |path: &str, body: String| {
        let request =
            http.post(format!("{}/hf/api/{path}", world.url)).bearer_auth(token).body(body);
        let response = request.send().await.unwrap();
        let warning =
            response.headers().get("x-hf-warning").map(|v| v.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        (status, warning, response.json::<Value>().await.unwrap())
    };
    post("repos/create", json!({ "name": "net" }).to_string()).await;
    let set = Set::new(STEPS[0], 3);
    let line = |path: &str, bytes: &[u8]| {
        use base64::Engine as _;
        let content = base64::engine::general_purpose::STANDARD.encode(bytes);
        json!({ "key": "file", "value": { "path": path, "content": content, "encoding": "base64" } }).to_string()
    };
    let commit = |files: &[(&str, &[u8])]| {
        let header = json!({ "key": "header", "value": { "summary": "weights" } }).to_string();
        let lines = files.iter().map(|(path, bytes)| line(path, bytes));
        std::iter::once(header).chain(lines).collect::<Vec<_>>().join("\n")
    };
    let shards: Vec<(&str, &[u8])> = set.shards.iter().map(|(f, b)| (f.as_str(), &b[..])).collect();
    let index = set.document.index.as_bytes();
    let two = [&shards[..2], &[(INDEX_FILE, index), ("graph.onnx", GRAPH)]].concat();
    let (status, warning, _) = post("models/lab/net/commit/main", commit(&two)).await;
    let warning = warning.unwrap();
    assert_eq!(status, 200);
    assert!(warning.contains(shards[2].0) && warning.contains("tensor"), "{warning}");
    let (_, warning, answer) = post("models/lab/net/commit/main", commit(&shards[2..])).await;
    assert_eq!(warning, None);
    let id = answer["commitOid"].as_str().unwrap();
    let versions = "{ model(name: \"lab/net\") { versions { nodes { name checkpoint { digest isSharded } } } } }";
    let expected =
        json!([{ "name": id[..12], "checkpoint": { "digest": set.digest(), "isSharded": true } }]);
    let nodes = async || ask(&world.anybody, versions).await["model"]["versions"]["nodes"].clone();
    assert_eq!(nodes().await, expected);
    let (_, warning, _) = post("models/lab/net/commit/main", commit(&[("README.md", b"x")])).await;
    assert_eq!((warning, nodes().await), (None, expected.clone()));
    // The index says of a tensor that it is elsewhere.
    let wrong = set.document.index.replacen(shards[0].0, shards[1].0, 1);
    let (status, warning, _) =
        post("models/lab/net/commit/main", commit(&[(INDEX_FILE, wrong.as_bytes())])).await;
    assert_eq!((status, nodes().await), (200, expected.clone()));
    assert!(warning.unwrap().contains("the index puts it there"));
    let (_, warning, _) = post("models/lab/net/commit/main", commit(&[("notes.txt", b"x")])).await;
    assert_eq!(warning, None, "said once");
    let (_, warning, _) = post("models/lab/net/commit/main", commit(&[(INDEX_FILE, b"{}")])).await;
    assert!(warning.unwrap().contains("weight_map"));
    let (_, warning, _) = post("models/lab/net/commit/main", commit(&[("notes.txt", b"y")])).await;
    assert_eq!((warning, nodes().await), (None, expected.clone()));
    post("models/lab/net/commit/main", commit(&[(INDEX_FILE, index)])).await;

    told_over_all_shards(&world, &set).await;
}

/// Info and headers, which are told over all shards.
async fn told_over_all_shards(world: &World, set: &Set) {
    let http = reqwest::Client::new();
    let get = async |path: &str| {
        let response = http.get(format!("{}/hf/{path}", world.url)).send().await.unwrap();
        (response.status().as_u16(), response.bytes().await.unwrap().to_vec())
    };
    let json_of = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
    let index = set.document.index.as_bytes();
    let card = json!({ "model": "lab/net", "text": "# Net", "licence": "MIT", "tags": ["vision"] });
    mutate(&world.lab, "modelCardWrite", card, "model { name }").await.unwrap();
    let (_, info) = get("api/models/lab/net").await;
    assert_eq!(json_of(&info)["tags"], json!(["vision", "license:MIT"]));
    assert_eq!(json_of(&info)["cardData"], json!({ "license": "MIT", "tags": ["vision"] }));
    let whole = ask(&world.anybody, "{ model(name: \"lab/net\") { versions { nodes { checkpoint { structure { parameters } } } } } }").await;
    let parameters =
        &whole["model"]["versions"]["nodes"][0]["checkpoint"]["structure"]["parameters"];
    assert_eq!(json!(json_of(&info)["safetensors"]["total"].to_string()), *parameters);
    let (status, metadata) =
        get(&format!("api/models/lab/net/safetensors-metadata/{INDEX_FILE}")).await;
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&metadata));
    let metadata = json_of(&metadata);
    let said: Value = serde_json::from_slice(index).unwrap();
    assert_eq!(metadata["index"], json!({ "metadata": said["metadata"] }));
    for (file, bytes) in &set.shards {
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        assert_eq!(metadata["headers"][file], json_of(&bytes[8..8 + length]), "{file}");
    }
    assert_eq!(get("api/models/lab/net/safetensors-metadata/none.json").await.0, 404);
}
