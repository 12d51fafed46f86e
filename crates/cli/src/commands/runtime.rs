//! `modelfolio runtime`: the ONNX Runtime library, and first use of it.

use std::path::PathBuf;

use service::runtime;

use crate::exit::Failure;

/// What to do with the library.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum RuntimeCommand {
    /// Fetch the library with pip, check its digest, and put it into the user's cache.
    Install {
        /// The library for CUDA.
        #[arg(long)]
        gpu: bool,
    },
    /// Print the path of the library that is used.
    Path {
        /// The library for CUDA.
        #[arg(long)]
        gpu: bool,
    },
}

/// Runs the command.
///
/// # Errors
/// [`Failure::Environment`] if there is no library and none can be fetched.
pub(crate) async fn run(command: RuntimeCommand) -> Result<(), Failure> {
    let path = match command {
        RuntimeCommand::Install { gpu } => fetch(gpu).await?,
        RuntimeCommand::Path { gpu } => runtime::find(gpu).map_err(Failure::environment)?,
    };
    crate::exit::print(&format!("{}\n", path.display()))
}

/// The library for the processor, fetched on first use with a line that says so.
///
/// # Errors
/// [`Failure::Environment`] with the sentence that helps.
pub(crate) async fn ensure(device: &str) -> Result<PathBuf, Failure> {
    fetch(device != "cpu").await
}

async fn fetch(gpu: bool) -> Result<PathBuf, Failure> {
    let fetch = move || runtime::find_or_install(&|line| eprintln!("{line}"), gpu);
    let fetched = tokio::task::spawn_blocking(fetch).await.map_err(Failure::environment)?;
    fetched.map_err(Failure::environment)
}

/// Refuses a device that this program cannot use, before anything is started: never another one in its place.
///
/// # Errors
/// [`Failure::Environment`] with the reason.
pub(crate) fn check_device(device: &str) -> Result<(), Failure> {
    service::check_device(device).map_err(|error| match error.code() {
        "bad_device" => Failure::input(error),
        _ => Failure::environment(error),
    })
}
