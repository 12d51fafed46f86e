//! `modelfolio push`.

use std::path::{Path, PathBuf};

use client::{Client, ObjectKind, Sent};
use domain::{digest::Digest, name::Name};
use service::FolderCheckpoint;

use super::transfer::{Bars, CHECKPOINT, GRAPH, ServerArguments, failure, until_interrupted};
use crate::exit::Failure;

/// Options of `push`.
#[derive(Debug, clap::Args)]
pub(crate) struct PushArguments {
    /// Folder with `model.safetensors`, or shards and their `model.safetensors.index.json`, and `graph.onnx`.
    folder: PathBuf,
    /// The model; it is created where there is none.
    model: Name,
    /// The new version's name.
    #[arg(long)]
    version: Name,
    #[command(flatten)]
    server: ServerArguments,
}

/// Publishes a folder as a version; the same command again sends what is missing and changes nothing else.
///
/// # Errors
/// [`Failure::Input`] with file and tensor if the folder or the server's rules do not allow it, [`Failure::Environment`] if the
/// server cannot be reached.
pub(crate) async fn run(arguments: PushArguments) -> Result<(), Failure> {
    until_interrupted(push(&arguments)).await
}

async fn push(arguments: &PushArguments) -> Result<(), Failure> {
    let PushArguments { folder, model, version, server } = arguments;
    let client = server.client()?;
    let graph_path = folder.join(GRAPH);
    let graph = Client::digest_file(&graph_path).await.map_err(failure)?;
    let weights = checked(folder.clone()).await?;
    let checkpoint = weights.digest;
    if let Some(found) = client.find_version(model, Some(version)).await.map_err(failure)? {
        if (found.checkpoint, found.graph) == (checkpoint, graph) {
            println!("{model}@{version} is published already, with these bytes");
            return Ok(());
        }
        let reason = "is published with other bytes; a version never changes";
        return Err(Failure::Input(format!("{model}@{version} {reason}")));
    }
    client.ensure_model(model).await.map_err(failure)?;
    let bars = Bars::new();
    // One after the other: the server checks the graph against the checkpoint that it has by then.
    match &weights.document {
        None => {
            let path = folder.join(CHECKPOINT);
            send(&client, &bars, &path, checkpoint, ObjectKind::Checkpoint).await?;
        }
        Some(document) => {
            for shard in &document.shards {
                let path = folder.join(&shard.file);
                send(&client, &bars, &path, shard.digest, ObjectKind::Checkpoint).await?;
            }
            client.push_set(document).await.map_err(failure)?;
        }
    }
    send(&client, &bars, &graph_path, graph, ObjectKind::Graph { checkpoint }).await?;
    let digest = client.publish(model, version, checkpoint, graph).await.map_err(failure)?;
    println!("published {model}@{version} {digest}");
    Ok(())
}

/// The checkpoint of a folder that passes every rule here, so that no byte of a bad one is sent.
async fn checked(folder: PathBuf) -> Result<FolderCheckpoint, Failure> {
    let checked = tokio::task::spawn_blocking(move || service::check_folder(&folder, false)).await;
    checked.map_err(Failure::environment)?.map_err(|e| Failure::Input(e.to_string()))
}

async fn send(
    client: &Client,
    bars: &Bars,
    path: &Path,
    digest: Digest,
    kind: ObjectKind,
) -> Result<(), Failure> {
    let unread = |e| Failure::Input(format!("{}: {e}", path.display()));
    let bytes = std::fs::metadata(path).map_err(unread)?.len();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let bar = bars.file(&name, bytes);
    let shown = bar.clone();
    let sent = client
        .push_file(path, digest, kind, move |sent| shown.set_position(sent))
        .await
        .map_err(failure)?;
    let what = match sent {
        Sent::Present => "is on the server already".to_owned(),
        Sent::Bytes(bytes) => format!("sent, {bytes} bytes"),
    };
    bars.done(&bar, &what);
    Ok(())
}
