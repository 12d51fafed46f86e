//! A server, its parties, and files of noise.

use std::{fmt::Write as _, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use client::{Client, Description};
use domain::digest::Digest;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Place, Running, ask, serve, token};

/// A safetensors file of U8 tensors, each told by the seed and the number of its bytes.
pub(crate) fn checkpoint(tensors: &[(u64, usize)]) -> Vec<u8> {
    let (mut json, mut data) = ("{".to_owned(), Vec::new());
    for (number, (seed, length)) in tensors.iter().enumerate() {
        let (begin, end) = (data.len(), data.len() + length);
        let comma = if number > 0 { "," } else { "" };
        write!(
            json,
            r#"{comma}"t{number}":{{"dtype":"U8","shape":[{length}],"data_offsets":[{begin},{end}]}}"#
        )
        .unwrap();
        data.extend(noise(*seed, *length));
    }
    json.push('}');
    [&(json.len() as u64).to_le_bytes()[..], json.as_bytes(), &data].concat()
}

/// Bytes that follow from a seed and look like nothing.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = (0..length.div_ceil(8)).flat_map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(length).collect()
}

/// A file and what its honest sender announces of it.
pub(crate) struct File {
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: Digest,
    /// Header and keys.
    pub(crate) manifest: Vec<u8>,
}

impl File {
    pub(crate) async fn new(place: &Place, bytes: Vec<u8>) -> Self {
        let path = place.path().join("announced.safetensors");
        std::fs::write(&path, &bytes).unwrap();
        let Description { digest, prefix, keys, .. } =
            Description::of_checkpoint(&path).await.unwrap();
        let keys = keys.iter().flat_map(|key| *key.as_bytes());
        Self { bytes, digest, manifest: prefix.iter().copied().chain(keys).collect() }
    }
}

/// A server, and a token of each of its parties.
pub(crate) struct World {
    pub(crate) place: Place,
    pub(crate) server: Running,
    pub(crate) url: String,
    pub(crate) lab: Sender,
    pub(crate) rival: Sender,
    pub(crate) operator: Client,
}

impl World {
    pub(crate) fn new() -> Self {
        let place = Place::sqlite();
        let (server, url) = serve(&place);
        let sender =
            |owner: &str| Sender { url: url.clone(), token: token(&place, owner, "publish") };
        let (lab, rival) = (sender("lab"), sender("rival"));
        let operator = token(&place, "operator", "operate");
        let operator = Client::new(&url, Some(operator)).unwrap();
        Self { place, server, url, lab, rival, operator }
    }

    /// Files below a folder of the installation, without the locks of living processes.
    pub(crate) fn files(&self, folder: &str) -> Vec<String> {
        files_below(&self.place.path().join(folder))
    }

    /// Operations in the audit log that have to do with uploads, in order.
    pub(crate) async fn audit(&self) -> Vec<String> {
        let log = "{ audit(first: 100) { nodes { operation } } }";
        let answer = ask(&self.operator, log).await;
        let nodes = answer["audit"]["nodes"].as_array().unwrap();
        let all = nodes.iter().map(|node| node["operation"].as_str().unwrap().to_owned());
        all.filter(|operation| operation.starts_with("upload_")).collect()
    }
}

/// Paths and sizes of files below a folder, sorted.
pub(crate) fn files_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(at) = open.pop() {
        for entry in std::fs::read_dir(at).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_none_or(|ending| ending != "lock") {
                let name = path.strip_prefix(folder).unwrap().display();
                found.push(format!("{name} {}", entry.metadata().unwrap().len()));
            }
        }
    }
    found.sort();
    found
}

/// A login that speaks the routes by hand.
pub(crate) struct Sender {
    pub(crate) url: String,
    pub(crate) token: String,
}

impl Sender {
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, String)],
        body: Vec<u8>,
    ) -> (u16, Value) {
        let url = format!("{}/v1/uploads{path}", self.url);
        let mut request = reqwest::Client::new().request(method, url).bearer_auth(&self.token);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let response = request.body(body).send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(json!(text)))
    }

    pub(crate) async fn start(&self, file: &File) -> (u16, Value) {
        self.announce(file.digest, file.bytes.len() as u64, file.manifest.clone()).await
    }

    pub(crate) async fn announce(
        &self,
        digest: Digest,
        bytes: u64,
        manifest: Vec<u8>,
    ) -> (u16, Value) {
        let path = format!("?digest={}&bytes={bytes}", digest.hex());
        self.ask(Method::POST, &path, &[], manifest).await
    }

    pub(crate) async fn get(&self, id: &str) -> (u16, Value) {
        self.ask(Method::GET, &format!("/{id}"), &[], Vec::new()).await
    }

    pub(crate) async fn finish(&self, id: &str) -> (u16, Value) {
        self.ask(Method::POST, &format!("/{id}/finish"), &[], Vec::new()).await
    }

    pub(crate) async fn abort(&self, id: &str) -> (u16, Value) {
        self.ask(Method::DELETE, &format!("/{id}"), &[], Vec::new()).await
    }

    pub(crate) async fn put(&self, id: &str, number: u64, bytes: &[u8]) -> (u16, Value) {
        self.put_as(id, number, bytes, Digest::of(bytes)).await
    }

    pub(crate) async fn put_as(
        &self,
        id: &str,
        number: u64,
        bytes: &[u8],
        digest: Digest,
    ) -> (u16, Value) {
        let digest = format!("sha-256=:{}:", STANDARD.encode(digest.as_bytes()));
        let path = format!("/{id}/parts/{number}");
        self.ask(Method::PUT, &path, &[("content-digest", digest)], bytes.to_vec()).await
    }

    /// Sends every part that a session says is missing, the last first; how many bytes these were.
    pub(crate) async fn send_missing(&self, session: &Value, bytes: &[u8]) -> u64 {
        let mut sent = 0;
        for (number, begin, end) in missing(session).into_iter().rev() {
            let part = &bytes[begin as usize..end as usize];
            let (status, answer) = self.put(id(session), number, part).await;
            assert_eq!(status, 204, "{answer}");
            sent += end - begin;
        }
        sent
    }

    /// Sends a file from beginning to end; how many bytes of it went over the line.
    pub(crate) async fn send(&self, file: &File) -> u64 {
        let (status, session) = self.start(file).await;
        assert_eq!((status, &session["state"]), (200, &json!("open")), "{session}");
        let sent = self.send_missing(&session, &file.bytes).await;
        let (status, stored) = self.finish(id(&session)).await;
        assert_eq!((status, &stored["digest"]), (200, &json!(file.digest)), "{stored}");
        sent
    }

    /// Status and bytes of a download.
    pub(crate) async fn download(&self, digest: Digest) -> (u16, Vec<u8>) {
        let url = format!("{}/v1/objects/{digest}", self.url);
        let response = reqwest::Client::new().get(url).bearer_auth(&self.token).send().await;
        let response = response.unwrap();
        (response.status().as_u16(), response.bytes().await.unwrap().to_vec())
    }
}

pub(crate) fn id(session: &Value) -> &str {
    session["id"].as_str().unwrap()
}

/// Number, first byte and end of each missing part.
pub(crate) fn missing(session: &Value) -> Vec<(u64, u64, u64)> {
    let parts = session["missing"].as_array().unwrap();
    let number = |part: &Value, field: &str| part[field].as_u64().unwrap();
    parts.iter().map(|p| (number(p, "number"), number(p, "begin"), number(p, "end"))).collect()
}
