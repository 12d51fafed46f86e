//! The demo's server and worker: real processes, started, watched and started again.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::exit::Failure;

/// Longest wait for a server to come up: migrations and recovery included.
const START_SECONDS_MAX: u64 = 60;

/// Where the demo's processes keep their things.
pub(crate) struct Place {
    /// The folder.
    pub(crate) data: PathBuf,
    /// The database, if it is not in the folder.
    pub(crate) database: Option<String>,
    /// The objects, if they are not in the folder.
    pub(crate) objects: Option<String>,
    /// Where the worker evaluates.
    pub(crate) device: String,
}

/// A child process that ends when this value is dropped, or when this program dies: it holds the other end of its standard input.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    fn spawn(program: &Path, arguments: &[&str], place: &Place) -> Result<Self, Failure> {
        let log =
            std::fs::File::options().create(true).append(true).open(place.data.join("demo.log"));
        let log = log.map_err(|e| {
            Failure::Environment(format!("{}: {e}", place.data.join("demo.log").display()))
        })?;
        let child = Command::new(program)
            .args(arguments)
            .arg("--data")
            .arg(&place.data)
            .args(place.database.iter().flat_map(|url| ["--database", url.as_str()]))
            .args(place.objects.iter().flat_map(|url| ["--objects", url.as_str()]))
            .arg("--until-stdin-closes")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| {
                Failure::Environment(format!("cannot start {}: {e}", program.display()))
            })?;
        Ok(Self { child })
    }

    /// Starts `serve` on a free port and waits for its address.
    ///
    /// # Errors
    /// [`Failure::Environment`] if it does not come up; its own words are in the log file of the data folder.
    pub(crate) async fn server(
        program: &Path,
        listen: &str,
        place: &Place,
    ) -> Result<(Self, String), Failure> {
        let mut process = Self::spawn(
            program,
            &["serve", "--listen", listen, "--clock", "manual", "--renewal-interval", "0s"],
            place,
        )?;
        let failed = |why: &str| {
            let log = std::fs::read_to_string(place.data.join("demo.log")).unwrap_or_default();
            let mut last: Vec<_> = log.lines().rev().take(3).collect();
            last.reverse();
            Failure::Environment(format!("the server {why}; it said: {}", last.join(" / ")))
        };
        let stdout = process.child.stdout.take().ok_or_else(|| failed("has no output"))?;
        let mut lines = BufReader::new(stdout).lines();
        let wait = tokio::time::timeout(Duration::from_secs(START_SECONDS_MAX), async {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some(url) = line.strip_prefix("listening on ") {
                    return Some(url.to_owned());
                }
            }
            None
        });
        let url = wait
            .await
            .map_err(|_| failed("did not come up in time"))?
            .ok_or_else(|| failed("ended at once"))?;
        Ok((process, url))
    }

    /// Starts `worker`.
    ///
    /// # Errors
    /// [`Failure::Environment`] if it cannot be started.
    pub(crate) fn worker(program: &Path, place: &Place) -> Result<Self, Failure> {
        Self::spawn(program, &["worker", "--device", &place.device, "--clock", "manual"], place)
    }

    /// Whether the process has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks the process to end by closing its standard input, and waits; what does not end is killed.
    pub(crate) async fn stop(mut self) {
        drop(self.child.stdin.take());
        if tokio::time::timeout(Duration::from_secs(10), self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }
}
