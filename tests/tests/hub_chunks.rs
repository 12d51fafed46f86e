//! Large files of the stock client: in chunks, as its newest release sends them unless told otherwise, and in parts of LFS.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

mod hub_environment;
#[expect(dead_code, reason = "support is shared with tests that use more of it")]
mod support;

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use hub_environment::{environment_or_reason, said};
use support::{Place, serve, token};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

const MIB: u64 = 1 << 20;

/// A relay to the server that counts the bytes which clients send; its address.
async fn relay(server: &str) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (server, sent) = (server.strip_prefix("http://").unwrap().to_owned(), Arc::default());
    let counter: Arc<AtomicU64> = Arc::clone(&sent);
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            tokio::spawn(pass(client, server.clone(), counter.clone()));
        }
    });
    (address, sent)
}

async fn pass(client: TcpStream, server: String, counter: Arc<AtomicU64>) {
    let server = TcpStream::connect(server).await.unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let back = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
        let _ = to_client.shutdown().await;
    });
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
        counter.fetch_add(read as u64, Ordering::Relaxed);
        if to_server.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
    let _ = to_server.shutdown().await;
    let _ = back.await;
}

/// A client's home, and what it talks to.
struct Client {
    python: PathBuf,
    folder: tempfile::TempDir,
    address: String,
    token: String,
    sent: Arc<AtomicU64>,
    without_xet: bool,
}

impl Client {
    /// Runs a step; the bytes that it sent.
    async fn run(&self, step: &str) -> u64 {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("hub/chunks.py");
        let mut command = Command::new(&self.python);
        command
            .arg(script)
            .arg(step)
            .arg(self.folder.path())
            .env("HF_ENDPOINT", format!("http://{}/hf", self.address))
            .env("HF_TOKEN", &self.token)
            .env("HF_HOME", self.folder.path().join("home"))
            .env("HF_HUB_DISABLE_PROGRESS_BARS", "1")
            .env("HF_HUB_DISABLE_TELEMETRY", "1")
            .env_remove("HF_HUB_DISABLE_XET");
        if self.without_xet {
            command.env("HF_HUB_DISABLE_XET", "1");
        }
        let before = self.sent.load(Ordering::Relaxed);
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        assert!(output.status.success(), "{step}:\n{}", said(&output));
        self.sent.load(Ordering::Relaxed) - before
    }
}

fn files_below(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let entries = entries.map(|entry| entry.unwrap());
    entries.map(|e| if e.path().is_dir() { files_below(&e.path()) } else { 1 }).sum()
}

/// Proves that the newest client with nothing set sends a large file once, that it sends nothing the second time and little after
/// an edit although no chunk is kept beside the files, and that what comes back is equal to the byte.
#[tokio::test(flavor = "multi_thread")]
async fn chunks_are_sent_once() {
    let Some(python) = environment_or_reason("2.4.0") else { return };
    let place = Place::sqlite();
    let (_server, url) = serve(&place);
    let (address, sent) = relay(&url).await;
    let (folder, token) = (tempfile::tempdir().unwrap(), token(&place, "lab", "publish"));
    let client = Client { python, folder, address, token, sent, without_xet: false };
    let first = client.run("first").await;
    assert!((150 * MIB..160 * MIB).contains(&first), "{first} bytes for 150 MiB");
    let xorbs = place.path().join("objects/xorb");
    assert_eq!(files_below(&xorbs), 0, "chunks lie beside the file that they became");
    let again = client.run("again").await;
    assert!(again < MIB, "{again} bytes for what was sent before");
    let edited = client.run("edited").await;
    assert!(edited < 2 * MIB, "{edited} bytes for an edit of 4 kB");
    let folder = client.run("folder").await;
    assert!((72 * MIB..76 * MIB).contains(&folder), "{folder} bytes for 72 MiB");
    assert_eq!(files_below(&xorbs), 0, "chunks lie beside the files that they became");
    println!("sent: first {first}, again {again}, edited {edited}, folder {folder} bytes");
}

/// Proves that clients which send by LFS send a large file in parts, that it comes back equal, and that no part stays.
#[tokio::test(flavor = "multi_thread")]
async fn large_files_go_in_parts() {
    let place = Place::sqlite();
    let (_server, url) = serve(&place);
    let token = token(&place, "lab", "publish");
    for release in ["1.5.0", "2.4.0"] {
        let Some(python) = environment_or_reason(release) else { return };
        let (address, sent) = relay(&url).await;
        let (folder, token) = (tempfile::tempdir().unwrap(), token.clone());
        let client = Client { python, folder, address, token, sent, without_xet: true };
        let bytes = client.run("parts").await;
        assert!((130 * MIB..132 * MIB).contains(&bytes), "{release}: {bytes} bytes for 130 MiB");
        assert_eq!(files_below(&place.path().join("objects/hub-part")), 0, "parts stay");
    }
}
