//! `modelfolio push`.

use std::path::{Path, PathBuf};

use client::{Client, Description, ObjectKind};
use domain::{
    checkpoint::{INDEX_FILE, SetDocument, weights_file},
    digest::Digest,
    name::Name,
};
use service::FolderCheckpoint;

use super::transfer::{
    Bars, CHECKPOINT, GRAPH, ServerArguments, failure, sent_words, until_interrupted,
};
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
    /// Parts of a file that are sent at once, 1 to 64; each takes 8 MiB of memory.
    #[arg(long, default_value_t = client::JOBS, value_parser = jobs)]
    jobs: usize,
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
    let PushArguments { folder, model, version, jobs, server } = arguments;
    let client = server.client()?.with_jobs(*jobs);
    let graph_path = folder.join(GRAPH);
    let graph = Client::digest_file(&graph_path).await.map_err(failure)?;
    // By every rule before a byte is sent: a bad file costs no transfer.
    let weights = Weights::of(folder).await?;
    let checkpoint = weights.digest();
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
    weights.send(&client, &bars, folder).await?;
    send_graph(&client, &bars, &graph_path, graph, checkpoint).await?;
    bars.end();
    let digest = client.publish(model, version, checkpoint, graph).await.map_err(failure)?;
    println!("published {model}@{version} {digest}");
    Ok(())
}

/// The checkpoint of a folder, which passes every rule here.
enum Weights {
    /// One file.
    File(Description),
    /// Shards, and the document that makes them one.
    Shards(Digest, SetDocument),
}

impl Weights {
    async fn of(folder: &Path) -> Result<Self, Failure> {
        if weights_file(|name| folder.join(name).exists()) != INDEX_FILE {
            let file = Description::of_checkpoint(&folder.join(CHECKPOINT)).await;
            return file.map(Self::File).map_err(failure);
        }
        let folder = folder.to_owned();
        let checked = tokio::task::spawn_blocking(move || service::check_folder(&folder, false));
        let checked = checked.await.map_err(Failure::environment)?;
        let FolderCheckpoint { document, digest, .. } =
            checked.map_err(|e| Failure::Input(e.to_string()))?;
        let absent = || Failure::Input(format!("{INDEX_FILE} is there no more"));
        Ok(Self::Shards(digest, document.ok_or_else(absent)?))
    }

    const fn digest(&self) -> Digest {
        match self {
            Self::File(file) => file.digest,
            Self::Shards(digest, _) => *digest,
        }
    }

    async fn send(&self, client: &Client, bars: &Bars, folder: &Path) -> Result<(), Failure> {
        let document = match self {
            Self::File(file) => {
                return send_checkpoint(client, bars, &folder.join(CHECKPOINT), file).await;
            }
            Self::Shards(_, document) => document,
        };
        for shard in &document.shards {
            let path = folder.join(&shard.file);
            let file = Description::of_checkpoint(&path).await.map_err(failure)?;
            if file.digest != shard.digest {
                let reason = "was changed while the folder was being pushed";
                return Err(Failure::Input(format!("{}: {reason}", path.display())));
            }
            send_checkpoint(client, bars, &path, &file).await?;
        }
        client.push_set(document).await.map(drop).map_err(failure)
    }
}

async fn send_checkpoint(
    client: &Client,
    bars: &Bars,
    path: &Path,
    file: &Description,
) -> Result<(), Failure> {
    let bar = bars.file(&name_of(path), file.bytes);
    let shown = bar.clone();
    let sent = client.push_described(path, file, move |progress| shown.show(progress)).await;
    bars.done(&bar, &sent_words(sent.map_err(failure)?));
    Ok(())
}

async fn send_graph(
    client: &Client,
    bars: &Bars,
    path: &Path,
    digest: Digest,
    checkpoint: Digest,
) -> Result<(), Failure> {
    let unread = |e| Failure::Input(format!("{}: {e}", path.display()));
    let bar = bars.file(&name_of(path), std::fs::metadata(path).map_err(unread)?.len());
    let shown = bar.clone();
    let kind = ObjectKind::Graph { checkpoint };
    let sent = client.push_file(path, digest, kind, move |progress| shown.show(progress)).await;
    bars.done(&bar, &sent_words(sent.map_err(failure)?));
    Ok(())
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn jobs(text: &str) -> Result<usize, String> {
    let jobs = text.parse().ok().filter(|jobs| (1..=client::JOBS_MAX).contains(jobs));
    jobs.ok_or_else(|| format!("expected a number from 1 to {}", client::JOBS_MAX))
}
