//! `modelfolio evaluator`.

use std::path::PathBuf;

use server::KeyError;

use crate::exit::{Failure, print};

/// What to do with evaluators.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum EvaluatorCommand {
    /// Make a key in a new file that its owner alone may read, and print the public half, which the operator registers.
    Keygen {
        /// The file; one that is there is never overwritten.
        file: PathBuf,
    },
    /// Print the public half of a key.
    Show {
        /// The file.
        file: PathBuf,
    },
}

/// Runs the command.
///
/// # Errors
/// [`Failure::Input`] for a file that is there already, or holds no key; [`Failure::Environment`] for one that cannot be written.
pub(crate) fn run(command: EvaluatorCommand) -> Result<(), Failure> {
    let key = match command {
        EvaluatorCommand::Keygen { file } => server::make_key(&file),
        EvaluatorCommand::Show { file } => server::load_key(&file),
    };
    let key = key.map_err(|error| match error {
        KeyError::Random(_) => Failure::environment(error),
        other => Failure::input(other),
    })?;
    print(&format!("{}\n", key.public()))
}
