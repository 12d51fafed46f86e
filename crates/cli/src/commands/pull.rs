//! `modelfolio pull`.

use std::path::{Path, PathBuf};

use client::{Client, Published};
use domain::{checkpoint::INDEX_FILE, digest::Digest, name::Name};

use super::transfer::{Bars, CHECKPOINT, GRAPH, ServerArguments, failure, until_interrupted};
use crate::exit::Failure;

/// Options of `pull`.
#[derive(Debug, clap::Args)]
pub(crate) struct PullArguments {
    /// `MODEL` for the listed version, or the newest where none is listed; `MODEL@VERSION` for that one.
    model: String,
    /// Folder for `model.safetensors`, or shards and their index, and `graph.onnx`; made where there is none.
    folder: PathBuf,
    /// Replace files of other bytes.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    server: ServerArguments,
}

/// Fetches a version; files that are there with the right bytes are not fetched again.
///
/// # Errors
/// [`Failure::Input`] if there is no such version or a file of other bytes is in the way, [`Failure::Environment`] if the server
/// cannot be reached or sends other bytes than it should.
pub(crate) async fn run(arguments: PullArguments) -> Result<(), Failure> {
    until_interrupted(pull(&arguments)).await
}

async fn pull(arguments: &PullArguments) -> Result<(), Failure> {
    let PullArguments { model, folder, force, server } = arguments;
    let (model, version) = match model.split_once('@') {
        Some((model, version)) => (name(model)?, Some(name(version)?)),
        None => (name(model)?, None),
    };
    let client = server.client()?;
    let found = client.find_version(&model, version.as_ref()).await.map_err(failure)?;
    let found = found.ok_or_else(|| {
        let wanted = version.map_or_else(|| model.to_string(), |v| format!("{model}@{v}"));
        Failure::Input(format!("no version {wanted:?} on this server"))
    })?;
    let graph_bytes = client.find_object_size(found.graph).await.map_err(failure)?;
    let graph_bytes = graph_bytes
        .ok_or_else(|| Failure::Environment(format!("the server has no object {}", found.graph)))?;
    let made = std::fs::create_dir_all(folder);
    made.map_err(|e| Failure::Input(format!("{}: {e}", folder.display())))?;
    let bars = Bars::new();
    let graph_path = folder.join(GRAPH);
    // Two streams at once and no more: the server and the disk are shared.
    tokio::try_join!(
        fetch_weights(&client, &bars, folder, &found, *force),
        fetch(&client, &bars, &graph_path, found.graph, graph_bytes, *force),
    )?;
    bars.end();
    println!("pulled {model}@{}", found.name);
    Ok(())
}

async fn fetch_weights(
    client: &Client,
    bars: &Bars,
    folder: &Path,
    found: &Published,
    force: bool,
) -> Result<(), Failure> {
    let one_file = folder.join(CHECKPOINT);
    if !found.is_sharded {
        let (digest, bytes) = (found.checkpoint, found.checkpoint_bytes);
        return fetch(client, bars, &one_file, digest, bytes, force).await;
    }
    if one_file.exists() {
        let reason =
            "is here, and would be taken for the checkpoint instead of the shards; remove it";
        return Err(Failure::Input(format!("{}: {reason}", one_file.display())));
    }
    let document = client.get_set(found.checkpoint).await.map_err(failure)?;
    let index = folder.join(INDEX_FILE);
    check_index(&index, &document.index, force)?;
    for shard in &document.shards {
        let bytes = client.find_object_size(shard.digest).await.map_err(failure)?;
        let bytes = bytes.ok_or_else(|| {
            let text = format!("the server has no object {}, {}", shard.digest, shard.file);
            Failure::Environment(text)
        })?;
        fetch(client, bars, &folder.join(&shard.file), shard.digest, bytes, force).await?;
    }
    // Last, so that a folder with an index has its shards.
    write_index(&index, &document.index)
        .map_err(|e| Failure::Environment(format!("{}: {e}", index.display())))
}

/// Refuses, before a shard is fetched, to replace an index of other bytes.
fn check_index(path: &Path, text: &str, force: bool) -> Result<(), Failure> {
    match std::fs::read(path) {
        Ok(there) if there == text.as_bytes() || force => Ok(()),
        Ok(_) => {
            let reason = "a file of other bytes is here; --force replaces it";
            Err(Failure::Input(format!("{}: {reason}", path.display())))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::Input(format!("{}: {error}", path.display()))),
    }
}

/// Writes the index so that it is there whole or not at all.
fn write_index(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let part = path.with_extension("json.part");
    let mut file = std::fs::File::create(&part)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&part, path)
}

fn name(text: &str) -> Result<Name, Failure> {
    text.parse().map_err(|e: domain::name::ParseNameError| Failure::input(e))
}

async fn fetch(
    client: &Client,
    bars: &Bars,
    path: &Path,
    digest: Digest,
    bytes: u64,
    force: bool,
) -> Result<(), Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let bar = bars.file(&name, bytes);
    if path.exists() {
        let present = Client::digest_file(path).await.map_err(failure)?;
        if present == digest {
            bars.done(&bar, "is here already");
            return Ok(());
        }
        if !force {
            let reason = "a file of other bytes is here; --force replaces it";
            return Err(Failure::Input(format!("{}: {reason}", path.display())));
        }
    }
    let pulled = client.pull_file(digest, bytes, path, |there| bar.set_position(there)).await;
    let bytes = pulled.map_err(failure)?;
    bars.done(&bar, &format!("fetched, {bytes} bytes, digest {digest}"));
    Ok(())
}
