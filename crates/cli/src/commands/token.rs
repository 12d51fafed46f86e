//! `modelfolio token`.

use service::Scope;

use super::InstallationArguments;
use crate::exit::Failure;

/// What to do with tokens.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum TokenCommand {
    /// Write a new token to the database directly, no server needed, and print it: it is shown once.
    Create {
        #[command(flatten)]
        installation: InstallationArguments,
        /// The login; ledger accounts bear the same name.
        #[arg(long, default_value = "operator")]
        owner: String,
        /// What it allows: publish, invest, evaluate, operate. May be given several times.
        #[arg(long, required = true, value_parser = clap::value_parser!(Scope))]
        scope: Vec<Scope>,
        /// Days until it expires; without it, it does not.
        #[arg(long)]
        expires_in_days: Option<u32>,
    },
}

/// Runs the command.
///
/// # Errors
/// [`Failure::Input`] for an owner that is no name, [`Failure::Environment`] without the database.
pub(crate) async fn run(command: TokenCommand) -> Result<(), Failure> {
    let TokenCommand::Create { installation, owner, scope, expires_in_days } = command;
    let token =
        server::mint_token(&installation.installation(), &owner, &scope, expires_in_days).await;
    let token = token.map_err(|error| match error {
        server::OpenError::Owner(_) => Failure::input(error),
        other => Failure::environment(other),
    })?;
    crate::exit::print(&format!("{token}\n"))
}
