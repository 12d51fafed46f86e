//! `modelfolio worker`.

use std::path::PathBuf;

use domain::name::Name;
use server::{Clock, WorkOptions};

use super::{InstallationArguments, runtime, told_to_end};
use crate::exit::Failure;

/// Arguments of `modelfolio worker`.
#[derive(Debug, clap::Args)]
pub(crate) struct WorkerArguments {
    #[command(flatten)]
    installation: InstallationArguments,
    /// `cpu` or `cuda:N`; a device that cannot be used is an error, never another device.
    #[arg(long, default_value = "cpu", value_parser = super::device_name)]
    device: String,
    /// Whose name the reports bear.
    #[arg(long, default_value = "local", value_parser = clap::value_parser!(Name))]
    evaluator: Name,
    /// File of the key that signs the reports, as `evaluator keygen` makes it; without it `evaluator.key` in the data folder, made on
    /// the first start.
    #[arg(long)]
    key: Option<PathBuf>,
    /// The clock that reports are dated by: that of the server.
    #[arg(long, default_value = "system", value_parser = clap::value_parser!(Clock))]
    clock: Clock,
    /// End when standard input closes: the parent is gone.
    #[arg(long, hide = true)]
    until_stdin_closes: bool,
}

/// Takes jobs until told to end.
///
/// # Errors
/// [`Failure::Environment`] without the library, the device or the database.
pub(crate) async fn run(arguments: WorkerArguments) -> Result<(), Failure> {
    server::log_to_stderr();
    runtime::check_device(&arguments.device)?;
    let library = runtime::ensure(&arguments.device).await?;
    let program =
        std::env::current_exe().map_err(|e| Failure::Environment(format!("own program: {e}")))?;
    let options = WorkOptions {
        installation: arguments.installation.installation(),
        device: arguments.device,
        library,
        program,
        evaluator: arguments.evaluator.to_string(),
        key: arguments.key,
        clock: arguments.clock,
    };
    server::work(options, told_to_end(arguments.until_stdin_closes))
        .await
        .map_err(Failure::environment)
}
