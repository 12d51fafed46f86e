//! What `push` and `pull` share: the server's address, progress, and which errors are whose fault.

use std::io::IsTerminal as _;

use client::{Client, ClientError, Progress, Sent};
use indicatif::{BinaryBytes, MultiProgress, ProgressBar, ProgressStyle};

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
        (ClientError::File { .. } | ClientError::Checkpoint { .. }, _) => Failure::input(error),
        _ => Failure::environment(error),
    }
}

/// Bars on a terminal, one a file and one for all of them; one line a finished file elsewhere.
#[derive(Clone)]
pub(super) struct Bars {
    all: MultiProgress,
    total: ProgressBar,
    lines: bool,
}

/// The bar of one file.
#[derive(Clone)]
pub(super) struct FileBar {
    bar: ProgressBar,
    total: ProgressBar,
}

impl FileBar {
    /// Shows how many bytes have moved.
    pub(super) fn set_position(&self, position: u64) {
        let before = self.bar.position();
        self.bar.set_position(position);
        if position >= before {
            self.total.inc(position - before);
        } else {
            self.total.dec(before - position);
        }
    }

    /// Shows how far a push has come: what was there before counts neither as work nor as speed.
    pub(super) fn show(&self, progress: Progress) {
        let (before, work) = (self.bar.length().unwrap_or(0), progress.total - progress.there);
        if work != before {
            self.bar.set_length(work);
            self.total.inc_length(work.saturating_sub(before));
            self.total.dec_length(before.saturating_sub(work));
        }
        self.set_position(progress.sent);
        // A large file takes its time there: a full bar that says nothing looks like one that hangs.
        let is_checked = work > 0 && progress.sent >= work;
        self.bar.set_message(if is_checked { ", the server checks it" } else { "" });
    }
}

impl Bars {
    pub(super) fn new() -> Self {
        let (all, lines) = (MultiProgress::new(), !std::io::stderr().is_terminal());
        let total = ProgressBar::hidden();
        total.set_length(0);
        total.set_prefix("total");
        Self { total: if lines { total } else { styled(all.add(total)) }, all, lines }
    }

    /// A bar of a file of so many bytes: how much, at which rate, how long still.
    pub(super) fn file(&self, what: &str, bytes: u64) -> FileBar {
        let bar = ProgressBar::hidden();
        bar.set_length(bytes);
        bar.set_prefix(what.to_owned());
        self.total.inc_length(bytes);
        let bar = if self.lines { bar } else { styled(self.all.insert_before(&self.total, bar)) };
        FileBar { bar, total: self.total.clone() }
    }

    /// Ends a file's bar with what became of it.
    pub(super) fn done(&self, file: &FileBar, what: &str) {
        let line = format!("{} {what}", file.bar.prefix());
        // What was not moved was there: it counts neither as work nor as speed.
        let left = file.bar.length().unwrap_or(0).saturating_sub(file.bar.position());
        self.total.dec_length(left);
        file.bar.finish_and_clear();
        if self.lines {
            eprintln!("{line}");
        } else {
            let _ = self.all.println(line);
        }
    }

    /// Takes the bar of all files away.
    pub(super) fn end(&self) {
        self.total.finish_and_clear();
    }
}

fn styled(bar: ProgressBar) -> ProgressBar {
    let template = "{prefix:24} {bar:24} {binary_bytes}/{binary_total_bytes}  {binary_bytes_per_sec}, {eta} left{msg}";
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// What was sent of a file, in words.
pub(super) fn sent_words(sent: Sent) -> String {
    match sent {
        Sent::Present => "is on the server already".to_owned(),
        Sent::Bytes { sent, total } if sent == total => format!("sent, {}", BinaryBytes(sent)),
        Sent::Bytes { sent, total } => {
            // Down: what was sent is never told as nothing.
            let there = (u128::from(total - sent.min(total)) * 100) / u128::from(total.max(1));
            format!("sent {} of {}, {there} % was there", BinaryBytes(sent), BinaryBytes(total))
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
            Err(Failure::Environment("interrupted; the same command goes on from here".to_owned()))
        }
    }
}
