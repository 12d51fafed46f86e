//! Exit codes of every command: 0 done, 1 the input is at fault, 2 usage, 3 the environment is at fault.

use std::process::ExitCode;

/// Why a command ends without having done its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The input is at fault; the message names what and where.
    #[error("{0}")]
    Input(String),
    /// The environment is at fault: a missing library, device or database.
    #[error("{0}")]
    Environment(String),
}

impl Failure {
    /// The exit code of DESIGN 5.
    #[must_use]
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Input(_) => ExitCode::from(1),
            Self::Environment(_) => ExitCode::from(3),
        }
    }

    /// A failure of the environment, with the error's whole chain of causes.
    pub(crate) fn environment(error: impl std::error::Error) -> Self {
        Self::Environment(chain(&error))
    }

    /// A fault of the input, with the error's whole chain of causes.
    pub(crate) fn input(error: impl std::error::Error) -> Self {
        Self::Input(chain(&error))
    }
}

/// Prints a text on standard output. A reader that has gone away, as `head` does, is no failure.
///
/// # Errors
/// [`Failure::Environment`] if the output cannot be written for another reason, such as a full disk.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    print_bytes(text.as_bytes())
}

/// Writes bytes to standard output, as [`print`] does.
///
/// # Errors
/// As [`print`].
pub(crate) fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::Environment(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// The error and its causes in one line; a cause that the text before it repeats is left out.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
