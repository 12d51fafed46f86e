//! `modelfolio serve`.

use server::{Clock, ServeOptions};

use super::{InstallationArguments, told_to_end};
use crate::exit::Failure;

/// Arguments of `modelfolio serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    installation: InstallationArguments,
    /// Address; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8080", value_parser = super::listen_address)]
    listen: String,
    /// `system`, or `manual`: a clock that a mutation moves, for tests and the demo.
    #[arg(long, default_value = "system", value_parser = clap::value_parser!(Clock))]
    clock: Clock,
    /// End when standard input closes: the parent is gone.
    #[arg(long, hide = true)]
    until_stdin_closes: bool,
}

/// Serves until told to end.
///
/// # Errors
/// [`Failure::Environment`] if something that it needs is not there.
pub(crate) async fn run(arguments: ServeArguments) -> Result<(), Failure> {
    server::log_to_stderr();
    let options = ServeOptions {
        installation: arguments.installation.installation(),
        listen: arguments.listen,
        clock: arguments.clock,
    };
    let ready = |url: &str| {
        // Nobody may be reading; the server serves all the same.
        let _ = crate::exit::print(&format!("listening on {url}\n"));
    };
    server::serve(options, ready, told_to_end(arguments.until_stdin_closes))
        .await
        .map_err(Failure::environment)
}
