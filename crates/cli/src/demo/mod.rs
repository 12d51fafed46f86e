//! `modelfolio demo`: from nothing to a priced, rebalanced, struck index over real checkpoints.

mod backend;
mod data;
mod outcome;
mod processes;
mod steps;
mod walk;

use std::path::PathBuf;

use backend::Backend;
use processes::Place;
use steps::Steps;

use crate::exit::Failure;

/// Arguments of `modelfolio demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct DemoArguments {
    /// End after the last strike instead of serving until Ctrl-C.
    #[arg(long)]
    once: bool,
    /// Print one JSON object instead of tables.
    #[arg(long)]
    json: bool,
    /// Folder for database and objects; a second run on the same folder goes on where the first stopped.
    /// Without it a temporary folder is used and removed at the end.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Database instead of a file in the folder: `sqlite://PATH` or `postgres://…`.
    #[arg(long)]
    database: Option<String>,
    /// Objects instead of a folder in the folder: a folder or a bucket, as for `serve`.
    #[arg(long)]
    objects: Option<String>,
    /// Address of the server; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0", value_parser = crate::commands::listen_address)]
    listen: String,
}

/// Runs the demo.
///
/// # Errors
/// [`Failure::Environment`] without ONNX Runtime or if a process cannot be kept alive; [`Failure::Input`] if a step is refused.
pub(crate) async fn run(arguments: DemoArguments) -> Result<(), Failure> {
    let temporary = match &arguments.data {
        Some(_) => None,
        None => Some(
            tempfile::tempdir()
                .map_err(|e| Failure::Environment(format!("temporary folder: {e}")))?,
        ),
    };
    let data = match (&arguments.data, &temporary) {
        (Some(data), _) => data.clone(),
        (None, Some(temporary)) => temporary.path().to_owned(),
        (None, None) => return Ok(()),
    };
    std::fs::create_dir_all(&data)
        .map_err(|e| Failure::Environment(format!("{}: {e}", data.display())))?;
    crate::commands::runtime::ensure().await?;
    let place = Place { data, database: arguments.database, objects: arguments.objects };
    let mut backend = Backend::start(place, &arguments.listen, &walk::logins()).await?;
    let steps = Steps::new(walk::step_count());
    let walked = walk::walk(&mut backend, &steps).await;
    steps.finish();
    let outcome = match walked {
        Ok(outcome) => outcome,
        Err(failure) => {
            backend.stop().await;
            return Err(failure);
        }
    };
    if arguments.json {
        crate::exit::print(&format!("{}\n", outcome.json()))?;
    } else {
        crate::exit::print(&outcome.tables())?;
    }
    if !arguments.once {
        serve_until_interrupted(&mut backend).await?;
    }
    backend.stop().await;
    Ok(())
}

async fn serve_until_interrupted(backend: &mut Backend) -> Result<(), Failure> {
    eprintln!(
        "dashboard   {}/\nplayground  {}/playground\nCtrl-C ends the demo",
        backend.url(),
        backend.url()
    );
    loop {
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => {
                return interrupted.map_err(|e| Failure::Environment(format!("signals: {e}")));
            }
            () = tokio::time::sleep(std::time::Duration::from_secs(1)) => {
                backend.keep_worker()?;
                backend.keep_server().await?;
            }
        }
    }
}
