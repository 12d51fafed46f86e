//! What `push` and `pull` share: the server's address, progress, and which errors are whose fault.

use std::io::IsTerminal as _;

use client::{Client, ClientError};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::exit::Failure;

/// Names of a version's files in a folder; the same for push, pull and evaluate.
pub(super) const CHECKPOINT: &str = "model.safetensors";
pub(super) const GRAPH: &str = "graph.onnx";

/// The server, and the token to show it.
#[derive(Debug, clap::Args)]
pub(crate) struct ServerArguments {
    /// Address of the server.
    #[arg(long, env = "MODELFOLIO_SERVER", default_value = "http://127.0.0.1:8080")]
    server: String,
    /// Access token; the environment keeps it out of the list of processes.
    #[arg(long, env = "MODELFOLIO_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

impl ServerArguments {
    /// A client of this server.
    pub(super) fn client(&self) -> Result<Client, Failure> {
        Client::new(&self.server, self.token.clone()).map_err(failure)
    }
}

/// Whose fault an error is: the input's where the server or a file refused it, the environment's otherwise.
pub(super) fn failure(error: ClientError) -> Failure {
    match (&error, error.code()) {
        (ClientError::Api(_), Some("internal" | "busy" | "timeout")) => Failure::environment(error),
        (ClientError::Api(refusal), _) => {
            let code = &refusal.extensions.code;
            Failure::Input(format!("{} ({code})", refusal.message))
        }
        (ClientError::File { .. }, _) => Failure::input(error),
        _ => Failure::environment(error),
    }
}

/// Bars on a terminal, one line a finished file elsewhere.
#[derive(Clone)]
pub(super) struct Bars {
    all: MultiProgress,
    lines: bool,
}

impl Bars {
    pub(super) fn new() -> Self {
        Self { all: MultiProgress::new(), lines: !std::io::stderr().is_terminal() }
    }

    /// A bar of a file of so many bytes: how much, at which rate, how long still.
    pub(super) fn file(&self, what: &str, bytes: u64) -> ProgressBar {
        let bar = if self.lines { ProgressBar::hidden() } else { ProgressBar::new(bytes) };
        bar.set_length(bytes);
        if let Ok(style) = ProgressStyle::with_template(
            "{msg:24} {bar:24} {bytes}/{total_bytes}  {binary_bytes_per_sec}, {eta} left",
        ) {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        if self.lines { bar } else { self.all.add(bar) }
    }

    /// Ends a file's bar with what became of it.
    pub(super) fn done(&self, bar: &ProgressBar, what: &str) {
        let line = format!("{} {what}", bar.message());
        bar.finish_and_clear();
        if self.lines {
            eprintln!("{line}");
        } else {
            let _ = self.all.println(line);
        }
    }
}

/// Runs a transfer until it ends or Ctrl-C does; what is on both sides by then stays, and the same command goes on from it.
pub(super) async fn until_interrupted(
    work: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    tokio::select! {
        ended = work => ended,
        _ = tokio::signal::ctrl_c() => {
            Err(Failure::Environment("interrupted; the same command continues".to_owned()))
        }
    }
}
