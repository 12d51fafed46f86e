//! `modelfolio pull`.

use std::path::{Path, PathBuf};

use client::Client;
use domain::{digest::Digest, name::Name};

use super::transfer::{Bars, CHECKPOINT, GRAPH, ServerArguments, failure, until_interrupted};
use crate::exit::Failure;

/// Options of `pull`.
#[derive(Debug, clap::Args)]
pub(crate) struct PullArguments {
    /// `MODEL` for the listed version, or the newest where none is listed; `MODEL@VERSION` for that one.
    model: String,
    /// Folder for `model.safetensors` and `graph.onnx`; made where there is none.
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
    let (checkpoint_path, graph_path) = (folder.join(CHECKPOINT), folder.join(GRAPH));
    // Two streams at once and no more: the server and the disk are shared.
    tokio::try_join!(
        fetch(&client, &bars, &checkpoint_path, found.checkpoint, found.checkpoint_bytes, *force),
        fetch(&client, &bars, &graph_path, found.graph, graph_bytes, *force),
    )?;
    bars.end();
    println!("pulled {model}@{}", found.name);
    Ok(())
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
